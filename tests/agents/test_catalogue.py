from __future__ import annotations

import json
from pathlib import Path

import pytest

from callboard.agents.catalogue import read_agents, write_agents
from callboard.agents.spec import Agent, AgentLimits
from callboard.errors import InvalidInput

YAML = """
agents:
  - name: billing
    description: >
      Invoices, charges
      and refunds.
    examples:
      - Why was I charged twice?
    limits: {timeout_s: 5}
  - name: help
    description: Answers from the help pages.
    documents: [help/*.md]
"""
TOML = """
[[agents]]
name = "billing"
description = "Invoices, charges and refunds."
examples = ["Why was I charged twice?"]
limits = { timeout_s = 5 }

[[agents]]
name = "help"
description = "Answers from the help pages."
documents = ["help/*.md"]
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_toml_and_json_give_the_same_agents(tmp_path: Path) -> None:
    expected = (
        Agent(
            name="billing",
            description="Invoices, charges and refunds.",
            examples=("Why was I charged twice?",),
            limits=AgentLimits(timeout_s=5),
        ),
        Agent(
            name="help",
            description="Answers from the help pages.",
            documents=(str(tmp_path / "help/*.md"),),
        ),
    )
    assert read_agents(written(tmp_path, "a.yaml", YAML)) == expected
    assert read_agents(written(tmp_path, "a.toml", TOML)) == expected
    data = [agent.model_dump(mode="json") for agent in expected]
    assert read_agents(written(tmp_path, "a.json", json.dumps({"agents": data}))) == expected


def test_written_agents_are_read_again(tmp_path: Path) -> None:
    agents = (
        Agent(name="billing", description="Rechnungen – in Euro: 5 €.", tags=("money",)),
        Agent(name="adder", description="Adds numbers.", function="shop.maths:add"),
        Agent(name="off", description="Switched off: 'yes'.", enabled=False),
    )
    path = tmp_path / "out.yaml"
    write_agents(path, agents)
    assert read_agents(path) == agents
    assert "limits" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "agents: [", "not valid YAML"),
        ("a.toml", "agents = ", "not valid TOML"),
        ("a.json", "{", "not valid JSON"),
        ("a.yaml", "- name: billing", "no list 'agents'"),
        ("a.yaml", "", "no list 'agents'"),
        ("a.yaml", "agents: []\nagent: 3", "'agent' is not a known key"),
        ("a.yaml", "agents: [billing]", "agent 1 is 'billing'"),
        (
            "a.yaml",
            YAML + "  - name: Help\n    description: Answers a lot.",
            "agent 3: Agent 'Help'",
        ),
        ("a.yaml", YAML + "  - name: help\n    description: Answers a lot.", "'help' is taken"),
        ("a.yaml", "agents: [{name: a1, descripton: x}]", "did you mean 'description'"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("a.txt", YAML, "no file of agents"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_entry(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_agents(written(tmp_path, name, text))
    assert name in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_can_not_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.yaml' can't be read"):
        read_agents(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_agents(tmp_path / "binary.yaml")
    with pytest.raises(InvalidInput, match="can't be written"):
        write_agents(tmp_path / "no" / "folder.yaml", ())
