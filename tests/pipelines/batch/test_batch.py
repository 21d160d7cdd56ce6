"""A batch from its first line to its last, and on from where it was cut off."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from callboard.errors import InvalidInput
from callboard.pipelines.batch.output import Output
from callboard.pipelines.fanning import Place


def queries(count: int, **said: Any) -> list[dict[str, Any]]:
    return [{"query": f"query {number}", **said} for number in range(1, count + 1)]


def test_every_line_has_one_answer(bench: Any) -> None:
    bench.write(*queries(7))
    standing = bench.run()
    assert [one["answer"] for one in bench.answers] == [f"query {n}!" for n in range(1, 8)]
    assert (standing.total, standing.done, standing.failed, standing.left) == (7, 7, 0, 0)
    assert [one.done for one in bench.told] == [2, 4, 6, 7]
    assert list(bench.answers[0]) == [
        *("line", "id", "answer", "agents", "cost_usd", "known_cost_usd"),
        *("latency_s", "error", "input"),
    ]


def test_a_wrong_line_is_a_row_with_an_error_and_the_others_are_answered(bench: Any) -> None:
    bench.write({"query": "one"}, "nonsense", "", {"query": "wrong"}, {"query": "four"})
    standing = bench.run()
    errors = {one["line"]: one["error"] for one in bench.answers}
    assert errors == {1: None, 2: errors[2], 4: "It went wrong.", 5: None}
    assert errors[2].startswith("Line 2: ")
    assert (standing.total, standing.failed) == (4, 2)


def test_a_rerun_asks_only_what_is_missing(bench: Any) -> None:
    bench.write(*queries(6))
    stop = Event()
    first = bench.run(size=1, then=lambda standing: stop.set(), stop=stop)
    assert 0 < first.done < 6
    second = bench.run(size=1)
    assert second.asked == 6 - first.done
    assert sorted(bench.asked) == sorted(one["query"] for one in queries(6))
    third = bench.run()
    assert (third.done, third.asked) == (6, 0)


def test_lines_that_were_added_are_asked_by_a_rerun(bench: Any) -> None:
    bench.write(*queries(3))
    bench.run()
    bench.write(*queries(5))
    assert bench.run().asked == 2


def test_a_line_that_a_dying_process_wrote_half_is_asked_again(bench: Any) -> None:
    bench.write(*queries(3))
    bench.run()
    whole = bench.out.read_bytes()
    bench.out.write_bytes(whole[:-20])
    assert bench.run().asked == 1
    assert [one["line"] for one in bench.answers] == [1, 2, 3]
    bench.out.write_bytes(whole[:10])
    assert bench.run().asked == 3


def test_failed_rows_are_asked_again_only_if_that_is_wished(bench: Any) -> None:
    bench.write({"query": "one"}, {"query": "wrong"}, {"query": "three"})
    bench.run(cost_usd=0.5)
    assert bench.run(cost_usd=0.5).asked == 0
    standing = bench.run(cost_usd=0.5, retry_failed=True)
    assert (standing.asked, standing.failed, standing.done) == (1, 1, 3)
    assert [one["line"] for one in bench.answers] == [1, 2, 3]
    assert standing.spent_usd == Decimal(2)  # with what the failed row had cost


def test_answers_to_other_lines_are_not_mixed_up_with_these(bench: Any) -> None:
    bench.write(*queries(3))
    bench.run()
    bench.write({"query": "another"}, *queries(3)[1:])
    with pytest.raises(InvalidInput, match="Line 1 of"):
        bench.run()
    bench.write(*queries(2))
    with pytest.raises(InvalidInput, match="holds 3 answers"):
        bench.run()
    bench.write(*queries(3))
    with pytest.raises(InvalidInput, match="without --route"):
        bench.run(route=True)
    bench.out.write_text('{"line": 1}\n', encoding="utf-8")
    with pytest.raises(InvalidInput, match="not an answer of a batch"):
        bench.run()


def test_two_batches_do_not_write_one_file(bench: Any, tmp_path: Path) -> None:
    bench.write(*queries(3))
    with (
        Output(bench.out, route=False),
        pytest.raises(InvalidInput, match="Another batch is writing"),
    ):
        bench.run()
    bench.run()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.jsonl", "log", "out.jsonl"]


def test_a_file_that_can_t_be_written_is_told(bench: Any, tmp_path: Path) -> None:
    bench.write(*queries(1))
    bench.out = tmp_path / "nowhere" / "out.jsonl"
    with pytest.raises(InvalidInput, match="does not exist"):
        bench.run()
    bench.out = tmp_path
    with pytest.raises(InvalidInput, match="can't be written"):
        bench.run()


def test_queries_of_one_session_are_asked_one_after_the_other(bench: Any) -> None:
    sessions = [{"query": f"slow {n}", "session": f"s{n % 2}"} for n in range(8)]
    bench.write(*sessions, {"query": "slow", "session": "s0", "user": "somebody else"})
    bench.run(size=3, place=Place(workers=3))
    log = bench.log.read_text(encoding="utf-8").splitlines()
    for session in (0, 1):
        mine = [line for line in log if line[-1].isdigit() and int(line[-1]) % 2 == session]
        numbers = range(session, 8, 2)
        assert mine == [f"{word} slow {n}" for n in numbers for word in ("begin", "end")]


def test_when_the_money_is_spent_the_rest_is_left_and_more_money_goes_on(bench: Any) -> None:
    bench.write(*queries(8))
    standing = bench.run(cost_usd=0.1, size=1, total_usd=Decimal("0.35"))
    assert (standing.done, standing.spent_usd) == (4, Decimal("0.4"))
    standing = bench.run(cost_usd=0.1, size=1, total_usd=Decimal("0.6"))
    assert (standing.done, standing.left) == (6, 2)


def test_with_a_budget_for_each_query_the_total_is_never_exceeded(bench: Any) -> None:
    bench.write(*queries(20, budget_usd=0.1))
    standing = bench.run(cost_usd=0.1, total_usd=Decimal("0.45"), place=Place(workers=3))
    assert (standing.done, standing.spent_usd) == (4, Decimal("0.4"))


def test_what_was_set_aside_and_not_spent_is_there_for_others(bench: Any) -> None:
    bench.write(*queries(20, budget_usd=0.1))
    standing = bench.run(cost_usd=0.01, total_usd=Decimal("0.35"), place=Place(workers=3))
    assert (standing.done, standing.spent_usd) == (20, Decimal("0.2"))


def test_an_unknown_cost_ends_a_batch_that_may_cost_only_so_much(bench: Any) -> None:
    bench.write(*queries(8))
    standing = bench.run(cost_usd=None, size=1, total_usd=Decimal(1))
    assert (standing.done, standing.unpriced, standing.cost_usd) == (1, 1, None)
    assert bench.run(cost_usd=None, total_usd=Decimal(1), allow_unpriced=True).left == 0


def test_stopping_waits_for_what_is_under_way(bench: Any) -> None:
    bench.write(*({"query": f"slow {n}"} for n in range(50)))
    stop = Event()
    Thread(target=lambda: (stop.wait(0.2), stop.set())).start()
    standing = bench.run(place=Place(workers=2), stop=stop)
    assert 0 < standing.done < 50
    assert len(bench.asked) == standing.done == len(bench.answers)


def test_memory_does_not_grow_with_the_file(bench: Any) -> None:
    bench.write(*({"query": f"query {n} {'x' * 5000}"} for n in range(2000)))
    tracemalloc.start()
    try:
        bench.run(size=20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert bench.file.stat().st_size > 10_000_000
    assert peak < 2_000_000
