"""`POST /v1/chat/completions` and `/v1/models`: the board as OpenAI's clients know a model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ...board import Asking, Board
from ...errors import UnknownName
from ...values import AnswerDelta, Decided, Done, Run
from ..views import decision_json
from .access import Asker
from .completion import BOARD, CompletionBody, chunk_json, completion_json, run_facts, tokens_json
from .leaving import Leaving, unless_gone
from .problems import Problem
from .streams import EventStream, event

router = APIRouter(prefix="/v1", tags=["chat"])


@router.get("/models")
async def models(caller: Asker) -> dict[str, Any]:
    """List the board and its agents, each of which can be asked as a model."""
    names = [one.agent.name for one in await _agents(caller.board) if one.live]
    return {
        "object": "list",
        "data": [_model(BOARD), *(_model(f"{BOARD}/{name}") for name in names)],
    }


@router.get("/models/{model:path}")
async def model(model: str, caller: Asker) -> dict[str, Any]:
    """Tell that there is such a model."""
    board, _, name = model.partition("/")
    live = {one.agent.name for one in await _agents(caller.board) if one.live}
    if board != BOARD or (name and name not in live) or model.endswith("/"):
        raise UnknownName(f"There is no model {model!r}. GET /v1/models lists them.")
    return _model(model)


@router.post("/chat/completions", response_model=None)
async def chat_completions(body: CompletionBody, request: Request, caller: Asker) -> Response:
    """Answer the last message, in the light of those before it or of the session.

    With `stream` as server-sent events. A client that goes away stops the turn.
    """
    query, history = body.conversation()
    asking: Asking = {**body.asking(caller), "agents": body.pinned}
    if history or asking.get("session") is None:
        asking["history"] = history
    leaving: Leaving = request.app.state.leaving
    if body.stream:
        run_id = await caller.board.start(query, **asking)
        turn = _Turn(caller.board, run_id, asking["user"], body, leaving)
        return EventStream(turn.events(), {"x-callboard-run": run_id})
    run = await unless_gone(request, caller.board.run(query, **asking))
    if run.status != "done":
        raise Problem(502, run.error or "The run was stopped.", run_id=run.id)
    return JSONResponse(completion_json(run, body), headers=_headers(run))


class _Turn:
    """A run as it is told in pieces."""

    def __init__(
        self, board: Board, run_id: str, user: str, body: CompletionBody, leaving: Leaving
    ) -> None:
        self._board = board
        self._run_id = run_id
        self._user = user
        self._body = body
        self._leaving = leaving
        self._created = int(time.time())

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the chunks, and `[DONE]`."""
        ended = False
        yield self._chunk(delta={"role": "assistant", "content": ""})
        try:
            async for one in self._board.events(self._run_id, user=self._user):
                match one.body:
                    case Decided(decision=decision):
                        told = {"run_id": self._run_id, "decision": decision_json(decision)}
                        yield self._chunk(delta={}, **{BOARD: told})
                    case AnswerDelta(text=text):
                        yield self._chunk(delta={"content": text})
                    case Done() as done:
                        ended = True
                        async for chunk in self._end(done):
                            yield chunk
        finally:
            if not ended:
                self._leaving.stop(self._board, self._run_id, self._user)

    async def _end(self, done: Done) -> AsyncIterator[bytes]:
        run = await self._board.get(self._run_id, user=self._user)
        if done.status != "done":
            message = done.error or "The run was stopped."
            error = {"message": message, "type": "error", "param": None, "code": None}
            yield event({"error": {**error, "run_id": run.id}})
            return
        yield self._chunk(delta={}, finish="stop", **{BOARD: run_facts(run, self._body)})
        options = self._body.stream_options
        if options is not None and options.include_usage:
            yield self._chunk(usage=tokens_json(run.steps))
        yield b"data: [DONE]\n\n"

    def _chunk(self, **said: Any) -> bytes:
        return event(chunk_json(self._run_id, self._body, self._created, **said))


def _headers(run: Run) -> dict[str, str]:
    cost = run.cost_usd
    return {
        "x-callboard-run": run.id,
        "x-callboard-agents": ",".join(run.decision.agents) if run.decision else "",
        "x-callboard-method": run.decision.method if run.decision else "",
        "x-callboard-cost-usd": "unknown" if cost is None else f"{cost:f}",
    }


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": BOARD}


async def _agents(board: Board) -> Any:
    return await asyncio.to_thread(board.agents)
