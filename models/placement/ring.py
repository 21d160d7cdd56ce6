"""A consistent hash ring: an instance that joins or leaves moves only the keys of its own arcs."""

from __future__ import annotations

from bisect import bisect, insort
from hashlib import blake2b

POINTS = 64
"""Points of each instance on the ring, so that arcs are of about the same length."""


class Ring:
    """Instances by name on a circle of 64-bit numbers; `seed` makes another circle of them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed.to_bytes(8, "big")
        self._points: list[tuple[int, str]] = []
        self._names: set[str] = set()

    def join(self, name: str) -> None:
        """Put an instance on the ring."""
        if name in self._names:
            return
        self._names.add(name)
        for number in range(POINTS):
            insort(self._points, (self._hash(f"{name}#{number}".encode()), name))

    def leave(self, name: str) -> None:
        """Take an instance off the ring."""
        self._names.discard(name)
        self._points = [point for point in self._points if point[1] != name]

    def find(self, key: int, *, other_than: str | None = None) -> str | None:
        """Return the next instance clockwise from the key, or None if there is none."""
        count = len(self._points)
        start = bisect(self._points, (self._hash(key.to_bytes(8, "big")), ""))
        for step in range(count):
            name = self._points[(start + step) % count][1]
            if name != other_than:
                return name
        return None

    def _hash(self, data: bytes) -> int:
        return int.from_bytes(blake2b(data, digest_size=8, key=self._seed).digest(), "big")
