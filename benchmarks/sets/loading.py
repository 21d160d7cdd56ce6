"""The data sets by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ...errors import ConfigurationError, UnknownName, nearest
from .catalogue import catalogue
from .dialogues import sgd, sgd_schema, sgd_tcar, sgdx
from .intents import clinc150, hwu64
from .routing_set import RoutingSet
from .tools import metatool, seal_tools

SETS: Mapping[str, Callable[[Path], RoutingSet]] = {
    "clinc150": clinc150,
    "hwu64": hwu64,
    "sgd": sgd,
    "sgd-tcar": sgd_tcar,
    "sgd-schema": sgd_schema,
    **{f"sgdx_v{version}": partial(sgdx, version=version) for version in range(1, 6)},
    "metatool": metatool,
    "seal_tools": seal_tools,
    "catalogue": partial(catalogue, around=clinc150),
    "catalogue-hwu64": partial(catalogue, around=hwu64, name="catalogue-hwu64"),
    "catalogue-packages": partial(
        catalogue, around=clinc150, packages=True, name="catalogue-packages"
    ),
}


def load_set(data: Path, name: str) -> RoutingSet:
    """Read the set `name` from the folder `data`.

    Raises:
        ConfigurationError: the data is not there, or not in the form that is expected.
        UnknownName: there is no such set.
    """
    if name not in SETS:
        raise UnknownName(
            f"There is no data set {name!r}{nearest(name, SETS)} All: {', '.join(SETS)}."
        )
    try:
        return SETS[name](data)
    except (KeyError, IndexError, TypeError) as error:
        raise ConfigurationError(
            f"The data of {name!r} in {str(data.absolute())!r} is not in the form that is "
            f"expected ({error!r}). Fetch it again."
        ) from error
