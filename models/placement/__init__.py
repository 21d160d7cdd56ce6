"""Placement: which of several deployments of a model takes a call."""
