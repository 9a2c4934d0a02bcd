"""Records that were merged and are not any more: every write since the merge becomes one line of the review queue.

Each write is a case of its own, gathered by what parted them, and holds nothing up. No write is judged or touched here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical.case_kinds import CausePart
from canonical.lifecycle import ENDED_WITHOUT_EFFECT, State
from store.causes import CAUSE
from store.columns import listed
from store.database import rows
from store.moves import case_parameters, due_from

if TYPE_CHECKING:
    import psycopg

#: What may stand in the chart of one of them: nobody knows yet, or the EHR said so.
_MAYBE_THERE = listed(frozenset({State.SENDING, State.UNKNOWN, State.PENDING_REMOTE, State.APPLIED}))
#: Of these nothing stands there.
_NOT_THERE = listed(ENDED_WITHOUT_EFFECT | {State.COMPENSATED})
#: The map as it was before the line: where the record led, and since when; a record that is read again is remembered so long.
_SINCE = """
WITH RECURSIVE spans AS (
  SELECT patient_key, survivor_key, learned_at, id,
         lead(id) OVER (PARTITION BY patient_key ORDER BY id) AS next
    FROM patient_merges WHERE connection_id = %(connection_id)s AND id < %(line)s),
led (key, since) AS (
  SELECT s.survivor_key, s.learned_at FROM spans s
   WHERE s.patient_key = %(patient_key)s AND s.next IS NULL AND s.survivor_key IS NOT NULL
  UNION
  SELECT s.survivor_key, led.since FROM led JOIN spans s ON s.patient_key = led.key
   WHERE s.next IS NULL AND s.survivor_key IS NOT NULL)
SELECT array_agg(led.key) AS keys, min(led.since) AS since FROM led
"""
_ASK = f"""
INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds, cause)
SELECT cm.tenant, cm.id, cm.connection_id, cm.action_type, %(case_kind)s, %(case_pool)s, %(case_severity)s::smallint,
       {due_from("%(case_severity)s")}, false, {CAUSE}
  FROM lanes l JOIN commands cm ON l.id = coalesce(cm.home_lane_id, cm.lane_id)
 WHERE l.connection_id = %(connection_id)s AND l.patient_key = ANY (%(keys)s) AND cm.state NOT IN ({_NOT_THERE})
   AND EXISTS (SELECT 1 FROM attempts a WHERE a.command_id = cm.id AND a.kind = 'send'
                  AND a.claimed_at >= %(since)s - interval '10 minutes')
   AND (cm.state IN ({_MAYBE_THERE})
        OR EXISTS (SELECT 1 FROM operations o WHERE o.command_id = cm.id AND o.state IN ('applied', 'verified')))
ON CONFLICT DO NOTHING
"""
KIND = "merge_undone"


def ask_about_parted(session: psycopg.Connection[Any], connection_id: int, patient: bytes, *, line: int) -> None:
    """Open what is to be asked because ``line`` of the map says of the record ``patient`` (its key) other than before.

    Inside the caller's transaction, which locked the lanes of both. Every write counts that was sent for either record since
    their merge was learned of, and in the minutes before, in which an earlier read of the patient was still believed.
    """
    names = {"connection_id": connection_id, "patient_key": patient, "line": line}
    found = rows(session, _SINCE, names)[0]
    if found["since"] is None:
        return
    keys = [patient, *found["keys"]]
    known = {CausePart.MERGE: str(line)}
    rows(session, _ASK, names | {"keys": keys, "since": found["since"]} | case_parameters(KIND, known))
