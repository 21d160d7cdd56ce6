"""The vectors of a query: as the base encoder reads it, and as an expert does."""

from __future__ import annotations

from dataclasses import dataclass

from .encoder import Vectors


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """Vectors `(dim,)` float32, normalised.

    By that of the `base` it is judged whether anything has to do with the query at all, for the
    floors were measured with it; by `meaning` what is found is ranked. `read` is an expert's; None:
    the base reads.
    """

    base: Vectors
    read: Vectors | None = None

    @property
    def meaning(self) -> Vectors:
        """The vector that ranks."""
        return self.base if self.read is None else self.read
