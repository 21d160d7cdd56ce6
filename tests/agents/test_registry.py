from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callboard.agents.functions import reference
from callboard.agents.registry import Registry
from callboard.agents.spec import Agent
from callboard.errors import InvalidInput, UnknownName
from callboard.model_settings import ModelSettings
from callboard.models.addresses import AddressRule
from callboard.store.engine import Store
from callboard.values import Scope

Module = Callable[[str, str], None]
BILLING = Agent(name="billing", description="Invoices, charges and refunds.")
LOCAL = Scope()


def billing(description: str) -> Agent:
    return Agent(name="billing", description=description)


def answer(query: str) -> str:
    return query


def names(registry: Registry, scope: Scope = LOCAL) -> list[str]:
    return [one.agent.name for one in registry.snapshot(scope).live]


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store.agents, models={"main", "small"})


def test_a_registered_agent_is_seen_by_the_next_snapshot(registry: Registry) -> None:
    before = registry.snapshot(LOCAL)
    registered = registry.register(LOCAL, BILLING)
    after = registry.snapshot(LOCAL)
    assert (registered.version, registered.state) == (1, "live")
    assert before.agents == ()
    assert after.version > before.version
    assert after.by_name["billing"] == registered


def test_a_snapshot_is_the_same_object_until_something_changes(registry: Registry) -> None:
    registry.register(LOCAL, BILLING)
    first = registry.snapshot(LOCAL)
    registry.register(LOCAL, BILLING)
    assert registry.snapshot(LOCAL) is first
    registry.unregister(LOCAL, "billing")
    assert registry.snapshot(LOCAL) is not first
    assert names(registry) == []


def test_a_changed_agent_needs_replace_and_counts_its_versions(registry: Registry) -> None:
    registry.register(LOCAL, BILLING)
    with pytest.raises(InvalidInput, match="replace=True"):
        registry.register(LOCAL, billing("All about your money."))
    assert registry.get(LOCAL, "billing").agent == BILLING
    changed = registry.register(LOCAL, billing("All about your money."), replace=True)
    assert changed.version == 2
    assert registry.get(LOCAL, "billing") == changed


def test_agents_of_one_tenant_are_not_seen_by_another(registry: Registry) -> None:
    registry.register(Scope(tenant="a"), BILLING)
    assert names(registry, Scope(tenant="a", user="someone")) == ["billing"]
    assert names(registry, Scope(tenant="b")) == []


def test_unknown_names_are_refused_with_the_nearest_one(registry: Registry) -> None:
    registry.register(LOCAL, BILLING)
    with pytest.raises(UnknownName, match="did you mean 'billing'"):
        registry.get(LOCAL, "biling")
    with pytest.raises(UnknownName, match="did you mean 'billing'"):
        registry.unregister(LOCAL, "biling")


# Checks


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": "mian"}, "no model 'mian': did you mean 'main'"),
        ({"tools": ("callboard.values:Scope",)}, "Decorate the function with @tool"),
        ({"tools": ("no_such_module:f",)}, "'no_such_module' can't be imported"),
        ({"function": "json:lods"}, "did you mean 'loads'"),
        ({"function": "__main__:answer"}, "exists only in the process"),
        ({"function": "callboard.values:Scope"}, "is not a function"),
        ({"documents": ("no/such/file.md",)}, "There is no document"),
        ({"documents": ("no_such_package:a.md",)}, "There is no package 'no_such_package'"),
        ({"documents": ("callboard:no_such_file.md",)}, "There is no document"),
    ],
)
def test_what_can_not_be_found_is_refused_and_nothing_is_stored(
    registry: Registry, fields: dict[str, object], said: str
) -> None:
    agent = Agent.model_validate({"name": "billing", "description": "Anything at all."} | fields)
    with pytest.raises(InvalidInput) as caught:
        registry.register(LOCAL, agent)
    assert "Agent 'billing'" in str(caught.value)
    assert said in str(caught.value)
    assert registry.snapshot(LOCAL).agents == ()


def test_a_folder_is_no_document(registry: Registry, tmp_path: Path) -> None:
    agent = Agent(name="help", description="Answers from help.", documents=(str(tmp_path),))
    with pytest.raises(InvalidInput, match="is a folder"):
        registry.register(LOCAL, agent)


def test_relative_documents_are_found_from_any_folder(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "help.md").write_text("# Help\n\nAsk us.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    agent = Agent(name="help", description="Answers from help.", documents=("*.md",))
    stored = registry.register(LOCAL, agent)
    monkeypatch.chdir("/")
    assert stored.agent.documents == (str(tmp_path / "*.md"),)
    assert names(registry) == ["help"]


# Functions


def test_a_function_given_as_an_object_is_live_here_and_detached_elsewhere(
    store: Store, registry: Registry
) -> None:
    def inner(query: str) -> str:
        return query

    here = registry.register(LOCAL, billing("Answers in this process."), function=inner)
    elsewhere = Registry(store.agents, models={"main"}).get(LOCAL, "billing")
    assert (here.state, here.function, here.agent.kind) == ("live", inner, "function")
    assert here.agent.model is None
    assert registry.get(LOCAL, "billing").function is inner
    assert (elsewhere.state, elsewhere.function) == ("detached", None)
    assert "only in the process that registered it" in elsewhere.reason
    assert not elsewhere.live


def test_a_detached_agent_comes_alive_when_its_function_is_given(store: Store) -> None:
    def inner(query: str) -> str:
        return query

    first, second = (Registry(store.agents, models={"main"}) for _ in range(2))
    first.register(LOCAL, billing("Answers in this process."), function=inner)
    detached = second.snapshot(LOCAL)
    assert detached.live == ()
    second.register(LOCAL, billing("Answers in this process."), function=inner)
    assert second.snapshot(LOCAL) is not detached
    assert names(second) == ["billing"]


def test_the_newest_function_answers_when_a_cell_is_run_again(registry: Registry) -> None:
    def define() -> Callable[[str], str]:
        def cell(query: str) -> str:
            return query

        return cell

    old, new = define(), define()
    registry.register(LOCAL, billing("Answers in this process."), function=old)
    registry.snapshot(LOCAL)
    registry.register(LOCAL, billing("Answers in this process."), function=new)
    assert registry.get(LOCAL, "billing").function is new


def test_a_refused_change_leaves_the_function_as_it_was(registry: Registry) -> None:
    registry.register(LOCAL, billing("Answers in this process."), function=answer)
    with pytest.raises(InvalidInput, match="replace=True"):
        registry.register(LOCAL, billing("Something else now."), function=lambda query: "")
    assert registry.get(LOCAL, "billing").function is answer


def test_a_function_and_another_reference_contradict_each_other(registry: Registry) -> None:
    agent = Agent(name="adder", description="Adds some numbers.", function="json:loads")
    with pytest.raises(InvalidInput, match="Leave one of them out"):
        registry.register(LOCAL, agent, function=answer)
    same = agent.model_copy(update={"function": reference(answer)})
    assert registry.register(LOCAL, same, function=answer).function is answer


def test_a_wrong_signature_is_refused(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="takes no query"):
        registry.register(LOCAL, billing("Answers with nothing."), function=lambda: "")


def test_a_function_in_a_module_is_live_in_every_process(store: Store, module: Module) -> None:
    module("shop_agents", "def add(query: str) -> str:\n    return query\n")
    agent = Agent(name="adder", description="Adds some numbers.", function="shop_agents:add")
    Registry(store.agents, models={"main"}).register(LOCAL, agent)
    found = Registry(store.agents, models={"main"}).get(LOCAL, "adder")
    assert found.state == "live"
    assert found.function is not None
    assert found.function("x") == "x"


def test_an_agent_whose_model_is_not_configured_here_is_detached(store: Store) -> None:
    agent = Agent(name="poet", description="Writes short poems.", model="big")
    Registry(store.agents, models={"main", "big"}).register(LOCAL, agent)
    found = Registry(store.agents, models={"main"}).get(LOCAL, "poet")
    assert found.state == "detached"
    assert "no model 'big'" in found.reason


def test_a_disabled_agent_is_shown_and_not_routed_to(registry: Registry) -> None:
    agent = BILLING.model_copy(update={"enabled": False})
    assert registry.register(LOCAL, agent).state == "disabled"
    assert registry.get(LOCAL, "billing").state == "disabled"
    assert names(registry) == []


def test_an_agent_that_this_version_does_not_understand_is_shown_detached(
    store: Store, registry: Registry
) -> None:
    store.agents.put(LOCAL, "later", {"name": "later", "mood": "good"}, replace=False)
    registry.register(LOCAL, BILLING)
    found = registry.get(LOCAL, "later")
    assert found.state == "detached"
    assert "'mood' is not a field" in found.reason
    assert names(registry) == ["billing"]


def test_a_detached_agent_comes_alive_at_the_next_change_once_its_module_is_there(
    registry: Registry, store: Store, module: Module
) -> None:
    spec = {"name": "adder", "description": "Adds some numbers.", "function": "comes_later:add"}
    store.agents.put(LOCAL, "adder", spec, replace=False)
    assert registry.get(LOCAL, "adder").state == "detached"
    module("comes_later", "def add(query: str) -> str:\n    return query\n")
    importlib.invalidate_caches()
    registry.register(LOCAL, BILLING)
    assert registry.get(LOCAL, "adder").state == "live"


def test_all_detached_agents_are_tried_again_in_turn(
    registry: Registry, store: Store, module: Module
) -> None:
    spec = {"description": "Adds some numbers.", "function": "comes_later_too:add"}
    specs = {f"adder{n:02}": {"name": f"adder{n:02}", **spec} for n in range(25)}
    store.agents.put_all(LOCAL, specs, replace=False)
    assert names(registry) == []
    module("comes_later_too", "def add(query: str) -> str:\n    return query\n")
    importlib.invalidate_caches()
    for number in range(5):
        registry.register(LOCAL, billing(f"Answers about number {number}."), replace=True)
        registry.snapshot(LOCAL)
    assert len(names(registry)) == 26


def test_an_unreadable_agent_stays_detached_whatever_changes(
    store: Store, registry: Registry
) -> None:
    store.agents.put(LOCAL, "later", {"name": "later", "mood": "good"}, replace=False)
    before = registry.get(LOCAL, "later")
    for number in range(3):
        registry.register(LOCAL, billing(f"Answers about number {number}."), replace=True)
        assert registry.get(LOCAL, "later") is before


# Many at once


def team(*names: str) -> list[Agent]:
    return [Agent(name=name, description=f"Answers about {name}.") for name in names]


def test_many_agents_are_registered_as_one_change(registry: Registry) -> None:
    registry.register(LOCAL, team("beta")[0])
    registered = registry.register_all(LOCAL, team("alpha", "beta", "gamma"))
    snapshot = registry.snapshot(LOCAL)
    assert [one.agent.name for one in registered] == ["alpha", "beta", "gamma"]
    assert snapshot.agents == registered
    assert snapshot.version == 2
    assert registry.register_all(LOCAL, team("alpha", "gamma")) == (registered[0], registered[2])
    assert registry.snapshot(LOCAL) is snapshot
    assert registry.register_all(LOCAL, []) == ()


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (Agent(name="taken", description="Something else now."), "'taken' is already registered"),
        (Agent(name="poet", description="Writes short poems.", model="mian"), "no model 'mian'"),
        (Agent(name="alpha", description="Something else now."), "Two agents are called 'alpha'"),
    ],
)
def test_of_many_agents_none_is_registered_if_one_is_refused(
    registry: Registry, last: Agent, said: str
) -> None:
    registry.register(LOCAL, team("taken")[0])
    before = registry.snapshot(LOCAL)
    with pytest.raises(InvalidInput, match=said):
        registry.register_all(LOCAL, [*team("alpha", "beta"), last])
    assert registry.snapshot(LOCAL) is before


def test_many_agents_replace_others_where_that_is_allowed(registry: Registry) -> None:
    registry.register_all(LOCAL, team("alpha", "beta"))
    changed = [one.model_copy(update={"tags": ("x",)}) for one in team("alpha", "beta")]
    registered = registry.register_all(LOCAL, changed, replace=True)
    assert [one.version for one in registered] == [2, 2]


# Bundled agents


def test_bundled_agents_are_not_stored_and_give_way_to_a_registered_one(store: Store) -> None:
    bundled = (BILLING, Agent(name="poet", description="Writes short poems."))
    registry = Registry(store.agents, models={"main"}, bundled=bundled)
    assert [one.state for one in registry.snapshot(LOCAL).live] == ["bundled", "bundled"]
    assert store.agents.all(LOCAL) == ()
    registry.register(LOCAL, billing("All about your money."))
    assert registry.get(LOCAL, "billing").agent.description == "All about your money."
    registry.unregister(LOCAL, "billing")
    assert registry.get(LOCAL, "billing").agent == BILLING


def test_a_bundled_agent_can_be_hidden_but_not_unregistered(store: Store) -> None:
    registry = Registry(store.agents, models={"main"}, bundled=(BILLING,))
    with pytest.raises(UnknownName, match="enabled=False"):
        registry.unregister(LOCAL, "billing")
    registry.register(LOCAL, BILLING.model_copy(update={"enabled": False}))
    assert names(registry) == []


def test_a_bundled_agent_that_can_not_run_here_is_detached(store: Store) -> None:
    registry = Registry(store.agents, models=(), bundled=(BILLING,))
    assert registry.get(LOCAL, "billing").state == "detached"


# Several processes and threads


def test_two_registries_on_one_file_see_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    one, two = Store.open(url), Store.open(url)
    first = Registry(one.agents, models={"main"})
    second = Registry(two.agents, models={"main"})
    assert names(second) == []
    first.register(LOCAL, BILLING)
    assert names(second) == ["billing"]
    second.register(LOCAL, billing("All about your money."), replace=True)
    assert first.get(LOCAL, "billing").version == 2
    second.unregister(LOCAL, "billing")
    assert names(first) == []
    one.close()
    two.close()


def test_threads_may_register_at_the_same_time(registry: Registry) -> None:
    def register(number: int) -> None:
        agent = Agent(name=f"agent{number}", description=f"Answers about number {number}.")
        registry.register(LOCAL, agent, function=lambda query: f"{number}")
        found = registry.get(LOCAL, f"agent{number}")
        assert found.state == "live"
        assert found.function is not None
        assert found.function("") == str(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(register, range(40)))
    assert len(registry.snapshot(LOCAL).live) == 40


def test_of_many_that_take_one_name_one_wins(registry: Registry) -> None:
    barrier = threading.Barrier(8)

    def register(number: int) -> bool:
        barrier.wait()
        try:
            registry.register(LOCAL, billing(f"Answers about number {number}."))
        except InvalidInput:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(register, range(8))) == 1


def test_an_agent_stays_in_sight_while_it_is_replaced(registry: Registry) -> None:
    registry.register(LOCAL, billing("Answers about number 0."), function=lambda query: "0")
    done = threading.Event()

    def look() -> list[list[str]]:
        seen = []
        while not done.is_set():
            seen.append(names(registry))
        return seen

    def make(number: int) -> Callable[[str], str]:
        def made(query: str) -> str:
            return query

        made.__qualname__ = f"<made {number}>"
        return made

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for number in range(1, 30):
            registry.register(
                LOCAL,
                billing(f"Answers about number {number}."),
                function=make(number),
                replace=True,
            )
        done.set()
        assert all(seen == ["billing"] for seen in looking.result())


def test_a_module_may_register_agents_while_it_is_imported(
    registry: Registry, module: Module
) -> None:
    module(
        "registers_itself",
        "from callboard.agents.spec import Agent\n"
        "from callboard.values import Scope\n"
        "def add(query: str) -> str:\n    return query\n"
        "def main(registry):\n    registry.register(Scope(), Agent(name='inner', "
        "description='Registered on import.'))\n"
        "import sys\nmain(sys.modules['__test_registry__'].registry)\n",
    )
    import sys
    from types import SimpleNamespace

    sys.modules["__test_registry__"] = SimpleNamespace(registry=registry)  # type: ignore[assignment]
    try:
        agent = Agent(name="outer", description="Adds numbers.", function="registers_itself:add")
        registry.register(LOCAL, agent)
    finally:
        del sys.modules["__test_registry__"]
    assert names(registry) == ["inner", "outer"]


def test_an_endpoint_that_is_not_allowed_is_refused_and_detached(store: Store) -> None:
    inside = ModelSettings(model="openai/own", api_base="http://127.0.0.1:8000/v1")
    agent = Agent(name="own", description="An agent with an endpoint.", endpoint=inside)
    Registry(store.agents, models=()).register(LOCAL, agent)
    checked = Registry(store.agents, models=(), addresses=AddressRule())
    found = checked.get(LOCAL, "own")
    assert found.state == "detached"
    assert found.reason.startswith("Agent 'own': its endpoint 'http://127.0.0.1:8000/v1' is asked")
    assert names(checked) == []
    with pytest.raises(InvalidInput, match="without encryption"):
        checked.register(LOCAL, agent.model_copy(update={"name": "other"}))
    with pytest.raises(InvalidInput, match="without encryption"):
        checked.check(agent)
    allowed = Registry(store.agents, models=(), addresses=AddressRule(allow=["127.0.0.1"]))
    assert names(allowed) == ["own"]
