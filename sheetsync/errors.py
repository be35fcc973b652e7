"""The whole error tree. Every error of ours derives from `SheetSyncError`.

    SheetSyncError                        exit  meaning
    ├── DefectError                        1    a defect of ours
    ├── UsageError                         2    usage or configuration
    │   ├── ConfigError                         all mistakes of the configuration at once
    │   ├── InvalidIdError                      an id, name or file name that is refused
    │   ├── InvalidContentError                 content that breaks a rule of the model
    │   ├── NotFoundError                       unknown draft, connector, spreadsheet, commit …
    │   ├── DestinationError                    a destination that must not exist, or cannot be written
    │   └── MissingExtraError                   an optional part that is not installed
    ├── PartlyDoneError                    3    done, but some rows have problems, or a verification failed
    ├── RefusedError                       4    stale, not open, not verified
    │   ├── StaleSnapshotError                  another writer came between
    │   ├── NotOpenError                        the draft is neither open nor published
    │   ├── NotVerifiedError                    validation missing, failed, or of other content
    │   ├── UnresolvedConflictError             the draft has conflicts
    │   ├── VersionNotRaisedError               the spec changed, its version did not rise
    │   ├── RegistryMovedError                  a registry moved since `base` in the same fields
    │   ├── PlanMovedError                      the store or the sheet moved since the plan
    │   └── RequestRefusedError                 the Sheets server refused a request as invalid: nothing was applied
    ├── NotAllowedError                    5    auth, sharing, second person
    │   ├── AuthError                           credentials missing, unreadable, or refused
    │   ├── SharingError                        the spreadsheet is not shared with us
    │   └── SecondPersonError                   a loosening needs a second person
    ├── SafetyStopError                    7    nothing was written, a person must decide
    │   └── NewerFormatError                    the store was written by a newer sheetsync
    ├── LockHeldError                      8    another run holds the lock
    ├── StoreDamagedError                  9    the store is damaged
    │   └── NotPlacedError                      committed, but its name could not be put into its folder
    └── TryLaterError                     75    quota, network, a full disk
        ├── QuotaError                          Google's or our own limiter's quota
        ├── NetworkError                        no answer, or a server error
        └── UnknownOutcomeError                 a failed fsync or a lost answer: it may or may not have been done

Bad *data* is not here: that is a list of `domain.problems.Problem`.
"""

from __future__ import annotations

from typing import ClassVar


class SheetSyncError(Exception):
    """A run that failed.

    Attributes:
        code: stable, machine-readable, snake_case.
        message: what happened, one sentence without a final full stop, no secrets.
        hint: the next step, as a command where there is one; "" if there is none.
        exit_code: the exit code of the command line.
    """

    code: str = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        """Errors pass between processes, whatever their class asks for when it is made."""
        return _made_again, (type(self), self.args, self.__dict__)

    def to_json(self) -> dict[str, object]:
        """The contract's error object: `{"error": {"code", "message", "hint", "exit_code"}}`."""
        inner = {"code": self.code, "message": self.message, "hint": self.hint, "exit_code": self.exit_code}
        return {"error": inner}


def _made_again(kind: type[SheetSyncError], args: tuple[object, ...], state: dict[str, object]) -> SheetSyncError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class DefectError(SheetSyncError):
    """A defect of ours: an invariant of the program does not hold."""

    code = "defect"
    exit_code = 1


class UsageError(SheetSyncError):
    """The call or the configuration is wrong."""

    code = "usage"
    exit_code = 2


class ConfigError(UsageError):
    """The configuration is wrong; `mistakes` lists all of them, each with its place."""

    code = "config"

    def __init__(self, message: str, *, mistakes: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.mistakes = mistakes


class InvalidIdError(UsageError):
    """An id or name that could lead outside its folder, collide, or is not of its form."""

    code = "invalid_id"


class InvalidContentError(UsageError):
    """Content that breaks a rule of the model (too large, not JSON, an unknown key)."""

    code = "invalid_content"


class NotFoundError(UsageError):
    """There is no such draft, connector, spreadsheet, commit or file."""

    code = "not_found"


class DestinationError(UsageError):
    """A destination that exists already, or cannot be written."""

    code = "destination"


class MissingExtraError(UsageError):
    """An optional part of the product is not installed; the hint says how to install it."""

    code = "missing_extra"


class PartlyDoneError(SheetSyncError):
    """Done, but not all of it was good: problems, conflicts, a failed verification."""

    code = "partly_done"
    exit_code = 3


class RefusedError(SheetSyncError):
    """Refused: the state does not allow it."""

    code = "refused"
    exit_code = 4


class StaleSnapshotError(RefusedError):
    """Another writer saved this record since `base` was read.

    Attributes:
        base: the snapshot the writer started from (None: there was none).
        theirs: the snapshot that stands there now (None: there is none).
        ours: the content that was to be saved.
    """

    code = "stale"

    def __init__(self, base: object, theirs: object, ours: object, *, name: str = "") -> None:
        what = f"'{name}' was saved by somebody else meanwhile" if name else "somebody else saved meanwhile"
        super().__init__(what, hint="read the newest version, merge, and save again")
        self.base = base
        self.theirs = theirs
        self.ours = ours
        self.name = name


class NotOpenError(RefusedError):
    """The draft is neither open nor published."""

    code = "not_open"


class NotVerifiedError(RefusedError):
    """The draft's validation is missing, failed, or belongs to other content."""

    code = "not_verified"


class UnresolvedConflictError(RefusedError):
    """The draft has unresolved conflicts."""

    code = "unresolved_conflicts"


class VersionNotRaisedError(RefusedError):
    """The spec changed, but its version does not rise."""

    code = "version_not_raised"


class RegistryMovedError(RefusedError):
    """A registry moved since the draft's base in the same fields."""

    code = "registry_moved"


class PlanMovedError(RefusedError):
    """The store or the sheet moved since the plan was made."""

    code = "plan_moved"


class RequestRefusedError(RefusedError):
    """The Sheets server refused a request as invalid (400): nothing of it was applied.

    Attributes:
        status: the server's status word, like INVALID_ARGUMENT; "" if it gave none.
        request_index: which request of a batch was refused, from 0; None if the answer does not say.
        request_kind: its kind, like "addSheet"; "" if the answer does not say.
    """

    code = "request_refused"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: str = "",
        request_index: int | None = None,
        request_kind: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.request_index = request_index
        self.request_kind = request_kind


class NotAllowedError(SheetSyncError):
    """Not allowed: credentials, sharing, or the rule of the second person."""

    code = "not_allowed"
    exit_code = 5


class AuthError(NotAllowedError):
    """Credentials are missing, unreadable, unsafe, or refused."""

    code = "auth"


class SharingError(NotAllowedError):
    """The spreadsheet is not shared with the identity in use."""

    code = "not_shared"


class SecondPersonError(NotAllowedError):
    """A loosening must be published (or approved) by somebody who did not write it."""

    code = "second_person"


class SafetyStopError(SheetSyncError):
    """Nothing was written; a person must decide. `flag` names the option that goes on."""

    code = "safety_stop"
    exit_code = 7

    def __init__(self, message: str, *, hint: str = "", code: str | None = None, flag: str = "") -> None:
        super().__init__(message, hint=hint, code=code)
        self.flag = flag


class NewerFormatError(SafetyStopError):
    """The store (or a baseline in it) was written by a newer sheetsync."""

    code = "newer_format"


class LockHeldError(SheetSyncError):
    """Another run holds the lock."""

    code = "lock_held"
    exit_code = 8


class StoreDamagedError(SheetSyncError):
    """The store is damaged; nothing was changed. `findings` are one line each."""

    code = "store_damaged"
    exit_code = 9

    def __init__(self, message: str, *, findings: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint or "run 'sheetsync fsck', then 'sheetsync fsck --repair'")
        self.findings = findings


class NotPlacedError(StoreDamagedError):
    """It is committed and nothing is lost, but something stands where its name belongs; `commit` is the entry."""

    code = "not_placed"

    def __init__(self, message: str, *, commit: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.commit = commit


class TryLaterError(SheetSyncError):
    """It did not work now; the same command may work later."""

    code = "try_later"
    exit_code = 75


class QuotaError(TryLaterError):
    """A quota is used up."""

    code = "quota"


class NetworkError(TryLaterError):
    """No answer, or a server error, after all retries."""

    code = "network"


class UnknownOutcomeError(TryLaterError):
    """It may or may not have been done: a failed fsync, or a lost answer to a write."""

    code = "unknown_outcome"
