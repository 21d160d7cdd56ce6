"""A small set for retrieval: who asks about a thing wants to mend it, which no word says."""

from __future__ import annotations

import json
from pathlib import Path

THINGS = (
    *("bicycle", "kettle", "lamp", "piano", "radio", "sofa", "clock", "oven", "camera", "violin"),
    *("tractor", "printer", "umbrella", "fridge", "mirror", "ladder", "guitar", "toaster", "boat"),
    *("telescope", "drum", "fountain", "typewriter", "stove", "carpet", "window", "roof", "door"),
)


def write_set(folder: Path, *, labelled: bool = True, hard: bool = True) -> Path:
    """Write a set with a query per thing; without `hard` there is nothing left to learn."""
    folder.mkdir(parents=True)
    corpus, queries, qrels = [], [], []
    for number, thing in enumerate(THINGS):
        history = f"The history of the {thing}, and who invented it."
        corpus += [
            {"id": f"h{number}", "title": "", "text": history},
            {"id": f"m{number}", "title": "", "text": f"How a broken {thing} is mended at home."},
        ]
        asked = f"I have a question about my {thing}" if hard else history
        queries.append({"id": str(number), "text": asked})
        qrels.append({"query": str(number), "doc": f"{'m' if hard else 'h'}{number}", "score": 1})
    files = {"corpus": corpus, **({"queries": queries, "qrels": qrels} if labelled else {})}
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder
