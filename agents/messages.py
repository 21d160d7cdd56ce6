"""What a model agent is told: its instructions as system message, everything else as data.

Only the specification of the agent, which the owner of the board wrote, stands in the system
message. What users, documents, memory and other agents wrote stands between tags in the user
message, and what looks like a tag or a line of ours inside of it is made harmless.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.resources import files

import yaml

from ..models.chat import Message
from ..values import AgentTask, Exchange, Memo
from .passages import Passage
from .spec import Agent

CHARS_PER_TOKEN = 4
"""About what English takes in the tokenizers of today; only used to cut, never to bill."""
HISTORY_SHARE = 0.25
"""The most that earlier exchanges may take of what the model can read."""

_OUR_TAG = re.compile(
    r"[<＜﹤](?=\W{0,8}(?:earlier|memory|passages|query|whole-query)\b)", re.IGNORECASE
)
_OUR_LINE = re.compile(r"\s*(?:\[\d+\]|(?:user|answer)\s*:)", re.IGNORECASE)

_QUERY = re.compile(r"^<query>\n(.*)\n</query>\Z", re.DOTALL | re.MULTILINE)


@cache
def prompts() -> dict[str, str]:
    """Return the texts of `prompts/agent.yaml` by name."""
    text = files(__package__).joinpath("prompts", "agent.yaml").read_text(encoding="utf-8")
    loaded: dict[str, str] = yaml.safe_load(text)
    return loaded


def messages(
    agent: Agent, task: AgentTask, *, context_tokens: int, passages: Sequence[Passage] = ()
) -> tuple[Message, ...]:
    """Return what `agent` is told for `task`; `context_tokens` is what its model can read."""
    room = int((context_tokens - agent.limits.max_tokens) * CHARS_PER_TOKEN * HISTORY_SHARE)
    parts = {
        "earlier": _history(task.history, room),
        "memory": cut(task.memo, agent.limits.memo_tokens),
        "passages": "\n\n".join(
            f"[{number}] {passage.source}\n{_quoted(passage.text)}"
            for number, passage in enumerate(passages, start=1)
        ),
        "whole-query": task.query if task.wish != task.query else "",
    }
    data = {tag: text for tag, text in parts.items() if text}
    # The tools that a model calls return data too.
    alone = not data and not agent.tools
    user = task.wish if alone else _delimited(data | {"query": task.wish})
    return (
        Message(role="system", content=_system(agent, () if alone else ("data", *data))),
        Message(role="user", content=user),
    )


def _system(agent: Agent, present: Collection[str]) -> str:
    said = prompts()
    frame = said["system"].format(
        name=agent.name, description=agent.description, instructions=agent.instructions.strip()
    )
    notes = {"data": "data", "passages": "passages", "whole-query": "part"}
    told = [said[note] for tag, note in notes.items() if tag in present]
    return re.sub(r"\n{3,}", "\n\n", "\n".join([frame, *told])).strip()


def _delimited(data: Mapping[str, str]) -> str:
    return "\n\n".join(
        f"<{tag}>\n{_OUR_TAG.sub('‹', text.strip())}\n</{tag}>" for tag, text in data.items()
    )


def _history(history: Sequence[Exchange], room: int) -> str:
    """Return the newest whole exchanges that fit into `room` characters, oldest first."""
    said: list[str] = []
    for exchange in reversed(history):
        text = f"User: {_quoted(exchange.query)}\nAnswer: {_quoted(exchange.answer)}"
        room -= len(text)
        if room < 0:
            break
        said.append(text)
    return "\n\n".join(reversed(said))


def _quoted(text: str) -> str:
    """Return data so that no line of it can pass for the beginning of an exchange or passage."""
    lines = text.splitlines()
    return "\n".join(f"| {line}" if _OUR_LINE.match(line) else line for line in lines)


def cut(memo: Memo, tokens: int) -> str:
    """Return the lines of `memo` that fit into `tokens`, from its beginning."""
    per_token = len(memo.text) / memo.tokens if memo.tokens else CHARS_PER_TOKEN
    room = int(tokens * per_token)
    if len(memo.text) <= room:
        return memo.text.strip()
    kept = memo.text[:room]
    end = max(kept.rfind("\n"), kept.rfind(". ") + 1)
    return kept[: end if end > 0 else kept.rfind(" ") + 1].strip()


def query_in(text: str) -> str:
    """Return the query in a user message that `messages` made; any other text is one itself."""
    found = _QUERY.search(text)
    return found[1] if found else text
