"""`callboard ui`: serve the app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .terminal import tell


def ui(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = 8501,
    host: Annotated[
        str,
        typer.Option(help="The address it listens on; other than this machine, with a login only."),
    ] = "127.0.0.1",
    config: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The settings file; as before the command."),
    ] = None,
) -> None:
    """Serve the app: chat, agents, decisions, costs and memory in a browser.

    Without a login it listens on this machine only. Ctrl-C ends it; turns that go on are resumed
    the next time.
    """
    from ...config import load_settings
    from ..local import is_local
    from ..ui.server import serve

    file = config or ctx.obj
    load_settings(file)  # what is wrong with the settings is said here, not in the browser
    where = "this machine only" if is_local(host) else "whoever logs in"
    told = f"Callboard is at http://{host}:{port}, for {where}. Ctrl-C ends it."
    tell("Getting ready takes some seconds.")
    serve(host=host, port=port, config=file, ready=lambda: tell(told))
