"""The grid page in real headless Chromium: a policy owner's work by keyboard and mouse, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Page, expect

from sheetsync.localsheets import LocalSheets

pytestmark = pytest.mark.browser


class Grid:
    """The grid page of one spreadsheet, with plain REST beside."""

    def __init__(self, page: Page, server: LocalSheets) -> None:
        self.page, self.http = page, httpx.Client(base_url=server.url)
        kind = "application/vnd.google-apps.spreadsheet"
        self.id: str = self.http.post("/drive/v3/files", json={"name": "Policies", "mimeType": kind}).json()["id"]
        rows = [["connector", "firearm", "lock"], ["github", "NONE", False], ["arxiv", "firearm.read", True]]
        self.http.put(f"/v4/spreadsheets/{self.id}/values/A1:C3?valueInputOption=RAW", json={"values": rows})
        self.batch(*set_up())
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{server.url}/spreadsheets/d/{self.id}/edit")
        page.wait_for_selector("body[data-ready]")

    def batch(self, *requests: dict[str, Any]) -> None:
        self.http.post(f"/v4/spreadsheets/{self.id}:batchUpdate", json={"requests": requests}).raise_for_status()

    def values(self, where: str = "A1:E9") -> list[list[Any]]:
        path = f"/v4/spreadsheets/{self.id}/values/{where}?valueRenderOption=UNFORMATTED_VALUE"
        found: list[list[Any]] = self.http.get(path).json().get("values", [])
        return found

    def cell(self, row: int, column: int) -> Any:
        return self.page.locator(f'.cell[data-row="{row}"][data-column="{column}"]')


def block(rows: tuple[int, int], columns: tuple[int, int]) -> dict[str, int]:
    names = ("startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex")
    return {"sheetId": 0, **dict(zip(names, (*rows, *columns), strict=True))}


def set_up() -> list[dict[str, Any]]:
    words = [{"userEnteredValue": word} for word in ("NONE", "firearm.read", "firearm.write")]
    dropdown = {"condition": {"type": "ONE_OF_LIST", "values": words}, "strict": True, "showCustomUi": True}
    checkbox = {"condition": {"type": "BOOLEAN"}, "strict": True}
    frozen = {"sheetId": 0, "gridProperties": {"frozenRowCount": 1}}
    header = {"range": block((0, 1), (0, 3)), "description": "the header is sheetsync's"}
    return [
        {"updateSheetProperties": {"properties": frozen, "fields": "gridProperties.frozenRowCount"}},
        {"setDataValidation": {"range": block((1, 3), (1, 2)), "rule": dropdown}},
        {
            "setDataValidation": {
                "range": block((1, 3), (2, 3)),
                "rule": checkbox,
            }
        },
        {"addProtectedRange": {"protectedRange": header}},
        {"addProtectedRange": {"protectedRange": {"range": block((1, 3), (0, 1)), "warningOnly": True}}},
    ]


@pytest.fixture
def grid(page: Page) -> Iterator[Grid]:
    with LocalSheets() as server:
        made = Grid(page, server)
        yield made
        assert made.errors == []
        made.http.close()


def status(grid: Grid, text: str) -> None:
    expect(grid.page.locator("#status")).to_contain_text(text)


def test_a_dropdown_is_chosen_by_keyboard(grid: Grid) -> None:
    grid.cell(1, 1).click()
    grid.page.keyboard.press("Enter")
    grid.page.locator("select.edit").select_option("firearm.write")
    status(grid, "Done: typing in B2")
    assert grid.values("B2") == [["firearm.write"]]


def test_a_word_that_the_dropdown_does_not_offer_is_refused_and_said(grid: Grid) -> None:
    grid.cell(1, 1).click()
    grid.page.keyboard.type("firearm.raed")
    grid.page.keyboard.press("Enter")
    status(grid, "B2 violates")
    assert grid.values("B2") == [["NONE"]]


def test_the_space_key_and_the_mouse_turn_a_checkbox(grid: Grid) -> None:
    grid.cell(1, 2).focus()
    grid.page.keyboard.press(" ")
    status(grid, "typing in C2")
    assert grid.values("C2") == [[True]]
    grid.cell(2, 2).locator("input").click()
    status(grid, "typing in C3")
    assert grid.values("C3") == [[False]]


def test_protected_cells_are_refused_and_warnings_ask_first(grid: Grid) -> None:
    grid.cell(0, 0).click()
    expect(grid.cell(0, 0)).to_have_attribute("aria-readonly", "true")
    grid.page.keyboard.type("x")
    status(grid, "protected")
    grid.cell(1, 0).click()
    grid.page.keyboard.type("gitlab")
    grid.page.keyboard.press("Enter")
    expect(grid.page.locator("dialog")).to_be_visible()
    grid.page.locator("#dialog-ok").click()
    status(grid, "typing in A2")
    assert grid.values("A2") == [["gitlab"]]


def test_a_block_is_pasted_and_undone(grid: Grid) -> None:
    grid.cell(4, 0).click()
    grid.page.evaluate(
        """() => { const data = new DataTransfer(); data.setData("text/plain", "a\\t1\\nb\\t2");
        document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true})); }"""
    )
    status(grid, "typing in A5:B6")
    assert grid.values("A5:B6") == [["a", 1], ["b", 2]]
    grid.page.keyboard.press("Control+z")
    status(grid, "Undone")
    assert grid.values("A5:B6") == []
    grid.page.keyboard.press("Control+y")
    status(grid, "Done again")
    assert grid.values("A5:B6") == [["a", 1], ["b", 2]]


def test_rows_are_inserted_sorted_and_deleted_by_the_buttons(grid: Grid) -> None:
    grid.cell(1, 0).click()
    grid.page.get_by_role("button", name="Sort A→Z").click()
    status(grid, "sorting by column A")
    assert [row[0] for row in grid.values("A2:A3")] == ["arxiv", "github"]
    grid.page.get_by_role("button", name="Insert row above").click()
    status(grid, "inserting row 2")
    assert grid.values("A3") == [["arxiv"]]
    grid.page.get_by_role("button", name="Delete row").click()
    status(grid, "deleting row 2")
    assert grid.values("A2") == [["arxiv"]]


def test_the_arrows_move_and_the_screen_reader_hears_the_place(grid: Grid) -> None:
    grid.cell(0, 0).click()
    grid.page.keyboard.press("ArrowDown")
    grid.page.keyboard.press("ArrowRight")
    expect(grid.page.locator("#cell-name")).to_have_text("B2")
    expect(grid.cell(1, 1)).to_be_focused()
    expect(grid.page.locator('[role="row"][aria-rowindex="3"]')).to_have_count(1)
    expect(grid.page.get_by_role("grid")).to_have_attribute("aria-colcount", "26")


def test_what_somebody_else_writes_appears_by_itself(grid: Grid) -> None:
    path = f"/v4/spreadsheets/{grid.id}/values/D2?valueInputOption=RAW"
    grid.http.put(path, json={"values": [["from elsewhere"]]})
    expect(grid.cell(1, 3)).to_have_text("from elsewhere", timeout=10_000)


def test_hostile_text_in_a_cell_is_only_text(grid: Grid) -> None:
    path = f"/v4/spreadsheets/{grid.id}/values/D2?valueInputOption=RAW"
    grid.http.put(path, json={"values": [["<img src=x onerror=document.body.dataset.hacked=1>"]]})
    expect(grid.cell(1, 3)).to_contain_text("<img", timeout=10_000)
    assert grid.page.evaluate("document.body.dataset.hacked") is None


def test_a_phone_s_width_shows_the_cells_and_can_edit(grid: Grid) -> None:
    grid.page.set_viewport_size({"width": 390, "height": 780})
    grid.cell(4, 0).dblclick()
    grid.page.keyboard.type("typed on a phone")
    grid.page.keyboard.press("Enter")
    status(grid, "typing in A5")
    assert grid.values("A5") == [["typed on a phone"]]
    assert grid.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_page_passes_axe(grid: Grid, axe: str, look: Literal["light", "dark"]) -> None:
    grid.page.emulate_media(color_scheme=look)
    grid.cell(1, 1).click()
    grid.page.evaluate(axe)
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = grid.page.evaluate("rules => axe.run(document, {runOnly: rules})", rules)
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]] == []
