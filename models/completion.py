"""The parts of OpenAI's chat protocol that are read of a reply, whole or streamed.

Source: the schema of POST /v1/chat/completions in OpenAI's API reference. Servers leave out much of
it and add more; what is not named here is passed over. The names are those of LiteLLM's objects.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class FunctionCall(BaseModel):
    """What is called; in a stream a piece of it."""

    name: str | None = None
    arguments: str | None = None


class Call(BaseModel):
    """A tool that the model wants called; in a stream `index` tells whose piece it is."""

    index: int = 0
    id: str | None = None
    function: FunctionCall = FunctionCall()


class Said(BaseModel):
    """What the model said; in a stream a piece of it."""

    content: str | None = None
    tool_calls: list[Call] | None = None


class Alternative(BaseModel):
    """A token, and how likely it was."""

    token: str
    logprob: float


class Likelihood(Alternative):
    """A token of the answer, and others that could have stood there."""

    top_logprobs: list[Alternative] = []


class Likelihoods(BaseModel):
    """How likely the tokens of the answer were."""

    content: list[Likelihood] | None = None


class Choice(BaseModel):
    """One answer."""

    message: Said = Said()
    delta: Said = Said()
    finish_reason: str | None = None
    logprobs: Likelihoods | None = None


class OutputDetails(BaseModel):
    """What the tokens of the output were for."""

    reasoning_tokens: int | None = None


class TokenUsage(BaseModel):
    """The tokens that the server counted."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    completion_tokens_details: OutputDetails | None = None


class Problem(BaseModel):
    """What went wrong, in the server's words."""

    message: str = ""


class Completion(BaseModel):
    """A reply, or one event of a stream."""

    choices: list[Choice] = Field(default_factory=list)
    usage: TokenUsage | None = None
    error: Problem | str | None = None

    @property
    def problem(self) -> str:
        """What the server says went wrong; empty: nothing."""
        return self.error.message if isinstance(self.error, Problem) else self.error or ""
