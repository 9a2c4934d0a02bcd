"""What a move does to what its command's app owes, as a part of the move's statement; what is owed: ``acknowledgements.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical.acknowledging import NOTICES_APP, UNACKNOWLEDGED, Owing, owing
from canonical.case_kinds import SEVERITY_DEFAULT
from canonical.lifecycle import NEEDS_PERSON
from store.columns import listed
from store.database import rows

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg

    from canonical.events import Move

_NOT_OWED = "not-owed"


def owing_tail(waits_until: str) -> str:
    """Return the CTEs that follow ``cm``, ``waits_until`` being the SQL of when a case of severity ``s.severity`` is due.

    How severe it is says the case that the move opens, or the most severe that it ever had. A message of ours that stops is
    overdue at once: what it was to tell must not wait twice.
    """
    return f"""
ow AS (
  INSERT INTO acknowledgements (command_id, tenant, app, connection_id, sequence, severity, owed_at, due_at)
  SELECT cm.id, cm.tenant, cm.app, cm.connection_id, cm.event_seq, s.severity, o.at,
         o.at + CASE WHEN cm.app = '{NOTICES_APP}' THEN interval '0'
                     ELSE coalesce((SELECT t.within FROM acknowledgement_terms t WHERE t.severity = s.severity),
                                   interval '1 day') END
    FROM cm
    CROSS JOIN LATERAL (
      SELECT coalesce(CASE WHEN %(case_kind)s::text IS NOT NULL THEN %(case_severity)s::smallint END,
                      (SELECT min(k.severity) FROM cases k WHERE k.command_id = cm.id AND k.kind <> '{UNACKNOWLEDGED}'),
                      {SEVERITY_DEFAULT})::smallint AS severity) s
    CROSS JOIN LATERAL (
      SELECT CASE WHEN %(owes_when_late)s AND cm.app <> '{NOTICES_APP}' THEN {waits_until}
                  ELSE clock_timestamp() END AS at) o
   WHERE %(owes)s
  ON CONFLICT (command_id) DO UPDATE SET sequence = excluded.sequence, severity = excluded.severity,
         owed_at = excluded.owed_at, due_at = excluded.due_at, acknowledged_at = NULL, acknowledged_by = NULL, how = NULL,
         seen_by = NULL, fallback = NULL, fallback_at = NULL, message_id = NULL),
od AS (
  DELETE FROM acknowledgements a USING cm WHERE %(owes_no_more)s AND a.command_id = cm.id),
oc AS (
  UPDATE cases k SET closed_at = clock_timestamp(), closed_reason = '{_NOT_OWED}', closed_by = %(actor)s,
         version = k.version + 1
    FROM cm WHERE %(owes_no_more)s AND k.command_id = cm.id AND k.kind = '{UNACKNOWLEDGED}' AND k.closed_at IS NULL)
"""


def owing_parameters(step: Move) -> dict[str, Any]:
    """Return the parameters of :func:`owing_tail` for ``step``."""
    found = owing(step)
    return {
        "owes": found in {Owing.AT_ONCE, Owing.WHEN_LATE},
        "owes_when_late": found is Owing.WHEN_LATE,
        "owes_no_more": found is Owing.NO_MORE,
    }


def owing_sooner(owed_from: str) -> str:
    """Return the CTE that makes what waits in the way of a new command owed by ``%(raises_to)s``, as its case is raised.

    ``owed_from`` is the SQL of when a case of that severity is due.
    """
    within = "SELECT t.within FROM acknowledgement_terms t WHERE t.severity = %(raises_to)s::smallint"
    return f"""
us AS (
  UPDATE acknowledgements a SET severity = %(raises_to)s::smallint, owed_at = least(a.owed_at, {owed_from}),
         due_at = least(a.due_at, {owed_from} + coalesce(({within}), interval '1 day'))
    FROM cm, commands b
   WHERE %(raises_to)s::smallint IS NOT NULL AND b.lane_id = %(lane_id)s AND b.subject = %(subject)s
     AND b.state IN ({listed(NEEDS_PERSON)}) AND a.command_id = b.id AND a.severity > %(raises_to)s::smallint),
"""


_OWN = """
DELETE FROM acknowledgements a USING commands root, commands by_it
 WHERE a.command_id = %(root)s AND root.id = %(root)s AND by_it.id = %(by)s AND by_it.app = root.app
"""


def forget_own_retraction(connection: psycopg.Connection[Any], root: UUID, *, by: UUID) -> None:
    """Owe nothing of ``root``, which the command ``by`` took back, where both are of one app: it knows what it did."""
    rows(connection, _OWN, {"root": root, "by": by})
