"""Work on a Ray cluster of two nodes on this machine, of which one is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_team import make_team, queries, read_answers, write_lines
from fan_work import Doubler, closed_door
from ray_cluster import RayCluster

from callboard import Board
from callboard.app.batch import board_worker, for_cluster, for_here
from callboard.config import load_settings
from callboard.errors import ConfigurationError, InvalidInput
from callboard.pipelines.batch.batch import Batch, Standing, run_batch
from callboard.pipelines.fanning import Place, Work, fan_out
from callboard.pipelines.fanning.cluster import connected, machines

pytestmark = [
    pytest.mark.timeout(400),
    # Ray Data copies its own settings, of which some are old.
    pytest.mark.filterwarnings("ignore:`use_:DeprecationWarning:ray.data.context"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    pytest.importorskip("ray.data", reason="the extra 'ray' is not installed")
    with RayCluster() as started:
        yield started


@pytest.fixture
def place(cluster: RayCluster) -> Iterator[Place]:
    """Join the cluster for one test."""
    place = Place(on="ray", workers=2, address=cluster.address)
    with connected(place):
        yield place


def test_items_are_worked_on_by_processes_of_the_cluster(place: Place) -> None:
    ended: list[int] = []

    def items() -> Iterator[int | None]:
        yield from range(100, 108)
        while len(ended) < 8:  # the last one waits for all others
            yield None
        yield 200

    work = Work(make=Doubler, settings={"seconds": 0.05})
    made = {}
    for number, one in fan_out(work, items(), place):
        ended.append(number)
        made[number] = one
    assert [made[n]["doubled"] for n in range(9)] == [*range(200, 216, 2), 400]
    assert ended[-1] == 8
    assert len({one["process"] for one in made.values()}) == 2


def test_an_error_of_the_work_is_that_of_the_caller(place: Place) -> None:
    work = Work(make=Doubler, settings={"seconds": 0})
    with pytest.raises(InvalidInput, match="13 can't be doubled"):
        list(fan_out(work, [1, 13], place))
    with pytest.raises(InvalidInput, match="The door is closed"):
        list(fan_out(Work(make=closed_door), [1], place))


def test_a_cluster_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:1"):
        list(fan_out(Work(make=closed_door), [1], Place(on="ray", address="127.0.0.1:1")))


@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.soak)])
def test_a_batch_survives_the_loss_of_a_node_and_is_that_of_one_machine(
    cluster: RayCluster, count: int, tmp_path: Path
) -> None:
    config = make_team(tmp_path)
    settings = load_settings(config)
    file = write_lines(tmp_path / "in.jsonl", [*queries(count), {"quer": "wrong"}])
    asking: Any = {"route": True, "at_once": 1}
    second = cluster.add_node()

    def ask(out: str, place: Place, given: Any, told: Any) -> Standing:
        work = Work(make=board_worker, settings=given)
        batch = Batch(file=file, out=tmp_path / out, work=work, place=place, route=True, size=32)
        return run_batch(batch, told)

    killed: list[int] = []

    def kill_in_the_middle(standing: Standing) -> None:
        if not killed and standing.done >= count // 3:
            killed.append(standing.done)
            cluster.kill(second)

    here = ask("here.jsonl", Place(), for_here(settings, **asking), lambda standing: None)
    place = Place(on="ray", workers=2, address=cluster.address)
    with connected(place), Board(settings, recover=False) as board:
        given = for_cluster(settings, board.agents(), machines=machines(), **asking)
    there = ask("there.jsonl", place, given, kill_in_the_middle)
    assert killed
    assert killed[0] < count
    assert (there.done, there.failed) == (here.done, here.failed) == (count + 1, 1)
    assert read_answers(tmp_path / "there.jsonl") == read_answers(tmp_path / "here.jsonl")
