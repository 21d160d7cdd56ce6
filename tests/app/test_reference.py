"""docs/cli.md shows the help as it is."""

from __future__ import annotations

from pathlib import Path

from callboard.app.cli.reference import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "Run 'make docs'."


def test_every_option_of_every_command_is_explained() -> None:
    for line in reference().splitlines():
        words = line.strip().split("  ")
        assert not (line.startswith("  --") and len(words) == 1 and len(line) < 30), line
