"""Medplum: UUIDs as versions, a Location without history, 400 for what does not validate, and a quoted If-Match or none.

Facts: the server's source (a fork of November 2025). An If-Match without quotes is not looked at, and the update is done.
"""

from sandbox.personality import Personality

PERSONALITY = Personality(
    key="medplum",
    behaviour={
        "version_ids": "uuid",
        "location": "absolute",
        "entity_tags": "quoted-or-ignored",
        "stale_status": 412,
        "invalid_status": 400,
        "foreign_id_status": 400,
        "throttle_hint": "rate-limit",
    },
)
