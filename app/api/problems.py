"""Errors as the API tells them: a status, and one sentence that says what to do."""

from __future__ import annotations

import logging
import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ...errors import (
    BadModelOutput,
    BudgetExceeded,
    Busy,
    CallboardError,
    InvalidInput,
    ModelUnavailable,
    StoreError,
    TimedOut,
    UnknownName,
)

_log = logging.getLogger(__name__)

_STATUSES: tuple[tuple[type[CallboardError], int], ...] = (
    (InvalidInput, 400),
    (BudgetExceeded, 402),
    (UnknownName, 404),
    (BadModelOutput, 502),
    (Busy, 503),
    (ModelUnavailable, 503),
    (StoreError, 503),
    (TimedOut, 504),
)
BUSY_S = 2.0
"""After this time a query that found no room may be sent again."""
_KINDS = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class Problem(Exception):
    """A request that can't be answered.

    `param` is the field that is wrong; `run_id` the run that failed; `retry` says whether the same
    request may do better, which OpenAI's clients look at.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        run_id: str | None = None,
        retry_after_s: float | None = None,
        retry: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.run_id = run_id
        self.retry_after_s = retry_after_s
        self.retry = retry or retry_after_s is not None

    def response(self) -> JSONResponse:
        """Return it in the form of OpenAI's errors."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "error")
        error = {"message": str(self), "type": kind, "param": self.param, "code": None}
        headers = {} if self.retry else {"x-should-retry": "false"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.retry_after_s is not None:
            headers["retry-after"] = str(math.ceil(self.retry_after_s))
        if self.run_id is not None:
            error["run_id"] = headers["x-callboard-run"] = self.run_id
        return JSONResponse({"error": error}, self.status, headers)


def problem_of(error: CallboardError) -> Problem:
    """Return an error of the Board as a problem."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    return Problem(
        status,
        str(error),
        param=getattr(error, "field", None),
        retry_after_s=BUSY_S if isinstance(error, Busy) else None,
        retry=getattr(error, "transient", False),
    )


async def respond(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with a problem."""
    await problem.response()(scope, receive, send)


def tell_problems(app: FastAPI) -> None:
    """Let every error of `app` be told in the same form."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, problem: Problem) -> JSONResponse:
        return problem.response()

    @app.exception_handler(CallboardError)
    async def _error(_: Request, error: CallboardError) -> JSONResponse:
        return problem_of(error).response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _invalid_field(error.errors()[0]).response()

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        response = Problem(error.status_code, str(error.detail)).response()
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def _fault(request: Request, error: Exception) -> JSONResponse:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return Problem(500, "A fault in Callboard; its log tells more.").response()


def _invalid_field(error: Any) -> Problem:
    path = [str(step) for step in error["loc"] if step not in ("body", "query", "path", "header")]
    message = error["msg"].removeprefix("Value error, ").rstrip(".")
    if error["type"] == "extra_forbidden":
        message = "is not a field of this request"
    name = ".".join(path)
    said = f"{name!r}: {message}." if name else f"The request: {message}."
    return Problem(400, said, param=name or None)
