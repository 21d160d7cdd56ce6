"""The time that figures are of."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import streamlit as st

PERIODS: dict[str, int | None] = {"Today": 0, "7 days": 6, "30 days": 29, "All": None}


def choose_period() -> datetime | None:
    """Draw the choice of a time, and return its first instant; None: from the beginning."""
    name = st.segmented_control(
        "Time",
        list(PERIODS),
        default="30 days",
        required=True,
        key="period",
        label_visibility="collapsed",
    )
    return first_instant(PERIODS[name], datetime.now(UTC))


def first_instant(days: int | None, now: datetime) -> datetime | None:
    """Return when the day began (UTC, as spend is counted) that was so many days before `now`."""
    if days is None:
        return None
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC) - timedelta(days=days)
