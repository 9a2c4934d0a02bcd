"""Cases of one cause: of one connection, kind and cause the most urgent stands for all. Parts of statements, no whole one.

Those that may stand for their cause are marked (``stands``) by triggers of the table, so that a page passes over none of the
thousands behind them. Two may be marked for a moment; never none while one is open.
"""

from __future__ import annotations

#: Of case ``k``: the others of its cause, as ``o``.
_OF_CAUSE = "o.connection_id = k.connection_id AND o.kind = k.kind AND o.cause = k.cause"
#: Of more than so many nobody needs the exact number: the count stops, so that a page does not grow with an outage.
COUNTED_TO = 1000
#: Whether ``k`` has no cause in common with any, or is the first of its cause in the order of the queue.
STANDS_FOR_ALL = f"""
(k.stands AND (k.cause IS NULL OR NOT EXISTS (
   SELECT 1 FROM cases o WHERE {_OF_CAUSE} AND o.closed_at IS NULL AND o.stands
      AND (o.severity, o.due_at, o.id) < (k.severity, k.due_at, k.id))))
"""
#: How many open cases there are of its cause, itself included, up to :data:`COUNTED_TO`.
TOGETHER = f"""
(CASE WHEN k.cause IS NULL THEN 1
      ELSE (SELECT count(*) FROM (
              SELECT 1 FROM cases o WHERE {_OF_CAUSE} AND o.closed_at IS NULL LIMIT {COUNTED_TO}) o) END)
"""
#: Whether ``k`` is of the cause of the case ``together``.
OF_CAUSE_OF = """
(k.connection_id, k.kind, k.cause) = (SELECT o.connection_id, o.kind, o.cause FROM cases o
                                       WHERE o.id = %(together)s AND o.tenant = %(tenant)s)
"""
#: Whether somebody was told of its cause and it has not ended since.
WAS_TOLD = f"""
(k.cause IS NOT NULL AND EXISTS (
   SELECT 1 FROM cases o WHERE {_OF_CAUSE} AND o.alerted_at IS NOT NULL AND o.alert_over_at IS NULL))
"""
#: Whether nothing of its cause is open any more.
IS_WHOLLY_CLOSED = f"""
(k.cause IS NULL OR NOT EXISTS (SELECT 1 FROM cases o WHERE {_OF_CAUSE} AND o.closed_at IS NULL))
"""
#: The cause of a case that is opened now for the moved command ``cm``; the parameters are those of ``case_parameters``.
CAUSE = """
CASE WHEN %(case_has_cause)s THEN concat_ws(' ',
  CASE WHEN %(case_by_day)s THEN 'day=' || (clock_timestamp() AT TIME ZONE 'UTC')::date END,
  CASE WHEN %(case_by_action)s THEN 'action=' || cm.action_type END, nullif(%(case_cause)s::text, '')) END
"""
