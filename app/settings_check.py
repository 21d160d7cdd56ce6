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

from ..redaction import redact
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
        *_rooms(settings),
        *_telemetry(settings),
        *_exposed(settings),
    )


def _named(name: str, check: Check) -> Check:
    return Check(name=name, state=check.state, detail=check.detail, fix=check.fix)


def _wrong(name: str, detail: str, fix: str) -> Check:
    return Check(name=name, state="bad", detail=detail, fix=fix)


def _danger(name: str, detail: str, fix: str) -> Check:
    return Check(name=name, state="warn", detail=detail, fix=fix)


def _chains(settings: Settings, models: dict[str, Check]) -> Iterator[Check]:
    """Look at who is asked when a model fails: can it answer, and does it fail with the first?"""
    for name, model in settings.models.items():
        chain = [name]
        while (after := settings.models[chain[-1]].fallback) is not None:
            chain.append(after)
            if models[after].state != "ok":
                yield _danger(
                    f"fallback of {name}",
                    f"{' -> '.join(chain)}: {after} can't be asked as it is",
                    f"mend the model {after}, or name another fallback",
                )
            elif _places(model) >= _places(settings.models[after]):
                yield _danger(
                    f"fallback of {name}",
                    f"{after} is the same model at the same address: it fails together",
                    "name a model that is served elsewhere",
                )


def _places(model: ModelSettings) -> set[tuple[str, str | None]]:
    return {(one.model, one.api_base) for one in model.served().values()}


def _prices(settings: Settings) -> Iterator[Check]:
    """Look whether money can be counted, and is limited where it flows."""
    from ..models.prices import PriceBook

    limits, book = settings.limits, PriceBook.bundled()
    turn, day = limits.budget_usd, limits.daily_usd
    limited = any(one is not None for one in (turn, day, limits.session_usd, limits.user_daily_usd))
    paid = False
    for name, model in settings.models.items():
        prices = [book.price(one) for one in model.served().values()]
        paid = paid or any(price is not None and not price.free for price in prices)
        if None in prices and (limited or model.daily_usd is not None):
            about = _danger if limits.allow_unpriced else _wrong
            what = "count nothing before they end" if limits.allow_unpriced else "are refused"
            yield about(
                f"price of {name}",
                f"unknown, and money is limited: its calls {what}",
                f"set price in [models.{name}] (input_per_million, output_per_million)",
            )
    if paid and not limited:
        yield _danger(
            "limits",
            "models cost money, and nothing limits how much",
            "set budget_usd (of a turn) or daily_usd in [limits]",
        )
    if turn is not None and day is not None and turn > day:
        yield _danger(
            "limits",
            f"a turn may cost {turn} USD, and a whole day {day}",
            "lower budget_usd, or raise daily_usd in [limits]",
        )


def _rooms(settings: Settings) -> Iterator[Check]:
    """Look whether router and memory can be built, and at what they need."""
    from ..pipelines.fitness import misfits

    yield from (bad(name, error) for name, error in misfits(settings))
    router, ner = settings.router, settings.memory.ner
    if router.policy == "reasoning" and not settings.models[router.model].reasoning:
        yield _danger(
            "router",
            f"policy is 'reasoning', and the model {router.model!r} is not able to judge",
            "name an able model in [router] model, or set policy = 'auto'",
        )
    if ner is not None and not Path(ner).is_dir() and not (ner.isidentifier() and find_spec(ner)):
        yield _wrong(
            "memory",
            f"the spaCy pipeline {ner!r} is not installed",
            f"install it with 'python -m spacy download {ner}', or remove [memory] ner",
        )


def _telemetry(settings: Settings) -> Iterator[Check]:
    telemetry = settings.telemetry
    if telemetry.headers_env is not None and not os.environ.get(telemetry.headers_env):
        yield _wrong(
            "telemetry",
            f"the environment variable {telemetry.headers_env!r} of headers_env is not set",
            "set it, or remove headers_env",
        )
    if telemetry.otlp_endpoint is None:
        return
    if not (find_spec("opentelemetry") and find_spec("openinference")):
        yield _wrong(
            "telemetry",
            "otlp_endpoint is set, and what sends traces is not installed",
            "pip install 'callboard[telemetry]'",
        )
    parts = urlsplit(telemetry.otlp_endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield _wrong(
            "telemetry",
            f"otlp_endpoint {redact(telemetry.otlp_endpoint)!r} is not an HTTP address",
            "write it like 'http://127.0.0.1:4318/v1/traces'; OTLP over gRPC is not spoken",
        )
    elif not parts.path.rstrip("/").endswith("/v1/traces"):
        yield _danger(
            "telemetry",
            f"the path of otlp_endpoint is {parts.path or '/'!r}",
            "collectors listen at /v1/traces: add it, unless yours listens elsewhere",
        )
    if telemetry.content:
        yield _danger(
            "telemetry",
            f"content = true: all queries and answers are sent to {parts.hostname}",
            "set content = false, unless the collector may know them",
        )


def _exposed(settings: Settings) -> Iterator[Check]:
    """Look for secrets in files and on wires, and for code that others may run."""
    said = os.environ.get("CALLBOARD_DATABASE_URL")
    if urlsplit(settings.database_url).password and said != settings.database_url:
        yield _danger(
            "secrets",
            "the password of the database stands in the settings file",
            "set CALLBOARD_DATABASE_URL in the environment instead",
        )
    for name, model in settings.models.items():
        for one in model.served().values():
            parts = urlsplit(one.api_base or "")
            if parts.password:
                yield _danger(
                    f"model {name}",
                    "a password stands in its api_base",
                    "name the variable that holds it in api_key_env",
                )
            if one.api_key_env and parts.scheme == "http" and parts.hostname not in LOCAL:
                yield _danger(
                    f"model {name}",
                    f"its key goes to {parts.hostname} unencrypted",
                    "use https, or make sure that the network is yours alone",
                )
    for name, allowed, who in (
        ("ui", settings.ui.allow_functions, "operators of the app"),
        ("service", settings.service.allow_functions, "holders of a key with the role 'agents'"),
    ):
        if allowed:
            yield _danger(
                name,
                f"allow_functions = true: {who} can run any code of this server",
                "set allow_functions = false, unless all of them may",
            )
