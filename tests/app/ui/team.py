"""The agents of the app's tests: bundled ones with few examples, so that little is learned."""

from __future__ import annotations

from callboard import Agent
from callboard.agents.bundled import bundled_agents

EXAMPLES = 2

TEAM = tuple(
    agent.model_copy(update={"examples": agent.examples[:EXAMPLES]}) for agent in bundled_agents()
)

WRITERS = (
    Agent(
        name="rhymes",
        description="Finds rhymes for words, for poems and songs.",
        examples=("What rhymes with tree?", "Find a rhyme for sea."),
        instructions="You are RHYMES.",
    ),
    Agent(
        name="recipes",
        description="Recipes and cooking times for dishes at home.",
        examples=("How do I cook rice?", "How long do eggs boil?"),
        instructions="You are RECIPES.",
    ),
)
