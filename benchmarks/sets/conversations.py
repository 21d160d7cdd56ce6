"""The sets of conversations that memory is measured and trained on, by name."""

from __future__ import annotations

from pathlib import Path

from ...errors import ConfigurationError, InvalidInput, UnknownName, nearest
from .conversation import Conversation
from .diaries import diaries
from .locomo import locomo

MEMORY_SETS = ("locomo", "diaries")


def load_conversations(data: Path | None, name: str) -> tuple[Conversation, ...]:
    """Return the conversations of the set `name`; those of LoCoMo are read from the folder `data`.

    Raises:
        ConfigurationError: the data is not there, or not in the form that is expected.
        InvalidInput: the set needs a folder, and none is named.
        UnknownName: there is no such set.
    """
    if name not in MEMORY_SETS:
        raise UnknownName(
            f"There is no data set {name!r} of conversations{nearest(name, MEMORY_SETS)} "
            f"All: {', '.join(MEMORY_SETS)}."
        )
    if name == "diaries":
        return diaries()
    if data is None:
        raise InvalidInput(
            f"The set {name!r} is not shipped. Name the folder that holds it with --data, or use "
            "the set 'diaries'."
        )
    try:
        return locomo(data)
    except (KeyError, TypeError) as error:
        raise ConfigurationError(
            f"The data of {name!r} in {str(data.absolute())!r} is not in the form that is "
            f"expected ({error!r}). Fetch it again."
        ) from error
