"""`sheetsync demo`: the whole loop on connectors that ship with the package, in a fresh workspace.

Every step runs the real command in this process and shows its real answer; the owner's edits go over the local
server's REST API. The story is here, the person at the sheet in `demo_owner`, the data in `demo_data/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sheetsync.cli.options import command
from sheetsync.cli.output import Output
from sheetsync.errors import DefectError, DestinationError, SheetSyncError
from sheetsync.observability.redaction import redact

if TYPE_CHECKING:
    from sheetsync.cli.demo_owner import Owner
    from sheetsync.cli.session import Session

DATA: Final = Path(__file__).parent / "demo_data"
ANA: Final = "ana@example.com"  # the operator
BEN: Final = "ben@example.com"  # the second person
PUBLISHED: Final = ("github", "jira", "openmeteo", "slack", "stripe", "websearch")  # imagegen stays a draft
CONFLICT_SCOPE: Final = "tickets.searchTickets"
EDITS: Final = (
    ("good", "github", "core.createIssue", "firearm_id", "firearm.external_write", "opening issues needs a grant"),
    ("loosening", "stripe", "payments.createRefund", "strategy_lock", False, "refunds without the lock"),
    ("typo", "slack", "messages.listChannels", "firearm_id", "firearm.externl_write", "a slip of the finger"),
    ("conflicting", "jira", CONFLICT_SCOPE, "firearm_id", "firearm.external_write", "ana changes it too"),
)


class StageOutput(Output):
    """Prints a step's answer indented, and keeps it for the next step."""

    value: Any = None

    def answer(self, value: object, lines: Iterable[str] = ()) -> None:
        """Keep the value, print the lines."""
        self.value = value
        if not self.as_json and not self.quiet:
            for line in lines:
                print(self.clean(f"    {line}".rstrip()))

    def say(self, text: str, *, level: int = 0) -> None:
        """The talk of single steps only with -v."""
        super().say(text, level=level + 1)


class Stage:
    """The workspace of the demo, and the commands played on it."""

    def __init__(self, session: Session, directory: Path) -> None:
        self.session = session
        self.directory = directory
        self.steps: list[dict[str, object]] = []

    def title(self, text: str) -> None:
        """Explain the next step in a line."""
        number = 1 + sum(1 for step in self.steps if "title" in step)
        self.steps.append({"title": text})
        self.show("", self.session.output.style(f"{number}. {text}", "green", bold=True))

    def show(self, *lines: str) -> None:
        """Print lines of the story."""
        if not self.session.as_json and not self.session.quiet:
            for line in lines:
                print(self.session.output.clean(line), flush=True)

    def play(self, *args: str, user: str = ANA, expect: Sequence[int] = (0,)) -> Any:
        """Run one command as `user`; an exit code that is not expected is a defect."""
        code, value = self._run(args, user)
        self.steps.append({"command": " ".join(["sheetsync", *args]), "user": user, "exit_code": code})
        if code not in expect:
            raise DefectError(f"'sheetsync {args[0]}' ended with exit code {code} in the demo", hint="report this")
        return value

    def _run(self, args: Sequence[str], user: str) -> tuple[int, Any]:
        from sheetsync.cli.app import cli
        from sheetsync.cli.session import Session

        step = Session(
            config=str(self.directory / "config" / "sheetsync.toml"),
            user=user,
            as_json=self.session.as_json,
            verbose=self.session.verbose,
            no_color=self.session.no_color,
            environ={},
        )
        mine = self.session.output
        output = StageOutput(as_json=mine.as_json, quiet=mine.quiet, verbose=mine.verbose, no_color=mine.no_color)
        step.output = output
        who = "" if user == ANA else f"   (as {user})"
        self.show(mine.style(f"  $ sheetsync {' '.join(_short(args))}{who}", "cyan"))
        try:
            with step.closing:
                code = cli.main(list(args), prog_name="sheetsync", standalone_mode=False, obj=step)
        except SheetSyncError as error:
            self.show(f"    error: {redact(error.message)}", *([f"    hint: {error.hint}"] if error.hint else []))
            return error.exit_code, error.to_json()
        return code if isinstance(code, int) else 0, output.value


def _short(args: Sequence[str]) -> Iterator[str]:
    for argument in args:
        yield f"…/{Path(argument).name}" if argument.startswith("/") else argument


@command("demo")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--keep", is_flag=True, help="Leave the local server running afterwards, until Ctrl-C.")
def demo(session: Session, *, directory: Path | None, keep: bool) -> int:
    """Play the whole loop on made-up connectors, in DIR or a new temporary folder; no account is needed."""
    from sheetsync.cli.servers import until_stopped
    from sheetsync.localsheets import LocalSheets

    stage = Stage(session, _fresh(directory))
    stage.show(f"sheetsync demo in {stage.directory}")
    _prepare(stage)
    with LocalSheets(data=stage.directory / "local-sheets.db") as server:
        owner, tables = _story(stage, server.url)
        _finish(stage, owner, tables, keep=keep)
        if keep:
            with until_stopped() as stopped:
                stopped.wait()
    return 0


def _fresh(directory: Path | None) -> Path:
    from tempfile import mkdtemp

    if directory is None:
        return Path(mkdtemp(prefix="sheetsync-demo-"))
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DestinationError(f"{directory} is not empty", hint="name a new folder, or none for a temporary one")
    return directory.resolve()


def _prepare(stage: Stage) -> None:
    from shutil import copyfile

    from sheetsync.bootstrap import init_workspace

    stage.title("A workspace: a configuration and an empty store.")
    init_workspace(stage.directory)
    for name in ("firearms.toml", "engine_routes.toml"):
        copyfile(DATA / name, stage.directory / "config" / name)
    stage.show(f"    made {stage.directory}/config and {stage.directory}/store")


def _story(stage: Stage, url: str) -> tuple[Owner, dict[str, str]]:
    from sheetsync.cli.demo_owner import Owner

    _bring_in(stage)
    stage.title("Push: four tables and a status tab go into the spreadsheet, in one atomic write.")
    stage.play("push")
    owner = Owner(url)
    stage.show(f"  See and edit it: {stage.session.output.style(owner.page, bold=True)}")
    _edit(stage, owner)
    drafts = _pull(stage, owner)
    _publish(stage, owner, drafts)
    return owner, _tables(stage)


def _bring_in(stage: Stage) -> None:
    stage.title("Import seven connectors; each becomes a draft.")
    imported = stage.play("import", str(DATA / "providers"))
    if not imported["drafts"]:
        raise DefectError("the demo's import made no drafts")
    listed = stage.play("draft", "list")["drafts"]
    drafts = {line["connector_id"]: line["id"] for line in listed}
    stage.title("Give six of them a policy: who may fire each scope, and the KPIs it moves.")
    for connector in PUBLISHED:
        stage.play("draft", "edit", drafts[connector], "--policy", str(DATA / "policies" / f"{connector}.json"))
    chosen = [drafts[connector] for connector in PUBLISHED]
    stage.title("Verify in the sandbox, then publish all six in one transaction. imagegen stays a draft.")
    stage.play("verify", *chosen)
    stage.play("publish", *chosen)


def _edit(stage: Stage, owner: Owner) -> None:
    stage.title("A policy owner edits four cells of the Policy Matrix, while ana publishes a change of her own.")
    for kind, connector, scope, column, text, why in EDITS:
        cell = owner.type_into(connector, scope, column, text)
        stage.show(f"  {kind:<11} {cell:<4} {connector} / {scope}: {column} = {json.dumps(text)} ({why})")
    draft = stage.play("draft", "new", "jira")["draft"]["id"]
    stage.play("draft", "edit", draft, "--firearm", f"{CONFLICT_SCOPE}=firearm.personal_data")
    stage.play("verify", draft)
    stage.play("publish", draft)


def _pull(stage: Stage, owner: Owner) -> dict[str, str]:
    stage.title("Pull: edits become new drafts, published records stay as they are, and the sheet answers each edit.")
    report = stage.play("pull", expect=(3,))
    _answers(stage, owner)
    return {draft["connector_id"]: draft["id"] for draft in report["drafts"]}


def _answers(stage: Stage, owner: Owner) -> None:
    stage.show("  the sheet now says:")
    rows = owner.rows()
    for _, connector, scope, *_rest in EDITS:
        cells = rows[(connector, scope)].cells
        stage.show(
            f"    {connector} / {scope}: {cells['firearm_id']} {cells['strategy_lock']} | {cells['sync_status']}"
        )


def _publish(stage: Stage, owner: Owner, drafts: dict[str, str]) -> None:
    stage.title("Look at the drafts, and decide the conflict: the owner's value stands.")
    stage.play("draft", "list")
    stage.play("draft", "resolve", drafts["jira"], "--yours")
    stage.play("diff")
    chosen = [drafts[connector] for connector in sorted(drafts)]
    stage.title("Verify. A loosening needs a second person: ana, who pulled the edits, is refused; ben publishes.")
    stage.play("verify", *chosen)
    stage.play("publish", *chosen, expect=(5,))
    stage.play("publish", *chosen, user=BEN)
    stage.title("Push: the answers turn to 'published'; the typo stays marked until its owner mends it.")
    stage.play("push", expect=(0, 3))
    _answers(stage, owner)


def _tables(stage: Stage) -> dict[str, str]:
    stage.title("Export the three tables of the contract.")
    out = stage.directory / "tsv"
    stage.play("export", "--tsv", "--out", str(out))
    tables = {path.name: path.read_text(encoding="utf-8") for path in sorted(out.iterdir())}
    for name, text in tables.items():
        stage.show("", f"  {name}", *(f"    {line}" for line in text.splitlines()))
    return tables


def _finish(stage: Stage, owner: Owner, tables: dict[str, str], *, keep: bool) -> None:
    value = {
        "ok": True,
        "dir": str(stage.directory),
        "url": owner.page,
        "spreadsheet_id": owner.spreadsheet_id,
        "steps": stage.steps,
        "tables": tables,
    }
    go_on = [
        "",
        f"Done. Go on in {stage.directory}:",
        "  sheetsync status          what there is",
        "  sheetsync sheets serve --data local-sheets.db   the spreadsheet in a browser",
        "  sheetsync sync            what a cron job runs",
    ]
    stay = ["", f"The sheet stays at {owner.page} (Ctrl-C ends it)"] if keep else []
    stage.session.output.answer(value, [*go_on, *stay])
