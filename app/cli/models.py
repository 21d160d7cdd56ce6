"""`callboard models`: which models are configured, fetched, and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigurationError
from .terminal import AsJson, emit, err, open_board, show, tell

if TYPE_CHECKING:
    from pathlib import Path

    from ...config import Settings

commands = typer.Typer(
    help="List, fetch and check models.", no_args_is_help=True, rich_markup_mode=None
)


@commands.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the configured models and whether each is ready to be called."""
    from ...config import load_settings
    from ..readiness import model_checks

    settings = load_settings(ctx.obj)
    states = {check.name: check for check in model_checks(settings)}
    rows = [
        {
            "name": name,
            "model": model.model,
            "api_base": model.api_base,
            "state": states[name].state,
            "detail": states[name].detail,
            "fix": states[name].fix,
        }
        for name, model in settings.models.items()
    ]
    if as_json:
        emit({"models": rows})
    else:
        from .tables import draw_models

        show(draw_models(rows))


@commands.command()
def pull(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Weights, like smollm2-135m; else all configured."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the weights of embedded models, and check them. An interrupted fetch goes on."""
    from ...config import load_settings

    settings = load_settings(ctx.obj)
    wanted = (name,) if name else embedded_weights(settings)
    files = {weights: pull_weights(settings, weights) for weights in wanted}
    if as_json:
        emit({"weights": [{"name": key, "file": str(file)} for key, file in files.items()]})
    elif not files:
        tell("No embedded model is configured: there is nothing to fetch.")
    else:
        for weights, file in files.items():
            tell(f"{weights}: {file}")


@commands.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Call every configured model once, and say what works."""
    with open_board(ctx) as board:
        checks = board.models.check_sync()
    if as_json:
        from ..views import model_check_json

        emit({"models": [model_check_json(check) for check in checks]})
    else:
        from .tables import draw_model_checks

        show(draw_model_checks(checks))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def embedded_weights(settings: Settings) -> tuple[str, ...]:
    """Return the names of the weights that the configured models need."""
    return tuple(sorted({m.embedded for m in settings.models.values() if m.embedded}))


def missing_weights(settings: Settings) -> tuple[str, ...]:
    """Return the names of the weights that are needed and not there, or damaged."""
    from ...models.weights import Weights

    weights, missing = Weights(settings.cache_dir), []
    for name in embedded_weights(settings):
        try:
            weights.path(name)
        except ConfigurationError:
            missing.append(name)
    return tuple(missing)


def pull_weights(settings: Settings, name: str) -> Path:
    """Fetch weights with a progress bar on stderr, and return their file.

    Raises:
        ConfigurationError: there are none of that name, or they can't be fetched, or are not
            what they should be.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from ...models.weights import Weights

    columns = (TextColumn("Fetching {task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TimeRemainingColumn(), console=err(), transient=True) as bar:
        task = bar.add_task(name, total=None)
        return Weights(settings.cache_dir).pull(
            name, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
