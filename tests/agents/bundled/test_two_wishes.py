"""A query with two wishes: each agent finds its own, and nothing of the other's disturbs it."""

from itertools import permutations

import pytest

from callboard.agents.bundled import bundled_agents

ROUNDS = 8
EXAMPLES = {
    agent.name: [
        example
        for example in agent.examples
        # A SELECT and a text after a colon go on to the end of the query, by their nature.
        if not example.startswith("SELECT") and not (agent.name == "text_stats" and ":" in example)
    ]
    for agent in bundled_agents()
    if agent.function
}
PAIRS = [pair for pair in permutations(EXAMPLES, 2) if set(pair) != {"units", "temperature"}]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_each_of_two_wishes_gets_the_answer_that_it_gets_alone(said, one: str, other: str) -> None:
    for turn in range(ROUNDS):
        first = EXAMPLES[one][turn * 3 % len(EXAMPLES[one])].rstrip("?")
        second = EXAMPLES[other][turn * 5 % len(EXAMPLES[other])]
        for query in (f"{first}, and {second[0].lower()}{second[1:]}", f"{first}? {second}"):
            answers = {one: said(one, query), other: said(other, query)}
            assert answers == {one: said(one, first), other: said(other, second)}, query
