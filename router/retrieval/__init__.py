"""The retrieval router: every agent is scored in milliseconds, and no model is asked."""
