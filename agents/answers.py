"""What a function returned, as the answer of an agent.

Text is the answer. A pydantic model, a dataclass or any other JSON value is a typed answer: it is
kept as data, and its text is what it calls `text` or `answer`, or what `str` makes of it if its
type says so, or else its fields line by line. None and blank text are no answer.
"""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import PydanticSerializationError

from ..codec import to_json
from ..errors import InvalidInput
from ..values import JSON, AgentResult


def to_result(agent: str, value: Any) -> AgentResult:
    """Return `value`, which a function of `agent` returned, as the answer of `agent`.

    Raises:
        InvalidInput: `value` is neither text nor can be written as JSON.
    """
    if isinstance(value, AgentResult):
        return value if value.agent == agent else replace(value, agent=agent)
    if value is None or (isinstance(value, str) and not value.strip()):
        return silence(agent)
    if isinstance(value, str):
        return AgentResult(agent=agent, text=value)
    try:
        data = to_json(value)
    except (PydanticSchemaGenerationError, PydanticSerializationError) as error:
        raise InvalidInput(
            f"Agent {agent!r} returned a {type(value).__name__}, which can't be written as JSON. "
            "Return text, a pydantic model or a dataclass."
        ) from error
    text = _text(value, data)
    if not text.strip():
        return replace(silence(agent), data=data)
    return AgentResult(agent=agent, text=text, data=data)


def silence(agent: str) -> AgentResult:
    """Return the answer of an agent that has none."""
    return AgentResult(agent=agent, text=f"{agent} has no answer to this.", answered=False)


def _text(value: Any, data: JSON) -> str:
    for name in ("text", "answer"):
        said = getattr(value, name, None)
        if isinstance(said, str):
            return said
    inherited = BaseModel if isinstance(value, BaseModel) else object
    if is_dataclass(value) or isinstance(value, BaseModel):
        return str(value) if type(value).__str__ is not inherited.__str__ else rendered(data)
    return rendered(data)


def rendered(data: JSON, indent: str = "") -> str:
    """Return JSON for people: a line per field or item, `yes` and `no`, nothing for null."""
    if isinstance(data, dict):
        return "\n".join(_line(f"{name}:", item, indent) for name, item in data.items())
    if isinstance(data, list):
        return "\n".join(_line("-", item, indent) for item in data)
    if isinstance(data, bool):
        return "yes" if data else "no"
    return "" if data is None else str(data)


def _line(label: str, item: JSON, indent: str) -> str:
    if isinstance(item, dict | list) and item:
        return f"{indent}{label}\n{rendered(item, indent + '  ')}"
    return f"{indent}{label} {rendered(item)}".rstrip()
