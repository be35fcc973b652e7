"""What fsck looks at grows with what was changed, and not with its square."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.store import VersionedStore, fsck, tenant_scan
from sheetsync.store.entry import Entry, decode_line

CTX = RequestContext(user="ada")
RECORDS, IMPORTS = 20, 5


@pytest.fixture
def changed(folder: Path) -> Path:
    """A store of a few imports, each of many records, whose files a tool wrote anew."""
    with VersionedStore(CTX, url=folder) as named:
        for number in range(IMPORTS):
            with named.transaction() as tx:
                for index in range(RECORDS):
                    tx.save(f"r{index}", {"n": number, "of": index})
    for path in folder.rglob("r*.json"):
        path.write_bytes(path.read_bytes() + b"\n")
    return folder


@pytest.mark.parametrize("repair", [False, True])
def test_each_entry_is_decoded_once_however_many_of_its_files_were_changed(
    repair: bool, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: Counter[int] = Counter()

    def counted(line: bytes, *, contents: bool = True) -> Entry:
        entry = decode_line(line, contents=contents)
        decoded[entry.number] += 1
        return entry

    monkeypatch.setattr(tenant_scan, "decode_line", counted)
    report = fsck(changed, repair=repair)
    assert [finding.code for finding in report.findings] == ["changed"] * RECORDS * IMPORTS
    assert set(decoded) == set(range(1, IMPORTS + 1))
    assert max(decoded.values()) <= (2 if repair else 1)


def test_findings_are_told_by_path_however_they_are_looked_at(changed: Path) -> None:
    (changed / "default/workbench_drafts/ada/r3/foreign").write_bytes(b"")
    next(changed.rglob("r4--*")).unlink()
    found = [finding for finding in fsck(changed).findings if finding.code != "missing"]
    paths = [finding.path for finding in found]
    assert paths == sorted(paths)
    assert len(paths) == RECORDS * IMPORTS
    assert "changed" in {finding.code for finding in found}
