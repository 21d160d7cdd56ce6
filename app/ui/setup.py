"""What the Board is set up with: models and whether they answer, limits, versions. No secret."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import streamlit as st

from ...board import Board
from ...errors import CallboardError
from ...model_settings import ONLY, PriceSettings
from ...redaction import redact
from ..readiness import database_check, model_checks
from ..views import money_text, time_text
from .prose import literal

LIBRARIES = (
    "callboard",
    "langgraph",
    "litellm",
    "sentence-transformers",
    "faiss-cpu",
    "SQLAlchemy",
    "streamlit",
)
HEALTH = {"closed": "well", "open": "left alone after failures", "half_open": "being tried again"}
STATES = {"ok": "ready", "warn": "not ready", "bad": "wrong"}


def draw_setup(board: Board) -> None:
    """Draw the settings, each from its own source."""
    st.caption(
        "They stand in `callboard.toml` and the environment; change them there and start again."
    )
    st.subheader("Models", anchor=False)
    _draw_models(board)
    left, right = st.columns(2, gap="large")
    settings = board.settings
    with left:
        st.subheader("Limits", anchor=False)
        _draw_values(settings.limits.model_dump())
        st.subheader("Memory", anchor=False)
        _draw_values(settings.memory.model_dump())
    with right:
        st.subheader("Routing", anchor=False)
        _draw_values(settings.router.model_dump())
        st.subheader("Versions", anchor=False)
        database = database_check(settings)
        _draw_values(
            {
                "python": platform.python_version(),
                **{name: version(name) for name in LIBRARIES},
                "encoder": settings.encoder,
                "database": f"{STATES[database.state]}, {database.detail}",
            }
        )


def _draw_models(board: Board) -> None:
    ready = {check.name: check for check in model_checks(board.settings)}
    checked = st.session_state.get("checked", {})
    rows = []
    for name, model in board.settings.models.items():
        live = checked.get(name)
        rows.append(
            {
                "Name": name,
                "Model": model.model,
                "Address": redact(model.api_base or "-"),
                "Key": _key(model.api_key_env),
                "Price": _price(model.price),
                "Set up": f"{STATES[ready[name].state]}: {ready[name].detail}",
                "Answers": "not tried"
                if live is None
                else (f"yes, in {time_text(live.latency_s)}" if live.ok else f"no: {live.error}"),
            }
        )
    st.dataframe(rows, hide_index=True, alt="The models of the settings")
    _draw_deployments(board)
    if st.button("Call each once", icon=":material/network_check:", key="check-models"):
        with st.spinner("Calling the models"):
            try:
                st.session_state["checked"] = {one.name: one for one in board.models.check_sync()}
            except CallboardError as error:
                st.error(literal(str(error)), icon=":material/error:")
                return
        st.rerun()


def _draw_deployments(board: Board) -> None:
    """Draw the endpoints of models that have several, and all that are not well."""
    shown = [
        one
        for one in board.models.deployments_sync()
        if one.name != ONLY or one.health != "closed" or one.draining
    ]
    if not shown:
        return
    st.dataframe(
        [
            {
                "Model": one.model,
                "Deployment": one.name,
                "Address": redact(one.api_base or "-"),
                "State": "drained" if one.draining else HEALTH[one.health],
                "In flight": f"{one.requests} requests, {one.tokens} tokens",
                "Last failure": one.last_failure or "-",
            }
            for one in shown
        ],
        hide_index=True,
        alt="The endpoints that serve the models",
    )


def _price(price: PriceSettings | None) -> str:
    if price is None:
        return "from the price file, or unknown"
    if price.per_second:
        return f"{money_text(price.per_second)} per second"
    said = f"{money_text(price.input_per_million)} / {money_text(price.output_per_million)}"
    by = "" if price.gpu_per_hour is None else f", at {money_text(price.gpu_per_hour)} an hour"
    return f"{said} per million in / out{by}"


def _key(name: str | None) -> str:
    if name is None:
        return "none needed"
    return f"{name} is set" if os.environ.get(name) else f"{name} is not set"


def _draw_values(values: Mapping[str, Any]) -> None:
    rows = [{"Setting": name, "Value": _said(value)} for name, value in values.items()]
    st.dataframe(rows, hide_index=True, height="content", alt="Settings and their values")


def _said(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) or "-" if isinstance(value, tuple) else str(value)
