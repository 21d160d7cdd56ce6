"""The options that say where work is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ...config import Settings
    from ...pipelines.fanning import Place
    from ...search.encoder import Encoder

On = Annotated[Literal["local", "ray"], typer.Option(help="In this process, or on a Ray cluster.")]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="The Ray cluster; by default RAY_ADDRESS, or one of this machine alone.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes on the cluster; by default one for each CPU."),
]


def place_of(
    on: Literal["local", "ray"], address: str | None, workers: int | None, *, threads: int = 1
) -> Place:
    """Return the place that the options say; in this process work is shared by `threads`.

    Raises:
        typer.BadParameter: they contradict each other.
    """
    from ...pipelines.fanning import Place

    if on == "ray":
        return Place(on=on, workers=workers, address=address)
    if workers is not None or address is not None:
        raise typer.BadParameter("--workers and --address are those of a cluster: add --on ray.")
    return Place(workers=threads)


@contextmanager
def spread_encoder(settings: Settings, place: Place) -> Iterator[Encoder]:
    """Yield the encoder of the settings; on a cluster its processes share many texts."""
    from ...search.encoders import load_encoder

    encoder = load_encoder(settings.encoder, settings.cache_dir)
    if place.on == "local":
        yield encoder
        return
    from ...pipelines.fanning.cluster import connected
    from ...pipelines.fanning.encoding import SpreadEncoder

    with redirect_stdout(sys.stderr), connected(place):
        yield SpreadEncoder(encoder, settings.encoder, settings.cache_dir, place)
