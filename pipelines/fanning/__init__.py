"""The same work on many items: in this process, or by the processes of a Ray cluster.

What goes in and comes out is JSON, and the work is named by its module, so that nothing of a user's
is pickled. Ray is imported only where it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...values import JSON
from .work import HERE, Place, Work, Worker

__all__ = ["HERE", "Place", "Work", "Worker", "fan_out"]


def fan_out(
    work: Work, items: Iterable[JSON | None], place: Place = HERE
) -> Iterator[tuple[int, JSON]]:
    """Yield the number of every item, from 0, with what the work made of it, as they are done.

    A few items are under way at a time, and the next ones are taken from `items` when there is room
    for them, so that there may be any number. None among them is no item: it means that the next
    one may not begin before another has ended.

    Raises:
        CallboardError: the work failed; items under way are given up.
        ConfigurationError: Ray is wanted and is not installed, or there is no such cluster.
    """
    if place.on == "ray":
        from .cluster import fan_out_there

        return fan_out_there(work, items, place)
    from .local import fan_out_here

    return fan_out_here(work, items, place.workers or 1)
