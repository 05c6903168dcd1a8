"""The HTTP side that all services share: health, metrics, dead letters, who is asking, and problem details (RFC 9457)."""

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import __version__
from hubkit import inbox, outbox
from hubkit.db import Pool, reading, transaction
from hubkit.errors import is_transient
from hubkit.health import Health
from hubkit.inbox import DeadLetter, State
from hubkit.messaging import Consumer
from hubkit.telemetry import Metrics

BODY_BYTES_MAX = 1_048_576  # a request body; files have limits of their own (catalog.md §9)
PAGE_MAX = 200
ROLES = ("citizen", "kiosk", "editor", "desk", "manager", "operator", "analyst", "staff")


class Problem(Exception):
    """An answer of 4xx or 5xx with a stable `code`; `errors` are `{pointer, code}` of single fields."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[dict[str, str]] = (),
        headers: dict[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers
        self.more = more

    def answer(self) -> JSONResponse:
        """The body of RFC 9457; `type` is `about:blank`, since the code is what clients branch on."""
        body: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = list(self.errors)
        body |= self.more
        return JSONResponse(body, self.status, self.headers, media_type="application/problem+json")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as a frontend with the service token states it: the owner checks the role again."""

    role: str
    id: str

    def __str__(self) -> str:
        return f"{self.role}/{self.id}"


def actor_with(token: SecretStr, *roles: str) -> Callable[[Request], Actor]:
    """A dependency: the service token is right and the actor has one of the roles (none named: any role)."""

    def check(request: Request) -> Actor:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.encode(), token.get_secret_value().encode()):
            raise Problem(401, "unauthorized", "a service token is needed", headers={"WWW-Authenticate": "Bearer"})
        role, slash, staff_id = request.headers.get("hubnetz-actor", "").partition("/")
        if role not in ROLES or not slash or not staff_id or len(staff_id) > 100:
            raise Problem(401, "no_actor", "Hubnetz-Actor: <role>/<id> is needed")
        if roles and role not in roles:
            raise Problem(403, "not_permitted", f"one of the roles {', '.join(roles)} is needed")
        return Actor(role, staff_id)

    return check


def create_app(
    *,
    service: str,
    health: Health,
    metrics: Metrics,
    pool: Pool,
    service_token: SecretStr,
    consumers: Sequence[Consumer[Any]],
) -> FastAPI:
    """The service's HTTP with what all have in common; the service adds its own router. Documentation pages are off."""
    app = FastAPI(title=f"Hubnetz {service}", version=__version__, docs_url=None, redoc_url=None)
    app.add_middleware(_LimitBody)
    app.add_exception_handler(Problem, lambda _, exc: cast(Problem, exc).answer())
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(Exception, _of_error)

    @app.get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/health/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        reasons = await health.ready()
        return JSONResponse({"status": "waiting" if reasons else "ok", "reasons": reasons}, 503 if reasons else 200)

    @app.get("/metrics", include_in_schema=False)
    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    _add_dead_letters(app, pool=pool, token=service_token, consumers={c.name: c for c in consumers})
    return app


def _add_dead_letters(app: FastAPI, *, pool: Pool, token: SecretStr, consumers: dict[str, Consumer[Any]]) -> None:
    operator = Depends(actor_with(token, "operator"))

    @app.get("/v1/dead-letters", dependencies=[operator])
    async def list_dead_letters(
        state: State | None = "kept",
        reason: Annotated[str | None, Query(max_length=60, pattern=r"^[a-z_]+$")] = None,
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    ) -> dict[str, object]:
        """Oldest first, without the records themselves; `next` continues the list."""
        async with reading(pool) as conn:
            letters = await inbox.read_dead_letters(conn, state=state, reason=reason, after=after, limit=limit)
        more = str(letters[-1].dead_letter_id) if len(letters) == limit else None
        return {"dead_letters": [_shown(letter) for letter in letters], "next": more}

    @app.get("/v1/dead-letters/{dead_letter_id}", dependencies=[operator])
    async def show_dead_letter(dead_letter_id: UUID) -> dict[str, object]:
        """One letter with its record as it came; bytes in base64, since they may be anything."""
        async with reading(pool) as conn:
            letter = await inbox.read_dead_letter(conn, dead_letter_id)
        if letter is None:
            raise Problem(404, "not_found")
        headers = [[name, _base64(value)] for name, value in outbox.unpack_headers(letter.headers)]
        return _shown(letter) | {"headers": headers, "value": _base64(letter.payload)}

    @app.post("/v1/dead-letters/{dead_letter_id}/replay")
    async def replay_dead_letter(dead_letter_id: UUID, actor: Annotated[Actor, operator]) -> dict[str, object]:
        """Hand the record to the handler that refused it, with its mark in one transaction."""
        async with reading(pool) as conn:
            letter = await inbox.read_dead_letter(conn, dead_letter_id)
        consumer = consumers.get(letter.consumer) if letter else None
        if consumer is None:
            raise Problem(404, "not_found")
        refused = await consumer.replay(dead_letter_id, by=str(actor))
        if refused is not None:
            raise Problem(404 if refused == "not_found" else 409, refused, "the record was not applied")
        return {"dead_letter_id": str(dead_letter_id), "state": "replayed"}

    @app.post("/v1/dead-letters/{dead_letter_id}/drop")
    async def drop_dead_letter(dead_letter_id: UUID, actor: Annotated[Actor, operator]) -> dict[str, object]:
        """Mark the letter as seen and not to be applied; it stays until it is 30 days old."""
        async with transaction(pool) as tx:
            letter = await inbox.lock_dead_letter(tx, dead_letter_id)
            if letter is None:
                raise Problem(404, "not_found")
            if letter.state == "replayed":
                raise Problem(409, "not_kept", "the record was applied already")
            if letter.state == "kept":
                await inbox.end_dead_letter(tx, dead_letter_id, "dropped", str(actor))
        return {"dead_letter_id": str(dead_letter_id), "state": "dropped"}


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _shown(letter: DeadLetter) -> dict[str, object]:
    return {
        "dead_letter_id": str(letter.dead_letter_id),
        "consumer": letter.consumer,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.record_offset,
        "key": _base64(letter.key),
        "reason": letter.reason,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "state": letter.state,
        "created_at": letter.created_at.isoformat(),
        "sha256": None if letter.payload_sha256 is None else letter.payload_sha256.hex(),
    }


def _of_http(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(exc.status_code, "http_error")
    return Problem(exc.status_code, code, headers=dict(exc.headers or {})).answer()


def _of_error(_: Request, exc: Exception) -> Response:
    if is_transient(exc):
        return Problem(503, "unavailable", "try again in a moment", headers={"Retry-After": "2"}).answer()
    return Problem(500, "internal_error").answer()


def _of_validation(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    errors = [{"pointer": "/" + "/".join(str(part) for part in e["loc"]), "code": str(e["type"])} for e in exc.errors()[:20]]
    return Problem(422, "invalid_request", "the request does not fit", errors=errors).answer()


class _TooLarge(Exception):
    """Ends the reading of a body that is over the limit."""


class _LimitBody:
    """Refuses bodies over `BODY_BYTES_MAX` while they arrive, whatever their content-length says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > BODY_BYTES_MAX:
                raise _TooLarge
            return message

        try:
            await self._app(scope, limited, send)
        except _TooLarge:
            answer = Problem(413, "too_large", f"a body has at most {BODY_BYTES_MAX} bytes").answer()
            await answer(scope, receive, send)
