"""Collections for retrieval: documents, queries, and which documents answer them (qrels)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from ...errors import ConfigurationError
from ...search.experts.training_set import Document, TrainingSet
from .files import read_lines


def read_training_set(folder: Path) -> TrainingSet:
    """Return the collection in a folder: `corpus`, and `queries` with `qrels` where they are there.

    Each is a file of JSON lines, perhaps packed (.jsonl.gz): documents {"id", "title", "text"},
    queries {"id", "text"}, qrels {"query", "doc", "score"}. Queries without a relevant document
    are left out.

    Raises:
        ConfigurationError: a file is missing or damaged, or names what is not there.
    """
    documents = read_lines(folder, "corpus")
    labelled = any((folder / f"queries.jsonl{end}").is_file() for end in ("", ".gz"))
    try:
        places = {str(row["id"]): place for place, row in enumerate(documents)}
        found = tuple(
            Document(text=str(row["text"]), title=str(row.get("title") or "")) for row in documents
        )
        gains = _gains(folder, places) if labelled else {}
        rows = read_lines(folder, "queries") if labelled else ()
        queries = {str(row["id"]): str(row["text"]) for row in rows}
        asked = [name for name in queries if name in gains]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"The collection in {str(folder)!r} is not in the form: {error!r}. Write "
            'documents as {"id", "title", "text"}, queries as {"id", "text"}, and qrels as '
            '{"query", "doc", "score"}.'
        ) from error
    return TrainingSet(
        name=folder.name,
        documents=found,
        queries=tuple(queries[name] for name in asked),
        gains=tuple(gains[name] for name in asked),
    )


def _gains(folder: Path, places: dict[str, int]) -> dict[str, dict[int, float]]:
    gains: defaultdict[str, dict[int, float]] = defaultdict(dict)
    row: dict[str, Any]
    for row in read_lines(folder, "qrels"):
        if float(row["score"]) > 0:
            gains[str(row["query"])][places[str(row["doc"])]] = float(row["score"])
    return gains
