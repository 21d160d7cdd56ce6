"""The answering model of the memory benchmark: how it is asked, and how its answers are scored."""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import cache
from importlib.resources import files

import yaml

from ..models.chat import ChatRequest, Message
from ..search.words import words

MAX_TOKENS = 32
_MARKS = re.compile(f"[{re.escape(string.punctuation)}]")
_ARTICLES = re.compile(r"\b(?:a|an|the|and)\b")


def answer_request(question: str, memo: str) -> ChatRequest:
    """Return what the answering model is asked."""
    prompt = _prompt()
    user = prompt["user"].format(memo=memo.replace("<", "‹"), question=question)
    return ChatRequest(
        messages=(
            Message(role="system", content=prompt["system"].strip()),
            Message(role="user", content=user.strip()),
        ),
        max_tokens=MAX_TOKENS,
    )


def token_f1(answer: str, gold: str) -> float:
    """Return the F1 of the stemmed words of an answer. Source: LoCoMo, arXiv 2402.17753."""
    given, right = Counter(words(_plain(answer))), Counter(words(_plain(gold)))
    common = (given & right).total()
    if not common:
        return float(not given and not right)
    precision, recall = common / given.total(), common / right.total()
    return 2 * precision * recall / (precision + recall)


def exact_match(answer: str, gold: str) -> bool:
    """Return whether an answer is the right one, but for case, articles and punctuation."""
    return _plain(answer) == _plain(gold)


def found_share(gold: str, memo: str) -> float:
    """Return which part of the words of the right answer stands in a memo, 0..1."""
    right = words(_plain(gold))
    there = set(words(_plain(memo)))
    return sum(word in there for word in right) / len(right) if right else 1.0


def _plain(text: str) -> str:
    bare = _MARKS.sub(" ", text.casefold())
    return " ".join(_ARTICLES.sub(" ", bare).split())


@cache
def _prompt() -> dict[str, str]:
    text = files(__package__).joinpath("prompts/answer.yaml").read_text(encoding="utf-8")
    data: dict[str, str] = yaml.safe_load(text)
    return data
