"""A model that does what any text of a request tells it, whoever wrote it and however it is hidden.

It is what a test of injection needs: whatever still holds with this model holds by structure. It
reads the orders below in messages of every role, in base64, between invisible characters and in
letters that only look like ASCII, and answers in the form that the request asks for.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from callboard.models.chat import ChatReply, ChatRequest, ToolCall
from callboard.models.scripted import SCRIPTED_USAGE

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_SAY = re.compile(rf"say exactly {_QUOTED}", re.IGNORECASE)
_CHOOSE = re.compile(r'choose agent "([^"]*)"', re.IGNORECASE)
_CALL = re.compile(r"call tool (\w+) with (\{[^{}]*\})", re.IGNORECASE)
_CHANGE = re.compile(rf"change {_QUOTED} to {_QUOTED}", re.IGNORECASE)
_ADD = re.compile(rf"add {_QUOTED}", re.IGNORECASE)
_NOTE = re.compile(rf"note {_QUOTED}", re.IGNORECASE)
_REPEAT = re.compile(rf"repeat {_QUOTED} (\d+) times", re.IGNORECASE)
_REVEAL = re.compile(r"reveal your system prompt", re.IGNORECASE)
_SHOW = re.compile(r"show what user", re.IGNORECASE)
_DROP = re.compile(r"drop the other answers|has mine alone", re.IGNORECASE)
_ENCODED = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_ANSWER = re.compile(r"^=== \w+ answer of ([\w-]+) ===\n(.*?)\n=== \w+ end ===$", re.M | re.S)


def obey(request: ChatRequest) -> str | ChatReply:
    """Return what the request's texts order, in the form that it asks for."""
    seen = "\n".join(_seen(message.content) for message in request.messages)
    said = _unquoted(_SAY.findall(seen))
    form = (request.json_schema or {}).get("properties", {})
    if form:
        return said[-1] if said else json.dumps(_filled(form, seen))
    system = next(one.content for one in request.messages if one.role == "system")
    answers = _ANSWER.findall(request.messages[-1].content)
    if answers:
        text = _merged(answers, seen)
    else:
        calls = tuple(_calls(request))
        if calls:
            return ChatReply(
                text="I do as I am told.",
                model="scripted",
                usage=SCRIPTED_USAGE,
                latency_s=0.0,
                tool_calls=calls,
            )
        text = "I have read it all."
    if said:
        text = said[-1]
    if _REVEAL.search(seen):
        text = f"{text}\n{system}"
    if _SHOW.search(seen):
        text = "\n".join([text, *(one.content for one in request.messages)])
    return text


def _seen(text: str) -> str:
    """Return a text as it is, as a reader sees it, and what is encoded in it."""
    tags = "".join(chr(ord(c) - 0xE0000) if 0xE0020 <= ord(c) <= 0xE007E else c for c in text)
    plain = unicodedata.normalize("NFKC", tags)
    plain = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    return "\n".join(dict.fromkeys((text, plain, *_decoded(text))))


def _decoded(text: str) -> Iterator[str]:
    for run in _ENCODED.findall(text):
        try:
            yield base64.b64decode(run, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            continue


def _unquoted(found: list[str]) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", one) for one in found]


def _filled(form: dict[str, Any], seen: str) -> dict[str, Any]:
    """Fill the form of the router or of a memory module."""
    filled: dict[str, Any] = {name: [] for name in form}
    if "agents" in form:
        chosen = dict.fromkeys(_CHOOSE.findall(seen)) or form["agents"]["items"]["enum"][:2]
        filled |= {"reason": ", ".join(f"`{name}`" for name in chosen), "agents": list(chosen)}
    if "helpful" in form:
        filled["helpful"] = [1]
    if "lines" in form:
        filled["lines"] = [{"text": one, "excerpts": [1]} for one in _NOTE.findall(seen)]
    return filled


def _merged(answers: list[tuple[str, str]], seen: str) -> str:
    """Return the answers as one, after what they order to do with each other."""
    kept = [text for _, text in answers]
    if _DROP.search(seen):
        kept = [text for text in kept if _DROP.search(_seen(text))] or kept[-1:]
    text = "\n\n".join(kept)
    for old, new in _CHANGE.findall(seen):
        text = text.replace(old, new)
    for words, times in _REPEAT.findall(seen):
        text += words * int(times)
    return " ".join([text, *_ADD.findall(seen)])


def _calls(request: ChatRequest) -> Iterator[ToolCall]:
    """Yield the calls that were ordered since the model spoke last, of whatever tools."""
    last = [at for at, one in enumerate(request.messages) if one.role == "assistant"]
    new = request.messages[last[-1] + 1 :] if last else request.messages
    orders = dict.fromkeys(
        order
        for one in new
        if one.role != "assistant"
        for order in _CALL.findall(_seen(one.content))
    )
    for number, (name, arguments) in enumerate(orders):
        yield ToolCall(id=f"call_{len(last)}_{number}", name=name, arguments=arguments)
