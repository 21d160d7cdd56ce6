"""The form of an agent: its fields with what is wrong at each, a rehearsal, and saving it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import streamlit as st

from ...agents.registry import Registered
from ...agents.spec import Agent
from ...board import Board
from ...errors import CallboardError, InvalidInput
from .notice import tell_next
from .prose import literal
from .rehearsal import draw_rehearsal

KINDS = {"model": "A model of the settings", "endpoint": "An endpoint of its own"}
FUNCTION = {"function": "A Python function"}
DOCUMENTS = {"documents": "Documents"}


def draw_form(board: Board, one: Registered | None) -> None:
    """Draw the form: of a new agent, or of one that is there."""
    agent = one.agent if one else None
    key = agent.name if agent else "new"
    kinds = dict(KINDS)
    if board.settings.ui.allow_functions or (agent and agent.kind == "function"):
        kinds |= FUNCTION
    if agent and agent.kind == "documents":
        kinds |= DOCUMENTS
    errors: dict[str, str] = st.session_state.get(f"errors-{key}", {})
    fields = _Fields(key, errors)
    kind = st.segmented_control(
        "How it answers",
        list(kinds),
        format_func=kinds.__getitem__,
        default=_kind(agent),
        required=True,
        key=f"{key}-kind",
    )
    spec = _spec(board, fields, agent, kind)
    with st.container(horizontal=True):
        check = st.button(
            "Whose queries would it take?", key=f"{key}-check", icon=":material/quiz:"
        )
        save = st.button("Save", key=f"{key}-save", type="primary", icon=":material/save:")
    if "" in errors:
        st.error(literal(errors[""]), icon=":material/error:")
    if check or save:
        _act(board, key, spec, replace=one is not None, save=save)
    if (told := st.session_state.get(f"rehearsal-{key}")) is not None:
        draw_rehearsal(told)


def _act(board: Board, key: str, spec: Mapping[str, Any], *, replace: bool, save: bool) -> None:
    """Rehearse or save; what is wrong is kept, to be shown at its field."""
    st.session_state.pop(f"errors-{key}", None)
    st.session_state.pop(f"rehearsal-{key}", None)
    try:
        agent = Agent.model_validate(spec)
        if save:
            board.register(agent, replace=replace)
        else:
            with st.spinner("Asking the router, without a model"):
                st.session_state[f"rehearsal-{key}"] = board.rehearse_sync(agent)
    except CallboardError as error:
        field = error.field if isinstance(error, InvalidInput) else None
        at = (field or "").split(".")
        # Numbers are places in a list, whose field is the one before.
        name = ".".join(part for part in at if not part.isdigit())
        st.session_state[f"errors-{key}"] = {name: str(error)}
    else:
        if save:
            for name in [name for name in st.session_state if str(name).startswith(f"{key}-")]:
                del st.session_state[name]
            tell_next(f"Saved {agent.name}. The next question can go to it.")
    st.rerun()


class _Fields:
    """Widgets of one form, each with what is wrong with its value below it."""

    def __init__(self, key: str, errors: Mapping[str, str]) -> None:
        self._key = key
        self._errors = errors

    def text(self, name: str, label: str, value: str, *, lines: int = 1, **more: Any) -> str:
        """Draw a text; of several lines if `lines` says so."""
        key = f"{self._key}-{name}"
        if lines > 1:
            text: str = st.text_area(label, value, key=key, height=26 * lines + 30, **more)
        else:
            text = st.text_input(label, value, key=key, **more)
        self._tell(name)
        return text.strip()

    def number(self, name: str, label: str, value: float | None, **more: Any) -> Any:
        """Draw a number; None is none."""
        number = st.number_input(label, value=value, key=f"{self._key}-{name}", **more)
        self._tell(name)
        return number

    def choice(self, name: str, label: str, options: list[str], value: str, **more: Any) -> str:
        """Draw a choice."""
        place = options.index(value) if value in options else 0
        chosen = st.selectbox(label, options, index=place, key=f"{self._key}-{name}", **more)
        self._tell(name)
        return chosen or ""

    def _tell(self, name: str) -> None:
        if name in self._errors:
            st.caption(f":red[:material/error: {literal(self._errors[name])}]")


def _spec(board: Board, fields: _Fields, agent: Agent | None, kind: str) -> dict[str, Any]:
    """Draw the fields, and return the specification that they say."""
    spec: dict[str, Any] = (
        agent.model_dump(exclude_unset=True, exclude={"function", "documents", "model", "endpoint"})
        if agent
        else {}
    )
    if agent is None:
        spec["name"] = fields.text(
            "name", "Name", "", placeholder="billing", help="Small letters, digits and dashes."
        )
    spec["description"] = fields.text(
        "description",
        "What it can do",
        agent.description if agent else "",
        lines=2,
        placeholder="Invoices, charges, refunds and payment methods of our shop.",
        help="The router chooses by it: name what is asked, in the words of those who ask.",
    )
    spec["examples"] = fields.text(
        "examples",
        "Queries that it answers, one a line",
        "\n".join(agent.examples) if agent else "",
        lines=4,
        placeholder="Why was I charged twice?",
    ).splitlines()
    if kind == "function":
        there, allowed = agent.function if agent else None, board.settings.ui.allow_functions
        path = fields.text(
            "function",
            "Import path of the function",
            there or "",
            placeholder="shop.orders:find_order",
            disabled=not allowed,
        )
        spec["function"] = path if allowed else there
    if kind == "documents" and agent:
        spec |= agent.model_dump(include={"documents", "model", "endpoint"}, exclude_unset=True)
    if kind in ("model", "endpoint"):
        spec["instructions"] = fields.text(
            "instructions", "Instructions", agent.instructions if agent else "", lines=4
        )
    if kind == "model":
        names = list(board.settings.models)
        spec["model"] = fields.choice(
            "model", "Model", names, (agent.model if agent else None) or names[0]
        )
    if kind == "endpoint":
        spec["endpoint"] = _endpoint(fields, agent)
    with st.expander("More", type="compact"):
        _more(fields, agent, spec)
    return {name: value for name, value in spec.items() if value not in ("", None)}


def _endpoint(fields: _Fields, agent: Agent | None) -> dict[str, Any]:
    there = agent.endpoint if agent else None
    endpoint: dict[str, Any] = {
        "model": fields.text(
            "endpoint.model",
            "Model",
            there.model if there else "",
            placeholder="openai/qwen3-8b",
            help="As LiteLLM calls it: openai/NAME for any server that speaks OpenAI's API.",
        ),
        "api_base": fields.text(
            "endpoint.api_base",
            "Address",
            (there.api_base if there else None) or "",
            placeholder="http://gpu-machine:8000/v1",
        ),
        "api_key_env": fields.text(
            "endpoint.api_key_env",
            "Variable that holds its key",
            (there.api_key_env if there else None) or "",
            placeholder="GPU_KEY",
            help="The name of an environment variable of the server; keys are never stored.",
        ),
    }
    price = there.price if there else None
    left, right = st.columns(2)
    dollars = {"min_value": 0.0, "format": "%.4f", "placeholder": "unknown"}
    with left:
        read = fields.number(
            "endpoint.price.input_per_million",
            "US dollars per million tokens read",
            float(price.input_per_million) if price else None,
            **dollars,
        )
    with right:
        written = fields.number(
            "endpoint.price.output_per_million",
            "and written",
            float(price.output_per_million) if price else None,
            **dollars,
        )
    if read is not None and written is not None:
        endpoint["price"] = {
            "input_per_million": Decimal(str(read)),
            "output_per_million": Decimal(str(written)),
        }
    kept = there.model_dump(exclude_unset=True, exclude={*endpoint, "price"}) if there else {}
    return {**kept, **{name: value for name, value in endpoint.items() if value not in ("", None)}}


def _more(fields: _Fields, agent: Agent | None, spec: dict[str, Any]) -> None:
    spec["counterexamples"] = fields.text(
        "counterexamples",
        "Queries that look like its own and are not, one a line",
        "\n".join(agent.counterexamples) if agent else "",
        lines=3,
    ).splitlines()
    tags = fields.text("tags", "Tags, with commas", ", ".join(agent.tags) if agent else "")
    spec["tags"] = [tag.strip() for tag in tags.split(",") if tag.strip()]
    spec["expert"] = fields.text(
        "expert",
        "Expert that reads what is asked of its documents and its memory",
        (agent.expert if agent else None) or "",
        help="One of 'callboard experts list'. Empty: whichever is chosen for each query.",
    )
    limits = Agent.model_fields["limits"].default if agent is None else agent.limits
    left, right = st.columns(2)
    with left:
        timeout_s = fields.number(
            "limits.timeout_s", "Seconds for one answer", float(limits.timeout_s), min_value=0.1
        )
    with right:
        max_tokens = fields.number(
            "limits.max_tokens", "Tokens of one answer", int(limits.max_tokens), min_value=1
        )
    spec["limits"] = {
        **limits.model_dump(),
        "timeout_s": timeout_s or limits.timeout_s,
        "max_tokens": max_tokens or limits.max_tokens,
    }


def _kind(agent: Agent | None) -> str:
    if agent is None:
        return "model"
    return "endpoint" if agent.kind == "model" and agent.endpoint else agent.kind
