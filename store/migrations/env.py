"""Alembic's entry: runs the steps on the connection that :mod:`store.migrate` hands over; no offline mode."""

from alembic import context

from store.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
