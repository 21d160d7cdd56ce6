"""Room: how many turns a process carries at once."""

from __future__ import annotations


class Room:
    """Places for turns. One that begins within another turn takes none: the other waits for it."""

    def __init__(self, places: int) -> None:
        self._free = places

    @property
    def free(self) -> int:
        """How many turns more there is room for."""
        return self._free

    def take(self, wanted: int = 1) -> int:
        """Take as many places as there are, at most `wanted`; return how many."""
        taken = min(wanted, self._free)
        self._free -= taken
        return taken

    def give_back(self, places: int = 1) -> None:
        """Leave places to others."""
        self._free += places
