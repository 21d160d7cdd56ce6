"""The file of answers: one line for every line that was asked, in the order in which they ended.

It alone says what is done, so that a batch that was cut off goes on where it was. What is kept of a
line in memory are the four bytes of its mark.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from ...errors import InvalidInput
from ...values import JSON
from .rows import Row, mark_of, read_lines


class Output:
    """What is done of a batch, in a file, and what it cost. Use it as a context manager.

    `spent_usd` is what is known of the cost, that of failed lines which are asked again too; of
    `unpriced` lines it is not known. With `retry_failed` lines with an error count as not done;
    they are kept in a file beside, whose name ends with `.failed`.
    """

    def __init__(self, path: Path, *, route: bool, retry_failed: bool = False) -> None:
        self.path = path
        self.done = self.failed = self.unpriced = 0
        self.spent_usd = Decimal(0)
        self._kind = "decision" if route else "answer"
        self._retry_failed = retry_failed
        self._failed_before = path.with_name(f"{path.name}.failed")
        self._marks = array("I")
        self._lock = FileLock(f"{path}.lock")
        self._file: IO[bytes]

    def __enter__(self) -> Output:
        """Read what is done.

        Raises:
            InvalidInput: another batch is writing the file, or it holds something else.
        """
        if not self.path.absolute().parent.is_dir():  # the lock would create it
            raise InvalidInput(f"The folder of {str(self.path)!r} does not exist. Create it.")
        try:
            self._lock.acquire(blocking=False)
        except Timeout as error:
            raise InvalidInput(
                f"Another batch is writing {str(self.path)!r}. Wait for its end, or name another."
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            _cut_torn_line(self.path)
            if self._retry_failed:
                self._set_failed_aside()
            for line in _answers(self.path, self._kind):
                self._count(line)
            for line in _answers(self._failed_before, self._kind):
                self._pay(line)
            self._file = self.path.open("ab")
        except BaseException as error:
            self._unlock()
            if isinstance(error, OSError):
                raise self._unwritable(error) from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._unlock()

    def holds(self, number: int) -> bool:
        """Say whether a line is done."""
        return number < len(self._marks) and self._marks[number] != 0

    def check(self, file: Path) -> int:
        """Return how many lines `file` has that can be asked.

        Raises:
            InvalidInput: a line that is done is another one, or is not there any more.
        """
        count = done = 0
        for number, line in read_lines(file):
            count += 1
            if not self.holds(number):
                continue
            done += 1
            if self._marks[number] != mark_of(line):
                raise InvalidInput(
                    f"Line {number} of {str(file)!r} is not the one that {str(self.path)!r} holds "
                    "an answer to. Name another file for the answers, or restore the line."
                )
        if done != self.done:
            raise InvalidInput(
                f"{str(self.path)!r} holds {self.done:,} answers, of which {str(file)!r} has "
                f"{done:,} lines. Name another file for the answers, or restore the lines."
            )
        return count

    def add(self, row: Row, outcome: Mapping[str, JSON]) -> None:
        """Write what came of a row."""
        line = {"line": row.line, "id": row.id, self._kind: None, **outcome, "input": row.mark}
        text = json.dumps(line, ensure_ascii=False)
        # What no UTF-8 can say, half a surrogate pair, is said as JSON says it.
        self._file.write(text.encode("utf-8", "backslashreplace") + b"\n")
        self._count(line)

    def flush(self) -> None:
        """Hand what was written to the system: the end of this process can't lose it."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> InvalidInput:
        return InvalidInput(
            f"{str(self.path)!r} can't be written: {error.strerror}. "
            "Mend that, or name another file."
        )

    def _count(self, line: Mapping[str, Any]) -> None:
        number = line["line"]
        if number >= len(self._marks):
            self._marks.extend([0] * (number + 1 - len(self._marks)))
        if self._marks[number] == 0:
            self.done += 1
        self._marks[number] = int(line["input"], 16)
        self.failed += line["error"] is not None
        self._pay(line)

    def _pay(self, line: Mapping[str, Any]) -> None:
        self.unpriced += line["cost_usd"] is None
        self.spent_usd += Decimal(str(line["known_cost_usd"]))

    def _set_failed_aside(self) -> None:
        kept = self.path.with_name(f"{self.path.name}.part")
        with kept.open("wb") as good, self._failed_before.open("ab") as failed:
            for line in _answers(self.path, self._kind):
                text = json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace")
                (good if line["error"] is None else failed).write(text + b"\n")
        kept.replace(self.path)

    def _unlock(self) -> None:
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


def _answers(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    for number, line in read_lines(path):
        try:
            said = json.loads(line)
            fits = {"line", "input", "error", "cost_usd", "known_cost_usd"} <= set(said)
        except (ValueError, TypeError):
            fits = False
        if not fits:
            raise InvalidInput(
                f"Line {number} of {str(path)!r} is not an answer of a batch. Name another file."
            )
        if kind not in said:
            made = "without" if kind == "decision" else "with"
            raise InvalidInput(
                f"{str(path)!r} was written {made} --route. Say the same, or name another file."
            )
        yield said


def _cut_torn_line(path: Path) -> None:
    """Cut off a last line without an end: the process died over it."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = whole = file.seek(0, os.SEEK_END)
        while whole:
            begin = max(0, whole - 65536)
            file.seek(begin)
            at = file.read(whole - begin).rfind(b"\n")
            if at >= 0:
                whole = begin + at + 1
                break
            whole = begin
        if whole != end:
            file.truncate(whole)
