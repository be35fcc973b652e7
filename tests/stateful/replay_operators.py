"""Operators, who publish, discard and resolve; runs of sync, which are stepped, killed and answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sheetsync.domain.draft import SheetOrigin
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.errors import RefusedError, SheetSyncError
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.services import drafts, publishing
from sheetsync.services.sync_state import baseline_record, load_asked, load_state
from sheetsync.services.syncing import lease_name
from sheetsync.sync.epoch import is_foreign
from tests.stateful.replay_owners import Owners
from tests.stateful.replay_process import Process
from tests.stateful.replay_sheet import ANYWAY, CONNECTORS, cell_key
from tests.stateful.witness import Violation, key_of, shown


class Operators(Owners):
    """The world, with people at the store, and with runs."""

    def make(self, conn: str, values: dict[str, str], *, publish: bool) -> None:
        name = CONNECTORS[conn]
        spec = {"id": name, "version": "1.0.0", "name": name, "scopes": [{"name": scope} for scope in values]}
        made = drafts.new_draft(self.ws, name, spec).draft.id
        bindings = {scope: FirearmBinding(firearm_id="firearm." + value) for scope, value in values.items()}
        self.once |= {(conn + scope[1:], value) for scope, value in values.items()}
        drafts.edit_draft(self.ws, made, firearms=bindings)
        if publish:
            self.publish(made)

    def publish(self, draft_id: str) -> None:
        draft = self.ws.catalogue().draft(draft_id).draft
        for scope, one in draft.policy_snapshot.firearms.items():
            self.once.add((key_of(draft.connector_id, scope), shown(one.firearm_id)))
        publishing.verify_drafts(self.ws, [draft_id])
        publishing.publish_drafts(self.ws, [draft_id])

    def do_publish(self, conn: str) -> None:
        catalogue = self.ws.catalogue()
        found = catalogue.newest_open(CONNECTORS[conn], sheet=True) or catalogue.newest_open(CONNECTORS[conn])
        if found is not None and not found.draft.open_conflicts():
            try:
                self.publish(found.draft.id)
            except RefusedError:
                return

    def do_direct(self, key: str, value: str) -> None:
        name, scope = cell_key(key)
        if self.ws.catalogue().published(name) is None:
            return
        made = drafts.new_draft(self.ws, name).draft.id
        binding = {scope: FirearmBinding(firearm_id="firearm." + value)}
        stored = drafts.edit_draft(self.ws, made, firearms=binding)
        undecided = set(stored.draft.spec_snapshot.scope_names()) - set(stored.draft.policy_snapshot.firearms)
        if undecided:
            drafts.edit_draft(
                self.ws, made, firearms={one: FirearmBinding(firearm_id="firearm.x") for one in undecided}
            )
        self.publish(made)
        self.retired.discard(name)

    def do_discard(self, conn: str) -> None:
        found = self.ws.catalogue().newest_open(CONNECTORS[conn], sheet=True)
        if found is not None and isinstance(found.draft.origin, SheetOrigin) and found.draft.origin.edits:
            drafts.discard_draft(self.ws, found.draft.id, "no")
            if not load_state(self.ws, self.sid)[0].known:
                return  # nothing tells what was shown from what was typed: what differs is read as an owner's edit
            for edit in found.draft.origin.edits:
                self.witness.discarded[key_of(*edit.row_key)] = (shown(edit.value), self.now)

    def do_opedit(self, key: str, value: str) -> None:
        name, scope = cell_key(key)
        found = self.ws.catalogue().newest_open(name)
        if found is not None:
            self.once.add((key, value))
            drafts.edit_draft(self.ws, found.draft.id, firearms={scope: FirearmBinding(firearm_id="firearm." + value)})

    def do_resolve(self, key: str, side: Any) -> None:
        name, scope = cell_key(key)
        found = self.ws.catalogue().newest_open(name, sheet=True)
        if found is None:
            return
        mine = [one for one in found.draft.open_conflicts() if one.row_key == (name, scope)]
        for one in mine:
            self.seen.append((key, shown(one.yours), self.now))
            self.decided.append((key, self.now))
            drafts.resolve_conflict(self.ws, found.draft.id, one.row_key, one.column, side)
            return

    def do_retire(self, conn: str) -> None:
        name = CONNECTORS[conn]
        live = self.ws.catalogue().published(name)
        if live is not None and not live.retired:
            publishing.publish_drafts(self.ws, [publishing.retire_connector(self.ws, name).draft.id])
            self.retired.add(name)
            self.witness.ever_retired.add(conn)

    def do_lose(self) -> None:
        state, _ = load_state(self.ws, self.sid)
        if state.debts or state.lost_rows or self.procs:
            return
        self.cause = self.cause or bool(state.intended)
        with self.store.transaction(self.ws.ctx, why="the baseline is lost") as tx:
            lost = {"format": 1, "spreadsheet_id": self.sid, "commit": 0, "known": False, "planned": state.planned}
            tx.save(baseline_record(self.ws, self.sid), lost)
        self.forgive()

    def do_accept(self, mode: str) -> None:
        state, _ = load_state(self.ws, self.sid)
        read = GoogleSheetsGateway(self.api, self.sid, store_id=self.store.store_id).read({})
        if is_foreign(state, read) and load_asked(self.ws, self.sid) in (None, read.tokens):
            self.witness.forgive()
            self.forces = replace(ANYWAY, adopt=mode == "adopt", restore_from_store=mode == "store")
            self.typed |= {(row.key, row.val) for row in self.grid()}

    # -- processes

    def do_step(self, me: int, fault: str = "ok") -> None:
        if me not in self.procs:
            self.procs[me] = Process(self, self.forces)
            self.forces = ANYWAY
            self.procs[me].step()
        process = self.procs[me]
        if process.at != "end":
            before, answered = self.witness.state(), process.forces.adopt or process.forces.restore_from_store
            process.step(fault if process.at == "batch" else "ok")
            self.witness.stepped(before, answered)
        if process.at == "end":
            process.join(20)
            del self.procs[me]
            if process.broken is not None:
                raise process.broken
            self.last[me] = process.outcome
            if process.outcome == "stop" and not self.cause:
                raise Violation("I10", "exit 7, and nobody touched the epoch")

    def do_until(self, me: int, kind: str) -> None:
        """A run goes on to its next call or commit of a kind; at least one step."""
        for _ in range(80):
            self.do_step(me)
            if me not in self.procs or self.procs[me].at == kind:
                return
        raise Violation("I7", "a run does not end")

    def do_run(self, me: int, fault: str = "ok") -> None:
        for _ in range(80):
            at_batch = me in self.procs and self.procs[me].at == "batch"
            self.do_step(me, fault if at_batch else "ok")
            fault = "ok" if at_batch else fault
            if me not in self.procs:
                return
        raise Violation("I7", "a run does not end")

    def kill(self, process: Process) -> None:
        if process.at not in ("end", "start"):
            process.killed = True
            process.go.set()
            process.join(20)

    def do_kill(self, me: int) -> None:
        process = self.procs.pop(me, None)
        if process is not None:
            self.kill(process)

    def do_expire(self) -> None:
        self.store.break_lease(lease_name(self.sid))

    def do_land(self) -> None:
        if self.flight:
            try:
                self.deliver(self.flight.pop(0))
            except SheetSyncError:
                return
