"""Drawings: what a saved run, or figures over many, look like on a page."""
