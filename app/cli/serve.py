"""`callboard serve`: the HTTP API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .terminal import tell


def serve(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = 8000,
    host: Annotated[str, typer.Option(help="The address it listens on.")] = "127.0.0.1",
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes that share the address.")
    ] = 1,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Ask for no key; on this machine only.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The settings file; as before the command."),
    ] = None,
) -> None:
    """Serve the HTTP API: OpenAI's chat completions, agents, runs, memory, spending.

    'callboard keys create USER' makes a key for it. Ctrl-C or SIGTERM ends it when the turns that
    go on have ended; what is left another worker resumes.
    """
    from ..api.server import serve as serve_api

    told = f"Callboard answers at http://{host}:{port}/v1. Ctrl-C ends it."
    serve_api(
        host=host,
        port=port,
        workers=workers,
        keys=not no_auth,
        config=config or ctx.obj,
        ready=lambda: tell(told),
    )
