"""The benchmark of a turn's overhead, on a server of the tests."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from openai_server import OpenAIServer, Reply

from callboard.benchmarks.overhead import BARE, measure_overhead
from callboard.errors import CallboardError

TOLD = {
    "calls_per_query": 4.0,
    "median_ms": 9.0,
    "p95_ms": 12.0,
    "cpu_ms_per_query": 8.0,
    "qps": 99.0,
    "qps_20ms": 50.0,
}


def test_litellm_makes_the_calls_that_the_board_makes(tmp_path: Path) -> None:
    peer = tmp_path / "v" / "langgraph" / "bin" / "python"
    peer.parent.mkdir(parents=True)
    peer.symlink_to(sys.executable)
    (tmp_path / "b_langgraph.py").write_text(f"print('noise')\nprint({json.dumps(TOLD)!r})")
    broken = tmp_path / "v" / "pydantic_ai" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.symlink_to(sys.executable)
    (tmp_path / "b_pydantic_ai.py").write_text("import there_is_no_such_thing")
    with OpenAIServer(lambda request: Reply(text=f"About {len(str(request))}.")) as server:
        board, bare, other, failed = measure_overhead(
            server.url, peers=tmp_path, turns=2, told=str, rows=("callboard", BARE)
        )
        told = Counter(request["messages"][0]["content"] for request in server.requests)
    assert board["calls_per_query"] == bare["calls_per_query"] == 3  # two agents, one merging
    # Both ask the same two agents and the same refiner, equally often.
    assert len(told) == 3
    assert len(set(told.values())) == 1
    for row in (board, bare):
        assert 0 < row["median_ms"] <= row["p95_ms"]
        assert row["cpu_ms"] > 0
        assert row["qps_32"] > 0
        assert row["qps_32_20ms"] is None  # this server has no such switch
    assert "there_is_no_such_thing" in failed["error"]
    assert (other["name"], other["cpu_ms"], other["qps_32_20ms"]) == ("langgraph_send", 8.0, 50.0)


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(CallboardError, match="A row failed"):
        list(
            measure_overhead(
                "http://127.0.0.1:9", peers=None, turns=1, told=str, rows=("litellm_same_calls",)
            )
        )
