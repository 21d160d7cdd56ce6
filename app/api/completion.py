"""OpenAI's chat completions as we read and write them: messages in, a run out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...errors import InvalidInput, nearest
from ...values import JSON, Exchange, Run, Step
from ..views import decision_json, number, together
from .bodies import AskingBody

BOARD = "callboard"
"""The model that the board is; `callboard/NAME` is one agent of it."""

IGNORED = frozenset(
    {
        "frequency_penalty",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "temperature",
        "top_p",
        "verbosity",
    }
)
"""Fields of OpenAI's that change nothing here: each agent has its own settings. The response
says which were sent."""
_REFUSED = {
    "audio": "the board answers in text",
    "function_call": "the board's agents have their own tools",
    "functions": "the board's agents have their own tools",
    "logit_bias": "several models may answer",
    "logprobs": "several models may answer",
    "modalities": "the board answers in text",
    "prediction": "several models may answer",
    "response_format": "the board answers in text",
    "tool_choice": "the board's agents have their own tools",
    "tools": "the board's agents have their own tools",
    "top_logprobs": "several models may answer",
    "web_search_options": "the board's agents have their own tools",
}
_MEANINGLESS: dict[str, tuple[Any, ...]] = {
    "logprobs": (False,),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"),
}
"""Values of fields that are refused otherwise which ask for nothing."""


class TextPart(BaseModel):
    """One part of a message."""

    model_config = ConfigDict(extra="ignore")

    type: str
    text: str = ""


class Message(BaseModel):
    """One message of the conversation."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The text of all parts.

        Raises:
            InvalidInput: a part is no text.
        """
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        other = next((part.type for part in self.content if part.type not in _TEXTS), None)
        if other is not None:
            raise InvalidInput(f"A message holds {other!r}; the board reads text alone.")
        return "\n".join(part.text for part in self.content)


_TEXTS = ("text", "input_text", "output_text")


class StreamOptions(BaseModel):
    """What is told in a stream."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool = False


class CompletionBody(AskingBody):
    """The request of a chat completion, with the board's own fields beside OpenAI's."""

    model_config = ConfigDict(extra="allow")

    model: str = BOARD
    messages: list[Message] = Field(min_length=1, max_length=1000)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = 1

    @model_validator(mode="after")
    def _known_fields(self) -> CompletionBody:
        for name, value in (self.model_extra or {}).items():
            if name in IGNORED or not value or value in _MEANINGLESS.get(name, ()):
                continue
            if name in _REFUSED:
                raise ValueError(f"{name!r} is not supported: {_REFUSED[name]}. Leave it out")
            known = {*type(self).model_fields, *IGNORED}
            raise ValueError(f"{name!r} is not a field of this request{nearest(name, known)}")
        return self

    @property
    def ignored(self) -> list[str]:
        """The fields and messages that changed nothing."""
        fields = [name for name, value in (self.model_extra or {}).items() if value is not None]
        roles = {one.role for one in self.messages if one.role in ("system", "developer")}
        return sorted(name for name in fields if name in IGNORED) + sorted(
            f"messages[{role}]" for role in roles
        )

    @property
    def pinned(self) -> list[str] | None:
        """The agents that are asked for by name.

        Raises:
            InvalidInput: the model is not of this board.
        """
        board, slash, agent = self.model.partition("/")
        if board != BOARD or (slash and not agent):
            raise InvalidInput(
                f"There is no model {self.model!r}. Use {BOARD!r} for the board, or "
                f"'{BOARD}/NAME' for one agent; GET /v1/models lists them."
            )
        return [agent] if agent else self.agents

    def conversation(self) -> tuple[str, tuple[Exchange, ...]]:
        """Return the query, which is the last message, and the exchanges before it.

        What a client says as `system` is no order to the agents, whose instructions are the
        board's; it is left out, and the response says so.

        Raises:
            InvalidInput: the last message is not the user's, or a message is no text.
        """
        if any(one.role in ("tool", "function") for one in self.messages):
            raise InvalidInput("A message has the role 'tool'; the board's agents have their own.")
        told = [one for one in self.messages if one.role in ("user", "assistant")]
        if not told or told[-1].role != "user":
            raise InvalidInput("The last message must be the user's: it is what is asked.")
        exchanges: list[Exchange] = []
        asked: list[str] = []
        for one in told[:-1]:
            if one.role == "user":
                asked.append(one.text)
            elif asked:
                exchanges.append(Exchange(query="\n".join(asked), answer=one.text))
                asked = []
            elif exchanges:
                last = exchanges.pop()
                exchanges.append(Exchange(query=last.query, answer=f"{last.answer}\n{one.text}"))
        return "\n".join([*asked, told[-1].text]), tuple(exchanges)


Completion: TypeAlias = dict[str, JSON]


def completion_json(run: Run, body: CompletionBody) -> Completion:
    """Return a run that has ended as a chat completion."""
    return {
        **_head(run.id, body, "chat.completion", int(run.created_at.timestamp())),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": run.answer or "", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": tokens_json(run.steps),
        BOARD: run_facts(run, body),
    }


def chunk_json(
    run_id: str,
    body: CompletionBody,
    created: int,
    *,
    delta: Mapping[str, JSON] | None = None,
    finish: str | None = None,
    **more: JSON,
) -> Completion:
    """Return one piece of a streamed chat completion; without a delta, one with no choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {
        **_head(run_id, body, "chat.completion.chunk", created),
        "choices": [] if delta is None else [choice],
        **more,
    }


def run_facts(run: Run, body: CompletionBody) -> dict[str, JSON]:
    """Return what the board tells beside OpenAI's fields; null is unknown."""
    return {
        "run_id": run.id,
        "status": run.status,
        "agents": list(run.decision.agents) if run.decision else [],
        "decision": decision_json(run.decision) if run.decision else None,
        "cost_usd": number(run.cost_usd),
        "known_cost_usd": number(run.known_cost_usd),
        "latency_s": run.latency_s,
        "session": run.scope.session,
        "ignored": body.ignored,
    }


def tokens_json(steps: tuple[Step, ...]) -> dict[str, int] | None:
    """Return the tokens of all calls together, or None if those of one are not known."""
    total = together(tuple(step.usage for step in steps))
    if total.input_tokens is None or total.output_tokens is None:
        return None
    return {
        "prompt_tokens": total.input_tokens,
        "completion_tokens": total.output_tokens,
        "total_tokens": total.input_tokens + total.output_tokens,
    }


def _head(run_id: str, body: CompletionBody, kind: str, created: int) -> Completion:
    return {
        "id": f"chatcmpl-{run_id}",
        "object": kind,
        "created": created,
        "model": body.model,
    }
