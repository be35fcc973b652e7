"""docs/store-format.md is true: its reader reads a store of ours, and each claim of the layout holds to the byte."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

from sheetsync.domain.context import RequestContext
from sheetsync.store import RecordId, SourceBytes, VersionedStore

PAGE = Path(__file__).resolve().parents[2] / "docs" / "store-format.md"
CTX = RequestContext(user="ada@example.com")


def reader_of_the_page(folder: Path) -> Path:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 40
    program = folder / "reader.py"
    program.write_text(code, encoding="utf-8")
    return program


def test_the_pages_reader_reads_a_store(named: VersionedStore, folder: Path, tmp_path: Path) -> None:
    for number in range(3):
        named.save("draft_a1b2c3", {"n": number, "text": "grüße ✓", "big": 2**70, "float": 1e16})
    with named.store.transaction(CTX) as tx:
        tx.save(RecordId("default", ("providers", "x", "y", "schema"), "y"), SourceBytes(b"\xff", ".mjs"))
        tx.save(RecordId("default", ("providers", "x", "z", "schema"), "z"), SourceBytes("é\n".encode(), ".mjs"))
    named.store.note(CTX, "looked", {"seen": 1})
    command = [sys.executable, str(reader_of_the_page(tmp_path)), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("workbench_drafts/ada@example.com/draft_a1b2c3/draft_a1b2c3 version 3: ")


def test_the_layout_is_the_pages(named: VersionedStore, folder: Path) -> None:
    snapshot = named.save("draft_a1b2c3", {"b": 1, "a": "é"})
    canonical = '{"a":"é","b":1}'.encode()
    hash_hex = hashlib.sha256(canonical).hexdigest()
    name = f"draft_a1b2c3--2026-01-07T12-00-00Z--{hash_hex[:8]}.json"
    path = folder / "default/workbench_drafts/ada@example.com/draft_a1b2c3" / name
    assert (snapshot.filename, snapshot.hash) == (name, hash_hex)
    assert path.read_bytes() == canonical
    assert [p.name for p in path.parent.iterdir()] == [name]
    value = json.loads((folder / "FORMAT").read_text())
    assert (value["format"], value["version"], len(value["store_id"])) == ("sheetsync-island", 1, 32)
    (line,) = (folder / "default/journal/0000000001.jsonl").read_bytes().splitlines()
    entry = json.loads(line)
    assert list(entry) == ["sum", "n", "id", "at", "who", "why", "prev", "snapshots"]
    assert entry["at"] == "2026-01-07T12:00:00.000000Z"
    assert entry["sum"] == hashlib.sha256(line[74:]).hexdigest()
    assert entry["snapshots"][0]["content"] == {"a": "é", "b": 1}


def test_journal_files_are_full_at_1024_entries(named: VersionedStore, folder: Path) -> None:
    for number in range(1026):
        named.save("alpha", {"n": number})
    files = sorted(path.name for path in (folder / "default/journal").iterdir())
    assert files == ["0000000001.jsonl", "0000001025.jsonl"]
    assert len((folder / "default/journal/0000000001.jsonl").read_bytes().splitlines()) == 1024
    assert [s.version for s in named.history("alpha")] == list(range(1, 1027))
