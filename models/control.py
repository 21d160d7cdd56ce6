"""Control tokens of chat templates, kept out of what users, agents, memory and tools say.

A server renders a chat as one text, and many read `<|im_start|>system` in it as the beginning of
another message wherever it stands. Only a system message, which the owner of the Board wrote, may
hold such a token; in all others its first character is replaced, so that it is text like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from .chat import Message

_TOKEN = re.compile(
    r"<(?=[|｜][^\s<>]{1,64}?[|｜]>"  # ChatML, Qwen, Llama 3, Phi, GLM, gpt-oss, DeepSeek
    r"|/?(?:s|bos|eos)>|<?/?<?SYS>>|(?:start|end)_of_turn>)"  # Llama 2, Mistral, Gemma
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS)\])"  # Mistral
)
_HARMLESS = {"<": "‹", "[": "［"}


def without_control_tokens(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return `messages`, those that are not of the system without control tokens."""
    return tuple(
        message if message.role == "system" else replace(message, content=plain(message.content))
        for message in messages
    )


def plain(text: str) -> str:
    """Return `text` without control tokens."""
    return _TOKEN.sub(lambda found: _HARMLESS[found[0]], text)
