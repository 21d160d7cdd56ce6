"""Whether a reason and the ids that follow it agree.

The model is asked to name in its reason, in backticks, exactly the ids that it then gives; so the
two can be compared without reading what it means. Source: TCAR (arXiv 2601.04544) names reasons
that disagree with the ids as its third class of errors.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from ...agents.spec import OUT_OF_SCOPE

_NAMED = re.compile(
    r"[`'\"*]([a-z][a-z0-9_-]*)[`'\"*]|\b([a-z][a-z0-9]*(?:[_-][a-z0-9]+)+)\b", re.I
)
# Said before a name, within its clause: another one was preferred, or this one was turned down.
_TURNED_DOWN = re.compile(
    r"\b(?:not(?! out of scope)|no|nor|neither|unlike|without|never|cannot|rather than|instead of"
    r"|than|exclud\w*|irrelevant|unrelated|although|though|while|whereas)\b[^.;:,]*$"
    r"|n['’]t\b[^.;,]*$",
    re.IGNORECASE,
)
_TURNED_DOWN_AFTER = re.compile(
    r"^[`'\"*]?\s*(?:agents?\s+)?(?:(?:is|are|was|does|do|would|could|can)"
    r"\s*(?:not\b|n['’]t)"
    r"|(?:is|are)\s+(?:irrelevant|unrelated|unnecessary)|cannot|lacks?\b|might|may|could)",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"\b(?:no (?:listed |other |of the |suitable )?(?:agent|description)s?"
    r"|none of the \w*\s?agents?"
    r"|nobody|no one) (?:\w+ )?(?:fits?|covers?|match(?:es)?|handles?|is|are|can)\b"
    r"|(?<!not )\bout of scope\b",
    re.IGNORECASE,
)


def contradiction(
    reason: str, chosen: Sequence[str], shortlist: Sequence[str], *, max_agents: int
) -> str | None:
    """Return in a sentence how `reason` and the `chosen` ids disagree, or None where they agree.

    `chosen` may hold `oos`. What is unclear counts as agreement, for a false alarm costs a call;
    one more agent that would fit is no contradiction to a full set.
    """
    agents = [name for name in chosen if name != OUT_OF_SCOPE]
    if agents and OUT_OF_SCOPE in chosen:
        return f'The ids hold both "{OUT_OF_SCOPE}" and {_listed(agents)}.'
    named, turned_down = _named(reason, shortlist)
    if agents and _NOBODY.search(reason) and not named & set(agents):
        return f"The reason says that no agent fits, but the ids hold {_listed(agents)}."
    for name in agents:
        if name in turned_down - named:
            return f"The reason says that {_listed([name])} does not fit, but the ids hold it."
    missing = [name for name in shortlist if name in named and name not in agents]
    if missing and not named & set(agents):
        return f"The reason names {_listed(missing)}, but the ids leave it out."
    if missing and len(agents) < max_agents:
        return f"The reason names {_listed(missing)} too, but the ids leave it out."
    return None


def _named(reason: str, shortlist: Collection[str]) -> tuple[set[str], set[str]]:
    """Return the ids that the reason names as fitting, and those that it turns down."""
    known = {name.casefold(): name for name in shortlist}
    named: set[str] = set()
    turned_down: set[str] = set()
    for found in _NAMED.finditer(reason):
        name = known.get((found.group(1) or found.group(2)).casefold())
        if name is not None:
            before = _TURNED_DOWN.search(reason[: found.start()])
            after = _TURNED_DOWN_AFTER.match(reason[found.end() :])
            (turned_down if before or after else named).add(name)
    return named, turned_down


def _listed(names: Collection[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
