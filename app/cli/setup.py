"""`init` and `doctor`: begin a project, and find out what is wrong with one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidInput
from .terminal import AsJson, emit, show, tell

if TYPE_CHECKING:
    from ..readiness import Check

FILES = ("callboard.toml", "agents.yaml")


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to write.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write callboard.toml and an example agents.yaml."""
    targets = [folder / name for name in FILES]
    taken = [str(target) for target in targets if target.exists()]
    if taken and not force:
        raise InvalidInput(
            f"{' and '.join(taken)} exist already; nothing was written. "
            "Use --force to overwrite, or name another folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target in targets:
            template = files("callboard.app.cli").joinpath("templates", target.name)
            target.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{str(folder)!r} can't be written: {error}.") from error
    if as_json:
        emit({"written": [str(target) for target in targets]})
    else:
        tell(f"Wrote {' and '.join(str(target) for target in targets)}.")
        tell(
            f"Next: callboard agents add {targets[1]}\n"
            "      callboard ask 'How long does delivery take?'"
        )


def doctor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check the installation, and tell each fix.

    Looks at Python, the package, settings, database, encoder, weights, models and servers of tools.
    """
    from ..readiness import checks

    report(checks(ctx.obj), as_json)


def report(found: Sequence[Check], as_json: bool) -> None:
    """Tell what was found, and end with status 1 if something is wrong."""
    ok = all(check.state != "bad" for check in found)
    if as_json:
        rows = [{"name": c.name, "state": c.state, "detail": c.detail, "fix": c.fix} for c in found]
        emit({"ok": ok, "checks": rows})
    else:
        from .tables import draw_checks

        show(draw_checks(found))
    if not ok:
        raise typer.Exit(1)
