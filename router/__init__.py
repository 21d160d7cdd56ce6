"""The router: which agents are called for a query, with a reason, and at what memory budget."""
