"""The table of patients' identities: which record of an EHR was merged into which, line by line. No queries; see ``tables.py``.

Records are named by their lanes' keys; what the EHR calls them is among the payloads. Their lanes are in ``lanes``: ``joins``
is the lane that one is to be one with, from ``joined_at`` on all of it stands there; ``joining`` holds back the claims of both
until then; ``merge_look_at`` is when a merged record is read again. ``commands.home_lane_id`` is the lane of the patient whom
the app named, where that is not the lane in which the command stands.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, LargeBinary, Table, text

from store.columns import METADATA, NOW, text_column, time_column
from store.tables import commands, lanes

#: Append-only: the last line of a record counts. Without a survivor it stands for itself again.
patient_merges = Table(
    "patient_merges",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("patient_key", LargeBinary, nullable=False),
    Column("survivor_key", LargeBinary),
    text_column("told_by"),
    Column("names_digest", LargeBinary, nullable=False),
    time_column("learned_at", nullable=False, default=NOW),
    Index("ix_patient_merges_patient", "connection_id", "patient_key", "id"),
    Index(
        "ix_patient_merges_survivor",
        "connection_id",
        "survivor_key",
        postgresql_where=text("survivor_key IS NOT NULL"),
    ),
)

# What merges ask of other tables' columns is indexed only where there is a merge.
Index("ix_lanes_joins", lanes.c.joins, postgresql_where=text("joins IS NOT NULL"))
Index("ix_lanes_merge_look", lanes.c.merge_look_at, postgresql_where=text("merge_look_at IS NOT NULL"))
Index("ix_commands_home", commands.c.home_lane_id, postgresql_where=text("home_lane_id IS NOT NULL"))
