"""The five modules of recall (BudgetMem): filter; entities, times, topics; summary."""
