"""Commands that take back a part of another, and the two states of a command of which parts are taken back."""

# ruff: noqa: E501 - the states stand in one line, as the tables have them
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_STATES = "'applied', 'awaiting_approval', 'compensated', 'conflicted', 'expired', 'in_review', 'incomplete', 'parked', 'partly_taken_back', 'pending_remote', 'ready', 'received', 'rejected', 'sending', 'superseded', 'taking_back', 'unknown', 'verified', 'withdrawn'"
_OPEN = "'applied', 'awaiting_approval', 'conflicted', 'in_review', 'incomplete', 'parked', 'pending_remote', 'ready', 'received', 'sending', 'taking_back', 'unknown'"
_ENDED = "'compensated', 'expired', 'partly_taken_back', 'rejected', 'superseded', 'withdrawn'"
#: Indexes whose condition lists states → columns, condition.
_BY_STATE = {
    "ix_commands_open": (["lane_id", "lane_seq"], f"state IN ({_OPEN})"),
    "ix_commands_not_in_chart": (["tenant", "received_at", "state"], f"state IN ({_ENDED})"),
    "ix_commands_open_targets": (
        ["connection_id", "target_reference"],
        f"target_reference IS NOT NULL AND state IN ({_OPEN})",
    ),
    "ix_commands_consent_open": (["consent_id"], f"lower(state) IN ({_OPEN})"),
}


def upgrade() -> None:
    """Apply the step."""
    op.add_column("commands", sa.Column("undoes", sa.Uuid()))
    op.add_column("commands", sa.Column("undoes_seq", sa.Integer()))
    op.drop_constraint(op.f("ck_commands_state"), "commands", type_="check")
    op.create_check_constraint(op.f("ck_commands_state"), "commands", f"state IN ({_STATES})")
    for name, (columns, where) in _BY_STATE.items():
        op.drop_index(name, table_name="commands")
        op.create_index(name, "commands", columns, postgresql_where=sa.text(where))
    op.create_index(
        "ix_commands_taking_back", "commands", ["state_since"], postgresql_where=sa.text("state = 'taking_back'")
    )
    op.create_index("ix_commands_undoes", "commands", ["undoes"], postgresql_where=sa.text("undoes IS NOT NULL"))
