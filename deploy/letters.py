"""Dead letters of all services of a hub, by the calls that each service offers to operators."""

import getpass
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

from deploy.failures import MISSING, USAGE, Failure
from deploy.hub import Hub

_PAGE: Final = 200
_SECONDS: Final = 30.0
_ROLE: Final = "operator"


class Calls:
    """The operators' calls of the services of one hub."""

    def __init__(self, hub: Hub, service: str | None, *, name: str | None = None) -> None:
        if service is not None and service not in hub.http:
            raise Failure(f"There is no service {service}.", remedy=f"one of: {', '.join(hub.http)}", code=USAGE)
        self.services = [service] if service else list(hub.http)
        self._hub = hub
        self._headers = {
            "Authorization": f"Bearer {hub.service_token}",
            "Hubnetz-Actor": f"{_ROLE}/{name or _login()}",
        }

    def ask(self, service: str, method: str, path: str, **query: str) -> Mapping[str, Any]:
        """The answer's body; `Refused` for 4xx with a code, a failure if the service does not answer."""
        url = self._hub.http[service] + path
        try:
            answer = httpx.request(method, url, params=query, headers=self._headers, timeout=_SECONDS)
        except httpx.HTTPError as error:
            raise Failure(f"{service} does not answer: {error}", remedy="hubnetz status") from error
        body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        if answer.is_success and isinstance(body, dict):
            return body
        code = body.get("code") if isinstance(body, dict) else None
        raise Refused(service, answer.status_code, str(code or answer.status_code))

    def letters(self, service: str, *, state: str, reason: str | None) -> Iterator[dict[str, Any]]:
        """All letters of a service, oldest first, page by page."""
        filters = {"state": state, "limit": str(_PAGE), **({"reason": reason} if reason else {})}
        page = self.ask(service, "GET", "/v1/dead-letters", **filters)
        yield from page["dead_letters"]
        while after := page.get("next"):
            page = self.ask(service, "GET", "/v1/dead-letters", **filters, after=str(after))
            yield from page["dead_letters"]

    def owner(self, letter_id: str) -> tuple[str, Mapping[str, Any]]:
        """The service that keeps the letter, and the letter."""
        for service in self.services:
            try:
                return service, self.ask(service, "GET", f"/v1/dead-letters/{letter_id}")
            except Refused as refused:
                if refused.status not in (404, 422):
                    raise
        raise Failure(f"No service has a dead letter {letter_id}.", remedy="hubnetz dlq list", code=MISSING)


class Refused(Failure):
    """A service said no, with a stable code."""

    def __init__(self, service: str, status: int, code: str) -> None:
        super().__init__(f"{service} refused: {code}", remedy="hubnetz dlq show <id>")
        self.status = status
        self.reason = code


def _login() -> str:
    """The operator's name for the audit trail: letters that a header may hold."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", getpass.getuser())[:60] or "unknown"
