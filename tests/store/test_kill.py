from __future__ import annotations

import subprocess
import sys

from callboard.store.engine import Store
from callboard.values import Scope

WRITER = """
import sys
from datetime import UTC, datetime
from callboard.store.engine import Store
from callboard.values import AnswerDelta, Scope, Step
store = Store.open(sys.argv[1])
claim = store.runs.create(Scope(), "r1", "q", options={}, owner="dead", lease_s=0.0)
n = 0
while True:
    n += 1
    step = Step(id=str(n), run_id="r1", key=f"k{n}", name="act", status="done",
                started_at=datetime.now(UTC), output="x" * 500)
    last = store.runs.record(claim, steps=[step], events=[AnswerDelta(text=f"{n} ")] * 3)
    print(n, last, flush=True)
"""


def test_what_was_acknowledged_before_a_kill_is_kept(url: str) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(40)]
    writer.kill()
    acknowledged += writer.stdout.read().splitlines(keepends=True)
    writer.wait()
    writer.stdout.close()
    whole = [line.split() for line in acknowledged if line.endswith("\n")]
    count, last = map(int, whole[-1])

    store = Store.open(url)
    steps = store.runs.steps(Scope(), "r1")
    events = store.events.after(Scope(), "r1", 0, limit=100_000)
    # One more may have been stored and not yet acknowledged; it is there as a whole.
    assert len(steps) in (count, count + 1)
    assert len(events) == 3 * len(steps) >= last
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    (taken,) = store.runs.claim_expired("me", 30)
    assert (taken.claim.fence, taken.last_seq, taken.losses) == (2, len(events), 1)
    store.close()
