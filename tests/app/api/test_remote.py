"""An agent that is a board somewhere else, or any other server that speaks OpenAI's protocol."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_service import WEATHER, Service, alone

from callboard import Agent, Board
from callboard.model_settings import ModelSettings


@pytest.mark.parametrize("direct", [True, False])
def test_an_agent_may_be_another_board(
    served: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direct: bool
) -> None:
    monkeypatch.setenv("OTHER_BOARD_KEY", served.key("partner"))
    endpoint = ModelSettings(
        model="openai/callboard",
        api_base=f"{served.url}/v1",
        api_key_env="OTHER_BOARD_KEY",
        direct=direct,
    )
    remote = Agent(
        name="partner",
        description=WEATHER["description"],
        examples=tuple(WEATHER["examples"]),
        endpoint=endpoint,
    )
    with Board(alone(tmp_path), recover=False) as board:
        board.register(remote)
        run = board.run_sync("Will it rain in Bergen?")
        assert run.status == "done"
        assert run.answer == "It rains in Oslo."
        assert run.cost_usd is None  # nobody said what the other board's tokens cost
        (call,) = [step for step in run.steps if step.model is not None]
        assert call.usage.input_tokens
    theirs = served.board.scoped("acme").list_sync(user="partner", limit=1)
    assert theirs[0].decision is not None
    assert theirs[0].decision.agents == ("weather",)
