"""Run by Alembic for every command; `store/schema.py` hands in the connection and the tables.

The caller's transaction holds the lock and is committed by the caller, so that a migration is
done as a whole or not at all.
"""

from __future__ import annotations

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes["metadata"],
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
