"""`callboard models`: which models are configured, fetched, and answer; what they bill."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigurationError
from ...redaction import redact
from .terminal import AsJson, dollars, emit, err, open_board, show, tell

if TYPE_CHECKING:
    from pathlib import Path

    from ...config import Settings

commands = typer.Typer(
    help="List, fetch, check and audit models.", no_args_is_help=True, rich_markup_mode=None
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
            "api_base": model.api_base and redact(model.api_base),
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


@commands.command()
def measure(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The model, as the settings call it.")],
    at_once: Annotated[int, typer.Option(min=1, max=1024, help="Calls side by side.")] = 16,
    calls: Annotated[int, typer.Option(min=1, help="Calls of each kind.")] = 64,
    gpu_per_hour: Annotated[
        Decimal | None,
        typer.Option(
            metavar="USD",
            parser=dollars,
            help="What all GPUs that serve it cost an hour, together.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how many tokens a second a model reads and writes, and what they cost on a GPU."""
    with open_board(ctx) as board:
        found = board.models.measure_sync(name, at_once=at_once, calls=calls)
    rates = {
        "input_tokens_per_second": round(found.input_tokens_per_second, 1),
        "output_tokens_per_second": round(found.output_tokens_per_second, 1),
    }
    price = None if gpu_per_hour is None else found.price(gpu_per_hour)
    if as_json:
        more = {} if price is None else {"price": price.model_dump(mode="json", exclude_none=True)}
        emit({"model": name, "at_once": at_once, "calls": calls, **rates, **more})
        return
    tell(
        f"{name} reads {rates['input_tokens_per_second']:,} and writes "
        f"{rates['output_tokens_per_second']:,} tokens a second, {at_once} calls at once."
    )
    if price is not None:
        read, written = price.input_per_million, price.output_per_million
        tell(
            f"At {gpu_per_hour} USD an hour a million tokens cost {read:.4f} USD to read and "
            f"{written:.4f} to write. In [models.{name}]:"
        )
        inner = ", ".join(f"{key} = {value}" for key, value in rates.items())
        tell(f"price = {{ gpu_per_hour = {gpu_per_hour}, {inner} }}")


@commands.command()
def audit(
    ctx: typer.Context,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="DATE", help="Audit calls from then on (local time); else of the last week."
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of whose runs; else of all users'.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the hidden reasoning that was billed with what was usual before."""
    with open_board(ctx) as board:
        found = board.models.audit_sync(since=since and since.astimezone(), user=user)
    if as_json:
        from ..views import audit_json

        emit(audit_json(found))
    elif not found.rows:
        tell(f"No model has answered since {found.since.astimezone():%Y-%m-%d %H:%M}.")
    else:
        from .tables import draw_audit

        show(draw_audit(found))


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
