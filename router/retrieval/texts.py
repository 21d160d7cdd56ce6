"""What is known of an agent, as texts that can be compared with queries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from ...agents.spec import Agent

_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_PIECE = re.compile(r"(?<=[.!?;:])\s+|,\s+(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+")
_NEGATION = re.compile(
    r"\b(?:it|this agent)?\s*(?:does not|doesn't|do not|don't|can not|cannot|can't|is not|never)\b"
    r"(?:\s+(?:know|handle|cover|help with|deal with|answer|give|tell))?",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w")
# "This agent specializes in ...": every description begins alike, and what all say tells nothing.
# Whole words alone are left out: "Analyses" does not begin with "An", nor "IT help" with "It".
_END = r"(?=\s|\.?$)"
_OPENING = re.compile(
    rf"^\s*(?:(?:this|the|an?){_END})?\s*(?:(?:agent|assistant|tool|service|bot){_END})?\s*"
    r"(?:(?:(?:is|are)\s+(?:also\s+)?(?:capable of|able to|adept at|designed to|skilled (?:in|at)"
    r"|responsible for|equipped to|proficient in)|speciali[sz]es in|excels (?:in|at)"
    r"|(?:can|will|may)(?:\s+also)?|(?:assists?|helps?)(?: users?| customers?)?"
    r"\s+(?:with|in|by)"
    r"|(?-i:[Ii]t)(?: can(?: also)?)?|also|handles?|supports?|provides?|capable of|adept at)"
    rf"{_END})?\s*"
    r"(?:(?:solving problems related to|(?:answering|handling)"
    rf" (?:questions|queries|inquiries|requests) (?:about|related to|regarding)){_END})?\s*",
    re.IGNORECASE,
)


@lru_cache(maxsize=1)
def background() -> tuple[str, ...]:
    """Return everyday queries about anything, the measure for what is near to an agent."""
    text = files(__package__).joinpath("data/background.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class AgentTexts:
    """The texts of one agent; `not_its` is what it does not do, by description and examples."""

    name: str
    does: str
    phrases: tuple[str, ...]
    examples: tuple[str, ...]
    not_its: tuple[str, ...]

    @classmethod
    def of(cls, agent: Agent) -> AgentTexts:
        """Return the texts of `agent`."""
        does, does_not = split_description(agent.description)
        return cls(
            name=agent.name.replace("_", " ").replace("-", " "),
            does=does,
            phrases=phrases(does) or (does,),
            examples=agent.examples,
            not_its=(*phrases(does_not), *agent.counterexamples),
        )

    @property
    def document(self) -> str:
        """The whole of what the agent does, under its name."""
        return f"{self.name}. {self.does}"

    @property
    def all(self) -> tuple[str, ...]:
        """Every text that is embedded."""
        return (self.name, self.document, *self.phrases, *self.examples, *self.not_its)


def split_description(description: str) -> tuple[str, str]:
    """Return what a description says that the agent does, and what it says that it does not.

    Openings that say nothing ("This agent is able to") are left out.
    """
    sentences = [sentence for sentence in _SENTENCE.split(description) if sentence.strip()]
    does_not = [sentence for sentence in sentences if _NEGATION.search(sentence)]
    does = [_without_opening(sentence) for sentence in sentences if sentence not in does_not]
    return (" ".join(does) or description, " ".join(does_not) if does else "")


def phrases(text: str) -> tuple[str, ...]:
    """Return the pieces of a text that can stand for one wish each (2 words or more)."""
    pieces = (_NEGATION.sub("", piece).strip(" .;:,()") for piece in _PIECE.split(text))
    return tuple(dict.fromkeys(piece for piece in pieces if len(piece.split()) > 1))


def _without_opening(sentence: str) -> str:
    left, before = sentence, ""
    while left != before:
        before, left = left, _OPENING.sub("", left, count=1)
    return left.strip() if _WORD.search(left) else sentence
