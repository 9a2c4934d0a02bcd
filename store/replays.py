"""Replays as stored: what was wished, which item is begun next, what became of each. The commands: ``replay_originals.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import Engine

from canonical import exact_json
from canonical.errors import FieldError, RefusedError
from canonical.replay import (
    REPLAYABLE,
    STEPS,
    ItemResult,
    ItemState,
    Mode,
    Replay,
    ReplayItem,
    ReplayState,
    Result,
    Selection,
    Step,
    TakenItem,
    Wish,
    replay_limits,
)
from store.database import rows, transaction
from store.replay_originals import Originals

_ADD = """
INSERT INTO replays (id, tenant, person, reason, selection, mode, batch, per_minute, dry_run, state)
VALUES (%(id)s, %(tenant)s, %(person)s, %(reason)s, %(selection)s::jsonb, %(mode)s, %(batch)s, %(per_minute)s, %(dry_run)s,
        'running')
"""
_ADD_ITEMS = """
INSERT INTO replay_items (replay_id, seq, tenant, command_id, connection_id, state)
SELECT %(id)s, w.seq, %(tenant)s, c.id, c.connection_id, 'pending'
  FROM unnest(%(commands)s::uuid[]) WITH ORDINALITY AS w (id, seq) JOIN commands c ON c.id = w.id
"""
_NAMED = "SELECT id FROM commands WHERE tenant = %(tenant)s AND id = ANY (%(commands)s)"
#: Only what is asked for is in the statement, so that each condition finds its index.
_NARROWS: Mapping[str, str] = {
    "connection": "c.connection_id = (SELECT id FROM connections WHERE tenant = %(tenant)s AND name = %(connection)s)",
    "action_type": "c.action_type = %(action_type)s",
    "case_kind": """EXISTS (SELECT 1 FROM cases k WHERE k.command_id = c.id AND k.kind = %(case_kind)s
                             AND k.closed_at IS NULL)""",
    "received_from": "c.received_at >= %(received_from)s",
    "received_to": "c.received_at < %(received_to)s",
}
#: One branch for each state: what is open and what ended have an index each.
_BRANCH = """(SELECT c.id, c.received_at FROM commands c WHERE c.tenant = %(tenant)s AND c.state = '{state}'{where}
  ORDER BY c.received_at, c.id LIMIT %(most)s)"""
_SELECT = "SELECT c.id FROM ({branches}) c ORDER BY c.received_at, c.id LIMIT %(most)s"
_COLUMNS = "r.id, r.tenant, r.person, r.reason, r.mode, r.batch, r.per_minute, r.dry_run, r.state, r.created_at"
_FIND = f"SELECT {_COLUMNS} FROM replays r WHERE r.id = %(replay)s AND r.tenant = %(tenant)s"
_COUNTS = """
SELECT coalesce(result, state) AS name, count(*) AS n FROM replay_items WHERE replay_id = %(replay)s GROUP BY 1
"""
_ITEMS = """
SELECT i.seq, i.command_id AS command, n.name AS connection, i.state, i.waits_for, i.result, i.why, i.error, i.bytes,
       i.mapping_pinned, i.mapping_now, i.stored_digest, i.planned_digest, i.changed, i.new_command, i.case_id
  FROM replay_items i JOIN connections n ON n.id = i.connection_id
 WHERE i.replay_id = %(replay)s AND i.seq > %(after)s ORDER BY i.seq LIMIT %(limit)s
"""
#: A start is the end of a dry run: what it found is looked at anew, since the chart may have changed.
_STEP = """
UPDATE replays SET state = %(target)s, changed_at = clock_timestamp(), dry_run = dry_run AND NOT %(starts)s
 WHERE id = %(replay)s AND tenant = %(tenant)s AND state = %(source)s RETURNING id
"""
_ANEW = """
UPDATE replay_items SET state = 'pending', due_at = '-infinity', begun_at = NULL, over_at = NULL, result = NULL, why = '',
       error = '', bytes = '', mapping_pinned = NULL, mapping_now = NULL, stored_digest = NULL, planned_digest = NULL,
       changed = '{}', new_command = NULL, case_id = NULL
 WHERE replay_id = %(replay)s
"""
_RUNNING = f"SELECT {_COLUMNS} FROM replays r WHERE r.state = 'running' ORDER BY r.created_at"
_RECOVER = """
UPDATE replay_items i SET state = 'pending' FROM replays r
 WHERE r.state = 'running' AND i.replay_id = r.id AND i.state = 'begun'
   AND i.begun_at < statement_timestamp() - %(lease)s::interval
"""
_PARK = """
UPDATE replay_items i SET waits_for = w.why
  FROM (SELECT n.id, coalesce(b.why, '') AS why FROM connections n
          LEFT JOIN unnest(%(names)s::text[], %(whys)s::text[]) AS b (name, why) ON b.name = n.name
         WHERE n.tenant = %(tenant)s) w
 WHERE i.replay_id = %(replay)s AND i.state = 'pending' AND i.connection_id = w.id AND i.waits_for <> w.why
"""
#: Held while an item is begun: a pause or cancel comes before it or after it, and two schedulers one after the other.
_HOLD = "SELECT 1 FROM replays WHERE id = %(replay)s AND state = 'running' FOR UPDATE"
_TAKE = """
UPDATE replay_items i SET state = 'begun', begun_at = clock_timestamp(), tries = i.tries + 1
  FROM connections n
 WHERE i.replay_id = %(replay)s AND n.id = i.connection_id AND i.seq = (
   SELECT p.seq FROM replay_items p JOIN connections m ON m.id = p.connection_id
    WHERE p.replay_id = %(replay)s AND p.state = 'pending' AND p.due_at <= clock_timestamp()
      AND NOT m.name = ANY (%(blocked)s)
      AND (SELECT count(*) FROM replay_items b WHERE b.connection_id = p.connection_id
             AND b.begun_at > statement_timestamp() - interval '1 minute') < %(per_minute)s
    ORDER BY p.seq LIMIT 1)
RETURNING i.seq, i.tries, i.command_id AS command, n.name AS connection
"""
_MINE = "replay_id = %(replay)s AND seq = %(seq)s AND state = 'begun' AND tries = %(tries)s"
_FINISH = f"""
UPDATE replay_items SET state = 'over', over_at = clock_timestamp(), waits_for = '', result = %(result)s, why = %(why)s,
       error = %(error)s, bytes = %(bytes)s, mapping_pinned = %(mapping_pinned)s, mapping_now = %(mapping_now)s,
       stored_digest = %(stored_digest)s, planned_digest = %(planned_digest)s, changed = %(changed)s,
       new_command = %(new_command)s, case_id = %(case_id)s
 WHERE {_MINE} RETURNING seq
"""
_PUT_BACK = f"""
UPDATE replay_items SET state = 'pending', due_at = clock_timestamp() + %(wait)s WHERE {_MINE}
"""
_CLOSE = """
UPDATE replays SET state = CASE WHEN dry_run THEN 'draft' ELSE 'done' END, changed_at = clock_timestamp()
 WHERE id = %(replay)s AND state = 'running'
   AND NOT EXISTS (SELECT 1 FROM replay_items WHERE replay_id = %(replay)s AND state <> 'over') RETURNING id
"""
_CLOSED = """
SELECT n.name, CASE WHEN n.not_before > clock_timestamp() THEN 'connection-closed' ELSE 'switched-off' END AS why
  FROM connections n
 WHERE n.tenant = %(tenant)s AND (n.not_before > clock_timestamp()
    OR EXISTS (SELECT 1 FROM switches w WHERE NOT w.is_on AND w.tenant IN (%(tenant)s, '*')
                 AND (w.kind IN ('service', 'tenant') OR (w.kind = 'connection' AND w.key = n.name))))
"""


class StoredReplays(Originals):
    """Fills :class:`canonical.replay_store.ReplayBook`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        super().__init__(engine)
        self._engine = engine

    def add(self, wish: Wish) -> UUID:
        made = uuid4()
        with transaction(self._engine) as connection:
            commands = _selected(connection, wish.tenant, wish.selection)
            told = {name: value for name, value in asdict(wish.selection).items() if value}
            names = {
                **vars(wish),
                "id": made,
                "selection": exact_json.dumps({name: _told(value) for name, value in told.items()}),
                "commands": commands,
            }
            rows(connection, _ADD, names)
            rows(connection, _ADD_ITEMS, names)
        return made

    def find(self, tenant: str, replay: UUID) -> Replay | None:
        with transaction(self._engine) as connection:
            found = rows(connection, _FIND, {"tenant": tenant, "replay": replay})
            return _replay(connection, found[0]) if found else None

    def items(self, replay: UUID, *, after: int, limit: int) -> tuple[ReplayItem, ...]:
        with transaction(self._engine) as connection:
            found = rows(connection, _ITEMS, {"replay": replay, "after": after, "limit": limit})
        return tuple(_item(row) for row in found)

    def step(self, tenant: str, replay: UUID, step: Step) -> bool:
        starts = step is Step.START
        with transaction(self._engine) as connection:
            names = {"tenant": tenant, "replay": replay, "starts": starts}
            for (source, known), target in STEPS.items():
                if known is step and rows(connection, _STEP, names | {"source": source, "target": target}):
                    if starts:
                        rows(connection, _ANEW, names)
                    return True
        return False

    def running(self) -> tuple[Replay, ...]:
        with transaction(self._engine) as connection:
            rows(connection, _RECOVER, {"lease": replay_limits().lease})
            return tuple(_replay(connection, row) for row in rows(connection, _RUNNING))

    def park(self, replay: Replay, waits: Mapping[str, str]) -> None:
        names = {"replay": replay.id, "tenant": replay.tenant, "names": list(waits), "whys": list(waits.values())}
        with transaction(self._engine) as connection:
            rows(connection, _PARK, names)

    def take(self, replay: Replay, blocked: Sequence[str]) -> TakenItem | None:
        names = {"replay": replay.id, "blocked": list(blocked), "per_minute": replay.per_minute}
        with transaction(self._engine) as connection:
            found = rows(connection, _TAKE, names) if rows(connection, _HOLD, names) else []
        return TakenItem(replay=replay, **found[0]) if found else None

    def finish(self, item: TakenItem, result: ItemResult) -> bool:
        told = asdict(result) | {"changed": list(result.changed)}
        with transaction(self._engine) as connection:
            return bool(rows(connection, _FINISH, _of(item) | told))

    def put_back(self, item: TakenItem, wait: timedelta) -> None:
        with transaction(self._engine) as connection:
            rows(connection, _PUT_BACK, _of(item) | {"wait": wait})

    def close(self, replay: Replay) -> bool:
        with transaction(self._engine) as connection:
            return bool(rows(connection, _CLOSE, {"replay": replay.id}))

    def closed_connections(self, tenant: str) -> Mapping[str, str]:
        with transaction(self._engine) as connection:
            return {row["name"]: row["why"] for row in rows(connection, _CLOSED, {"tenant": tenant})}


def _selected(connection: psycopg.Connection[Any], tenant: str, selection: Selection) -> list[UUID]:
    most = replay_limits().most_items
    if selection.commands:
        wanted = list(dict.fromkeys(selection.commands))
        known = {row["id"] for row in rows(connection, _NAMED, {"tenant": tenant, "commands": wanted})}
        missing = [at for at, command in enumerate(selection.commands) if command not in known]
        if missing:
            pointer = f"/selection/commands/{missing[0]}"
            raise _refused(pointer, "command-unknown", "There is no such command. Check the id; nothing was planned.")
        found = wanted
    else:
        states = frozenset({selection.state}) if selection.state is not None else REPLAYABLE
        asked = {name: value for name, value in asdict(selection).items() if value is not None and name in _NARROWS}
        where = "".join(f" AND {_NARROWS[name]}" for name in asked)
        branches = " UNION ALL ".join(_BRANCH.format(state=state.value, where=where) for state in sorted(states))
        sql = _SELECT.format(branches=branches)
        found = [row["id"] for row in rows(connection, sql, asked | {"tenant": tenant, "most": most + 1})]
    if len(found) > most:
        sentence = f"More than {most} commands match: narrow it by connection, action or time. Nothing was planned."
        raise _refused("/selection", "too-many", sentence)
    if not found:
        raise _refused("/selection", "none", "No command that could be replayed matches. Nothing was planned.")
    return found


def _refused(pointer: str, code: str, sentence: str) -> RefusedError:
    return RefusedError("invalid-field", sentence, errors=(FieldError(pointer=pointer, code=code, detail=sentence),))


def _told(value: Any) -> Any:
    return [str(item) for item in value] if isinstance(value, tuple) else str(value)


def _of(item: TakenItem) -> dict[str, Any]:
    return {"replay": item.replay.id, "seq": item.seq, "tries": item.tries}


def _replay(connection: psycopg.Connection[Any], row: dict[str, Any]) -> Replay:
    counts = {item["name"]: item["n"] for item in rows(connection, _COUNTS, {"replay": row["id"]})}
    return Replay(**(row | {"mode": Mode(row["mode"]), "state": ReplayState(row["state"]), "counts": counts}))


def _item(row: dict[str, Any]) -> ReplayItem:
    head = {name: row.pop(name) for name in ("seq", "command", "connection", "state", "waits_for")}
    told = (
        row | {"result": Result(row["result"]), "changed": tuple(row["changed"])} if row["result"] is not None else None
    )
    result = ItemResult(**told) if told is not None else None
    return ReplayItem(**(head | {"state": ItemState(head["state"])}), result=result)
