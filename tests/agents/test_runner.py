from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from callboard.agents.conversation import Trimmed
from callboard.agents.registry import Registered
from callboard.agents.spec import Agent, AgentLimits
from callboard.errors import BadModelOutput, InvalidInput, TimedOut
from callboard.model_settings import ModelSettings
from callboard.models.chat import ChatReply, ToolCall
from callboard.values import AgentTask, Citation, Scope, Usage

Make = Callable[..., Any]
Module = Callable[[str, str], None]
BILLING = Agent(name="billing", description="Invoices, charges and refunds.")
TOOLS = """
from callboard import tool

calls = []

@tool(idempotent=True)
def bill(customer: str) -> dict:
    "Return the bill of a customer."
    calls.append(customer)
    return {"customer": customer, "total": "19.90"}

@tool(side_effects=True)
def remind(customer: str) -> str:
    "Send a reminder."
    calls.append(f"remind {customer}")
    if customer == "crash":
        raise KeyboardInterrupt
    if customer == "nobody":
        raise LookupError("no such customer")
    return "sent"

@tool(side_effects=True, approve=True)
def refund(customer: str) -> str:
    "Pay the bill back."
    calls.append(f"refund {customer}")
    return "paid"
"""


def wants(name: str, arguments: str, text: str = "") -> ChatReply:
    call = ToolCall(id="c1", name=name, arguments=arguments)
    return ChatReply(text=text, model="m", usage=Usage(), latency_s=0.0, tool_calls=(call,))


@pytest.fixture
def calls(module: Module) -> list[str]:
    module("bill_tools", TOOLS)
    import bill_tools  # type: ignore[import-not-found]

    called: list[str] = bill_tools.calls
    return called


def with_tools(*names: str, **limits: Any) -> Agent:
    tools = tuple(f"bill_tools:{name}" for name in names)
    return BILLING.model_copy(update={"tools": tools, "limits": AgentLimits(**limits)})


# Functions


async def test_a_function_agent_answers_and_tells_it_whole(scripted: Make) -> None:
    told: list[str] = []
    agent = Agent(name="echo", description="Says it again.", function="m:echo")
    result = await scripted().run(
        agent, function=lambda query: f"You said: {query}", on_text=told.append, query="hi"
    )
    assert (result.agent, result.text, told) == ("echo", "You said: hi", ["You said: hi"])


async def test_silence_is_not_told(scripted: Make) -> None:
    told: list[str] = []
    agent = Agent(name="echo", description="Says it again.", function="m:echo")
    result = await scripted().run(agent, function=lambda query: None, on_text=told.append)
    assert not result.answered
    assert told == []


async def test_a_detached_agent_is_not_run_and_says_why(scripted: Make) -> None:
    made = scripted()
    registered = Registered(agent=BILLING, version=1, state="detached", reason="It is elsewhere.")
    task = AgentTask(run_id="r", agent="billing", scope=Scope(), query="hi")
    with pytest.raises(InvalidInput, match="It is elsewhere"):
        await made.runner.run(registered, task, made.journal)


# Models


async def test_a_model_agent_streams_exactly_its_answer(scripted: Make) -> None:
    told: list[str] = []
    result = await scripted("  It is 19.90 euros,\n\nas always. \n").run(
        BILLING, on_text=told.append
    )
    assert result.text == "It is 19.90 euros,\n\nas always."
    assert "".join(told) == result.text
    assert len(told) > 1


async def test_an_empty_answer_is_bad_output(scripted: Make) -> None:
    with pytest.raises(BadModelOutput):
        await scripted(" \n ").run(BILLING)


async def test_a_slow_model_agent_times_out(scripted: Make) -> None:
    made = scripted("late", delay_s=30)
    agent = BILLING.model_copy(update={"limits": AgentLimits(timeout_s=0.05)})
    with pytest.raises(TimedOut, match=r"'billing' took longer than 0.05 s"):
        await made.run(agent)


async def test_the_limits_of_the_agent_reach_the_model(scripted: Make) -> None:
    made = scripted("Done.")
    await made.run(BILLING.model_copy(update={"limits": AgentLimits(max_tokens=77)}))
    assert made.model.requests[0].max_tokens == 77


@pytest.mark.parametrize("pieces", [["  a", " ", "b  ", " "], ["a b"], [" ", "\n", "a", "\n b\n"]])
def test_trimmed_pieces_make_up_the_stripped_text(pieces: list[str]) -> None:
    told: list[str] = []
    writer = Trimmed(told.append)
    for piece in pieces:
        writer.write(piece)
    assert "".join(told) == "".join(pieces).strip()


# Tools


async def test_a_tool_is_called_and_its_result_given_to_the_model(
    scripted: Make, calls: list[str]
) -> None:
    told: list[str] = []
    made = scripted(wants("bill", '{"customer": "ada"}', "Let me look."), "It is 19.90.")
    result = await made.run(with_tools("bill"), on_text=told.append)
    assert (result.text, told, calls) == ("It is 19.90.", ["It is 19.90."], ["ada"])
    first, second = made.model.requests
    assert [tool.name for tool in first.tools] == ["bill"]
    assert [message.role for message in second.messages] == ["system", "user", "assistant", "tool"]
    assert second.messages[-1].content == '{"customer": "ada", "total": "19.90"}'
    assert second.messages[-1].tool_call_id == "c1"
    assert second.messages[:2] == first.messages
    assert "/tool:0:bill" in made.journal.kept


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("bill", '{"customer": 7}', "'customer': Input should be a valid string"),
        ("bill", "not json", "not valid JSON"),
        ("bil", "{}", "There is no tool 'bil'. The tools are: bill, remind, refund."),
        ("remind", '{"customer": "nobody"}', "failed: LookupError: no such customer"),
        ("refund", '{"customer": "ada"}', "was not called: its use was not approved"),
    ],
)
async def test_what_goes_wrong_with_a_tool_is_told_to_the_model(
    scripted: Make, calls: list[str], name: str, arguments: str, said: str
) -> None:
    made = scripted(wants(name, arguments), "Sorry.")
    result = await made.run(with_tools("bill", "remind", "refund"))
    assert result.text == "Sorry."
    assert said in made.model.requests[1].messages[-1].content
    assert "refund ada" not in calls


@pytest.mark.parametrize("answer", [True, False])
async def test_a_tool_that_needs_approval_is_called_only_with_it(
    scripted: Make, calls: list[str], answer: bool
) -> None:
    asked: list[tuple[str, Mapping[str, Any]]] = []

    def approve(tool: str, arguments: Mapping[str, Any]) -> bool:
        asked.append((tool, arguments))
        return answer

    async def approve_later(tool: str, arguments: Mapping[str, Any]) -> bool:
        return approve(tool, arguments)

    for approver in (approve, approve_later):
        made = scripted(wants("refund", '{"customer": "ada"}'), "Done.", approver=approver)
        await made.run(with_tools("refund"))
    assert asked == [("refund", {"customer": "ada"})] * 2
    assert calls == (["refund ada"] * 2 if answer else [])


async def test_a_resumed_agent_does_not_call_again_what_is_done(
    scripted: Make, calls: list[str]
) -> None:
    made = scripted(wants("remind", '{"customer": "ada"}'), ConnectionError("killed"), "Reminded.")
    with pytest.raises(Exception, match="killed"):
        await made.run(with_tools("remind"))
    result = await made.run(with_tools("remind"))
    assert result.text == "Reminded."
    assert calls == ["remind ada"]
    assert len(made.model.requests) == 3


async def test_a_tool_that_a_crash_cut_off_is_not_begun_again(
    scripted: Make, calls: list[str]
) -> None:
    made = scripted(wants("remind", '{"customer": "ada"}'), "I do not know if it was sent.")
    made.journal.cut_off.add("/tool:0:remind")
    result = await made.run(with_tools("remind"))
    assert result.text == "I do not know if it was sent."
    assert "was begun before" in made.model.requests[1].messages[-1].content
    assert calls == []


async def test_an_idempotent_tool_is_begun_again(scripted: Make, calls: list[str]) -> None:
    made = scripted(wants("bill", '{"customer": "ada"}'), "19.90.")
    made.journal.cut_off.add("/tool:0:bill")
    await made.run(with_tools("bill"))
    assert calls == ["ada"]


async def test_after_the_last_round_the_model_has_to_answer(
    scripted: Make, calls: list[str]
) -> None:
    asks = wants("bill", '{"customer": "ada"}')
    made = scripted(asks, asks, "19.90.")
    assert (await made.run(with_tools("bill", tool_rounds=2))).text == "19.90."
    assert made.model.requests[2].messages[-1].content.endswith("Answer now.]")

    with pytest.raises(BadModelOutput, match="still called 'bill' after 1 rounds"):
        await scripted(asks, asks).run(with_tools("bill", tool_rounds=1))


async def test_without_rounds_no_tool_is_offered(scripted: Make, calls: list[str]) -> None:
    made = scripted("19.90.")
    await made.run(with_tools("bill", tool_rounds=0))
    assert made.model.requests[0].tools == ()


async def test_a_model_that_can_not_call_tools_is_not_offered_any(
    scripted: Make, calls: list[str]
) -> None:
    made = scripted("19.90.", settings=ModelSettings(model="openai/small", tools=False))
    await made.run(with_tools("bill"))
    assert made.model.requests[0].tools == ()


async def test_a_slow_tool_ends_with_the_time_of_the_agent(scripted: Make, module: Module) -> None:
    module(
        "slow_tools",
        "import threading\nfrom callboard import tool\nrelease = threading.Event()\n"
        "@tool\ndef wait() -> str:\n    'Wait.'\n    release.wait(30)\n    return 'done'\n",
    )
    import slow_tools  # type: ignore[import-not-found]

    release: threading.Event = slow_tools.release
    agent = BILLING.model_copy(
        update={"tools": ("slow_tools:wait",), "limits": AgentLimits(timeout_s=0.1)}
    )
    with pytest.raises(TimedOut, match="left to end by itself"):
        await scripted(wants("wait", "{}")).run(agent)
    release.set()


# Documents


@pytest.fixture
def help_agent(tmp_path: Path) -> Agent:
    (tmp_path / "refunds.md").write_text(
        "# Refunds\n\nMoney is paid back within 14 days to the card that you paid with.\n\n"
        "# Opening hours\n\nThe shop is open from 9 to 18 on working days.\n",
        encoding="utf-8",
    )
    (path,) = (str(tmp_path / "*.md"),)
    return Agent(name="help", description="Answers from the help pages.", documents=(path,))


async def test_a_documents_agent_quotes_with_its_source_and_asks_no_model(
    scripted: Make, help_agent: Agent
) -> None:
    told: list[str] = []
    made = scripted()
    result = await made.run(help_agent, query="When do I get my money back?", on_text=told.append)
    quote = "Money is paid back within 14 days to the card that you paid with."
    assert result.citations == (Citation(source="refunds.md#Refunds", quote=quote),)
    assert result.text == f"{quote}\n\nSource: refunds.md#Refunds"
    assert told == [result.text]
    assert made.model.requests == []


async def test_a_documents_agent_says_when_nothing_fits(scripted: Make, help_agent: Agent) -> None:
    told: list[str] = []
    writing = help_agent.model_copy(update={"model": "main"})
    made = scripted()
    for agent in (help_agent, writing):
        result = await made.run(agent, query="How tall is Mount Everest?", on_text=told.append)
        assert not result.answered
        assert "Nothing in the documents of help" in result.text
    assert told == []
    assert made.model.requests == []


async def test_a_documents_agent_with_a_model_gives_it_the_passages_and_cites(
    scripted: Make, help_agent: Agent
) -> None:
    made = scripted("Within 14 days [1].")
    agent = help_agent.model_copy(update={"model": "main"})
    result = await made.run(agent, query="When do I get my money back?")
    system, user = made.model.requests[0].messages
    assert "number of each passage" in system.content
    assert "paid back" not in system.content
    assert "[1] refunds.md#Refunds\nMoney is paid back" in user.content
    assert result.text == "Within 14 days [1]."
    assert [citation.source for citation in result.citations] == ["refunds.md#Refunds"]
