"""Every code that an import can report is explained in docs/island.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODED = re.compile(r"""(?:\bproblem\(|\bFault\(|_fault\([^"]*?|_FaultError\(|_refuse\()\s*f?"([a-z_0-9]+)["{]""")
PLACED = re.compile(r'NotConstantError\([^"]*?(?:f?"[^"]*"|message),\s*"([a-z_]+)"\)')
FORMED = {"bad_": {"bad_namespace", "bad_name"}, "no_": {"no_docs", "no_tags", "no_whentouse"}}


def test_every_code_is_explained() -> None:
    files = [*(ROOT / "sheetsync" / "island").glob("*.py"), ROOT / "sheetsync" / "services" / "importing.py"]
    text = "\n".join(file.read_text("utf-8") for file in files)
    codes = set(CODED.findall(text)) | set(PLACED.findall(text))
    codes = {code for code in codes if code not in FORMED} | set().union(*FORMED.values())
    assert {"two_namespaces", "computed_key", "not_utf8", "unresolved_member"} <= codes
    explained = set(re.findall(r"`([a-z_0-9]+)`", (ROOT / "docs" / "island.md").read_text("utf-8")))
    assert codes - explained == set()
