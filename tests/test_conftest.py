"""The guard of conftest.py stops a test that would leave this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

SUITE = """
import os, socket, contextlib

def test_reaches_out():
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 9), timeout=0.1)

def test_looks_a_name_up():
    with contextlib.suppress(OSError):
        socket.getaddrinfo("example.invalid", 80)

def test_talks_to_itself():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()

def test_settings_and_keys_from_outside_are_gone():
    assert "CALLBOARD_DATABASE_URL" not in os.environ
    assert "OPENAI_API_KEY" not in os.environ
"""


def test_a_test_that_leaves_this_machine_fails(tmp_path: Path) -> None:
    for name in ("conftest.py", "pytest.ini"):
        shutil.copy(HERE / name, tmp_path / name)
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"CALLBOARD_DATABASE_URL": "sqlite:///x.db", "OPENAI_API_KEY": "secret"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 errors" in done.stdout, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "'192.0.2.1'" in done.stdout
    assert "'example.invalid'" in done.stdout
