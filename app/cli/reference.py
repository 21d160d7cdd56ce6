"""Writes docs/cli.md: the help of every command, as it is shown.

`python -m callboard.app.cli.reference docs/cli.md` writes it; a test holds it current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from .root import app

WIDTH = 80

HEAD = """\
# The command line

Written by `make docs` from the commands themselves.

Results go to stdout, progress and errors to stderr. `--json` prints one JSON object; money is in US
dollars, null when it is unknown. A command ends with 0 when it did what it should, 1 when it could
not, 2 when it was called wrongly, 130 on Ctrl-C.
"""


def reference() -> str:
    """Return the help of all commands as one Markdown page."""
    root = get_command(app)
    pages = [f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps(root, "callboard")]
    return "\n".join((HEAD, *pages))


def _helps(command: Any, name: str, parent: Any = None) -> Iterator[tuple[str, str]]:
    context = typer.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH
    )
    path = context.command_path
    yield path, command.get_help(context).strip()
    for child in getattr(command, "commands", {}).items():
        yield from _helps(child[1], child[0], context)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
