from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from callboard import CallboardError, InvalidInput, UnknownName
from callboard.benchmarks.sets import SETS, Labelled, RoutingSet, load_set, with_examples

ONE = frozenset({"alarm-add_alarm"})
BOTH = frozenset({"alarm-get_alarms", "alarm-add_alarm"})


def names(routing_set: RoutingSet) -> list[str]:
    return [agent.name for agent in routing_set.agents]


@pytest.mark.parametrize("name", SETS)
def test_every_label_of_every_set_is_one_of_its_agents(data: Path, name: str) -> None:
    found = load_set(data, name)
    labelled = (*found.train, *found.valid, *found.test, *found.two_label)
    assert found.name == name
    assert found.test
    assert {label for one in labelled for label in one.labels} <= set(names(found))
    assert len(set(names(found))) == len(names(found))
    assert not any(agent.examples for agent in found.agents)


def test_clinc150_maps_its_labels_and_has_queries_out_of_scope(data: Path) -> None:
    found = load_set(data, "clinc150")
    assert names(found) == ["home-alarm_query", "home-alarm_set", "home-play_music"]
    assert found.test[0] == Labelled(
        query="which alarms are set", labels=frozenset({"home-alarm_query"})
    )
    assert (len(found.train), len(found.valid), len(found.test)) == (9, 9, 9)
    assert (len(found.oos_valid), len(found.oos_test)) == (1, 3)


def test_hwu64_brings_its_few_shot_samples(data: Path) -> None:
    found = load_set(data, "hwu64")
    assert names(found) == ["alarm_query", "alarm_set", "play_music"]
    assert {shots: len(drawn) for shots, drawn in found.drawn.items()} == {5: 9, 10: 9}
    assert found.oos_test == ()


def test_sgd_knows_the_agents_of_the_test_services_and_what_was_said_before(data: Path) -> None:
    found = load_set(data, "sgd")
    assert names(found) == ["alarm-get_alarms", "alarm-add_alarm"]
    assert found.agents[1].description == "Handles alarm add alarm."  # "xxx" says nothing
    assert [one.query for one in found.test] == [
        "Which alarms have I?",
        "Add one at eight.",
        "Yes.",
    ]
    (before,) = found.test[1].history
    assert (before.query, before.answer, before.agents) == (
        "Which alarms have I?",
        "Six o'clock.",
        (),
    )
    assert len(found.test[2].history) == 2


def test_of_two_labels_only_those_with_a_selection_count(data: Path) -> None:
    (turn,) = load_set(data, "sgd").two_label
    assert turn == Labelled(query="That one is good. Now add another.", labels=BOTH)


def test_a_turn_that_brings_up_nothing_new_is_no_example(data: Path) -> None:
    assert "Yes." not in [one.query for one in load_set(data, "sgd").train]


def test_tcar_lists_agents_that_no_test_turn_needs(data: Path) -> None:
    assert names(load_set(data, "sgd-tcar"))[2] == "banks-check_balance"


def test_the_schema_describes_sgd_too_and_all_services_of_an_intent(data: Path) -> None:
    described = {a.name: a.description for a in load_set(data, "sgd-schema").agents}
    assert described == {
        "alarm-get_alarms": "Manage alarms. See alarms",
        "alarm-add_alarm": "Manage alarms. Add an alarm",
        "music-play_media": "A platform for music. Play the music / Another one. Play a song",
    }


@pytest.mark.parametrize("version", range(1, 6))
def test_a_paraphrase_renames_the_agents_and_keeps_the_queries(data: Path, version: int) -> None:
    found = load_set(data, f"sgdx_v{version}")
    assert {a.name: a.description for a in found.agents} == {
        "alarm-see_alarms": "Alarms of yours. Show",
        "alarm-wake": "Alarms of yours. Ring",
        "music-listen": "Songs. Hear a song / Tunes. Hear a tune",
    }
    schema = load_set(data, "sgd-schema")
    assert [one.query for one in found.test] == [one.query for one in schema.test]
    assert [one.labels for one in found.test][:2] == [{"alarm-see_alarms"}, {"alarm-wake"}]


def test_metatool_is_split_the_same_way_every_time(data: Path) -> None:
    found = load_set(data, "metatool")
    assert names(found) == ["alarm_query", "pdf_url_tool"]
    assert found == load_set(data, "metatool")
    parts = [{one.query for one in part} for part in (found.train, found.valid, found.test)]
    assert sum(len(part) for part in parts) == len(set.union(*parts)) == 61
    assert all(parts)
    two = [one for one in (*found.train, *found.valid, *found.test) if len(one.labels) > 1]
    assert [one.query for one in two] == ["read page 1"]


def test_what_no_offered_tool_can_do_is_out_of_scope_and_nowhere_else(data: Path) -> None:
    found = load_set(data, "metatool")
    outside = (*found.oos_valid, *found.oos_test)
    assert len(outside) == 10
    assert found.oos_valid
    assert found.oos_test
    assert "which alarms ring" in outside
    assert found.offered["which alarms ring"] == {"pdf_url_tool"}
    assert "which alarms ring" not in [one.query for one in found.train]


def test_seal_tools_wants_several_tools_and_tests_in_and_out_of_domain(data: Path) -> None:
    found = load_set(data, "seal_tools")
    assert found.valid[0].labels == {"alarm_query", "pdf_url_tool"}
    assert len(found.test) == 2
    with pytest.raises(InvalidInput, match="0 shots"):
        with_examples(found, 5)


def test_the_catalogue_is_put_around_another_set(data: Path) -> None:
    found = load_set(data, "catalogue")
    inner = load_set(data, "clinc150")
    assert found.test == inner.test
    assert found.agents[:3] == inner.agents
    added = {agent.name: agent.description for agent in found.agents[3:]}
    assert added == {
        "alarm_query": "Finds alarms.",
        "alarm_query_2": "Handles alarm query 2.",
        "alarm_set": "A twin too.",
    }
    packages = load_set(data, "catalogue-packages")
    assert packages.agents[-1].name == "ad"
    assert "A twin too." not in [a.description for a in load_set(data, "catalogue-hwu64").agents]


@pytest.mark.parametrize("name", ["clinc150", "hwu64", "metatool"])
def test_a_smaller_draw_of_examples_is_part_of_a_larger_one(data: Path, name: str) -> None:
    found = load_set(data, name)
    drawn = {shots: with_examples(found, shots) for shots in (0, 5, 10, "all")}
    for few, more in ((0, 5), (5, 10), (10, "all")):
        for agent, same in zip(drawn[few], drawn[more], strict=True):
            assert agent.name == same.name
            assert set(agent.examples) <= set(same.examples)
    assert drawn[5] == with_examples(load_set(data, name), 5)
    assert max(len(agent.examples) for agent in drawn[5]) <= 5
    every = {agent.name: set(agent.examples) for agent in drawn["all"]}
    single = [one for one in found.train if len(one.labels) == 1]
    assert Counter(name for one in single for name in one.labels) == {
        name: len(texts) for name, texts in every.items() if texts
    }


def test_a_limit_draws_the_same_queries_every_time(data: Path) -> None:
    found = load_set(data, "clinc150")
    some = found.limited(2)
    assert (len(some.valid), len(some.test), len(some.oos_valid), len(some.oos_test)) == (
        2,
        2,
        1,
        2,
    )
    assert some == found.limited(2)
    assert set(some.test) <= set(found.test)
    assert some.train == found.train


def test_missing_data_is_named_with_the_folder_that_was_looked_in(tmp_path: Path) -> None:
    for name in SETS:
        with pytest.raises(CallboardError, match=f"{tmp_path}.*--data"):
            load_set(tmp_path, name)


def test_damaged_data_is_named(data: Path) -> None:
    (data / "hwu64" / "test.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(CallboardError, match=r"'test' in .*hwu64"):
        load_set(data, "hwu64")
    (data / "hwu64" / "test.jsonl").write_text('{"text": "a", "label": "b"}', encoding="utf-8")
    with pytest.raises(CallboardError, match="form"):
        load_set(data, "hwu64")


def test_an_unknown_set_is_told_with_the_nearest(data: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'clinc150'"):
        load_set(data, "clinc15")
