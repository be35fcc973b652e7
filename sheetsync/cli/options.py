"""Click classes of the command line: global options in both places, commands loaded when they are used.

`sheetsync --json push` and `sheetsync push --json` mean the same: every command takes the global options too, hidden
from its own help. A module of commands is imported when one of its commands is invoked, never for `--help`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from sheetsync.cli.session import Session

Section = tuple[str, Mapping[str, tuple[str, str]]]  # title, {command: (module:attribute, one line of help)}
HOME: Final = "sheetsync.cli."


def current_session(ctx: click.Context) -> Session:
    """The session of this invocation; the root context carries it."""
    from sheetsync.cli.session import Session

    return ctx.find_root().ensure_object(Session)


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Store a global option in the session; what was not given changes nothing."""
    if value is None or value is False or value == 0 or param.name is None:
        return
    setattr(current_session(ctx), param.name, value)


def global_options(*, hidden: bool) -> list[click.Option]:
    """Fresh option objects: shown by the root, hidden at every command."""

    def option(*names: str, **settings: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_remember, hidden=hidden, **settings)

    return [
        option("--config", "config", metavar="FILE", help="Configuration file [config/sheetsync.toml]."),
        option("--store", "store", metavar="URL", help="Folder, s3://, gs://, az:// or memory:// of the store."),
        option("--tenant", "tenant", metavar="NAME", help="Tenant [default]."),
        option("--user", "user", metavar="NAME", help="Who acts: an e-mail address or a login name."),
        option("--json", "as_json", is_flag=True, help="Print exactly one JSON object."),
        option("-v", "--verbose", "verbose", count=True, help="Tell more on stderr."),
        option("-q", "--quiet", "quiet", is_flag=True, help="Print only what needs a person."),
        option("--debug", "debug", is_flag=True, help="Show the traceback of an error."),
        click.Option(("--no-color", "no_color"), envvar="NO_COLOR", is_flag=False, flag_value="1", hidden=True,
                     expose_value=False, callback=_remember),
    ]  # fmt: skip


class Command(click.Command):
    """A command that also takes the global options."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params = [*self.params, *global_options(hidden=True)]


class Group(click.Group):
    """A group whose commands are all in the module that defines it, as in `draft`."""

    command_class = Command

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False} | settings)  # else an error's message is the whole help
        self.params = [*self.params, *global_options(hidden=True)]


class LazyGroup(click.Group):
    """The root: its table of commands is enough for `--help`; a command's module is imported when it is invoked."""

    def __init__(self, *args: Any, sections: Sequence[Section] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.sections = sections
        self.homes = {name: home for _, commands in sections for name, home in commands.items()}
        self.params = [*self.params, *global_options(hidden=False)]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The names, in the order of the help."""
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # the same
        """Import the command's module and return the command."""
        if cmd_name not in self.homes:
            return None
        module, _, attribute = self.homes[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(HOME + module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a "did you mean" for a mistyped command."""
        if args and args[0] not in self.homes and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], list(self.homes), n=1)
            also = f" (did you mean '{near[0]}'?)" if near else ""
            ctx.fail(f"there is no command '{args[0]}'{also}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # the same
        """The commands by section, from the table alone."""
        for title, commands in self.sections:
            with formatter.section(title):
                formatter.write_dl([(name, help_line) for name, (_, help_line) in commands.items()])


def pass_session(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Call the function with the session first."""
    from functools import wraps

    @wraps(function)
    def with_session(*args: object, **options: object) -> int | None:
        return function(current_session(click.get_current_context()), *args, **options)

    return with_session


def command(name: str, **settings: Any) -> Callable[[Callable[..., int | None]], Command]:
    """Declare a command: the function gets the session and the options, and returns an exit code (None: 0)."""

    def declare(function: Callable[..., int | None]) -> Command:
        return click.command(name, cls=Command, **settings)(pass_session(function))

    return declare
