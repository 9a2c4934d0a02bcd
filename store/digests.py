"""Cases that are gathered: of one connection, day and kind the most urgent stands for all. Parts of statements, no whole one."""

from __future__ import annotations

#: Of case ``k``: the others of its digest, as ``o``.
_OF_DIGEST = "o.connection_id = k.connection_id AND o.digest_day = k.digest_day AND o.kind = k.kind"
#: Whether ``k`` is gathered with none, or is the first of its digest in the order of the queue: the most severe may not hide.
STANDS_FOR_ALL = f"""
(k.digest_day IS NULL OR NOT EXISTS (
   SELECT 1 FROM cases o WHERE {_OF_DIGEST} AND o.closed_at IS NULL
      AND (o.severity, o.due_at, o.id) < (k.severity, k.due_at, k.id)))
"""
#: How many open cases there are in its digest, itself included.
TOGETHER = f"""
(CASE WHEN k.digest_day IS NULL THEN 1
      ELSE (SELECT count(*) FROM cases o WHERE {_OF_DIGEST} AND o.closed_at IS NULL) END)
"""
#: Whether ``k`` belongs to the digest of the case ``together``.
OF_DIGEST_OF = """
(k.connection_id, k.digest_day, k.kind) = (SELECT o.connection_id, o.digest_day, o.kind FROM cases o
                                            WHERE o.id = %(together)s AND o.tenant = %(tenant)s)
"""
#: Whether somebody was told of its digest already.
WAS_TOLD = f"""
(k.digest_day IS NOT NULL AND EXISTS (SELECT 1 FROM cases o WHERE {_OF_DIGEST} AND o.alerted_at IS NOT NULL))
"""
#: Whether nothing of its digest is open any more.
IS_WHOLLY_CLOSED = f"""
(k.digest_day IS NULL OR NOT EXISTS (SELECT 1 FROM cases o WHERE {_OF_DIGEST} AND o.closed_at IS NULL))
"""
