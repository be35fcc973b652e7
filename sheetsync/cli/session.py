"""One invocation: its global options, and what they open (settings, workspace, gateway), each only if asked."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sheetsync.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sheetsync.services.workspace import Workspace
    from sheetsync.settings import Settings
    from sheetsync.store import Store
    from sheetsync.sync.gateway import SheetGateway


@dataclass
class Session:
    """The global options as given; everything else follows from them."""

    config: str | None = None
    store: str | None = None
    tenant: str | None = None
    user: str | None = None
    spreadsheet: str | None = None  # only of a target of `sync --all`; there is no such option
    as_json: bool = False
    verbose: int = 0
    quiet: bool = False
    debug: bool = False
    no_color: str | None = None
    may_create: bool = False  # a store where there is none; a mistyped address is no store for who only looks
    environ: Mapping[str, str] | None = None  # None: the process's; the demo runs without any
    closing: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def output(self) -> Output:
        """How to print."""
        return Output(as_json=self.as_json, quiet=self.quiet, verbose=self.verbose, no_color=bool(self.no_color))

    @cached_property
    def settings(self) -> Settings:
        """Configuration file, environment and global options as one value."""
        return self._load(lenient=False)

    def _load(self, *, lenient: bool) -> Settings:
        from sheetsync import settings
        from sheetsync.observability import logs

        logs.configure(self.verbose, quiet=self.quiet)
        loaded = settings.load(config=self.config_path, overrides=self.overrides, environ=self.environ, lenient=lenient)
        for warning in loaded.warnings:
            self.output.say(f"warning: {warning}")
        return loaded

    @property
    def config_path(self) -> Path | None:
        """The configuration file that was named, if one was."""
        return Path(self.config) if self.config else None

    @property
    def overrides(self) -> dict[str, str]:
        """The global options that stand over configuration and environment."""
        given = {"store": self.store, "tenant": self.tenant, "user": self.user, "spreadsheet": self.spreadsheet}
        return {name: value for name, value in given.items() if value is not None}

    @cached_property
    def lenient_settings(self) -> Settings:
        """The settings for who must get at the store, whatever is wrong with the configuration: it is warned about.

        But a mistake in the store's own address, or in the tenant's name, ends the command: it would act on another.
        """
        return self._load(lenient=True)

    @contextmanager
    def open_store(self) -> Iterator[Store]:
        """The store alone; a wrong configuration is only warned about."""
        from sheetsync.store import Store

        found = self.lenient_settings
        with Store.open(found.store, tenant=found.tenant, create=False, tell=self.output.say) as opened:
            yield opened

    @cached_property
    def workspace(self) -> Workspace:
        """The open workspace; it is closed with the session."""
        from sheetsync.bootstrap import open_workspace

        opened = open_workspace(self.settings, tell=self.output.say, create=self.may_create)
        self.closing.callback(opened.store.close)
        return opened

    @property
    def workspace_to_fill(self) -> Workspace:
        """The workspace, for commands that bring something in: its store is made if there is none."""
        self.may_create = True
        return self.workspace

    @property
    def workspace_to_check(self) -> Workspace:
        """The workspace, for commands that only look: an empty one in memory if there is no store, and none is made."""
        from sheetsync.bootstrap import open_workspace
        from sheetsync.errors import NotFoundError

        try:
            return self.workspace
        except NotFoundError:
            opened = open_workspace(replace(self.settings, store="memory://"), tell=self.output.say)
            self.closing.callback(opened.store.close)
            return opened

    def again(self, *, tenant: str | None = None, spreadsheet: str | None = None) -> Session:
        """A session with the same options (and, if given, another target) that has opened nothing yet."""
        return replace(
            self,
            tenant=tenant or self.tenant,
            spreadsheet=spreadsheet or self.spreadsheet,
            closing=ExitStack(),
        )

    def targets(self) -> list[Session]:
        """A session for what the top of the configuration says, and one for each of its `[[target]]` entries."""
        others = [self.again(tenant=one.tenant, spreadsheet=one.spreadsheet) for one in self.settings.targets]
        return [self.again(), *others]

    @contextmanager
    def gateway(self, *, make: bool = True) -> Iterator[SheetGateway]:
        """The spreadsheet of the settings, for as long as the context lasts.

        Without `make`, an empty one in memory stands in for the workspace's own until that is there.
        """
        from sheetsync.bootstrap import open_gateway

        settings, tell = self.settings, self.output.say
        opened = open_gateway(settings, self.workspace, tell=tell, interactive=self.interactive, make=make)
        with opened as gateway:
            yield gateway

    @property
    def interactive(self) -> bool:
        """Is somebody there to sign in with a browser?"""
        return sys.stdin is not None and sys.stdin.isatty()
