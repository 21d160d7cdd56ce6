"""What is wrong with callboard.toml, or dangerous in it: everything, not only the first thing.

No database is created, no model is called and no encoder loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import CallboardError
from .readiness import Check, bad, database_check, model_checks, settings_checks

if TYPE_CHECKING:
    from ..config import Settings
    from ..model_settings import ModelSettings

LOCAL = ("127.0.0.1", "localhost", "::1")


def check_settings(config: Path | None) -> tuple[Check, ...]:
    """Look at everything that the settings in `config` say."""
    settings, found = settings_checks(config)
    if settings is None:
        return found
    models = model_checks(settings)
    return (
        *found,
        database_check(settings),
        *(_named(f"model {one.name}", one) for one in models),
        *_chains(settings, {one.name: one for one in models}),
        *_prices(settings),
        *_router(settings),
        *_memory(settings),
        *_telemetry(settings),
        *_exposed(settings),
    )


def _named(name: str, check: Check) -> Check:
    return Check(name=name, state=check.state, detail=check.detail, fix=check.fix)


def _chains(settings: Settings, models: dict[str, Check]) -> Iterator[Check]:
    """Look at who is asked when a model fails: can it answer, and does it fail with the first?"""
    for name, model in settings.models.items():
        chain = [name]
        while (after := settings.models[chain[-1]].fallback) is not None:
            if models[after].state != "ok":
                yield Check(
                    name=f"fallback of {name}",
                    state="warn",
                    detail=f"{' -> '.join([*chain, after])}: {after} can't be asked as it is",
                    fix=f"mend the model {after}, or name another fallback",
                )
            elif _places(model) >= _places(settings.models[after]):
                yield Check(
                    name=f"fallback of {name}",
                    state="warn",
                    detail=f"{after} is the same model at the same address: it fails together",
                    fix="name a model that is served elsewhere",
                )
            chain.append(after)


def _places(model: ModelSettings) -> set[tuple[str, str | None]]:
    return {(one.model, one.api_base) for one in model.served().values()}


def _prices(settings: Settings) -> Iterator[Check]:
    """Look whether money can be counted, and is limited where it flows."""
    from ..models.prices import PriceBook

    limits, book = settings.limits, PriceBook.bundled()
    of_all = [limits.budget_usd, limits.session_usd, limits.user_daily_usd, limits.daily_usd]
    limited, paid = any(one is not None for one in of_all), False
    for name, model in settings.models.items():
        prices = [book.price(one) for one in model.served().values()]
        paid = paid or any(price is not None and not price.free for price in prices)
        if None not in prices or not (limited or model.daily_usd is not None):
            continue
        allowed = limits.allow_unpriced
        yield Check(
            name=f"price of {name}",
            state="warn" if allowed else "bad",
            detail="unknown, and money is limited: its calls "
            + ("count nothing before they end" if allowed else "are refused"),
            fix=f"set price in [models.{name}] (input_per_million, output_per_million)",
        )
    if paid and not limited:
        yield Check(
            name="limits",
            state="warn",
            detail="models cost money, and nothing limits how much",
            fix="set budget_usd (of a turn) or daily_usd in [limits]",
        )
    if None not in (limits.budget_usd, limits.daily_usd) and of_all[0] > limits.daily_usd:  # type: ignore[operator]
        yield Check(
            name="limits",
            state="warn",
            detail=f"a turn may cost {limits.budget_usd} USD, and a whole day {limits.daily_usd}",
            fix="lower budget_usd, or raise daily_usd in [limits]",
        )


def _router(settings: Settings) -> Iterator[Check]:
    from ..router.reasoning.judge import ReasoningRouter

    router = settings.router
    model = settings.models[router.model]
    try:
        ReasoningRouter(router.model, reading=router.reading, logprobs=model.logprobs)
    except CallboardError as error:
        yield bad("router", error)
    if router.policy == "reasoning" and not model.reasoning:
        yield Check(
            name="router",
            state="warn",
            detail=f"policy is 'reasoning', and the model {router.model!r} is not able to judge",
            fix="name an able model in [router] model, or set policy = 'auto'",
        )


def _memory(settings: Settings) -> Iterator[Check]:
    """Look for the files and packages that recall needs."""
    from ..router.budget import load_any_policy
    from ..values import TIERS

    memory = settings.memory
    try:
        if memory.policy not in TIERS:
            load_any_policy(memory.policy)
    except CallboardError as error:
        yield bad("memory", error)
    if memory.ner is not None and find_spec(memory.ner) is None and not Path(memory.ner).is_dir():
        yield Check(
            name="memory",
            state="bad",
            detail=f"the spaCy pipeline {memory.ner!r} is not installed",
            fix=f"install it with 'python -m spacy download {memory.ner}', or remove [memory] ner",
        )


def _telemetry(settings: Settings) -> Iterator[Check]:
    telemetry = settings.telemetry
    if telemetry.headers_env is not None and not os.environ.get(telemetry.headers_env):
        yield Check(
            name="telemetry",
            state="bad",
            detail=f"the environment variable {telemetry.headers_env!r} of headers_env is not set",
            fix="set it, or remove headers_env",
        )
    if telemetry.otlp_endpoint is None:
        return
    if not (find_spec("opentelemetry") and find_spec("openinference")):
        yield Check(
            name="telemetry",
            state="bad",
            detail="otlp_endpoint is set, and what sends traces is not installed",
            fix="pip install 'callboard[telemetry]'",
        )
    parts = urlsplit(telemetry.otlp_endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield Check(
            name="telemetry",
            state="bad",
            detail=f"otlp_endpoint {telemetry.otlp_endpoint!r} is not an HTTP address",
            fix="write it like 'http://127.0.0.1:4318/v1/traces'; OTLP over gRPC is not spoken",
        )
    elif not parts.path.rstrip("/").endswith("/v1/traces"):
        yield Check(
            name="telemetry",
            state="warn",
            detail=f"the path of otlp_endpoint is {parts.path or '/'!r}",
            fix="collectors listen at /v1/traces: add it, unless yours listens elsewhere",
        )
    if telemetry.content:
        yield Check(
            name="telemetry",
            state="warn",
            detail=f"content = true: all queries and answers are sent to {parts.hostname}",
            fix="set content = false, unless the collector may know them",
        )


def _exposed(settings: Settings) -> Iterator[Check]:
    """Look for secrets in files, on wires, and for code that others may run."""
    if (
        urlsplit(settings.database_url).password
        and os.environ.get("CALLBOARD_DATABASE_URL") != settings.database_url
    ):
        yield Check(
            name="secrets",
            state="warn",
            detail="the password of the database stands in the settings file",
            fix="set CALLBOARD_DATABASE_URL in the environment instead",
        )
    for name, model in settings.models.items():
        for one in model.served().values():
            parts = urlsplit(one.api_base or "")
            if parts.password:
                yield Check(
                    name=f"model {name}",
                    state="warn",
                    detail="a password stands in its api_base",
                    fix="name the variable that holds it in api_key_env",
                )
            if one.api_key_env and parts.scheme == "http" and parts.hostname not in LOCAL:
                yield Check(
                    name=f"model {name}",
                    state="warn",
                    detail=f"its key goes to {parts.hostname} unencrypted",
                    fix="use https, or make sure that the network is yours alone",
                )
    if settings.ui.allow_functions:
        yield Check(
            name="ui",
            state="warn",
            detail="allow_functions = true: operators of the app can run any code of this server",
            fix="set allow_functions = false, unless all operators may",
        )
