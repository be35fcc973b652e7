// The grid page: shows one spreadsheet and edits it as a person would.
// Reads through the server's own REST API; edits through POST /page/api/{id}, which parses what was typed, checks
// dropdowns, checkboxes and protections as Google's page does, and remembers how to undo it.
"use strict";

const id = decodeURIComponent(location.pathname.split("/")[3]);
const $ = (name) => document.getElementById(name);
const FIELDS = "properties(title,locale),sheets(properties(sheetId,title,index,hidden,tabColorStyle,gridProperties),"
  + "protectedRanges(range,warningOnly,description,requestingUserCanEdit,unprotectedRanges))";
const CELL_FIELDS = "sheets(properties.sheetId,data(rowData.values(formattedValue,userEnteredValue,effectiveValue,note,"
  + "dataValidation,effectiveFormat(backgroundColor,horizontalAlignment,textFormat(bold,italic,foregroundColor))),"
  + "rowMetadata(hiddenByUser,hiddenByFilter),columnMetadata(pixelSize,hiddenByUser)))";
const NUMBER_WIDTH = 46;

const state = {
  book: null, sheet: null, rows: [], rowMeta: [], columns: [], visible: [], at: [0, 0], from: [0, 0], version: -1,
  editing: null, rendered: new Map(), busy: Promise.resolve(), say: "",
};

const letters = (column) => {
  let name = "";
  for (let n = column + 1; n > 0; n = Math.floor((n - 1) / 26)) name = String.fromCharCode(65 + (n - 1) % 26) + name;
  return name;
};
const cellName = (row, column) => letters(column) + (row + 1);

function say(text, isError = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", isError);
}

async function call(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
  };
  const answer = await fetch(path, options);
  const json = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(json.error?.message ?? answer.statusText), {details: json.error ?? {}});
  return json;
}

// ---- loading

async function loadBook() {
  const book = await call(`/v4/spreadsheets/${encodeURIComponent(id)}?fields=${encodeURIComponent(FIELDS)}`);
  state.book = book;
  document.title = `${book.properties.title} – local Sheets`;
  $("title").textContent = book.properties.title;
  const wanted = new URLSearchParams(location.hash.slice(1)).get("gid");
  const shown = book.sheets.filter((sheet) => !sheet.properties.hidden);
  state.sheet = shown.find((sheet) => String(sheet.properties.sheetId) === wanted) ?? shown[0];
  renderTabs(shown);
}

async function loadCells() {
  const properties = state.sheet.properties;
  const filter = {dataFilters: [{gridRange: {sheetId: properties.sheetId}}]};
  const answer = await call(
    `/v4/spreadsheets/${encodeURIComponent(id)}:getByDataFilter?fields=${encodeURIComponent(CELL_FIELDS)}`, filter);
  const data = answer.sheets[0].data?.[0] ?? {};
  const size = properties.gridProperties ?? {};
  state.rows = (data.rowData ?? []).map((row) => row.values ?? []);
  state.rowMeta = data.rowMetadata ?? [];
  state.columns = Array.from({length: size.columnCount ?? 0}, (_, column) => {
    const meta = data.columnMetadata?.[column] ?? {};
    return {width: meta.hiddenByUser ? 0 : meta.pixelSize ?? 100, hidden: !!meta.hiddenByUser};
  });
  state.visible = [];
  for (let row = 0; row < (size.rowCount ?? 0); row++) {
    const meta = state.rowMeta[row] ?? {};
    if (!meta.hiddenByUser && !meta.hiddenByFilter) state.visible.push(row);
  }
}

async function refresh(force = false) {
  const {version} = await call(`/page/api/${encodeURIComponent(id)}`);
  if (version === state.version && !force) return;
  state.version = version;
  await loadBook();
  await loadCells();
  if (!state.editing) render(true);
}

// ---- rendering: only the rows that can be seen are in the page

const rowHeight = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
const frozenRows = () => state.sheet.properties.gridProperties?.frozenRowCount ?? 0;
const cellAt = (row, column) => state.rows[row]?.[column] ?? {};

function inRange(range, row, column) {
  return (range.sheetId ?? 0) === state.sheet.properties.sheetId
    && row >= (range.startRowIndex ?? 0) && row < (range.endRowIndex ?? Infinity)
    && column >= (range.startColumnIndex ?? 0) && column < (range.endColumnIndex ?? Infinity);
}

function protection(row, column) {
  return (state.sheet.protectedRanges ?? []).find((item) =>
    inRange({...(item.range ?? {}), sheetId: item.range?.sheetId ?? 0}, row, column)
    && !(item.unprotectedRanges ?? []).some((open) => inRange(open, row, column)));
}

const isLocked = (row, column) => {
  const found = protection(row, column);
  return !!found && !found.warningOnly;
};

const choices = (cell) => cell.dataValidation?.condition?.type === "ONE_OF_LIST"
  ? cell.dataValidation.condition.values.map((value) => value.userEnteredValue) : null;
const isCheckbox = (cell) => cell.dataValidation?.condition?.type === "BOOLEAN";

function typedText(cell) {
  const value = cell.userEnteredValue ?? {};
  if (value.formulaValue !== undefined) return value.formulaValue;
  if (value.stringValue !== undefined) return value.stringValue;
  return cell.formattedValue ?? "";
}

const css = (color) => {
  const part = (name) => Math.round((color[name] ?? 0) * 255);
  return `rgb(${part("red")} ${part("green")} ${part("blue")})`;
};
const isWhite = (color) => (color.red ?? 0) > 0.999 && (color.green ?? 0) > 0.999 && (color.blue ?? 0) > 0.999;

function paint(box, cell) {
  const format = cell.effectiveFormat ?? {};
  if (format.backgroundColor && !isWhite(format.backgroundColor)) {
    box.style.background = css(format.backgroundColor);
    box.style.color = css(format.textFormat?.foregroundColor ?? {});
    box.classList.add("painted");
  }
  if (format.textFormat?.bold) box.style.fontWeight = "600";
  if (format.textFormat?.italic) box.style.fontStyle = "italic";
}

function renderCell(row, column) {
  const cell = cellAt(row, column);
  const box = document.createElement("div");
  box.className = "cell";
  box.setAttribute("role", "gridcell");
  box.setAttribute("aria-colindex", column + 1);
  box.dataset.row = row;
  box.dataset.column = column;
  box.tabIndex = row === state.at[0] && column === state.at[1] ? 0 : -1;
  box.style.width = `${state.columns[column].width}px`;
  if (state.columns[column].hidden) box.hidden = true;
  const value = cell.effectiveValue ?? {};
  if (isCheckbox(cell) && typeof (value.boolValue ?? false) === "boolean" && !value.stringValue && !value.errorValue) {
    const mark = document.createElement("input");
    mark.type = "checkbox";
    mark.checked = value.boolValue === true;
    mark.tabIndex = -1;
    mark.setAttribute("aria-label", cellName(row, column));
    mark.disabled = isLocked(row, column);
    box.append(mark);
    box.classList.add("centre");
  } else {
    const text = document.createElement("span");
    text.textContent = cell.formattedValue ?? "";
    box.append(text);
    if (value.numberValue !== undefined) box.classList.add("right");
    if (value.boolValue !== undefined) box.classList.add("centre");
  }
  if (choices(cell)) box.classList.add("choice");
  if (cell.note) {
    box.classList.add("noted");
    box.title = cell.note;
  }
  if (isLocked(row, column)) {
    box.classList.add("locked");
    box.setAttribute("aria-readonly", "true");
  }
  paint(box, cell);
  return box;
}

function rowShell(kind, top) {
  const line = document.createElement("div");
  line.className = `row ${kind}`;
  line.setAttribute("role", "row");
  if (kind === "") line.style.top = `${top}px`;
  if (kind === "frozen") line.style.top = `${top}px`;
  return line;
}

function renderRow(row, kind, top) {
  const line = rowShell(kind, top);
  line.setAttribute("aria-rowindex", row + 2);
  const name = document.createElement("div");
  name.className = "name number";
  name.setAttribute("role", "rowheader");
  name.textContent = row + 1;
  line.append(name, ...state.columns.map((_, column) => renderCell(row, column)));
  return line;
}

function render(everything = false) {
  const grid = $("grid"), canvas = $("canvas"), height = rowHeight();
  const frozen = Math.min(frozenRows(), state.visible.length);
  if (everything) {
    canvas.replaceChildren();
    state.rendered.clear();
    const head = rowShell("head", 0);
    head.setAttribute("aria-rowindex", 1);
    const corner = document.createElement("div");
    corner.className = "corner";
    head.append(corner, ...state.columns.map((column, index) => {
      const name = document.createElement("div");
      name.className = "name";
      name.setAttribute("role", "columnheader");
      name.style.width = `${column.width}px`;
      if (column.hidden) name.hidden = true;
      name.textContent = letters(index);
      return name;
    }));
    canvas.append(head);
    for (let index = 0; index < frozen; index++) {
      canvas.append(renderRow(state.visible[index], "frozen", height * (index + 1)));
    }
    canvas.style.height = `${height * (state.visible.length + 1)}px`;
    canvas.style.width = `${NUMBER_WIDTH + state.columns.reduce((sum, column) => sum + column.width, 0)}px`;
    grid.setAttribute("aria-rowcount", (state.sheet.properties.gridProperties?.rowCount ?? 0) + 1);
    grid.setAttribute("aria-colcount", state.columns.length);
  }
  const first = Math.max(frozen, Math.floor(grid.scrollTop / height) - 8);
  const last = Math.min(state.visible.length, first + Math.ceil(grid.clientHeight / height) + 20);
  for (const [index, line] of state.rendered) {
    if (index < first || index >= last) {
      if (line.contains(document.activeElement)) continue;
      line.remove();
      state.rendered.delete(index);
    }
  }
  for (let index = first; index < last; index++) {
    if (state.rendered.has(index)) continue;
    const line = renderRow(state.visible[index], "", height * (index + 1));
    state.rendered.set(index, line);
    canvas.append(line);
  }
  showSelection(false);
}

function renderTabs(sheets) {
  $("tabs").replaceChildren(...sheets.map((sheet) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-selected", sheet === state.sheet);
    tab.textContent = sheet.properties.title;
    const color = sheet.properties.tabColorStyle?.rgbColor;
    if (color) tab.style.setProperty("--tab", css(color));
    tab.addEventListener("click", () => openTab(sheet));
    tab.addEventListener("dblclick", async () => {
      const title = await ask("Rename this tab", sheet.properties.title, "Title");
      if (title) act({act: "rename_tab", sheetId: sheet.properties.sheetId, title});
    });
    return tab;
  }));
}

async function openTab(sheet) {
  location.hash = `gid=${sheet.properties.sheetId}`;
  state.at = state.from = [0, 0];
  $("grid").scrollTop = $("grid").scrollLeft = 0;
  await refresh(true);
}

// ---- selection

const box = (row, column) =>
  document.querySelector(`.cell[data-row="${row}"][data-column="${column}"]`);

function selection() {
  const [r1, c1] = state.at, [r2, c2] = state.from;
  return {top: Math.min(r1, r2), bottom: Math.max(r1, r2), left: Math.min(c1, c2), right: Math.max(c1, c2)};
}

function showSelection(focus = true) {
  const {top, bottom, left, right} = selection();
  for (const cell of document.querySelectorAll(".cell")) {
    const row = +cell.dataset.row, column = +cell.dataset.column;
    const inside = row >= top && row <= bottom && column >= left && column <= right;
    cell.classList.toggle("selected", inside && (top !== bottom || left !== right));
    cell.tabIndex = row === state.at[0] && column === state.at[1] ? 0 : -1;
  }
  const [row, column] = state.at, cell = cellAt(row, column);
  $("cell-name").textContent = cellName(row, column);
  if (document.activeElement !== $("formula")) $("formula").value = typedText(cell);
  const guard = protection(row, column);
  $("formula").readOnly = !!guard && !guard.warningOnly;
  const help = [
    guard ? (guard.warningOnly ? "You can edit this, with a warning: " : "Protected: ") + (guard.description ?? "") : "",
    cell.dataValidation?.inputMessage ?? "", cell.note ? `Note: ${cell.note}` : "",
  ];
  $("cell-help").textContent = help.filter(Boolean).join("\n");
  if (focus) box(row, column)?.focus({preventScroll: true});
}

function scrollTo(row) {
  const index = state.visible.indexOf(row), height = rowHeight(), grid = $("grid");
  if (index < frozenRows()) return;
  const top = height * index - height * frozenRows(), bottom = height * (index + 2);
  if (top < grid.scrollTop) grid.scrollTop = top;
  if (bottom > grid.scrollTop + grid.clientHeight) grid.scrollTop = bottom - grid.clientHeight + 4;
  render();
}

function select(row, column, extend = false) {
  state.at = [row, column];
  if (!extend) state.from = [row, column];
  scrollTo(row);
  showSelection();
  box(row, column)?.scrollIntoView({block: "nearest", inline: "nearest"});
}

function move(rows, columns, extend) {
  const index = Math.max(0, state.visible.indexOf(state.at[0]));
  const row = state.visible[Math.max(0, Math.min(state.visible.length - 1, index + rows))];
  let column = state.at[1] + columns;
  while (state.columns[column]?.hidden) column += Math.sign(columns) || 1;
  select(row, Math.max(0, Math.min(state.columns.length - 1, column)), extend);
}

// ---- acting: one request at a time, then what the server has now

async function send(body) {
  try {
    return await call(`/page/api/${encodeURIComponent(id)}`, body);
  } catch (error) {
    if (error.details.status !== "WARNING" || body.confirmed) throw error;
    if (await confirmed(error.message)) return send({...body, confirmed: true});
    return {message: "Not changed."};
  }
}

function act(body) {
  state.busy = state.busy.then(async () => {
    try {
      say((await send(body)).message ?? "Saved.");
    } catch (error) {
      say(error.message, true);
    }
    await refresh(true);
    showSelection();
  });
  return state.busy;
}

function type(row, column, rows) {
  return act({act: "type", sheetId: state.sheet.properties.sheetId, row, column, rows});
}

function ask(text, value = null, field = "Note") {
  const dialog = $("dialog");
  $("dialog-text").textContent = text;
  $("dialog-field").hidden = value === null;
  $("dialog-field").querySelector("span").textContent = field;
  $("dialog-input").value = value ?? "";
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    resolve(dialog.returnValue === "ok" ? (value === null ? true : $("dialog-input").value) : null);
  }, {once: true}));
}
const confirmed = (text) => ask(text);

function startEdit(text = null) {
  const [row, column] = state.at, cell = cellAt(row, column), holder = box(row, column);
  if (!holder || state.editing) return;
  if (isLocked(row, column)) {
    const why = protection(row, column).description;
    return say(`${cellName(row, column)} is protected${why ? `: ${why}` : "."}`, true);
  }
  if (isCheckbox(cell) && text === null) return toggle(row, column);
  const options = choices(cell);
  const input = document.createElement(options && text === null ? "select" : "input");
  input.className = "edit";
  input.setAttribute("aria-label", `Edit ${cellName(row, column)}`);
  if (input.tagName === "SELECT") {
    const now = typedText(cell);
    const all = ["", ...options];
    if (!all.includes(now)) all.push(now);
    input.append(...all.map((value) => new Option(value || "(empty)", value, false, value === now)));
    input.addEventListener("change", () => finishEdit(true));
  } else {
    input.value = text ?? typedText(cell);
  }
  state.editing = {row, column, input, before: typedText(cell)};
  input.addEventListener("keydown", (event) => {
    const done = {Enter: [event.shiftKey ? -1 : 1, 0], Tab: [0, event.shiftKey ? -1 : 1]}[event.key];
    if (done) {
      event.preventDefault();
      finishEdit(true).then(() => move(...done, false));
    } else if (event.key === "Escape") {
      finishEdit(false);
    }
    event.stopPropagation();
  });
  input.addEventListener("blur", () => finishEdit(true));
  holder.append(input);
  input.focus();
}

async function finishEdit(keep) {
  const editing = state.editing;
  if (!editing) return;
  state.editing = null;
  const {row, column, input, before} = editing, text = input.value;
  input.remove();
  if (keep && text !== before) await type(row, column, [[text]]);
  showSelection();
}

const toggle = (row, column) =>
  type(row, column, [[cellAt(row, column).effectiveValue?.boolValue === true ? "FALSE" : "TRUE"]]);

function clearSelection() {
  const {top, bottom, left, right} = selection();
  type(top, left, Array.from({length: bottom - top + 1}, () => Array(right - left + 1).fill("")));
}

function copyText() {
  const {top, bottom, left, right} = selection(), lines = [];
  for (let row = top; row <= bottom; row++) {
    const cells = [];
    for (let column = left; column <= right; column++) cells.push(cellAt(row, column).formattedValue ?? "");
    lines.push(cells.join("\t"));
  }
  return lines.join("\n");
}

// ---- events

const MOVES = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-20, 0],
  PageDown: [20, 0]};

$("grid").addEventListener("keydown", (event) => {
  if (state.editing) return;
  const control = event.ctrlKey || event.metaKey;
  if (control && event.key.toLowerCase() === "z") act({act: event.shiftKey ? "redo" : "undo"});
  else if (control && event.key.toLowerCase() === "y") act({act: "redo"});
  else if (control && event.key === "Home") select(state.visible[0] ?? 0, 0);
  else if (control && event.key === "End") select(Math.max(0, state.rows.length - 1), state.columns.length - 1);
  else if (MOVES[event.key]) move(...MOVES[event.key], event.shiftKey);
  else if (event.key === "Home") select(state.at[0], 0);
  else if (event.key === "End") select(state.at[0], state.columns.length - 1);
  else if (event.key === "Tab") return;
  else if (event.key === "Enter" || event.key === "F2") startEdit();
  else if (event.key === " " && isCheckbox(cellAt(...state.at))) toggle(...state.at);
  else if (event.key === "Delete" || event.key === "Backspace") clearSelection();
  else if (!control && !event.altKey && event.key.length === 1) startEdit(event.key);
  else return;
  event.preventDefault();
});

$("grid").addEventListener("mousedown", (event) => {
  const cell = event.target.closest(".cell");
  if (!cell || event.target.classList.contains("edit")) return;
  if (event.target.type === "checkbox") return;
  select(+cell.dataset.row, +cell.dataset.column, event.shiftKey);
  event.preventDefault();
});
$("grid").addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (cell && event.target.type === "checkbox") {
    event.preventDefault();
    select(+cell.dataset.row, +cell.dataset.column);
    toggle(+cell.dataset.row, +cell.dataset.column);
  }
});
$("grid").addEventListener("dblclick", () => startEdit());
$("grid").addEventListener("scroll", () => render());
$("grid").addEventListener("focusin", (event) => {
  const cell = event.target.closest?.(".cell");
  if (cell && event.target === cell && !state.editing) {
    state.at = [+cell.dataset.row, +cell.dataset.column];
  }
});
document.addEventListener("copy", (event) => {
  if (!$("grid").contains(document.activeElement) || state.editing) return;
  event.clipboardData.setData("text/plain", copyText());
  event.preventDefault();
});
document.addEventListener("paste", (event) => {
  if (!$("grid").contains(document.activeElement) || state.editing) return;
  const lines = event.clipboardData.getData("text/plain").replace(/\r\n?/g, "\n").replace(/\n$/, "").split("\n");
  const {top, left} = selection();
  type(top, left, lines.map((line) => line.split("\t")));
  event.preventDefault();
});
$("formula").addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    type(...state.at, [[$("formula").value]]);
    event.preventDefault();
  } else if (event.key === "Escape") {
    $("formula").value = typedText(cellAt(...state.at));
    showSelection();
  }
});

const rowsOf = (name, extra) => () => {
  const {top, bottom} = selection();
  act({act: name, sheetId: state.sheet.properties.sheetId, start: extra === "below" ? bottom + 1 : top,
    count: bottom - top + 1});
};
$("insert-above").addEventListener("click", rowsOf("insert_rows", "above"));
$("insert-below").addEventListener("click", rowsOf("insert_rows", "below"));
$("delete-rows").addEventListener("click", rowsOf("delete_rows"));
const sort = (descending) => () =>
  act({act: "sort", sheetId: state.sheet.properties.sheetId, column: state.at[1], descending});
$("sort-up").addEventListener("click", sort(false));
$("sort-down").addEventListener("click", sort(true));
$("undo").addEventListener("click", () => act({act: "undo"}));
$("redo").addEventListener("click", () => act({act: "redo"}));
$("note").addEventListener("click", async () => {
  const [row, column] = state.at;
  const note = await ask(`Note on ${cellName(row, column)}`, cellAt(row, column).note ?? "");
  if (note !== null) act({act: "note", sheetId: state.sheet.properties.sheetId, row, column, note});
});
window.addEventListener("hashchange", () => refresh(true));
window.addEventListener("resize", () => render());

async function watch() {
  try {
    if (!state.editing && !document.hidden) await refresh();
  } catch (error) {
    say(`The server does not answer: ${error.message}`, true);
  }
  setTimeout(watch, 1500);
}

refresh(true).then(() => { showSelection(false); say("Ready."); document.body.dataset.ready = "1"; }, (error) => {
  $("title").textContent = "Not to be had";
  say(error.message, true);
}).then(() => setTimeout(watch, 1500));
