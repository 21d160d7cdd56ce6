"""A small real HTTP server that speaks OpenAI's chat completions, scripted by the test.

Listens on 127.0.0.1 at a free port, in threads of its own. Like vLLM, it sends the usage of a
stream only when `stream_options.include_usage` asks for it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server answers to one request.

    `usage` (input, output) tokens, None: the endpoint does not tell; `reasoning` of the output
    tokens are told apart, None: they are not. `tool_calls` (name, JSON arguments). `cut_after`
    drops the connection after so many pieces of a stream, or in the middle of a plain body. `body`
    is sent as it is, instead of a completion. `logprobs` (token, log-probability, alternatives) are
    told if the request asks. The second half of a stream waits for `rest`, a minute at most.
    """

    text: str = "Fine."
    status: int = 200
    usage: tuple[int, int] | None = (12, 5)
    reasoning: int | None = None
    tool_calls: tuple[tuple[str, str], ...] = ()
    finish_reason: str | None = None
    delay_s: float = 0.0
    piece_delay_s: float = 0.0
    cut_after: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    error: str = "scripted error"
    body: bytes | None = None
    logprobs: tuple[tuple[str, float, dict[str, float]], ...] = ()
    rest: threading.Event | None = None

    @property
    def pieces(self) -> list[str]:
        if self.logprobs:
            return [token for token, _, _ in self.logprobs]
        words = self.text.split(" ")
        return [word if i == 0 else f" {word}" for i, word in enumerate(words)]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [
            {"id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": a}}
            for i, (n, a) in enumerate(self.tool_calls)
        ]

    @property
    def tokens(self) -> list[dict[str, Any]]:
        def entry(token: str, logprob: float) -> dict[str, Any]:
            return {"token": token, "logprob": logprob, "bytes": list(token.encode())}

        return [
            {**entry(token, logprob), "top_logprobs": [entry(*other) for other in others.items()]}
            for token, logprob, others in self.logprobs
        ]

    @property
    def finish(self) -> str:
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    @property
    def usage_json(self) -> dict[str, Any] | None:
        if self.usage is None:
            return None
        read, written = self.usage
        told = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }
        details = {"completion_tokens_details": {"reasoning_tokens": self.reasoning}}
        return told if self.reasoning is None else told | details


Script: TypeAlias = str | Reply | Callable[[dict[str, Any]], "str | Reply"]


class OpenAIServer:
    """Answers with `script`, one entry per request, and with the last entry ever after.

    A callable entry gets the request's JSON. `requests` holds what was asked, `headers` the
    headers of each, `probes` the paths of GET requests, which end as the next entry says; `peak`
    is the most requests that were open at one time and `connections` the number of TCP connections
    that clients opened.
    """

    def __init__(self, *script: Script) -> None:
        self._script = list(script) or [Reply()]
        self._lock = threading.Lock()
        self._open = 0
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.probes: list[str] = []
        self.peak = 0
        self.connections = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """The base for clients, ending in /v1."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def script(self, *script: Script) -> None:
        """Replace what is still to be answered."""
        with self._lock:
            self._script = list(script)

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _begin(self, request: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self._lock:
            self.requests.append(request)
            self.headers.append(headers)
            self._open += 1
            self.peak = max(self.peak, self._open)
            entry = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        given = entry(request) if callable(entry) else entry
        return Reply(text=given) if isinstance(given, str) else given

    def _end(self) -> None:
        with self._lock:
            self._open -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: OpenAIServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that was killed
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.owner.connections += 1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_POST(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/chat/completions"):
            self._send(404, {"error": {"message": f"no such path {self.path}"}})
            return
        request = json.loads(body)
        reply = owner._begin(request, {k.lower(): v for k, v in self.headers.items()})
        try:
            time.sleep(reply.delay_s)
            if reply.body is not None:
                self._send(reply.status, reply.body, reply.headers)
            elif reply.status != 200:
                self._send(reply.status, {"error": {"message": reply.error}}, reply.headers)
            elif request.get("stream"):
                self._stream(request, reply)
            else:
                self._whole(request, reply)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            owner._end()

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.probes.append(self.path)
        entry = owner._script[0]
        status = entry.status if isinstance(entry, Reply) else 200
        self._send(status, {"object": "list", "data": [{"id": "tiny", "object": "model"}]})

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _whole(self, request: dict[str, Any], reply: Reply) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if reply.tool_calls:
            message["tool_calls"] = reply.calls
        body: dict[str, Any] = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
        }
        if request.get("logprobs") and reply.logprobs:
            body["choices"][0]["logprobs"] = {"content": reply.tokens}
        if reply.usage_json:
            body["usage"] = reply.usage_json
        data = json.dumps(body).encode()
        if reply.cut_after is None:
            self._send(200, data)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def _stream(self, request: dict[str, Any], reply: Reply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        if reply.text:
            deltas += [{"content": piece} for piece in reply.pieces]
        deltas += [{"tool_calls": [{"index": i, **c}]} for i, c in enumerate(reply.calls)]
        for sent, delta in enumerate(deltas):
            # The first delta carries no text, so it does not count as a piece.
            if reply.cut_after is not None and sent > reply.cut_after:
                self.close_connection = True
                return
            if reply.rest is not None and sent > len(deltas) // 2:
                reply.rest.wait(60)
            choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": None}
            if request.get("logprobs") and reply.logprobs and delta.get("content"):
                choice["logprobs"] = {"content": [reply.tokens[sent - 1]]}
            self._event(request, {"choices": [choice]})
            time.sleep(reply.piece_delay_s)
        self._event(
            request, {"choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish}]}
        )
        wants = (request.get("stream_options") or {}).get("include_usage")
        if wants and reply.usage_json:
            self._event(request, {"choices": [], "usage": reply.usage_json})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, request: dict[str, Any], part: dict[str, Any]) -> None:
        event = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": request["model"],
            **part,
        }
        self._chunk(f"data: {json.dumps(event)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
