"""What the wheel holds, and what importing the package costs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_SHIPPED = {".venv", "build", "dist", "docs", "examples", "tests"}
DATA = {".csv", ".ini", ".json", ".mako", ".md", ".sql", ".svg", ".toml", ".txt", ".yaml"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names in a wheel that is built now, through an sdist."""
    pytest.importorskip("build", reason="the package 'build' is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return set(archive.namelist())


def shipped(pattern: str) -> list[Path]:
    """Return the files of the package's folders that match, relative to the root."""
    found = [path.relative_to(ROOT) for path in ROOT.glob(f"*/**/{pattern}")]
    return [
        path
        for path in found
        if path.parts[0] not in NOT_SHIPPED
        and not any(part.startswith(".") or part == "__pycache__" for part in path.parts)
        and not path.parts[0].endswith(".egg-info")
    ]


def python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter that sees no checkout."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_every_folder_with_code_is_a_declared_package(project: dict[str, Any]) -> None:
    folders = {"callboard"} | {
        ".".join(("callboard", *path.parent.parts)) for path in shipped("*.py")
    }
    assert folders == set(project["tool"]["setuptools"]["packages"])


def test_the_wheel_holds_every_module_and_data_file(wheel: set[str]) -> None:
    files = [path for path in shipped("*") if path.suffix in DATA | {".py"}]
    files += [path.relative_to(ROOT) for path in ROOT.glob("*.py")]
    missing = [str(path) for path in files if f"callboard/{path.as_posix()}" not in wheel]
    assert missing == []
    assert "callboard/py.typed" in wheel


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    ours = [name for name in wheel if ".dist-info/" not in name]
    strange = [
        name
        for name in ours
        if not name.startswith("callboard/")
        or not (ROOT / name.removeprefix("callboard/")).is_file()
        or name.split("/")[1] in NOT_SHIPPED
    ]
    assert strange == []


def test_the_wheel_carries_its_license(wheel: set[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_importing_the_face_imports_nothing_heavy() -> None:
    heavy = (
        "alembic faiss langgraph litellm numpy onnxruntime pandas pydantic rich sqlalchemy "
        "sentence_transformers sklearn streamlit tokenizers torch transformers typer xllamacpp"
    )
    code = (
        "import sys, callboard\n"
        f"found = sorted(set({heavy.split()!r}) & set(sys.modules))\n"
        "sys.exit(', '.join(found) or 0)"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_the_whole_package_can_be_imported_without_extras() -> None:
    """`xllamacpp` is the extra `local`: without it everything else works."""
    code = (
        "import sys, pkgutil, importlib\n"
        "sys.modules['xllamacpp'] = None\n"
        "import callboard\n"
        "skip = ('callboard.__main__', 'callboard.store.migrations', 'callboard.app.ui.main',\n"
        "        'callboard.app.ui.screens')\n"
        "for module in pkgutil.walk_packages(callboard.__path__, 'callboard.'):\n"
        "    if not module.name.startswith(skip) and '.tests' not in module.name:\n"
        "        importlib.import_module(module.name)\n"
        "for name in callboard.__all__:\n"
        "    getattr(callboard, name)\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_the_constraints_pin_everything_that_the_project_names(project: dict[str, Any]) -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {
        canonicalize_name(pin.name): pin
        for pin in (Requirement(line) for line in lines if line and not line.startswith("#"))
    }
    named = [Requirement(line) for line in project["project"]["dependencies"]]
    for extra in ("local", "login", "dev", "ner", "train"):
        named += [Requirement(line) for line in project["project"]["optional-dependencies"][extra]]
    for requirement in named:
        pin = pins[canonicalize_name(requirement.name)]
        (version,) = (spec.version for spec in pin.specifier)
        assert requirement.specifier.contains(version), f"{pin} does not fit {requirement}"
    assert str(pins["torch"].specifier) == "==2.13.0"
    assert str(pins["litellm"].specifier) not in {"==1.82.7", "==1.82.8"}


def test_the_version_is_the_same_everywhere(project: dict[str, Any]) -> None:
    import callboard

    assert callboard.__version__ == project["project"]["version"]
    assert importlib.metadata.version("callboard") == callboard.__version__
