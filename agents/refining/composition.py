"""How the final text is put together, so that every fact of every answer stands in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..sentences import Piece, coverage, join, pieces
from .claims import Claim, claims_of
from .conflicts import Conflict, contradicts
from .facts import Facts, together

_MIN_COVERAGE = 0.7
_SAME = 0.85
_SHORT = 240
_MAX_LOST = 2 / 3
_COMPARED = 200
"""Repetitions are looked for in this many sentences of an answer: time grows with its square."""
_DISAGREE = re.compile(
    r"\b(?:disagree|conflict|contradict|differ|inconsistent|uneinig|widersprech)", re.IGNORECASE
)
_ENDS = re.compile(r"[.!?…:;。！？][\"'”’)\]*_`]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one agent said to the user, in pieces."""

    agent: str
    parts: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The whole of it."""
        return join(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What the refiner's text lacked and was added; `whole` when all of the answer was missing."""

    agent: str
    text: str
    whole: bool


def side_by_side(answers: Sequence[Answer], conflicts: Sequence[Conflict]) -> str:
    """Set the answers one below the other: conflicts first, what two agents say once."""
    quoted = {
        (agent, quote)
        for conflict in conflicts
        for agent, quote in zip(conflict.agents, conflict.quotes, strict=True)
    }
    said: list[Claim] = []
    shown: list[tuple[str, list[Piece]]] = []
    for answer in answers:
        claims = claims_of(answer.parts[:_COMPARED])
        new = [
            claim.piece
            for claim in claims
            if (answer.agent, claim.piece.quote) not in quoted
            and not any(_says(old, claim) for old in said)
        ]
        new += answer.parts[_COMPARED:]
        said += claims
        if new:
            shown.append((answer.agent, new))
    blocks = [conflict.text for conflict in conflicts]
    if not blocks and all(_is_short(parts) for _, parts in shown):
        return _in_a_row([parts[0] for _, parts in shown])
    if not blocks and len(shown) == 1:
        return _closed(join(shown[0][1]))
    return "\n\n".join([*blocks, *(_labelled(f"{agent}:", parts) for agent, parts in shown)])


def without_labels(text: str, agents: Collection[str]) -> str:
    """Return an answer of which no line passes for the beginning of one of other `agents`.

    Such lines are quoted.
    """
    names = "|".join(map(re.escape, sorted(agents)))
    return re.sub(rf"^(?=\s*(?:Also from )?(?:{names}):)", "> ", text, flags=re.MULTILINE)


def complete(
    kept: Sequence[Piece], answers: Sequence[Answer], conflicts: Sequence[Conflict]
) -> tuple[str, tuple[Appended, ...]]:
    """Return the model's text with what it lacks: conflicts as blocks, then the lost sentences."""
    merged = _closed(join(kept))
    shown = [merged, *(conflict.text for conflict in conflicts if not _shows(merged, conflict))]
    appended: list[Appended] = []
    for answer in answers:
        now = claims_of(pieces("\n\n".join(shown)))
        held = together(claim.facts for claim in now)
        lost = [claim.piece for claim in claims_of(answer.parts) if is_lost(claim, now, held)]
        if not lost:
            continue
        whole = len(lost) == len(answer.parts)
        text = answer.text if whole else _in_a_row(lost)
        appended.append(Appended(agent=answer.agent, text=text, whole=whole))
        shown.append(_labelled(f"Also from {answer.agent}:", answer.parts if whole else lost))
    return "\n\n".join(shown), tuple(appended)


def holds_little(kept: Sequence[Piece], answers: Sequence[Answer]) -> bool:
    """Return whether a model's text lacks more than two thirds of all sentences: no merge at all.

    One sentence picked out of an answer may be what that answer ordered the model to say.
    """
    now = claims_of(kept)
    held = together(claim.facts for claim in now)
    told = [claim for answer in answers for claim in claims_of(answer.parts)]
    return sum(is_lost(claim, now, held) for claim in told) > _MAX_LOST * len(told)


def is_lost(claim: Claim, now: Sequence[Claim], held: Facts) -> bool:
    """Return whether a text (`now`, with facts `held`) lacks what a sentence states."""
    facts = claim.facts
    if claim.piece.kind == "block":
        return not any(claim.piece.text in other.piece.text for other in now)
    if held.missing(facts) or coverage(facts.stems, held.stems) < _MIN_COVERAGE:
        return True
    near = [other for other in now if coverage(facts.stems, other.facts.stems) >= _MIN_COVERAGE]
    return bool(near) and all(contradicts(other, claim) for other in near)


def _says(old: Claim, new: Claim) -> bool:
    """Return whether `old` says all that `new` says, in almost the same words."""
    if "block" in (old.piece.kind, new.piece.kind):
        return False
    before, after = old.facts.stems, new.facts.stems
    if not after or coverage(after, before) < _SAME or coverage(before, after) < _SAME:
        return old.piece.text == new.piece.text
    return not old.facts.missing(new.facts) and not contradicts(old, new)


def _shows(text: str, conflict: Conflict) -> bool:
    """Return whether a text names both agents, both values and the disagreement."""
    folded = " ".join(text.casefold().split())
    wanted = (
        *conflict.agents,
        *(conflict.quotes if conflict.kind == "polarity" else conflict.values),
    )
    return bool(_DISAGREE.search(text)) and all(
        item.casefold().rstrip(".") in folded for item in wanted
    )


def _is_short(parts: Sequence[Piece]) -> bool:
    return len(parts) == 1 and parts[0].kind == "sentence" and len(parts[0].text) <= _SHORT


def _in_a_row(parts: Sequence[Piece]) -> str:
    text = ""
    for piece in parts:
        # Without a full stop between them two sentences could be read as one number or name.
        flows = piece.kind == "sentence" and _ENDS.search(text)
        text += ((" " if flows else "\n") if text else "") + piece.text
    return _closed(text)


def _labelled(label: str, parts: Sequence[Piece]) -> str:
    text = _closed(join(parts))
    own_lines = any(piece.kind != "sentence" for piece in parts) or "\n" in text
    return f"{label}\n\n{text}" if own_lines else f"{label} {text}"


def _closed(text: str) -> str:
    """Close a code fence that is open at the end, or it would swallow what comes after."""
    fences = re.findall(r"^\s*(```|~~~)", text, re.MULTILINE)
    return f"{text}\n{fences[-1]}" if len(fences) % 2 else text
