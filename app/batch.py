"""The worker of a batch: a Board on settings that are JSON, in this process or on a cluster.

What is shipped to a cluster holds no secret: keys, and a database's URL with a password, stand in
the environment of its machines.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..agents.spec import Agent
from ..board import Board
from ..config import Settings, sqlite_file
from ..errors import ConfigurationError
from ..model_settings import LADDER_KEYS
from ..pipelines.batch.asking import Asker
from ..values import JSON

if TYPE_CHECKING:
    from ..agents.registry import Registered

DATABASE_URL = "CALLBOARD_DATABASE_URL"
IN_MEMORY = "sqlite://"


def board_worker(given: JSON) -> Asker:
    """Open a Board, and return what asks it; `given` is what `for_here` or `for_cluster` say.

    Raises:
        ConfigurationError, StoreError: it can't be opened here.
    """
    if given.get("secret_database") and DATABASE_URL not in os.environ:
        raise ConfigurationError(
            "The URL of the database holds a password, which is not sent to other machines. Set "
            f"{DATABASE_URL} in the environment of 'ray start' on every machine of the cluster."
        )
    board = Board(Settings.model_validate(given["settings"]), recover=False)
    try:
        board.register_all([Agent.model_validate(one) for one in given.get("agents", ())])
        return Asker(board, route=given["route"], at_once=given["at_once"])
    except BaseException:
        board.close()
        raise


def for_here(settings: Settings, *, route: bool, at_once: int) -> JSON:
    """Return what `board_worker` needs in this process."""
    return {"settings": _told(settings), "route": route, "at_once": at_once}


def for_cluster(
    settings: Settings,
    agents: Sequence[Registered],
    *,
    machines: int,
    route: bool,
    at_once: int,
) -> JSON:
    """Return what `board_worker` needs on a cluster of so many machines.

    `agents` are those that the database holds. They are sent along where its file can't be: to
    route, several machines need no database that they share.

    Raises:
        ConfigurationError: runs are to be recorded by several machines, in a file of one of them.
    """
    told = _told(settings)
    del told["database_url"]
    given: dict[str, JSON] = {"settings": told, "route": route, "at_once": at_once}
    file = sqlite_file(settings.database_url)
    if file is not None and machines > 1 and not route:
        raise ConfigurationError(
            f"database_url is the SQLite file {str(file)!r}, and the cluster has {machines} "
            "machines, which can't record runs in it. Set a database_url of PostgreSQL, or --route."
        )
    if settings.database_url.startswith("sqlite") and (file is None or machines > 1):
        told["database_url"] = IN_MEMORY
        given["agents"] = [
            one.agent.model_dump(mode="json") for one in agents if one.state != "bundled"
        ]
    elif file is not None:
        told["database_url"] = f"sqlite:///{file.absolute().as_posix()}"
    elif holds_password(settings):
        given["secret_database"] = True
    else:
        told["database_url"] = settings.database_url
    return given


def holds_password(settings: Settings) -> bool:
    """Say whether the URL of the database holds a password."""
    return urlsplit(settings.database_url).password is not None


def _told(settings: Settings) -> dict[str, JSON]:
    """Return settings as JSON; without the cache folder, where each machine has its own."""
    usual = settings.cache_dir == Settings.model_fields["cache_dir"].default
    told = settings.model_dump(mode="json", exclude={"cache_dir"} if usual else None)
    for name, model in settings.models.items():
        if model.ladder:  # what it has from its rungs is not told for it
            own = {key: told["models"][name][key] for key in ("ladder", *LADDER_KEYS)}
            told["models"][name] = {key: one for key, one in own.items() if one is not None}
    return told
