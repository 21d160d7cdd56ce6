"""Do the bundled agents get the right questions, and are their answers right?

    python -m callboard.benchmarks.questions [--set own|fresh] [--routing] [--json]

`own` was written by the author of the agents before anything was tuned; `fresh` by somebody who
saw only the agents' names and descriptions. Each has 60 questions with one to three right agents
and 30 out of scope. Everything runs on the embedded defaults, in a database of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.resources import as_file, files

from rich.console import Console
from rich.progress import Progress

from ..board import Board
from ..config import load_settings
from ..pipelines.evaluation import Report, evaluate, read_questions


def measure(name: str, *, answers: bool) -> Report:
    """Ask all questions of the set `name`; without `answers` only the routing is measured."""
    with as_file(files(__package__).joinpath(f"data/questions_{name}.yaml")) as path:
        questions = read_questions(path)
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            database_url=f"sqlite:///{folder}/questions.db",
            bundled_agents=True,
            memory={"enabled": False},  # the questions have nothing to do with each other
        )
        bar = Progress(console=Console(stderr=True), transient=True)
        with Board(settings) as board, bar:
            task = bar.add_task(f"Asking {name}", total=len(questions))
            return evaluate(
                board,
                questions,
                answers=answers,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--set", choices=("own", "fresh"), default="own", dest="name")
    parser.add_argument("--routing", action="store_true", help="route only, call no agent")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    found = measure(arguments.name, answers=not arguments.routing).to_json()
    if arguments.as_json:
        json.dump({"set": arguments.name, **found}, sys.stdout)
        print()
        return
    failures = found.pop("failures")
    for key, value in found.items():
        print(f"{key:28} {value}")
    for failure in failures:
        print(json.dumps(failure, ensure_ascii=False))


if __name__ == "__main__":
    main()
