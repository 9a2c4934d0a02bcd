"""Cases of one cause: what they have in common, and which of them may stand for all in the queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_OPEN = "closed_at IS NULL"
_OF_CAUSE = ["connection_id", "kind", "cause", "severity", "due_at", "id"]
#: An insert behind one that stands keeps that one from closing unseen: it waits for the share lock, and looks afterwards.
_STAND = """
CREATE FUNCTION case_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM cases o
    WHERE o.connection_id = NEW.connection_id AND o.kind = NEW.kind AND o.cause = NEW.cause AND o.closed_at IS NULL
      AND o.stands ORDER BY o.severity, o.due_at, o.id LIMIT 1 FOR SHARE;
  NEW.stands := NOT FOUND;
  RETURN NEW;
END $$
"""
#: Whom a lock had to be waited for may be closed by now: look again until one stands, or none is open.
_FOLLOW = """
CREATE FUNCTION case_followed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE next bigint;
BEGIN
  LOOP
    SELECT o.id INTO next FROM cases o
      WHERE o.connection_id = NEW.connection_id AND o.kind = NEW.kind AND o.cause = NEW.cause AND o.closed_at IS NULL
      ORDER BY o.severity, o.due_at, o.id LIMIT 1;
    EXIT WHEN next IS NULL;
    UPDATE cases SET stands = true WHERE id = next AND closed_at IS NULL;
    EXIT WHEN FOUND;
  END LOOP;
  RETURN NULL;
END $$
"""
#: One that becomes more severe than those before it may not hide behind them.
_RISE = """
CREATE FUNCTION case_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.stands := OLD.stands OR NOT EXISTS (
    SELECT 1 FROM cases o
     WHERE o.connection_id = NEW.connection_id AND o.kind = NEW.kind AND o.cause = NEW.cause AND o.closed_at IS NULL
       AND o.stands AND o.id <> NEW.id AND (o.severity, o.due_at, o.id) < (NEW.severity, NEW.due_at, NEW.id));
  RETURN NEW;
END $$
"""
_TRIGGERS = (
    (
        "CREATE TRIGGER stands BEFORE INSERT ON cases FOR EACH ROW WHEN (NEW.cause IS NOT NULL AND NEW.closed_at IS NULL)"
        " EXECUTE FUNCTION case_stands()"
    ),
    (
        "CREATE TRIGGER followed AFTER UPDATE OF closed_at ON cases FOR EACH ROW"
        " WHEN (NEW.cause IS NOT NULL AND OLD.stands AND OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL)"
        " EXECUTE FUNCTION case_followed()"
    ),
    (
        "CREATE TRIGGER rises BEFORE UPDATE OF severity, due_at ON cases FOR EACH ROW"
        " WHEN (NEW.cause IS NOT NULL AND (NEW.severity, NEW.due_at) < (OLD.severity, OLD.due_at))"
        " EXECUTE FUNCTION case_rises()"
    ),
)


def upgrade() -> None:
    """Apply the step."""
    op.drop_index("ix_cases_digest", table_name="cases")
    op.drop_index("ix_cases_unalerted", table_name="cases")
    op.add_column("cases", sa.Column("cause", sa.Text()))
    op.add_column("cases", sa.Column("stands", sa.Boolean(), nullable=False, server_default=sa.text("true")))
    # What was opened before without a day has no cause written down: each stays a line of its own until it is decided.
    op.execute("UPDATE cases SET cause = 'day=' || digest_day WHERE digest_day IS NOT NULL")
    op.drop_column("cases", "digest_day")
    for name, columns, where in (
        ("unalerted", ["severity", "due_at"], f"{_OPEN} AND alerted_at IS NULL AND (stands OR severity = 1)"),
        (
            "lines",
            ["tenant", "pool", "severity", "due_at", "id", "kind", "action_type", "connection_id", "cause"],
            f"{_OPEN} AND stands",
        ),
        ("cause", _OF_CAUSE, f"cause IS NOT NULL AND {_OPEN}"),
        ("cause_standing", _OF_CAUSE, f"cause IS NOT NULL AND {_OPEN} AND stands"),
        (
            "cause_told",
            _OF_CAUSE[:3],
            "alerted_at IS NOT NULL AND alert_over_at IS NULL AND cause IS NOT NULL",
        ),
    ):
        op.create_index(f"ix_cases_{name}", "cases", columns, postgresql_where=sa.text(where))
    for statement in (_STAND, _FOLLOW, _RISE, *_TRIGGERS):
        op.execute(statement)
