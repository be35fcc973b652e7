"""The exports to the byte, and the strictness of the TSV dialect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.connector import EngineRoute
from sheetsync.errors import DestinationError, InvalidContentError
from sheetsync.exports.schema import CONNECTOR_REGISTRY, EXPORTS, KPI_MATRIX, POLICY_MATRIX
from sheetsync.exports.tables import (
    Row,
    RowKey,
    Table,
    Value,
    connector_registry,
    coverage_report,
    kpi_matrix,
    policy_matrix,
)
from sheetsync.exports.tsv import export_tsv, read_tsv, write_tsv
from sheetsync.registry.live import LiveConnector, live_from_json

STAMP = "2026-01-07T12:00:00Z"


def connector(
    name: str, firearms: dict[str, Any] | None = None, scopes: tuple[str, ...] = (), **more: Any
) -> LiveConnector:
    plain: dict[str, Any] = {
        "version": "1.2.0", "published_at": STAMP, "engine_routes": (), "kpis": {},
        "scopes": scopes or tuple(firearms or {}),
    }  # fmt: skip
    return LiveConnector(connector_id=name, firearms=firearms or {}, **{**plain, **more})


GITHUB = connector(
    "github",
    {"admin_write": ("firearm.external_write", True), "read_public": (None, False)},
    engine_routes=("/chat/completions",),
    kpis={"spend": {"impact_type": "cost", "formula": "usage.cost * 1.0", "target": 5.0, "unit": "EUR"},
          "calls": {"impact_type": "count", "formula": "usage.count", "target": None, "unit": None}},
)  # fmt: skip
ROUTES = (EngineRoute(pattern="/chat/*"), EngineRoute(pattern="/video/*"))


def test_the_examples_of_the_contract_come_out_to_the_byte() -> None:
    live = {"github": GITHUB}
    assert write_tsv(connector_registry(live)) == (
        b"connector_id\tversion\tscope_count\tfirearms_required\tpublished_at\n"
        b"github\t1.2.0\t2\tTRUE\t2026-01-07T12:00:00Z\n"
    )
    assert write_tsv(policy_matrix(live)) == (
        b"connector_id\tscope\tfirearm_id\tstrategy_lock\n"
        b"github\tadmin_write\tfirearm.external_write\tTRUE\n"
        b"github\tread_public\tNONE\tFALSE\n"
    )
    assert write_tsv(coverage_report(live, (), ROUTES)) == (
        b"engine_route\tmcp_wrapper_status\tpolicy_coverage\n/chat/*\tDONE\t100%\n/video/*\tMISSING\t0%\n"
    )
    assert write_tsv(kpi_matrix(live)) == (
        b"connector_id\tkpi_name\timpact_type\tformula\ttarget\tunit\n"
        b"github\tcalls\tcount\tusage.count\t\t\n"
        b"github\tspend\tcost\tusage.cost * 1.0\t5\tEUR\n"
    )


def test_values_are_typed_for_the_sheet() -> None:
    live = {"github": GITHUB}
    assert list(connector_registry(live).rows.values()) == [("github", "1.2.0", 2, True, STAMP)]
    assert policy_matrix(live).rows["github", "read_public"] == ("github", "read_public", "NONE", False)
    assert coverage_report(live, (), ROUTES).rows["/chat/*",] == ("/chat/*", "DONE", 1.0)
    assert kpi_matrix(live).rows["github", "spend"][4] == 5.0


def test_an_empty_export_is_its_header() -> None:
    for table in (connector_registry({}), policy_matrix({}), coverage_report({}, (), ())):
        assert write_tsv(table) == "\t".join(table.schema.names).encode() + b"\n"


def test_undecided_is_empty_with_no_lock() -> None:
    live = {"c": connector("c", {}, scopes=("x",))}
    assert write_tsv(policy_matrix(live)).splitlines()[1] == b"c\tx\t\tFALSE"
    assert next(iter(connector_registry(live).rows.values()))[3] is False


def test_order_is_by_code_point() -> None:
    scopes = ("b", "a.b", "a-b", "B", "a_b", "Z", "a:b", "a", "10", "9")
    live = {name: connector(name, {}, scopes=scopes) for name in ("b", "a-b", "ab", "a")}
    keys = list(policy_matrix(live).rows)
    assert keys == sorted(keys)
    assert [scope for name, scope in keys if name == "a"] == ["10", "9", "B", "Z", "a", "a-b", "a.b", "a:b", "a_b", "b"]
    assert [name for (name,) in connector_registry(live).rows] == ["a", "a-b", "ab", "b"]


def test_times_lose_their_fraction_of_a_second() -> None:
    spec = {"id": "c", "version": "1.0.0", "scopes": [], "engine_routes": []}
    head = {"spec": spec, "published_at": "2026-01-07T12:00:00.999999Z", "retired": False}
    assert live_from_json(head, {"firearms": {}}, {"kpis": {}}).published_at == STAMP


def test_tombstones_have_no_rows() -> None:
    live = {"github": GITHUB._replace(retired=True)}
    assert connector_registry(live).rows == {}
    assert policy_matrix(live).rows == {}
    assert coverage_report(live, (), ROUTES).rows["/chat/*",][1] == "MISSING"


def test_the_sheets_matrix_also_shows_drafts_of_connectors_never_published() -> None:
    draft = connector("alpha", {"x": ("firearm.a", False)}, published_at="")
    table = policy_matrix({"github": GITHUB}, unpublished_drafts=[draft])
    assert next(iter(table.rows)) == ("alpha", "x")
    assert len(table.rows) == 3


# -- coverage


@pytest.mark.parametrize(
    ("pattern", "routes", "status"),
    [
        ("/chat/*", ("/chat/completions",), "DONE"),
        ("/chat/*", ("/chat/*",), "DONE"),
        ("/chat/*", ("/chat/v1/completions",), "DONE"),
        ("/chat/*", ("/chat",), "MISSING"),
        ("/chat/*", ("/Chat/x",), "MISSING"),
        ("/chat/?", ("/chat/x",), "DONE"),
        ("/chat/[ab]", ("/chat/b",), "DONE"),
        ("*", ("/anything",), "DONE"),
        ("*", (), "MISSING"),
        ("/chat/x", ("/chat/*",), "MISSING"),
    ],
)
def test_the_routes_pattern_is_a_glob_over_the_specs_routes(pattern: str, routes: tuple[str, ...], status: str) -> None:
    live = {"c": connector("c", {"x": (None, False)}, engine_routes=routes)}
    assert coverage_report(live, (), [EngineRoute(pattern=pattern)]).rows[pattern,][1] == status


def test_a_route_that_names_connectors_is_wrapped_by_those_only() -> None:
    live = {"github": GITHUB, "other": connector("other", {"x": (None, False)})}
    named = EngineRoute(pattern="/chat/*", connectors=("other",))
    nobody = EngineRoute(pattern="/chat/v2", connectors=())
    rows = coverage_report(live, (), [named, nobody]).rows
    assert rows["/chat/*",][1:] == ("DONE", 1.0)
    assert rows["/chat/v2",][1:] == ("MISSING", 0.0)


def test_a_route_that_only_drafts_wrap_is_in_progress() -> None:
    draft = connector("d", {"x": (None, False)}, engine_routes=("/video/x",))
    rows = coverage_report({"github": GITHUB}, [draft], ROUTES).rows
    assert rows["/video/*",] == ("/video/*", "IN_PROGRESS", 0.0)
    assert rows["/chat/*",][1] == "DONE"


@pytest.mark.parametrize(
    ("decided", "scopes", "shown"),
    [(0, 3, b"0%"), (1, 3, b"33%"), (2, 3, b"66%"), (199, 200, b"99%"), (29, 50, b"58%"), (7, 7, b"100%")],
)
def test_coverage_is_floored_so_that_100_percent_means_all(decided: int, scopes: int, shown: bytes) -> None:
    names = tuple(f"s{number}" for number in range(scopes))
    firearms = dict.fromkeys(names[:decided], (None, False))
    live = {"c": connector("c", firearms, scopes=names, engine_routes=("/chat/x",))}
    assert write_tsv(coverage_report(live, (), ROUTES[:1])).splitlines()[1].split(b"\t")[2] == shown


@given(st.integers(1, 3000).flatmap(lambda scopes: st.tuples(st.integers(0, scopes), st.just(scopes))))
def test_a_percent_survives_its_number(of: tuple[int, int]) -> None:
    decided, scopes = of
    table = Table(coverage_report({}, (), ()).schema, {("/x",): ("/x", "DONE", (decided * 100 // scopes) / 100)})
    assert write_tsv(table).endswith(f"\t{decided * 100 // scopes}%\n".encode())


def test_routes_keep_the_configurations_order_and_connectors_without_scopes_cover_nothing() -> None:
    routes = [EngineRoute(pattern=one) for one in ("/z", "/a", "/m")]
    live = {"c": connector("c", {}, engine_routes=("/a",))}
    table = coverage_report(live, (), routes)
    assert [row[0] for row in table.rows.values()] == ["/z", "/a", "/m"]
    assert table.rows["/a",][1:] == ("DONE", 0.0)


# -- the dialect

VALUES = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029"), max_size=12)
MATRIX = st.dictionaries(st.tuples(VALUES, VALUES), st.tuples(VALUES, st.booleans()), max_size=5)


@given(MATRIX)
def test_tables_round_trip(cells: dict[tuple[str, str], tuple[str, bool]]) -> None:
    table = Table(POLICY_MATRIX, {key: (*key, *row) for key, row in cells.items()})
    data = write_tsv(table)
    assert read_tsv(POLICY_MATRIX, data) == table
    assert write_tsv(read_tsv(POLICY_MATRIX, data)) == data


def test_numbers_round_trip() -> None:
    targets: tuple[Value, ...] = (0.1, -5.0, 1e300, "")
    rows: dict[RowKey, Row] = {("c", f"k{n}"): ("c", f"k{n}", "cost", "1", one, "") for n, one in enumerate(targets)}
    table = Table(KPI_MATRIX, rows)
    assert read_tsv(KPI_MATRIX, write_tsv(table)) == table


@pytest.mark.parametrize("value", ["a\tb", "a\nb", "a\rb", "\x00", "a\u2028b", "a\x85"])
def test_a_value_with_a_tab_or_line_break_has_no_form(value: str) -> None:
    with pytest.raises(InvalidContentError):
        write_tsv(Table(POLICY_MATRIX, {("c", "x"): ("c", "x", value, False)}))


GOOD = b"connector_id\tscope\tfirearm_id\tstrategy_lock\nc\tx\tNONE\tFALSE\n"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"\xef\xbb\xbf" + GOOD, GOOD[:-1], GOOD + b"\n", GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"FALSE", b"false"), GOOD.replace(b"\tFALSE", b""), GOOD.replace(b"FALSE", b"FALSE\t"),
        GOOD.replace(b"connector_id", b"id"), GOOD + b"c\tx\tNONE\tTRUE\n", GOOD.replace(b"x", b"\xff"),
        GOOD.replace(b"scope", b'"scope"'),
    ],
)  # fmt: skip
def test_what_would_not_be_written_is_not_read(data: bytes) -> None:
    with pytest.raises(InvalidContentError):
        read_tsv(POLICY_MATRIX, data)


@pytest.mark.parametrize("count", [b"2.0", b"02", b"two", b"", b" 2", b"\xd9\xa2"])
def test_a_count_is_written_in_one_way(count: bytes) -> None:
    header = "\t".join(CONNECTOR_REGISTRY.names).encode()
    with pytest.raises(InvalidContentError):
        read_tsv(CONNECTOR_REGISTRY, header + b"\nc\t1.0.0\t" + count + b"\tTRUE\t\n")


# -- the folder


def test_the_three_files_appear_together_in_a_fresh_folder(tmp_path: Path) -> None:
    live = {"github": GITHUB}
    tables = [connector_registry(live), policy_matrix(live), coverage_report(live, (), ROUTES)]
    written = export_tsv(tmp_path / "deep" / "out", tables)
    assert [path.name for path in written] == [f"{schema.name}.tsv" for schema in EXPORTS]
    assert sorted(path.name for path in (tmp_path / "deep" / "out").iterdir()) == sorted(path.name for path in written)
    assert written[1].read_bytes() == write_tsv(tables[1])


def test_an_existing_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for target in list(tmp_path.iterdir()):
        with pytest.raises(DestinationError) as caught:
            export_tsv(target, [])
        assert caught.value.exit_code == 2
    assert not list((tmp_path / "empty").iterdir())


def test_a_failed_export_leaves_nothing_behind(tmp_path: Path) -> None:
    bad = Table(POLICY_MATRIX, {("c", "x"): ("c", "x", "\t", False)})
    with pytest.raises(InvalidContentError):
        export_tsv(tmp_path / "out", [policy_matrix({"github": GITHUB}), bad])
    assert list(tmp_path.iterdir()) == []
