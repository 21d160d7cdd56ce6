"""The ablation on a tiny set, and its rules on scores worked out by hand."""

from __future__ import annotations

from pathlib import Path

from callboard.benchmarks.ablation import by_entropy, by_least, by_mass, measure


def test_rules_call_more_where_scores_are_flat() -> None:
    sure, flat = [0.97, 0.02, 0.01], [0.4, 0.35, 0.25]
    assert (by_least(sure, 0.2), by_least(flat, 0.2)) == (1, 3)
    assert (by_mass(sure, 0.1), by_mass(flat, 0.1)) == (1, 3)
    assert (by_entropy(sure, 0.4), by_entropy(flat, 0.4)) == (1, 3)


def test_a_higher_threshold_calls_fewer() -> None:
    flat = [0.4, 0.35, 0.25]
    for rule in (by_least, by_mass, by_entropy):
        sizes = [rule(flat, threshold / 20) for threshold in range(1, 40)]
        assert sizes == sorted(sizes, reverse=True)


def test_every_signal_is_left_out_once(data: Path) -> None:
    told: list[str] = []
    found = measure(data, "hwu64", 0, None, told.append)
    names = [one.name for one in found]
    assert names[:3] == ["all signals", "all signals, by mass", "all signals, by entropy"]
    assert {"without tokens", "without words"} <= set(names)
    assert "without heads" not in names  # they learn from examples, and there are none
    assert all(0 <= one.label_in_set <= 100 and one.mean_set_size >= 1 for one in found)
    assert told[0] == "all signals"
