"""When an fsync failed, the next one says nothing of it: no line of that file is believed until it is written anew.

Told from what else may come out of a sync: a file that cannot be opened for it, and what a signal handler raises.
"""

from __future__ import annotations

import errno
from typing import Final

NO_SYNC: Final = (errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.EACCES, errno.EPIPE, errno.EINTR)


def is_failed_sync(exc: BaseException | None) -> bool:
    """Did an fsync fail, and not the opening of the file for it?"""
    return isinstance(exc, OSError) and exc.errno is not None and exc.errno not in NO_SYNC


def hides_failed_sync(exc: BaseException, outside: BaseException | None) -> bool:
    """Did an fsync fail, though a signal handler raised something else then? `outside` was being handled before."""
    todo: list[BaseException | None] = [exc]
    seen = {id(outside)}
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            if getattr(one, "failed_sync", False):
                return True
            seen.add(id(one))
            todo += [one.__cause__, one.__context__]
    return False
