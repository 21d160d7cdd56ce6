"""The trials of the budget's trainer: what is known of them before any training."""

from __future__ import annotations

from statistics import fmean

from callboard.benchmarks.budget import METHODS, Found, Method, Trial, Trials
from callboard.codec import from_json, to_json
from callboard.pipelines.fanning import Place, Work, fan_out

QUICK: tuple[Method, ...] = ("low", "mid", "high", "random", "oracle")


def test_low_misses_all_there_is_to_gain_and_the_oracle_nothing() -> None:
    items = [to_json(Trial(method=method, seed=7)) for method in QUICK]
    made = dict(fan_out(Work(make=Trials), items, Place(workers=2)))
    regret = {one: fmean(from_json(Found, made[n]).regrets) for n, one in enumerate(QUICK)}
    assert round(regret["low"], 6) == 1
    assert round(regret["oracle"], 6) == 0
    assert 0 < regret["high"] < regret["random"] < 1
    assert set(QUICK) < set(METHODS)


def test_a_trial_decides_what_it_finds() -> None:
    trial = to_json(Trial(method="random", seed=3))
    assert Trials()(trial) == Trials()(trial)
    assert Trials()(trial) != Trials()(to_json(Trial(method="random", seed=4)))
