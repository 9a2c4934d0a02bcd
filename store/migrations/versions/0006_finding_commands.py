"""Indexes: commands by the code of the EHR and by how they ended; cases by age, by whose they are, by what narrows a queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_WITHOUT_EFFECT = "state IN ('compensated', 'expired', 'rejected', 'superseded', 'withdrawn')"


def upgrade() -> None:
    """Apply the step."""
    coded = sa.text("vendor_code IS NOT NULL")
    op.create_index("ix_attempts_vendor_code", "attempts", ["tenant", "vendor_code", "id"], postgresql_where=coded)
    op.create_index(
        "ix_commands_not_in_chart",
        "commands",
        ["tenant", "received_at", "state"],
        postgresql_where=sa.text(_WITHOUT_EFFECT),
    )
    op.create_index("ix_cases_opened", "cases", ["opened_at"])
    claimed = sa.text("closed_at IS NULL AND claimed_by IS NOT NULL")
    op.create_index("ix_cases_claimed", "cases", ["tenant", "claimed_by"], postgresql_where=claimed)
    op.drop_index("ix_cases_queue", "cases")
    queue = ["tenant", "pool", "severity", "due_at", "id", "kind", "action_type", "connection_id"]
    op.create_index("ix_cases_queue", "cases", queue, postgresql_where=sa.text("closed_at IS NULL"))
