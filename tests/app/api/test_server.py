"""`callboard serve` as a process: its workers, its end, and what it refuses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from api_service import wait_until

from callboard import Board, Settings

CONFIG = """\
database_url = "sqlite:///serve.db"
bundled_agents = true
"""


def callboard(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "callboard", *arguments]


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """Serve in a folder; yield the process, its address and a key."""
    (folder / "callboard.toml").write_text(CONFIG)
    with Board(Settings(database_url=f"sqlite:///{folder / 'serve.db'}")) as board:
        key = board.keys.create_sync("ann", roles=["ask", "runs"]).secret
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = callboard("serve", "--port", str(port), *arguments)
    with (folder / "log").open("wb") as log:
        served = subprocess.Popen(
            command, cwd=folder, stderr=log, stdout=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: served.poll() is not None or _is_ready(url), within_s=100)
        assert served.poll() is None, (folder / "log").read_text()
        yield served, url, key
    finally:
        served.terminate()
        try:
            served.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(served.pid, signal.SIGKILL)  # its workers too
            served.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(400)
def test_two_workers_share_an_address_a_database_and_their_counters(tmp_path: Path) -> None:
    with process(tmp_path, "--workers", "2") as (served, url, key):
        headers = {"Authorization": f"Bearer {key}"}
        body = {
            "model": "callboard/calculator",
            "messages": [{"role": "user", "content": "What is 2 + 3?"}],
        }
        for _ in range(6):  # each on a connection of its own, which any worker takes
            done = httpx.post(
                f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60
            ).json()
            assert "5" in done["choices"][0]["message"]["content"]
        runs = httpx.get(f"{url}/v1/runs", headers=headers).json()
        assert runs["total"] == 6
        told = httpx.get(f"{url}/metrics", headers=headers).text
        assert 'callboard_turns_total{status="done",tenant="local"} 6.0' in told
        served.send_signal(signal.SIGTERM)
        assert served.wait(150) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--no-auth", "--host", "0.0.0.0"), "listens on this machine only"),
        (("--workers", "2"), "need a database that they share"),
    ],
)
def test_what_would_be_unsafe_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "callboard.toml").write_text('database_url = "sqlite://"\n')
    done = subprocess.run(
        callboard("serve", *arguments), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
