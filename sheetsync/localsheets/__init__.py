"""The local Sheets server: to Google Sheets what moto is to AWS.

    from sheetsync.localsheets import LocalSheets

    with LocalSheets() as server:
        ...  # speak to server.url as to Google

Speaks the parts of Sheets v4 and Drive v3 that clients use, faithful to recorded answers of the real ones.  Shares no
code with `sheetsync.gsheets`: an oracle must not reuse what it checks.  `server.py` is the place to start reading.
"""

from sheetsync.localsheets.server import LocalSheets, running_url

__all__ = ["LocalSheets", "running_url"]
