"""The commands: results on stdout, progress on stderr, and an exit code that can be relied on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callboard import Board
from callboard.app.cli import app

QUESTION = "What is 15% of 240?"


def call(*arguments: str, **options: Any) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, **options)


def as_json(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database that knows the vectors of the bundled agents, and nothing else."""
    file = tmp_path_factory.mktemp("vectors") / "callboard.db"
    with Board.from_config(database_url=f"sqlite:///{file}") as board:
        board.route_sync(QUESTION)
    return file


@pytest.fixture
def warm(vectors: Path, tmp_path: Path) -> None:
    """Put that database where the test finds it: encoding the agents again takes seconds."""
    shutil.copy(vectors, tmp_path / vectors.name)


def test_without_arguments_the_help_is_shown() -> None:
    result = call()
    assert "Commands:" in result.output


def test_a_wrong_option_is_wrong_usage() -> None:
    assert call("ask", "x", "--memory", "huge").exit_code == 2
    assert call("ask", "x", "--budget-usd", "much").exit_code == 2
    assert call("ask", "x", "--budget-usd", "-1").exit_code == 2
    assert call("ask").exit_code == 2
    assert call("aks", "x").exit_code == 2
    assert call("agents", "add", "nowhere.yaml").exit_code == 2


def test_the_version_is_shown() -> None:
    from callboard import __version__

    assert call("--version").stdout.strip() == f"callboard {__version__}"


def test_an_unreadable_config_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "callboard.toml").write_text("[router\n", encoding="utf-8")
    result = call("route", QUESTION)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "callboard.toml" in result.stderr


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[router]\nmax_agent = 2\n", encoding="utf-8")
    result = call("--config", str(file), "route", QUESTION)
    assert result.exit_code == 1
    assert "max_agents" in result.stderr


@pytest.mark.usefixtures("warm")
def test_ask_prints_the_answer_alone_on_stdout() -> None:
    result = call("ask", QUESTION)
    assert result.exit_code == 0, result.stderr
    assert "36" in result.stdout
    assert "calculator" in result.stderr
    assert "run " in result.stderr


@pytest.mark.usefixtures("warm")
def test_ask_reads_the_query_from_standard_input() -> None:
    data = as_json(call("ask", "-", "--json", input=f"{QUESTION}\n"))
    assert data["query"] == QUESTION


def test_standard_input_that_is_no_text_is_an_error() -> None:
    result = call("ask", "-", input=b"\xff\xfe\x00")
    assert result.exit_code == 1
    assert "UTF-8" in result.stderr


@pytest.mark.usefixtures("warm")
def test_ask_gives_the_promised_json() -> None:
    data = as_json(call("ask", QUESTION, "--json", "--session", "s1"))
    assert {"id", "status", "query", "answer", "decision", "steps"} <= set(data)
    assert {"cost_usd", "known_cost_usd", "latency_s"} <= set(data)
    assert data["status"] == "done"
    assert data["cost_usd"] == data["known_cost_usd"] == 0.0
    assert data["decision"]["agents"] == ["calculator"]
    assert {step["name"] for step in data["steps"]} >= {"retrieve", "guard", "decide", "act"}
    assert all(step["status"] == "done" for step in data["steps"])


@pytest.mark.usefixtures("warm")
def test_route_gives_the_decision_and_leaves_no_run() -> None:
    decision = as_json(call("route", QUESTION, "--json"))
    assert decision["agents"] == ["calculator"]
    assert decision["candidates"][0]["score"] <= 1
    assert as_json(call("runs", "list", "--json")) == {"runs": []}
    assert "calculator" in call("route", QUESTION).stdout


@pytest.mark.usefixtures("warm")
def test_pins_and_exclusions_are_followed() -> None:
    pinned = as_json(call("route", QUESTION, "--agents", "units, calculator", "--json"))
    assert set(pinned["agents"]) == {"units", "calculator"}
    assert pinned["method"] == "pinned"
    without = as_json(call("route", QUESTION, "--exclude", "calculator", "--json"))
    assert "calculator" not in without["agents"]
    unknown = call("route", QUESTION, "--agents", "nobody")
    assert unknown.exit_code == 1
    assert "'nobody'" in unknown.stderr


def test_an_empty_query_is_the_users_mistake() -> None:
    result = call("ask", "  ")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


@pytest.mark.usefixtures("warm")
def test_runs_are_listed_and_shown() -> None:
    run = as_json(call("ask", QUESTION, "--json"))
    listed = as_json(call("runs", "list", "--json"))["runs"]
    assert [one["id"] for one in listed] == [run["id"]]
    assert as_json(call("runs", "show", run["id"], "--json")) == run
    assert "act calculator" in call("runs", "show", run["id"]).stdout
    assert run["id"] in call("runs", "list").stdout
    missing = call("runs", "show", "nothing")
    assert missing.exit_code == 1
    assert "'nothing'" in missing.stderr


def test_nothing_to_resume_is_said() -> None:
    result = call("runs", "resume")
    assert result.exit_code == 0
    assert result.stdout == ""


@pytest.mark.usefixtures("warm")
def test_agents_come_and_go() -> None:
    assert call("init").exit_code == 0
    assert as_json(call("agents", "add", "agents.yaml", "--json")) == {"added": ["support"]}
    assert as_json(call("agents", "add", "agents.yaml", "--json")) == {"added": ["support"]}
    listed = as_json(call("agents", "list", "--json"))["agents"]
    assert {"support", "calculator"} <= {agent["name"] for agent in listed}
    shown = as_json(call("agents", "show", "support", "--json"))
    assert (shown["state"], shown["version"], shown["kind"]) == ("live", 1, "model")
    assert "opening hours" in call("agents", "show", "support").stdout
    assert "support" in call("agents", "list").stdout
    decision = as_json(call("route", "When are you open on Saturdays?", "--json"))
    assert "support" in decision["agents"]
    assert as_json(call("agents", "remove", "support", "--json")) == {"removed": ["support"]}
    gone = call("agents", "show", "suport")
    assert gone.exit_code == 1
    assert "'suport'" in gone.stderr


def test_a_changed_agent_needs_replace(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    text = "agents:\n  - name: alpha\n    description: Answers questions about {}.\n"
    file.write_text(text.format("alpha particles"), encoding="utf-8")
    assert call("agents", "add", str(file)).exit_code == 0
    file.write_text(text.format("alphabets"), encoding="utf-8")
    refused = call("agents", "add", str(file))
    assert refused.exit_code == 1
    assert "alpha" in refused.stderr
    assert call("agents", "add", str(file), "--replace").exit_code == 0


def test_of_a_file_with_one_wrong_agent_none_is_added(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    text = "agents:\n  - name: alpha\n    description: Answers questions about alpha.\n"
    wrong = "  - name: beta\n    description: Answers questions about beta.\n    model: huge\n"
    file.write_text(text + wrong, encoding="utf-8")
    refused = call("agents", "add", str(file))
    assert refused.exit_code == 1
    assert "'huge'" in refused.stderr
    assert call("agents", "show", "alpha").exit_code == 1


@pytest.mark.usefixtures("warm")
def test_feedback_is_given_listed_and_taken_back() -> None:
    run = as_json(call("ask", QUESTION, "--json"))["id"]
    given = as_json(call("feedback", "give", run, "-0.5", "--comment", "Too slow.", "--json"))
    assert (given["agents"], given["score"], given["run_id"]) == (["calculator"], -0.5, run)
    named = call("feedback", "give", run, "1", "--agents", "units, dates")
    assert named.exit_code == 0
    assert (named.stdout, "+1 for dates, units" in named.stderr) == ("", True)
    listed = as_json(call("feedback", "list", "--run", run, "--json"))["feedback"]
    assert [one["agents"] for one in listed] == [["dates", "units"], ["calculator"]]
    drawn = call("feedback", "list").stdout
    assert "-0.5" in drawn
    assert "Too slow." in drawn
    undone = as_json(call("feedback", "undo", given["id"], "--json"))
    assert undone["standing"] == []
    assert len(as_json(call("feedback", "list", "--json"))["feedback"]) == 1
    assert "undone: calculator" in call("feedback", "list", "--undone").stdout


def test_wrong_feedback_is_refused_in_one_line() -> None:
    for arguments, said in (
        (("give", "r1", "2"), "-1..1"),
        (("give", "r1", "-1"), "no run 'r1'"),
        (("undo", "f1"), "no feedback 'f1'"),
        (("list", "--run", "r1"), "no run 'r1'"),
    ):
        result = call("feedback", *arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert said in result.stderr
    assert "There is none." in call("feedback", "list").stderr
    assert call("feedback", "give", "r1", "well").exit_code == 2
    assert call("feedback", "give", "r1", "1", "--coment", "x").exit_code == 2


def test_models_are_listed_with_their_state() -> None:
    (model,) = as_json(call("models", "list", "--json"))["models"]
    assert model["name"] == "main"
    assert model["model"].startswith("embedded/")
    assert model["state"] in {"ok", "warn"}
    assert "main" in call("models", "list").stdout


def test_a_model_whose_key_is_not_set_is_shown_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "callboard.toml").write_text(
        '[models.main]\nmodel = "openai/x"\napi_key_env = "MISSING_KEY"\n', encoding="utf-8"
    )
    (model,) = as_json(call("models", "list", "--json"))["models"]
    assert model["state"] == "bad"
    assert "MISSING_KEY" in model["detail"] + model["fix"]
    doctor = call("doctor", "--json")
    assert doctor.exit_code == 1
    assert json.loads(doctor.stdout)["ok"] is False


def test_a_model_that_does_not_answer_fails_the_check(tmp_path: Path) -> None:
    (tmp_path / "callboard.toml").write_text(
        '[models.main]\nmodel = "hosted_vllm/x"\napi_base = "http://127.0.0.1:9/v1"\n'
        "retries = 0\ntimeout_s = 2.0\n",
        encoding="utf-8",
    )
    result = call("models", "check", "--json")
    assert result.exit_code == 1
    (model,) = json.loads(result.stdout)["models"]
    assert model["ok"] is False
    assert model["error"]


def test_unknown_weights_are_the_users_mistake() -> None:
    result = call("models", "pull", "gpt-17")
    assert result.exit_code == 1
    assert "'gpt-17'" in result.stderr


def test_the_doctor_looks_at_everything_and_changes_nothing(tmp_path: Path) -> None:
    report = as_json(call("doctor", "--json"))
    names = [check["name"] for check in report["checks"]]
    assert names == ["python", "package", "settings", "database", "encoder", "model main"]
    assert report["ok"]
    assert list(tmp_path.iterdir()) == []
    assert "python" in call("doctor").stdout


def test_the_doctor_tries_a_cross_encoder_that_is_configured(tmp_path: Path) -> None:
    (tmp_path / "callboard.toml").write_text("[retrieval]\nreranker = './none'\n", "utf-8")
    result = call("doctor", "--json")
    assert result.exit_code == 1
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["reranker"]["state"] == "bad"
    assert "'./none'" in checks["reranker"]["detail"] + checks["reranker"]["fix"]


def test_the_doctor_tells_what_is_wrong_with_the_settings(tmp_path: Path) -> None:
    (tmp_path / "callboard.toml").write_text("encodr = 'minilm'\n", encoding="utf-8")
    result = call("doctor", "--json")
    assert result.exit_code == 1
    bad = json.loads(result.stdout)["checks"][-1]
    assert (bad["name"], bad["state"]) == ("settings", "bad")
    assert "'encoder'" in bad["detail"] + bad["fix"]


def test_a_database_is_upgraded_once() -> None:
    first = as_json(call("db", "upgrade", "--json"))
    assert first["before"] is None
    second = as_json(call("db", "upgrade", "--json"))
    assert second["before"] == second["after"] == first["after"]


def test_a_file_that_is_no_database_is_an_error_and_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "callboard.db"
    file.write_bytes(b"not a database at all" * 100)
    for command in (("db", "upgrade"), ("ask", QUESTION), ("doctor",)):
        result = call(*command)
        assert result.exit_code == 1
        assert "Traceback" not in result.output
    assert file.read_bytes() == b"not a database at all" * 100


@pytest.mark.usefixtures("warm")
def test_eval_reports_and_lists_failures(tmp_path: Path) -> None:
    file = tmp_path / "questions.yaml"
    file.write_text(
        "questions:\n"
        f"  - question: {QUESTION}\n    agents: [calculator]\n    facts: ['36']\n"
        f"  - question: What is 2 plus 2?\n    agents: [calculator]\n    facts: ['5']\n",
        encoding="utf-8",
    )
    report = as_json(call("eval", str(file), "--json"))
    assert report["questions"] == 2
    assert [failure["missing_facts"] for failure in report["failures"]] == [["5"]]
    assert "Failures (1)" in call("eval", str(file)).stdout


@pytest.mark.usefixtures("warm")
def test_demo_shows_the_whole_way_of_a_question() -> None:
    result = call("demo", QUESTION)
    assert result.exit_code == 0, result.stderr
    for shown in ("36", "calculator", "Decision", "Steps", "act calculator", "Total"):
        assert shown in result.stdout


def test_help_imports_only_what_it_needs() -> None:
    code = (
        "import sys\n"
        "from callboard.app.cli import app\n"
        "heavy = {'rich', 'pydantic', 'sqlalchemy', 'numpy', 'litellm', 'langgraph', 'yaml'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


SLOW = """
import pathlib, time

def wait(query: str) -> str:
    marks = sorted(pathlib.Path.cwd().glob("mark-*"))
    pathlib.Path(f"mark-{len(marks)}").touch()
    if not marks:
        time.sleep(60)
    return "It is done: 42."
"""

SLOW_AGENT = """
agents:
  - name: waiter
    description: Waits for a long time before it answers.
    function: slow:wait
    idempotent: true
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Return a process in the middle of a turn: its agent waits the first time, then answers."""
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    (tmp_path / "agents.yaml").write_text(SLOW_AGENT, encoding="utf-8")
    assert run_apart("agents", "add", "agents.yaml").returncode == 0
    command = [sys.executable, "-m", "callboard", "ask", "Wait, please.", "--agents", "waiter"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        # Tests that were begun in the background ignore Ctrl-C, and so would what they begin.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "mark-0").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    process.kill()
    process.communicate()


def environment() -> dict[str, str]:
    """Return an environment where `slow.py` can be imported and a dead process is soon missed."""
    return {
        **os.environ,
        "PYTHONPATH": str(Path.cwd()),
        "CALLBOARD_BUNDLED_AGENTS": "false",
        "CALLBOARD_LIMITS__LEASE_S": "1",
    }


def run_apart(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own."""
    command = [sys.executable, "-m", "callboard", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment())


def test_ctrl_c_cancels_the_run_and_ends_with_130(waiting: subprocess.Popen[str]) -> None:
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "Traceback" not in errors
    (run,) = json.loads(run_apart("runs", "list", "--json").stdout)["runs"]
    assert run["status"] == "cancelled"


def test_a_killed_turn_is_finished_by_resume(waiting: subprocess.Popen[str]) -> None:
    waiting.kill()
    waiting.communicate(timeout=60)
    time.sleep(1.2)  # until the lease of the dead process has ended
    done = run_apart("runs", "resume", "--json")
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert run["status"] == "done"
    assert "42" in run["answer"]
    assert json.loads(run_apart("runs", "resume", "--json").stdout) == {"runs": []}


def test_a_reader_that_closes_the_pipe_gets_no_traceback() -> None:
    command = f"{sys.executable} -m callboard --help | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
