"""What must be in place before a query can be answered: each check with its state and its fix.

No database is created and no model is called: `callboard models check` does that.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..errors import CallboardError, ConfigurationError
from ..redaction import redact

if TYPE_CHECKING:
    from ..config import Settings
    from ..model_settings import ModelSettings

State: TypeAlias = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at; `fix` says what to do unless it is ok."""

    name: str
    state: State
    detail: str
    fix: str = ""


def checks(config: Path | None) -> tuple[Check, ...]:
    """Look at everything that a Board on the settings in `config` needs."""
    return tuple(_checks(config))


def _checks(config: Path | None) -> Iterator[Check]:
    from .. import __version__

    version = platform.python_version()
    yield Check(name="python", state="ok", detail=f"{version} at {sys.executable}")
    yield Check(name="package", state="ok", detail=f"callboard {__version__}")
    settings, found = settings_checks(config)
    yield from found
    if settings is None:
        return
    yield database_check(settings)
    yield encoder_check(settings)
    if settings.retrieval.reranker is not None:
        yield reranker_check(settings.retrieval.reranker)
    for check in model_checks(settings):
        yield Check(
            name=f"model {check.name}", state=check.state, detail=check.detail, fix=check.fix
        )
    yield from server_checks(settings)


def settings_checks(config: Path | None) -> tuple[Settings | None, tuple[Check, ...]]:
    """Read the settings; None: they can't be used, for all these reasons."""
    from ..config import CONFIG_FILE, read_settings

    settings, problems = read_settings(config)
    if settings is None:
        return None, tuple(bad("settings", problem) for problem in problems)
    default = CONFIG_FILE if Path(CONFIG_FILE).is_file() else "the embedded defaults"
    named = config or os.environ.get("CALLBOARD_CONFIG")
    return settings, (Check(name="settings", state="ok", detail=str(named or default)),)


def database_check(settings: Settings) -> Check:
    """Look at the database without creating or changing it."""
    from ..config import is_in_memory, sqlite_file

    url = settings.database_url
    if is_in_memory(url):
        return Check(name="database", state="ok", detail="in memory, gone when the process ends")
    file = sqlite_file(url)
    if file is not None and not file.exists() and file.absolute().parent.is_dir():
        return Check(name="database", state="ok", detail=f"{file} (the first query creates it)")
    from ..store.engine import Store

    try:
        store = Store.open(url, migrate=False)
    except CallboardError as error:
        return bad("database", error)
    store.close()
    if store.stacks is None and not url.startswith("sqlite"):
        return Check(
            name="database",
            state="warn",
            detail="up to date, without pgvector 0.8: large memories are searched in the process",
            fix="install pgvector on the server, then run 'callboard db upgrade' as a user who may "
            "create extensions",
        )
    return Check(name="database", state="ok", detail="up to date")


def encoder_check(settings: Settings) -> Check:
    """Load the encoder and encode a word; the first time it is exported to the cache."""
    from ..search.encoders import load_encoder

    try:
        encoder = load_encoder(settings.encoder, settings.cache_dir)
        encoder.encode(["callboard"])
    except CallboardError as error:
        return bad("encoder", error)
    return Check(name="encoder", state="ok", detail=f"{encoder.name}, {encoder.dim} dimensions")


def reranker_check(name: str) -> Check:
    """Load the cross-encoder and have it score a word."""
    from ..search.reranker import load_reranker

    try:
        load_reranker(name).scores("callboard", ["callboard"])
    except CallboardError as error:
        return bad("reranker", error)
    return Check(name="reranker", state="ok", detail=name)


def model_checks(settings: Settings) -> tuple[Check, ...]:
    """Look at every configured model: its weights, or its key."""
    return tuple(_model_check(name, model, settings) for name, model in settings.models.items())


def server_checks(settings: Settings) -> Iterator[Check]:
    """Reach every server of tools, starting those that are programs, and count its tools."""
    from ..agents.mcp.servers import ToolServers

    async def look() -> dict[str, int | str]:
        servers = ToolServers(settings.mcp)
        try:
            return await servers.look()
        finally:
            await servers.close()

    try:
        found = asyncio.run(look())
    except ConfigurationError as error:
        yield bad("mcp", error)
        return
    for name, seen in found.items():
        if isinstance(seen, int):
            yield Check(name=f"mcp {name}", state="ok", detail=f"{seen} tools")
        else:  # only the agents that use it miss something
            what, _, fix = seen.partition(". ")
            yield Check(name=f"mcp {name}", state="warn", detail=f"{what}.", fix=fix)


def _model_check(name: str, model: ModelSettings, settings: Settings) -> Check:
    if model.ladder:
        return _ladder_check(name, model)
    if model.embedded is not None:
        return _embedded_check(name, model.embedded, settings)
    said: list[str] = []
    wrong: dict[str, ConfigurationError] = {}
    for at in model.served().values():
        try:
            said.append(_endpoint(name, at))
        except ConfigurationError as error:
            wrong[str(error)] = error
    if not wrong:
        return Check(name=name, state="ok", detail="; ".join(said))
    found = [bad(name, error) for error in wrong.values()]
    details, fixes = ([getattr(one, field) for one in found] for field in ("detail", "fix"))
    return Check(name=name, state="bad", detail=" ".join(details), fix=" ".join(fixes))


def _endpoint(name: str, model: ModelSettings) -> str:
    from ..models.gateway import target_of

    target_of(name, model)
    where = f" at {redact(model.api_base)}" if model.api_base else ""
    how = f", key in {model.api_key_env}" if model.api_key else ", no key"
    return f"{model.model}{where}{how}"


def _ladder_check(name: str, model: ModelSettings) -> Check:
    from ..models.ladder import Predictor

    asked = "the next where the one before gave no answer"
    try:
        if model.predictor is not None:
            Predictor.load(model.predictor, rungs=model.ladder)
            asked = f"the next where {model.predictor} says that it pays"
    except ConfigurationError as error:
        return bad(name, error)
    return Check(name=name, state="ok", detail=f"a ladder, {', '.join(model.ladder)}: {asked}")


def _embedded_check(name: str, weights: str, settings: Settings) -> Check:
    from ..models.weights import Weights

    if find_spec("xllamacpp") is None:
        return Check(
            name=name,
            state="warn",
            detail=f"embedded/{weights}: the package that serves it is not installed",
            fix="pip install 'callboard[local]', or set another model in [models.main]",
        )
    try:
        state = Weights(settings.cache_dir).state(weights)
    except CallboardError as error:
        return bad(name, error)
    if state == "ready":
        return Check(name=name, state="ok", detail=f"embedded/{weights}")
    return Check(
        name=name,
        state="warn",
        detail=f"embedded/{weights}: the weights are {state}",
        fix=f"callboard models pull {weights}",
    )


def bad(name: str, error: CallboardError) -> Check:
    """Return what an error says; its message carries the fix."""
    what, _, fix = str(error).partition(". ")
    return Check(name=name, state="bad", detail=f"{what.rstrip('.')}.", fix=fix)
