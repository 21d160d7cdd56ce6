"""The breaker and the load of a deployment, on a clock of the tests."""

from __future__ import annotations

import pytest

from callboard.model_settings import ModelSettings
from callboard.models.breaker import Breaker
from callboard.models.load import Load


class Clock:
    """Tells the seconds that a test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, cooldown_s=10, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed(breaker.enter())


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not(breaker):
    fail(breaker, 2)
    breaker.succeeded(breaker.enter())
    fail(breaker, 2)
    assert breaker.health == "closed"
    fail(breaker, 1)
    assert (breaker.health, breaker.wait_s()) == ("open", 10)


def test_after_the_cooldown_one_call_passes_and_decides(breaker, clock):
    fail(breaker, 3)
    clock.now += 10
    assert (breaker.health, breaker.wait_s()) == ("half_open", 0)
    trial = breaker.enter()
    assert breaker.wait_s() > 0  # nobody else meanwhile
    breaker.failed(trial)
    assert (breaker.health, breaker.wait_s()) == ("open", 10)
    clock.now += 10
    breaker.succeeded(breaker.enter())
    assert breaker.health == "closed"
    fail(breaker, 2)
    assert breaker.health == "closed"  # it begins to count anew


def test_a_trial_that_tells_nothing_is_followed_by_another(breaker, clock):
    fail(breaker, 3)
    clock.now += 10
    breaker.left(breaker.enter())
    assert breaker.wait_s() == 0


def test_what_was_asked_before_it_opened_says_nothing(breaker, clock):
    early = [breaker.enter() for _ in range(5)]
    for entered in early[:3]:
        breaker.failed(entered)
    clock.now += 9
    breaker.failed(early[3])
    breaker.succeeded(early[4])
    assert (breaker.health, breaker.wait_s()) == ("open", 1)


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        ({"requests_in_flight": 2}, 2),
        ({"tokens_in_flight": 250}, 2),
        ({"requests_per_minute": 3}, 3),
        ({"tokens_per_minute": 100}, 1),
        ({}, 9),
    ],
)
def test_a_limit_lets_in_what_fits(limits, fits, clock):
    load = Load(ModelSettings(model="openai/x", **limits), clock=clock)
    entered = 0
    while entered < 9 and load.free(100):
        load.enter(100, 50)
        entered += 1
    assert entered == fits


def test_a_call_that_ends_makes_room_and_a_minute_that_passes_too(clock):
    load = Load(
        ModelSettings(model="openai/x", requests_in_flight=1, tokens_per_minute=100), clock=clock
    )
    load.enter(80, 50)
    load.leave(80)
    assert load.free(20)
    assert not load.free(21)
    assert load.wait_s() == 60
    clock.now += 60
    assert load.free(100)


def test_a_call_that_is_larger_than_the_limit_goes_alone(clock):
    load = Load(ModelSettings(model="openai/x", tokens_in_flight=100), clock=clock)
    assert load.free(5000)
    load.enter(10, 5)
    assert not load.free(5000)


def test_a_pause_that_the_endpoint_asked_for_is_kept(clock):
    load = Load(ModelSettings(model="openai/x"), clock=clock)
    load.pause(3)
    load.pause(1)
    assert not load.free(1)
    assert load.wait_s() == 3
    clock.now += 3
    assert load.free(1)
