"""Search: encoders, dense and lexical indexes and their fusion, for agents, router and memory."""
