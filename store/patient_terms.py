"""Whose a command is, in SQL: the patient whom its app named, and whoever that record was merged into. No statement."""

from __future__ import annotations


def commands_of(patients: str) -> str:
    """Return the query of the ids of commands of ``patients``, a query of (connection_id, patient_key).

    Of a record in use those count, too, whose app named one that was merged into it, as long as the map says so.
    """
    return f"""
WITH RECURSIVE alike (connection_id, key) AS (
  {patients}
  UNION
  SELECT m.connection_id, m.patient_key
    FROM alike a JOIN patient_merges m ON m.connection_id = a.connection_id AND m.survivor_key = a.key
   WHERE NOT EXISTS (SELECT 1 FROM patient_merges n WHERE n.connection_id = m.connection_id
                        AND n.patient_key = m.patient_key AND n.id > m.id))
SELECT b.id FROM alike a JOIN lanes h ON h.connection_id = a.connection_id AND h.patient_key = a.key
  CROSS JOIN LATERAL (
    SELECT n.id FROM commands n WHERE n.lane_id = h.id AND n.home_lane_id IS NULL
    UNION ALL SELECT n.id FROM commands n WHERE n.home_lane_id = h.id) b
"""
