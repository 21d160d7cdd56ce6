"""Experts: encoders of queries for one domain each, over one frozen base, and who chooses them."""
