from __future__ import annotations

from pathlib import Path

from callboard.models.chat import ChatReply, ChatRequest, Message
from callboard.models.replies import KnownReplies, Replies
from callboard.values import Usage


class Journal:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, model: str, request: ChatRequest, **_: object) -> ChatReply:
        self.asked += 1
        return ChatReply(text=f"{self.asked}", model=model, usage=Usage(), latency_s=1.5)


def request(text: str, **fields: object) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), **fields)  # type: ignore[arg-type]


async def test_a_question_is_asked_once_and_costs_what_it_cost(tmp_path: Path) -> None:
    inner = Journal()
    for _ in range(2):  # a later process finds what the first one paid for
        kept = Replies(tmp_path / "replies.db")
        journal = KnownReplies(inner, kept)  # type: ignore[arg-type]
        reply = await journal.ask("main", request("a"), key="k")
        assert (reply.text, reply.latency_s) == ("1", 1.5)
        assert journal.replies == [reply]
        kept.close()
    assert inner.asked == 1
    assert journal.saved_s == 1.5


async def test_another_model_text_or_form_is_another_question(tmp_path: Path) -> None:
    inner, kept = Journal(), Replies(tmp_path / "replies.db")
    journal = KnownReplies(inner, kept)  # type: ignore[arg-type]
    await journal.ask("main", request("a"), key="k")
    await journal.ask("small", request("a"), key="k")
    await journal.ask("main", request("b"), key="k")
    await journal.ask("main", request("a", json_schema={"type": "object"}), key="k")
    await journal.ask("main", request("a", max_tokens=9), key="k")
    assert inner.asked == 5
    kept.close()
