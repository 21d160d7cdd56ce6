"""Files of outcomes: how well several models answered the same queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from ...errors import ConfigurationError
from ...pipelines.training.outcomes import Outcome, outcomes_of
from .files import read_lines

TRAIN, TEST = "_train", "_test"


def read_outcomes(folder: Path, names: Iterable[str], rungs: Sequence[str]) -> tuple[Outcome, ...]:
    """Return the outcomes in files of a folder.

    Raises:
        ConfigurationError: a file is missing or damaged.
        InvalidInput: a row is not in the form, or has no score of a rung.
    """
    return outcomes_of(chain.from_iterable(read_lines(folder, name) for name in names), rungs)


def files_to_train_on(folder: Path) -> list[str]:
    """Return the files called `..._train`, or where there are none all but those called `..._test`.

    Raises:
        ConfigurationError: there is no such file.
    """
    names = _names(folder)
    own = [name for name in names if name.endswith(TRAIN)]
    found = own or [name for name in names if not name.endswith(TEST)]
    if not found:
        raise ConfigurationError(
            f"There are no outcomes in {str(folder.absolute())!r}. Name a folder with files of "
            "JSON lines (.jsonl or .jsonl.gz) with --data; docs/models.md shows their form."
        )
    return found


def files_to_test_on(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the files that are tested on: those of tasks that were trained on, and of new ones."""
    trained = [name.removesuffix(TRAIN) for name in files_to_train_on(folder)]
    rest = [name for name in _names(folder) if not name.endswith(TRAIN)]
    known = tuple(name for name in rest if name.removesuffix(TEST) in trained)
    return {"trained": known, "new": tuple(name for name in rest if name not in known)}


def _names(folder: Path) -> list[str]:
    return sorted({file.name.partition(".jsonl")[0] for file in folder.glob("*.jsonl*")})
