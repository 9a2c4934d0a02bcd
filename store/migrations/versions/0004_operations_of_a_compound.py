"""Several operations of one command: where they go, how they name each other, which one later commands mean.

And as what a command was sent, where that was not the structured entry that was meant.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.add_column("commands", sa.Column("sent_as", sa.Text(), nullable=True))
    op.add_column("operations", sa.Column("path", sa.Text(), nullable=True))
    op.add_column("operations", sa.Column("placeholder", sa.Text(), nullable=True))
    op.add_column("operations", sa.Column("is_primary", sa.Boolean(), server_default=sa.text("true"), nullable=False))
