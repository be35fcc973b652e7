"""The base of every value of the domain: frozen, closed, and byte-stable as JSON."""

from __future__ import annotations

from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from sheetsync.domain.canonical import JSONValue
from sheetsync.errors import InvalidContentError

MISTAKES_SHOWN: Final = 5


class Model(BaseModel):
    """A frozen value; unknown keys are refused; the same value always gives the same JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def to_json(self) -> dict[str, JSONValue]:
        """As plain JSON values, ready for `canonical_json`."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: JSONValue, *, where: str = "") -> Self:
        """Parse a JSON value.

        Raises:
            InvalidContentError: names up to five places that are wrong.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as exc:
            raise InvalidContentError(describe_validation(exc, where or cls.__name__)) from exc


def describe_validation(exc: ValidationError, where: str) -> str:
    """One line that names what is wrong and where, without echoing whole inputs."""
    parts = []
    for error in exc.errors(include_url=False, include_input=False)[:MISTAKES_SHOWN]:
        place = ".".join(str(step) for step in error["loc"])
        parts.append(f"{place}: {error['msg']}" if place else error["msg"])
    more = len(exc.errors()) - len(parts)
    return f"{where}: " + "; ".join(parts) + (f"; and {more} more" if more > 0 else "")
