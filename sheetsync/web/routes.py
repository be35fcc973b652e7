"""Every route of the Workbench, in one table: method, path, page, and the deed it needs (None: open to strangers).

The table is the only way to a page, and `door.enter` checks it; tests enumerate it, so that no route can be forgotten.
"""

from __future__ import annotations

from typing import Final

from sheetsync.web.pages import connectors, drafts, editing, entrance, health, publishing
from sheetsync.web.visit import Page

PAGES: Final[tuple[Page, ...]] = (
    Page("GET", "/static/{name}", entrance.show_static, None),
    Page("GET", "/sign-in", entrance.show_sign_in, None),
    Page("POST", "/sign-in", entrance.sign_in, None),
    Page("POST", "/sign-in/link", entrance.renew_link, None),
    Page("POST", "/sign-out", entrance.sign_out, "see"),
    Page("GET", "/", connectors.show_connectors, "see"),
    Page("GET", "/new", connectors.show_new, "edit"),
    Page("POST", "/new", connectors.make_connector, "edit"),
    Page("GET", "/connectors/{connector}", connectors.show_connector, "see"),
    Page("POST", "/connectors/{connector}/draft", connectors.make_draft, "edit"),
    Page("POST", "/connectors/{connector}/restore", connectors.restore_connector, "edit"),
    Page("POST", "/connectors/{connector}/retire", connectors.make_retirement, "retire"),
    Page("GET", "/drafts", drafts.show_drafts, "see"),
    Page("POST", "/drafts/verify", drafts.verify, "verify"),
    Page("GET", "/drafts/{draft}", drafts.show_draft, "see"),
    Page("GET", "/drafts/{draft}/edit", editing.show_form, "edit"),
    Page("POST", "/drafts/{draft}/edit", editing.save, "edit"),
    Page("POST", "/drafts/{draft}/check", editing.check, "edit"),
    Page("POST", "/drafts/{draft}/merge", editing.save_merged, "edit"),
    Page("POST", "/drafts/{draft}/advance", drafts.advance, "edit"),
    Page("POST", "/drafts/{draft}/resolve", drafts.resolve, "resolve"),
    Page("POST", "/drafts/{draft}/verify", drafts.verify, "verify"),
    Page("POST", "/drafts/{draft}/approve", drafts.approve, "approve"),
    Page("POST", "/drafts/{draft}/discard", drafts.discard, "discard"),
    Page("POST", "/drafts/{draft}/restore", drafts.restore, "edit"),
    Page("GET", "/publish", publishing.show_publish, "see"),
    Page("POST", "/publish", publishing.publish, "publish"),
    Page("GET", "/commits/{commit}", publishing.show_commit, "see"),
    Page("GET", "/health", health.show_health, "see"),
    Page("POST", "/health/check", health.check_store, "verify"),
)
