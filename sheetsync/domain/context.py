"""Who acts, and for which tenant. Names of people and tenants are hostile until parsed here."""

from __future__ import annotations

import os
import pwd
import re
from typing import Final

from pydantic import Field, field_validator

from sheetsync.domain.model import Model
from sheetsync.domain.tenants import DEFAULT_TENANT, TENANT_FORM

USER_FORM: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}")


def login_name() -> str:
    """The login name of whoever runs this.

    Raises:
        ValueError: the machine gives none.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError as error:
        raise ValueError("this machine gives no login name: name the user") from error


class RequestContext(Model):
    """The tenant and the user on whose behalf something is done.

    `user` is an e-mail address or a login name; default: the login name of whoever runs this.
    """

    tenant: str = DEFAULT_TENANT
    user: str = Field(default_factory=login_name, validate_default=True)

    @field_validator("tenant")
    @classmethod
    def _tenant_form(cls, value: str) -> str:
        if not TENANT_FORM.fullmatch(value):
            raise ValueError(f"tenant {value!r} is not of the form [a-z0-9][a-z0-9-]{{0,62}}")
        return value

    @field_validator("user")
    @classmethod
    def _user_form(cls, value: str) -> str:
        if not USER_FORM.fullmatch(value):
            raise ValueError(f"user {value!r} is not an e-mail address or a login name")
        return value


class ScopeConfig(Model):
    """Which parts of the context a store is bound to.

    With `tenant` every path starts with the tenant; with `user` the store writes only that user's records.
    """

    tenant: bool = True
    user: bool = True
