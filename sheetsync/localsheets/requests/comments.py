"""insertComment, addCommentReply, updateCommentPost, deleteComment, deleteCommentReply (Sheets v4 since 2026)."""

from __future__ import annotations

import html

from sheetsync.localsheets import errors, ranges
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.files import rfc3339
from sheetsync.localsheets.rendering import effective, number_format, shown
from sheetsync.localsheets.requests.edit import Body, Edit, Reply, required
from sheetsync.localsheets.sheet import Box

MAX_CHARS = 2048


def _checked(content: str) -> str:
    if not content:
        raise errors.ApiError("The content of a comment cannot be empty.")
    if len(content.encode("utf-16-le")) // 2 > MAX_CHARS:
        raise errors.ApiError(f"The content of a comment cannot exceed {MAX_CHARS} characters.")
    return content


def _post(edit: Edit, content: str) -> Json:
    now = rfc3339(edit.spreadsheet.now_ms())
    post: Json = {"postId": str(edit.spreadsheet.new_id()), "author": _author(edit.user)}
    post |= {"createTime": now, "updateTime": now}
    if content:
        post |= {"content": content, "contentHtml": html.escape(content, quote=False).replace("\n", "<br>")}
    return post


def _author(user: str) -> Json:
    from sheetsync.localsheets.schema import messages

    known = messages().get("PostAuthor", {})
    author = {"displayName": user.partition("@")[0], "emailAddress": user, "email": user, "me": True}
    return {key: value for key, value in author.items() if key in known}


def _thread(edit: Edit, body: Body) -> Json:
    key = body.get("commentId", "")
    if key not in edit.spreadsheet.comments:
        raise errors.ApiError(f"No comment with id: {key}")
    return edit.spreadsheet.comments[key]["thread"]  # type: ignore[no-any-return]


def _keep(edit: Edit, thread: Json) -> None:
    key = thread["commentId"]
    kept = {**edit.spreadsheet.comments[key], "thread": thread}
    edit.journal.put_item(edit.spreadsheet, "comments", key, kept)


def insert(edit: Edit, body: Body) -> Reply:
    """Begin a thread on a cell."""
    sheet, row, col = edit.start(required(body, "coordinate"))
    head = _post(edit, _checked(body.get("content", "")))
    if assignee := body.get("assigneeEmailAddress"):
        head["assigneeEmail"] = assignee
    key = f"AAAA{edit.spreadsheet.new_id():x}"
    thread: Json = {"commentId": key, "anchorId": f"kix.{key.lower()}", "headPost": head, "status": "OPEN"}
    cell = sheet.cell(row, col)
    if cell is not None:
        value = effective(edit.spreadsheet, sheet, row, col, cell)
        form = number_format(edit.spreadsheet, sheet, row, col, cell)
        if quote := shown(value, form, edit.spreadsheet.locale):
            thread["plainTextQuote"] = quote
    anchor = {"anchorId": thread["anchorId"], "range": ranges.json_of(sheet, Box(row, row + 1, col, col + 1))}
    edit.journal.put_item(edit.spreadsheet, "comments", key, {"thread": thread, "anchor": anchor})
    return {"insertComment": {"commentThread": thread}}


def add_reply(edit: Edit, body: Body) -> Reply:
    """Answer in a thread, resolve it, or open it again."""
    thread = _thread(edit, body)
    given = body.get("post", {})
    action = given.get("commentAction", "")
    acts = action in ("RESOLVE", "REOPEN")
    content = given.get("content", "")
    if given.get("assigneeEmail") and (acts or "assigneeEmail" not in thread["headPost"]):
        raise errors.ApiError("assigneeEmail cannot be set on this post.")
    post = _post(edit, content if acts and not content else _checked(content))
    if acts:
        post["commentAction"] = action
    if given.get("assigneeEmail"):
        post["assigneeEmail"] = given["assigneeEmail"]
    status = {"RESOLVE": "RESOLVED", "REOPEN": "OPEN"}.get(action, thread["status"])
    _keep(edit, {**thread, "status": status, "replies": [*thread.get("replies", []), post]})
    return {"addCommentReply": {"post": post}}


def _own(edit: Edit, post: Json) -> None:
    if post["author"] != _author(edit.user):
        raise errors.ApiError("The requesting user is not the author of the post.")


def update_post(edit: Edit, body: Body) -> Reply:
    """Change the text of one's own post."""
    thread = _thread(edit, body)
    content = _checked(body.get("content", ""))
    fresh = _post(edit, content)
    change = {key: fresh[key] for key in ("content", "contentHtml", "updateTime")}
    key = body.get("postId", "")
    posts = [thread["headPost"], *thread.get("replies", [])]
    if not any(post["postId"] == key for post in posts):
        raise errors.ApiError(f"No post with id: {key}")
    new = []
    for post in posts:
        if post["postId"] == key:
            _own(edit, post)
            post = {**post, **change}
        new.append(post)
    thread = {**thread, "headPost": new[0]} | ({"replies": new[1:]} if new[1:] else {})
    _keep(edit, thread)
    return {}


def delete(edit: Edit, body: Body) -> Reply:
    """Delete a thread of one's own."""
    thread = _thread(edit, body)
    _own(edit, thread["headPost"])
    edit.journal.put_item(edit.spreadsheet, "comments", thread["commentId"], None)
    return {}


def delete_reply(edit: Edit, body: Body) -> Reply:
    """Delete one's own reply; its place in the thread stays."""
    thread = _thread(edit, body)
    key = body.get("postId", "")
    replies = list(thread.get("replies", []))
    for index, post in enumerate(replies):
        if post["postId"] == key:
            _own(edit, post)
            replies[index] = {"postId": key, "createTime": post["createTime"], "deleted": True}
            _keep(edit, {**thread, "replies": replies})
            return {}
    raise errors.ApiError(f"No post with id: {key}")
