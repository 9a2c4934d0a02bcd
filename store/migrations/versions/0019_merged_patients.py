"""Which record of a patient was merged into which, and the lanes that are one since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_APPEND_ONLY = (
    (
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON patient_merges"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    ),
    (
        "CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON patient_merges"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    ),
    "ALTER TABLE patient_merges ENABLE ALWAYS TRIGGER append_only",
    "ALTER TABLE patient_merges ENABLE ALWAYS TRIGGER append_only_truncate",
)


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "patient_merges",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), sa.ForeignKey("connections.id"), nullable=False),
        sa.Column("patient_key", sa.LargeBinary(), nullable=False),
        sa.Column("survivor_key", sa.LargeBinary()),
        sa.Column("told_by", sa.Text(), nullable=False),
        sa.Column("names_digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "learned_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
    )
    op.create_index("ix_patient_merges_patient", "patient_merges", ["connection_id", "patient_key", "id"])
    op.create_index(
        "ix_patient_merges_survivor",
        "patient_merges",
        ["connection_id", "survivor_key"],
        postgresql_where=sa.text("survivor_key IS NOT NULL"),
    )
    for statement in _APPEND_ONLY:
        op.execute(statement)
    op.add_column("lanes", sa.Column("joins", sa.BigInteger()))
    op.add_column("lanes", sa.Column("joined_at", sa.DateTime(timezone=True)))
    op.add_column("lanes", sa.Column("joining", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("lanes", sa.Column("merge_look_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_lanes_merge_look", "lanes", ["merge_look_at"], postgresql_where=sa.text("merge_look_at IS NOT NULL")
    )
    op.create_index("ix_lanes_joins", "lanes", ["joins"], postgresql_where=sa.text("joins IS NOT NULL"))
    op.add_column("commands", sa.Column("home_lane_id", sa.BigInteger()))
    op.create_index(
        "ix_commands_home", "commands", ["home_lane_id"], postgresql_where=sa.text("home_lane_id IS NOT NULL")
    )
