"""The command line: every command parses, calls the Board and draws what it gave.

Results go to stdout, progress and errors to stderr. Only typer is imported at the top of these
modules; what a command needs, it imports itself, so that `callboard --help` answers at once.
"""

from __future__ import annotations

from .root import app as app
from .root import main as main
