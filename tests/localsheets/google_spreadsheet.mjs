// Drives Node's google-spreadsheet against a local server: node google_spreadsheet.mjs URL; prints one JSON object.
import { GoogleSpreadsheet } from 'google-spreadsheet';

const url = process.argv[2];
const realFetch = globalThis.fetch;
const local = (target) => target.replace(/^https:\/\/(sheets|www)\.googleapis\.com/, url);
globalThis.fetch = (input, init) =>
  input instanceof Request ? realFetch(new Request(local(input.url), input), init) : realFetch(local(String(input)), init);

const made = await realFetch(`${url}/drive/v3/files`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ name: 'node', mimeType: 'application/vnd.google-apps.spreadsheet' }),
});
const doc = new GoogleSpreadsheet((await made.json()).id, { token: 'ann@example.com' });
await doc.loadInfo();
const found = { title: doc.title };

const sheet = await doc.addSheet({ title: 'people', headerValues: ['name', 'email'] });
await sheet.addRow({ name: 'Larry', email: 'l@example.com' });
await sheet.addRows([{ name: 'Sergey', email: 's@example.com' }, { name: 'Zoe', email: '' }]);
const rows = await sheet.getRows();
rows[1].set('email', 'new@example.com');
await rows[1].save();
await rows[0].delete();
found.rows = (await sheet.getRows()).map((row) => row.toObject());

await sheet.loadCells('A1:C5');
const cell = sheet.getCell(1, 2);
cell.value = 5;
cell.textFormat = { bold: true };
cell.note = 'a note';
sheet.getCellByA1('C3').formula = '=C2*2';
await sheet.saveUpdatedCells();
found.formula = sheet.getCellByA1('C3').value;
found.note = cell.note;

await sheet.resize({ rowCount: 50, columnCount: 8 });
await sheet.updateProperties({ title: 'renamed' });
await sheet.insertDimension('ROWS', { startIndex: 1, endIndex: 2 }, false);
await sheet.clearRows();
found.size = [sheet.rowCount, sheet.columnCount];
await sheet.delete();
found.sheets = doc.sheetCount;
console.log(JSON.stringify(found));
