"""The index of what is open under a consent offers itself to no other question."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_OPEN = (
    "lower(state) IN ('applied', 'awaiting_approval', 'conflicted', 'in_review', 'incomplete', 'parked', "
    "'pending_remote', 'ready', 'received', 'sending', 'unknown')"
)


def upgrade() -> None:
    """Apply the step."""
    op.drop_index("ix_commands_consent_open", table_name="commands")
    op.create_index("ix_commands_consent_open", "commands", ["consent_id"], postgresql_where=sa.text(_OPEN))
