"""The prefix of a prompt as a chain of hashes: what a server with a prefix cache may know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from ..chat import ChatRequest
from ..prices import BYTES_PER_TOKEN

BLOCK_TOKENS = 128
"""What DualMap's experiments use (arXiv 2602.06502)."""
BLOCK_BYTES = BYTES_PER_TOKEN * BLOCK_TOKENS


@dataclass(frozen=True, slots=True)
class Prompt:
    """`blocks` has one hash per whole block, each of all text up to its end; `tokens` of all."""

    blocks: tuple[int, ...]
    tokens: int

    @classmethod
    def of(cls, request: ChatRequest) -> Prompt:
        """Return the prompt of a request: its tools first, then its messages, as servers see it."""
        text = "\n".join(_parts(request)).encode("utf-8", "surrogatepass")
        blocks, chain = [], b""
        for start in range(0, len(text) - BLOCK_BYTES + 1, BLOCK_BYTES):
            chain = blake2b(chain + text[start : start + BLOCK_BYTES], digest_size=8).digest()
            blocks.append(int.from_bytes(chain, "big"))
        if not blocks:
            digest = blake2b(text, digest_size=8).digest()
            return cls((int.from_bytes(digest, "big"),), len(text) // BYTES_PER_TOKEN)
        return cls(tuple(blocks), len(text) // BYTES_PER_TOKEN)


def _parts(request: ChatRequest) -> Iterator[str]:
    for tool in request.tools:
        yield f"{tool.name} {tool.description} {json.dumps(tool.parameters, sort_keys=True)}"
    for message in request.messages:
        yield f"{message.role} {message.content}"
