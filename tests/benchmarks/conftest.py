"""A tiny data folder, its files in exactly the form of the public ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

ALARMS = {
    "alarm_query": "Tells which alarms are set and when they ring.",
    "alarm_set": "Sets a new alarm for a time of the day.",
    "play_music": "Plays songs and albums of an artist.",
}
ASKED = {
    "alarm_query": ["which alarms are set", "when does my alarm ring", "list my alarms"],
    "alarm_set": ["set an alarm for six", "wake me at seven", "new alarm at noon please"],
    "play_music": ["play a song by queen", "put on some jazz", "play the album thriller"],
}
FOREIGN = ["how high is mount everest", "who wrote hamlet", "what is the capital of france"]


def write(file: Path, rows: Iterable[Mapping[str, Any]], *, packed: bool = False) -> None:
    """Write JSON lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    if packed:
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text, encoding="utf-8")


def queries(**fields: Any) -> list[dict[str, Any]]:
    return [{"text": t, "label": label} | fields for label, ts in ASKED.items() for t in ts]


def turn(labels: Mapping[str, list[str]], *texts: str, new: bool = True) -> dict[str, Any]:
    said = [["system" if index % 2 else "user", text] for index, text in enumerate(texts)]
    return {
        "acts": labels,
        "in_tcandon": True,
        "dialogue_id": "1_00000",
        "turn": len(texts) - 1,
        "history": said,
        "labels": sorted(labels),
        "services": ["Alarm_1"],
        "n_frames": len(labels),
        "new": sorted(labels) if new else [],
    }


def service(name: str, description: str, *intents: tuple[str, str]) -> dict[str, Any]:
    return {
        "service": name,
        "description": description,
        "intents": [{"name": intent, "description": text} for intent, text in intents],
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with every data set, each of two or three agents."""
    root = tmp_path / "sets"
    write_intents(root)
    write_dialogues(root)
    write_tools(root)
    write_catalogue(root)
    return root


def write_intents(root: Path) -> None:
    agents = [{"id": name, "name": name, "description": text} for name, text in ALARMS.items()]
    write(root / "tcandon_agents/hwu64.jsonl", agents)
    write(
        root / "tcandon_agents/clinc150.jsonl",
        [agent | {"id": f"home:{agent['id']}"} for agent in agents],
    )
    for name in ("train", "train_5", "train_10", "valid", "test"):
        write(root / f"hwu64/{name}.jsonl", queries())
    for name in ("val", "test"):
        write(root / f"clinc150/{name}.jsonl", queries(domain="home"))
    write(root / "clinc150/train.jsonl", queries(domain="home"), packed=True)
    outside = [{"text": text, "label": "oos", "domain": "oos"} for text in FOREIGN]
    write(root / "clinc150/oos_val.jsonl", outside[:1])
    write(root / "clinc150/oos_test.jsonl", outside)
    mapped = {name: f"home:{name}" for name in ALARMS} | {"oos": "oos"}
    (root / "clinc150/label2agent.json").write_text(json.dumps(mapped), encoding="utf-8")


def write_dialogues(root: Path) -> None:
    query, add, banks = "Alarm:GetAlarms", "Alarm:AddAlarm", "Banks:CheckBalance"
    write(
        root / "tcandon_agents/sgd.jsonl",
        [
            {"id": query, "name": query, "description": ALARMS["alarm_query"]},
            {"id": add, "name": add, "description": "xxx"},
            {"id": banks, "name": banks, "description": "Tells the balance of an account."},
        ],
    )
    alarms = service(
        "Alarm_1", "Manage alarms.", ("GetAlarms", "See alarms"), ("AddAlarm", "Add an alarm")
    )
    play = service("Music_3", "A platform for music", ("PlayMedia", "Play the music"))
    play_too = service("Music_4", "Another one", ("PlayMedia", "Play a song"))
    write(root / "sgd/test_schema.jsonl", [alarms, play, play_too])
    for version in range(1, 6):
        write(
            root / f"sgd/sgdx_v{version}_test_schema.jsonl",
            [
                service(
                    f"Alarm_1{version}", "Alarms of yours", ("SeeAlarms", "Show"), ("Wake", "Ring")
                ),
                service(f"Music_3{version}", "Songs", ("Listen", "Hear a song")),
                service(f"Music_4{version}", "Tunes", ("Hear", "Hear a tune")),
            ],
        )
    turns = [
        turn({query: ["INFORM_INTENT"]}, "Which alarms have I?"),
        turn({add: ["INFORM_INTENT"]}, "Which alarms have I?", "Six o'clock.", "Add one at eight."),
        turn({add: ["AFFIRM"]}, "Add one.", "When?", "Eight.", "Sure?", "Yes.", new=False),
        turn({banks: ["INFORM_INTENT"]}, "How much money have I?"),
        turn({query: ["SELECT"], add: ["INFORM_INTENT"]}, "That one is good. Now add another."),
        turn({query: ["THANK_YOU"], add: ["INFORM_INTENT"]}, "Thanks. Now add another."),
        turn({"Music:PlayMedia": ["INFORM_INTENT"]}, "Play something."),
    ]
    for name in ("train_turns_sample8000", "dev_turns", "test_turns"):
        write(root / f"sgd/{name}.jsonl", turns, packed=True)


def write_tools(root: Path) -> None:
    tools = [
        {"id": "alarmQuery", "description": ALARMS["alarm_query"]},
        {"id": "PDF&URLTool", "description": "Reads PDF files and web pages."},
    ]
    write(root / "metatool/tools.jsonl", tools)
    write(
        root / "metatool/single_tool.jsonl",
        [{"query": f"read file {number}", "label": "PDF&URLTool"} for number in range(60)]
        + [{"query": "read page 1", "label": label} for label in ("PDF&URLTool", "alarmQuery")]
        + [{"query": "which alarms ring", "label": "alarmQuery"}],
        packed=True,
    )
    none_fits = {"offered": ["PDF&URLTool"], "tool": "alarmQuery", "index": 9}
    write(
        root / "metatool/reliability_none_correct.jsonl",
        [{"query": "which alarms ring"} | none_fits]
        + [{"query": f"when does alarm {number} ring"} | none_fits for number in range(9)],
    )
    write(root / "seal_tools/tools.jsonl", tools, packed=True)
    both = {"id": "dev-easy-0", "query": "read my alarms", "labels": ["alarmQuery", "PDF&URLTool"]}
    for name in ("dev", "test_in_domain", "test_out_domain"):
        write(root / f"seal_tools/{name}.jsonl", [both])


def write_catalogue(root: Path) -> None:
    union = [
        {"id": "a:1", "source": "seal", "name": "alarmQuery", "description": "Finds\u0007 alarms."},
        {"id": "a:2", "source": "bfcl", "name": "alarm_query", "description": ""},
        {
            "id": "a:3",
            "source": "tcandon_clinc150",
            "name": "home:alarm_set",
            "description": "Twin.",
        },
        {"id": "a:4", "source": "tcandon_hwu64", "name": "alarm_set", "description": "A twin too."},
    ]
    write(root / "catalogue/union.jsonl", union, packed=True)
    package = {"id": "0ad", "description": "Strategy game", "section": "games", "tags": ""}
    write(root / "catalogue/debian_packages.jsonl", [package], packed=True)
