"""Two processes on one PostgreSQL: what one registers the other routes to."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from typing import Any

from callboard import Board, Settings

OTHER = """
    import sys
    from callboard import Agent, Board, Settings

    with Board(Settings(database_url=sys.argv[1])) as board:
        print("ready", flush=True)
        for line in sys.stdin:
            if line == "register\\n":
                board.register(Agent(name="parrots", description="Training and feeding parrots.",
                                     examples=["how do I teach my parrot to talk?"]))
            else:
                board.unregister("parrots")
            print("done", flush=True)
"""
WITHIN_S = 1.0


def seconds_until(board: Board, agents: tuple[str, ...]) -> float:
    """Ask until these agents are chosen, and return how long that took."""
    started = time.perf_counter()
    while board.route_sync("how do I train a parrot?").agents != agents:
        assert time.perf_counter() - started < 10 * WITHIN_S
    return time.perf_counter() - started


def test_an_agent_of_one_process_is_routable_in_the_other_within_a_second(
    postgres: Any,
) -> None:
    url = postgres.new_database()
    with Board(Settings(database_url=url)) as board:
        assert board.route_sync("how do I train a parrot?").agents == ()
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(OTHER), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            assert other.stdout.readline() == "ready\n"
            for asked, agents in (("register", ("parrots",)), ("remove", ())) * 3:
                other.stdin.write(f"{asked}\n")
                other.stdin.flush()
                assert other.stdout.readline() == "done\n"
                taken_s = seconds_until(board, agents)
                print(f"{asked}: routed to after {taken_s:.3f} s")
                assert taken_s < WITHIN_S
            other.stdin.close()
        assert other.returncode == 0
