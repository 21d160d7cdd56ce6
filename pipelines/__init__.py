"""Pipelines: the graph of one turn, its journal, running agents, and evaluation."""
