"""Backups: all tables in one file that SQLite and PostgreSQL restore alike, and how it is written.

The file is a ZIP: one member per table with a JSON list per row, and `manifest.json`, which says of
which revision the tables are, what their columns hold, how many rows there are, and the SHA-256 of
each member. Rows are written and read one after the other, so that memory stays flat.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Double,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    column,
    inspect,
    select,
    table,
)
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.types import TypeEngine

from ..codec import from_json, to_json
from ..errors import InvalidInput, StoreError
from .columns import JSON_VALUE, Prose, UtcTime
from .database import Database
from .schema import revision
from .tables import metadata

FORMAT = "callboard-backup-1"
"""Stands in the manifest; another form of file gets another number."""

MANIFEST = "manifest.json"
SPEED = 3
"""Of 1, quickest, to 9, smallest: 3 packs some 60 MB a second and gains most of what 9 does."""
AT_ONCE = 100
"""Rows that are held in memory."""

Kind: TypeAlias = Literal["text", "integer", "real", "boolean", "time", "bytes", "json"]
"""What a column holds, whatever a database calls it."""

TYPES: Mapping[Kind, TypeEngine[Any]] = MappingProxyType(
    {
        "text": Prose(),
        "integer": BigInteger(),
        "real": Double(),
        "boolean": Boolean(),
        "time": UtcTime(),
        "bytes": LargeBinary(),
        "json": JSON_VALUE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEntry:
    """One table of a backup: what its columns hold, in the order of the lists that are its rows."""

    name: str
    columns: dict[str, Kind]
    rows: int
    sha256: str

    @property
    def member(self) -> str:
        """The file of it in the ZIP."""
        return f"{self.name}.jsonl"

    @property
    def clause(self) -> TableClause:
        """The table, for statements."""
        return _clause(self.name, self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds: tables of one revision as they were at one instant, parents first."""

    format: str
    version: str
    revision: str
    made_at: datetime
    tables: tuple[TableEntry, ...]

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return sum(entry.rows for entry in self.tables)


def write_backup(
    database: Database, file: Path, *, version: str, clock: Callable[[], datetime]
) -> Manifest:
    """Write all that the database holds at one instant, while others read and write it.

    The tables are taken as they are: a database of an older version is not migrated. A file that
    exists is replaced, as the last thing. `version` is that of Callboard.

    Raises:
        StoreError: the database can't be used, or has no tables of Callboard.
        InvalidInput: the file can't be written.
    """
    if database.missing:
        raise StoreError(
            f"The database {database.name!r} does not exist. There is nothing to save."
        )
    try:
        with (
            _beside(file) as target,
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=SPEED) as archive,
            database.reading() as connection,
        ):
            found = revision(connection)
            if found is None:
                raise StoreError(
                    f"The database {database.name!r} is empty. There is nothing to save."
                )
            made_at = clock()
            entries = [_write(connection, archive, one) for one in known_tables(connection)]
            manifest = Manifest(
                format=FORMAT,
                version=version,
                revision=found,
                made_at=made_at,
                tables=tuple(entries),
            )
            archive.writestr(MANIFEST, json.dumps(to_json(manifest), indent=1))
    except OSError as error:
        raise InvalidInput(f"The backup {str(file)!r} can't be written: {error}.") from error
    return manifest


class BackupFile:
    """A backup that is read; use it as a context manager.

    Raises:
        InvalidInput: the file is missing, damaged or no backup.
    """

    def __init__(self, file: Path) -> None:
        self._name = str(file)
        with self._errors_in_words():
            self._archive = zipfile.ZipFile(file)
            try:
                self.manifest = from_json(Manifest, json.loads(self._archive.read(MANIFEST)))
            except BaseException:
                self._archive.close()
                raise
        if self.manifest.format != FORMAT:
            self._archive.close()
            raise InvalidInput(
                f"The backup {self._name!r} is of the form {self.manifest.format!r}, and this "
                f"version of Callboard reads {FORMAT!r}. Use the version that wrote it "
                f"({self.manifest.version})."
            )

    def __enter__(self) -> BackupFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def check(self) -> None:
        """Read all of it once.

        Raises:
            InvalidInput: something is missing, or other than the manifest says.
        """
        for entry in self.manifest.tables:
            for _ in self.rows(entry):
                pass

    def rows(self, entry: TableEntry) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table by column.

        Raises:
            InvalidInput: it is damaged; told at the end, where its SHA-256 is known.
        """
        digest, count = hashlib.sha256(), 0
        readers = [_READ.get(kind, _as_it_is) for kind in entry.columns.values()]
        with self._errors_in_words(), self._archive.open(entry.member) as lines:
            for line in lines:
                digest.update(line)
                count += 1
                values = zip(entry.columns, readers, json.loads(line), strict=True)
                yield {name: None if value is None else read(value) for name, read, value in values}
            if (count, digest.hexdigest()) != (entry.rows, entry.sha256):
                raise ValueError(f"{entry.member} is not what the manifest says")

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InvalidInput(f"There is no backup {self._name!r}.") from error
        except ValidationError as error:
            raise self._damaged("its manifest is none") from error
        except KeyError as error:
            raise self._damaged(str(error.args[0])) from error
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            ValueError,
            TypeError,
            NotImplementedError,
            RuntimeError,  # it is encrypted
        ) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> InvalidInput:
        return InvalidInput(
            f"{self._name!r} is damaged, or no backup of Callboard ({why.rstrip('.')}). "
            "Nothing was changed. Use another backup."
        )


def known_tables(connection: Connection) -> tuple[Table[Any], ...]:
    """Return those of our tables that the database has, as they are there, parents first."""
    there = set(inspect(connection).get_table_names())
    found = MetaData()
    found.reflect(
        connection, only=[one.name for one in metadata.sorted_tables if one.name in there]
    )
    return tuple(found.sorted_tables)


def kind_of(one: Column[Any]) -> Kind:
    """Return what a column holds.

    Raises:
        StoreError: no backup knows its type.
    """
    of = one.type.impl if isinstance(one.type, TypeDecorator) else one.type
    for kind, types in _KINDS.items():
        if isinstance(of, types):
            return kind
    raise StoreError(f"Backups do not know the type {of!r} of the column {one}.")


_KINDS: Mapping[Kind, tuple[type[TypeEngine[Any]], ...]] = {
    "boolean": (Boolean,),
    "time": (DateTime,),
    "bytes": (LargeBinary,),
    "json": (JSON,),
    "integer": (Integer,),
    "real": (Float,),
    "text": (String,),
}


def _as_it_is(value: Any) -> Any:
    return value


_WRITE: Mapping[Kind, Callable[[Any], Any]] = {
    "time": datetime.isoformat,
    "bytes": lambda value: base64.b64encode(value).decode("ascii"),
}
_READ: Mapping[Kind, Callable[[Any], Any]] = {
    "time": datetime.fromisoformat,
    "bytes": lambda value: base64.b64decode(value, validate=True),
}


def _clause(name: str, columns: Mapping[str, Kind]) -> TableClause:
    return table(name, *(column(one, TYPES[kind]) for one, kind in columns.items()))


def _write(connection: Connection, archive: zipfile.ZipFile, one: Table[Any]) -> TableEntry:
    columns = {each.name: kind_of(each) for each in one.columns}
    kinds = tuple(columns.values())
    query: Any = select(*_clause(one.name, columns).c)
    rows = connection.execute(query.execution_options(yield_per=AT_ONCE))
    digest, count = hashlib.sha256(), 0
    with archive.open(f"{one.name}.jsonl", "w", force_zip64=True) as target:
        for row in rows:
            line = _line(kinds, row)
            digest.update(line)
            target.write(line)
            count += 1
    return TableEntry(name=one.name, columns=columns, rows=count, sha256=digest.hexdigest())


def plain(kind: Kind, value: Any) -> Any:
    """Return what a column holds as it stands in JSON."""
    return None if value is None else _WRITE.get(kind, _as_it_is)(value)


def _line(kinds: Sequence[Kind], row: Sequence[Any]) -> bytes:
    values = list(map(plain, kinds, row))
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """Give a file that only we may read, and put it in the place of `file` when it is whole."""
    handle, name = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}.")
    os.close(handle)
    target = Path(name)
    try:
        yield target
        target.replace(file)
    finally:
        with suppress(FileNotFoundError):
            target.unlink()
