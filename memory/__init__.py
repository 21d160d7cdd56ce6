"""Memory: what was said is stored as it was, and made into a memo when a query needs it."""
