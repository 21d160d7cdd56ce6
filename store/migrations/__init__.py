"""How the tables came to be what they are: one Alembic migration for every change."""
