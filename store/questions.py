"""Asking authors and what they answer: the notice to their app, the question as it is read, the answer, the time that passed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.asking import ASKED, AUTHOR_STAGE, Answer, AuthorsAnswer, Question, Taken, may_end
from canonical.case_kinds import case_kind
from canonical.events import Note, move
from canonical.lifecycle import State, Trigger
from store.database import rows, transaction
from store.moves import apply_move
from store.notes import note_fact

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg
    from sqlalchemy import Engine

#: Of several cases of one command whose author is asked, the one that runs out first.
_ASKED = """
SELECT k.id, k.kind, k.holds, k.asked_until, k.tenant, k.command_id, c.state, c.attempts
  FROM cases k JOIN commands c ON c.id = k.command_id
 WHERE k.tenant = %(tenant)s AND k.command_id = %(command)s AND k.closed_at IS NULL AND k.asked_until IS NOT NULL
 ORDER BY k.asked_until, k.id LIMIT 1
"""
_QUESTION = """
SELECT d.at AS asked_at, k.asked_until AS answer_by, p.content
  FROM cases k JOIN decisions d ON d.case_id = k.id AND d.verb = 'ask_author'
  JOIN payloads p ON p.tenant = d.tenant AND p.digest = d.content_digest
 WHERE k.id = %(case)s ORDER BY d.id DESC LIMIT 1
"""
_REPEATED = """
SELECT d.content_digest = %(digest)s AS same FROM decisions d
 WHERE d.tenant = %(tenant)s AND d.command_id = %(command)s AND d.stage = 'author' ORDER BY d.id DESC LIMIT 1
"""
_PAYLOAD = (
    "INSERT INTO payloads (tenant, digest, content) VALUES (%(tenant)s, %(digest)s, %(content)s) ON CONFLICT DO NOTHING"
)
_RECORD = f"""
INSERT INTO decisions (tenant, case_id, command_id, verb, stage, person, person_name, licences, reason, content_digest,
                       policy_version)
VALUES (%(tenant)s, %(case)s, %(command)s, 'answer', '{AUTHOR_STAGE}', %(person)s, %(name)s, '{{}}', %(answer)s,
        %(digest)s, '')
"""
_BACK = "UPDATE cases SET asked_until = NULL, version = version + 1 WHERE id = %(case)s"
_SILENT = """
SELECT k.id, k.tenant, k.command_id FROM cases k
 WHERE k.closed_at IS NULL AND k.asked_until IS NOT NULL AND k.asked_until <= statement_timestamp()
 ORDER BY k.asked_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def tell_author(connection: psycopg.Connection[Any], command: UUID, *, case: int, actor: str) -> None:
    """Note that the author of ``command`` is asked, and have their app told: only that, in no words of the question."""
    note_fact(connection, command, Note.AUTHOR_ASKED, ASKED, actor=actor, tells=True, case=case)


class Questions:
    """What authors are asked. Thread-safe; each method is one transaction, and may raise ``StoreUnavailableError``."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def of(self, tenant: str, command: UUID) -> Question | None:
        """Return what the author of a command is asked at present."""
        with transaction(self._engine) as connection:
            case = rows(connection, _ASKED, {"tenant": tenant, "command": command})
            found = rows(connection, _QUESTION, {"case": case[0]["id"]}) if case else []
        if not found:
            return None
        row = found[0]
        told = exact_json.parse(bytes(row.pop("content")))
        return Question(text=told.get("text", ""), **row)

    def answer(self, tenant: str, command: UUID, said: AuthorsAnswer) -> Taken:
        """Record what the author said; a withdrawal ends the command where it cannot be in the chart."""
        with transaction(self._engine) as connection:
            found = rows(connection, _ASKED + " FOR UPDATE OF k", {"tenant": tenant, "command": command})
            if not found:
                digest = hashlib.sha256(said.content()).digest()
                same = rows(connection, _REPEATED, {"tenant": tenant, "command": command, "digest": digest})
                return Taken.REPEATED if same and same[0]["same"] else Taken.NOT_ASKED
            return self._record(connection, found[0], said)

    def _record(self, connection: psycopg.Connection[Any], case: dict[str, Any], said: AuthorsAnswer) -> Taken:
        _keep(connection, case, said)
        maybe_there = case_kind(case["kind"]).maybe_there and case["attempts"] > 0
        state = State(case["state"])
        if said.answer is Answer.WITHDRAW and case["holds"] and may_end(state, maybe_there=maybe_there):
            step = move(state, Trigger.AUTHOR_WITHDREW, case=case["id"])
            if apply_move(connection, case["command_id"], step, actor=said.actor):
                return Taken.WITHDRAWN
        rows(connection, _BACK, {"case": case["id"]})
        reason = f"author-says-{said.answer.value}"
        note_fact(connection, case["command_id"], Note.AUTHOR_ANSWERED, reason, actor=said.actor, case=case["id"])
        return Taken.RECORDED

    def give_up(self, *, limit: int, actor: str) -> list[int]:
        """Return to the reviewers up to ``limit`` cases whose author did not answer in time, and return those cases."""
        silence = AuthorsAnswer(answer=Answer.NONE, by="", by_system=None, text="", actor=actor)
        with transaction(self._engine) as connection:
            found = rows(connection, _SILENT, {"limit": limit})
            for case in found:
                _keep(connection, case, silence)
                rows(connection, _BACK, {"case": case["id"]})
                note_fact(
                    connection, case["command_id"], Note.AUTHOR_SILENT, "author-silent", actor=actor, case=case["id"]
                )
        return [case["id"] for case in found]


def _keep(connection: psycopg.Connection[Any], case: dict[str, Any], said: AuthorsAnswer) -> None:
    content = said.content()
    kept = {"tenant": case["tenant"], "digest": hashlib.sha256(content).digest(), "content": content}
    rows(connection, _PAYLOAD, kept)
    names = {
        **kept,
        "case": case["id"],
        "command": case["command_id"],
        "person": f"author:{said.by}" if said.by else said.actor,
        "name": said.by,
        "answer": said.answer.value,
    }
    rows(connection, _RECORD, names)
