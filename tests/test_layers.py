"""Reads every import of the package and holds the table of rooms in docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = ROOT / "docs" / "architecture.md"

PURE = {
    "values",
    "records",
    "errors",
    "codec",
    "config",
    "environment",
    "mcp_settings",
    "model_settings",
    "redaction",
}
"""The modules at the root that every room may import."""

ROOMS = {path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"}

HEAVY = {
    "aiohttp",
    "alembic",
    "altair",
    "dateparser",
    "faiss",
    "langgraph",
    "litellm",
    "matplotlib",
    "mcp",
    "onnx",
    "onnxruntime",
    "openinference",
    "opentelemetry",
    "pandas",
    "pint",
    "pyarrow",
    "ray",
    "scipy",
    "sentence_transformers",
    "simpleeval",
    "sklearn",
    "spacy",
    "sqlalchemy",
    "streamlit",
    "tokenizers",
    "torch",
    "transformers",
    "xllamacpp",
}
"""Libraries that are imported where they are used, so that the face and `--help` stay quick."""

HEAVY_AT_THE_TOP = {
    "models.direct": {"aiohttp"},
    "app.ui": {"altair", "streamlit"},
    "app.mcp": {"mcp"},
    "benchmarks.load": {"aiohttp"},
    "store": {"alembic", "sqlalchemy"},
    "pipelines.fanning.actors": {"ray"},
    "pipelines.fanning.feed": {"pyarrow", "ray"},
    "pipelines.telemetry": {"openinference", "opentelemetry"},
    "pipelines.turn": {"langgraph"},
    "pipelines.training.network": {"torch"},
    "pipelines.training.ppo": {"torch"},
    "pipelines.training.checkpoint": {"torch"},
}
"""Packages and modules that are imported lazily as a whole, and what their tops may import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import: of which module, of ours or not, and whether it happens on importing."""

    importer: str
    target: str
    ours: bool
    at_top: bool
    line: int


@cache
def modules() -> dict[str, Path]:
    """Return the package's modules by dotted name below `callboard`."""
    files = [*ROOT.glob("*.py"), *(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


def room_of(module: str) -> str:
    """Return the room of a module; the pure modules at the root are one room, `root`."""
    first = module.split(".")[0]
    if first == "__init__":
        return "face"
    return "root" if first in PURE else first


def imports_of(module: str, file: Path) -> Iterator[Import]:
    """Yield every import of `file`, those inside functions and for type checkers too."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    here = module.split(".")[:-1]
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _for_type_checkers(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        found: list[tuple[str, bool]] = []
        if isinstance(node, ast.Import):
            found = [(name.name, False) for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found = [(node.module or "", False)]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - (node.level - 1)]
            stem = [*base, *(node.module.split(".") if node.module else [])]
            # `from . import x` may name a module or something in the package's `__init__`.
            found = [(_existing([*stem, name.name]), True) for name in node.names]
        for target, ours in found:
            if target.split(".")[0] == "callboard":
                target, ours = target.removeprefix("callboard").lstrip(".") or "__init__", True
            yield Import(
                importer=module,
                target=target,
                ours=ours,
                at_top=id(node) not in lazy,
                line=node.lineno if isinstance(node, ast.stmt) else 0,
            )


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _existing(parts: list[str]) -> str:
    known = modules()
    for length in (len(parts), len(parts) - 1):
        name = ".".join(parts[:length])
        if name in known:
            return name
        if f"{name}.__init__" in known:
            return f"{name}.__init__"
    return ".".join(parts[:-1]) or "__init__"


def layer_table(text: str) -> dict[str, set[str]]:
    """Read the table `| room | ... | may import |`: rooms in backticks, in both columns.

    In the last column also, as plain words, root (the pure modules at the root), face (what
    `import callboard` offers) and nothing.
    """
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines()]
    heads = [i for i, row in enumerate(rows) if row[0] == "room" and row[-1] == "may import"]
    assert heads, "docs/architecture.md has no table '| room | ... | may import |'"
    table: dict[str, set[str]] = {}
    for row in rows[heads[0] + 2 :]:
        if len(row) < 2:
            break
        for name in names_in(row[0]):
            table[name] = names_in(row[-1])
    return table


def names_in(cell: str) -> set[str]:
    """Return the rooms that a cell names: `store/` is store, `board.py` board, `values.py` root."""
    words = re.findall(r"`([\w./]+)`|\b(root|face)\b", cell)
    names = {(quoted or word).rstrip("/").removesuffix(".py") for quoted, word in words}
    return {room_of(name) for name in names}


@pytest.fixture(scope="module")
def table() -> dict[str, set[str]]:
    return layer_table(ARCHITECTURE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return [found for module, file in modules().items() for found in imports_of(module, file)]


def test_every_room_stands_in_the_table(table: dict[str, set[str]]) -> None:
    assert set(table) == ROOMS | {"root", "board"}


def test_the_table_has_no_circle(table: dict[str, set[str]]) -> None:
    assert list(TopologicalSorter(table).static_order())


def test_router_and_memory_do_not_know_each_other(table: dict[str, set[str]]) -> None:
    assert "memory" not in table["router"]
    assert "router" not in table["memory"]


def test_every_room_imports_only_what_the_table_allows(
    table: dict[str, set[str]], imports: list[Import]
) -> None:
    broken = [
        f"{found.importer} (line {found.line}) imports {found.target}: "
        f"{room_of(found.importer)} may import {sorted(table[room_of(found.importer)])}"
        for found in imports
        if found.ours
        and room_of(found.importer) not in {"face", "__main__"}
        and room_of(found.target) not in {room_of(found.importer), *table[room_of(found.importer)]}
    ]
    assert not broken, "\n".join(broken)


def test_modules_import_each_other_in_no_circle(imports: list[Import]) -> None:
    """An import inside a function may look back; one that happens on importing may not."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        if found.ours and found.at_top and found.target != found.importer:
            graph.setdefault(found.importer, set()).add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(error.args[1])}")


def test_heavy_libraries_are_imported_where_they_are_used(imports: list[Import]) -> None:
    broken = [
        f"{found.importer} (line {found.line}) imports {found.target} at its top"
        for found in imports
        if not found.ours
        and found.at_top
        and (library := found.target.split(".")[0]) in HEAVY
        and not any(
            library in allowed and f"{found.importer}.".startswith(f"{lazily}.")
            for lazily, allowed in HEAVY_AT_THE_TOP.items()
        )
    ]
    assert not broken, "\n".join(broken)


def test_one_module_imports_litellm(imports: list[Import]) -> None:
    """And the benchmark that measures what the gateway costs beside it."""
    users = {found.importer for found in imports if found.target.split(".")[0] == "litellm"}
    assert users <= {"models.litellm_endpoint", "benchmarks.overhead"}
