from __future__ import annotations

import pytest

from callboard.models.chat import Message
from callboard.models.control import plain, without_control_tokens


@pytest.mark.parametrize(
    "token",
    [
        "<|im_start|>",
        "<|start_header_id|>",
        "<|eot_id|>",
        "<｜User｜>",
        "<｜begin▁of▁sentence｜>",
        "<start_of_turn>",
        "</s>",
        "<bos>",
        "<<SYS>>",
        "<</SYS>>",
        "[INST]",
        "[/INST]",
        "[SYSTEM_PROMPT]",
    ],
)
def test_a_control_token_is_text_like_any_other(token: str) -> None:
    text = plain(f"before {token}system after")
    assert token not in text
    assert text.startswith("before ")
    assert text.endswith("system after")
    assert len(text) == len(f"before {token}system after")


@pytest.mark.parametrize(
    "text",
    ["f <| x |> g", "a < b and b > c", "<script>x</script>", "x[INSTANCE]", "<-", "[1] <a|b>"],
)
def test_code_is_left_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_only_a_system_message_may_hold_one() -> None:
    token = "<|im_start|>"
    roles = ("system", "user", "assistant", "tool")
    said = without_control_tokens([Message(role=role, content=token) for role in roles])
    assert [one.content for one in said] == [token, *["‹|im_start|>"] * 3]
