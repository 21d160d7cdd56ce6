"""Agents: what one is, the live registry, running one, its tools, and the refiner."""
