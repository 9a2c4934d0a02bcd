"""When a command waits because two systems undo each other's writes to its entry: one condition for every statement."""

from __future__ import annotations

#: Whether command ``c`` waits for a person to close the loop between its app and another system.
IN_LOOP = """
EXISTS (SELECT 1 FROM write_loops wl JOIN cases wk ON wk.id = wl.case_id AND wk.closed_at IS NULL
         WHERE wl.lane_id = c.lane_id AND wl.subject = c.subject AND wl.app = c.app)
"""
