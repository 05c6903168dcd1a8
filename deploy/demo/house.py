"""What staff publish for their part of the day, and the lists that they look at: by HTTP, as their pages would.

A house of the demo's own: nothing of it depends on the hour or the date at which the demo runs.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import httpx

from deploy.failures import Failure
from deploy.hub import DEFAULT_ZONE, Hub
from services.catalog.domain.entities import ACCESSIBILITY_KEYS

ZONE: Final = ZoneInfo(DEFAULT_ZONE)
NORTH: Final = "demo-nord"
SOUTH: Final = "demo-sued"
PLACES: Final = 2  # of the course: soon full
SERIES_WEEKS: Final = 4
_HALL: Final = "demo-saal"
_HOUSE: Final = "demo-haus"
_RECEPTION: Final = "demo-empfang"
_HORIZON_DAYS: Final = 400  # two clock changes lie within
_LEAD_DAYS: Final = 13  # the series begins this much before the change, and still ahead
_SOON: Final = timedelta(minutes=10)
_POLL_SECONDS: Final = 0.05
_KNOWN_SECONDS: Final = 60.0  # from publishing to booking's own copy: some 0.1 s where nothing is slow
Json = dict[str, Any]


def next_change(today: date, zone: ZoneInfo, *, ahead_days: int) -> date:
    """The first date, at least `ahead_days` after `today`, on which clocks in `zone` change. The zone has such dates."""
    days = (today + timedelta(days=n) for n in range(ahead_days, ahead_days + _HORIZON_DAYS))
    return next(day for day in days if _noon(day - timedelta(days=1), zone) != _noon(day, zone))


def _noon(day: date, zone: ZoneInfo) -> timedelta | None:
    return datetime.combine(day, time(12), zone).utcoffset()


@dataclass(frozen=True, slots=True)
class Dates:
    """When everything takes place; `soon` is an instant, the rest is by the clock on the wall."""

    soon: datetime
    course: datetime
    hall: datetime
    rooms: date
    change: date
    series: datetime

    @classmethod
    def after(cls, now: datetime) -> "Dates":
        """All of it after `now`: in some minutes, in some days, over the next change of clocks."""
        today = now.astimezone(ZONE).date()
        change = next_change(today, ZONE, ahead_days=_LEAD_DAYS)
        return cls(
            soon=(now + _SOON).replace(second=0, microsecond=0),
            course=datetime.combine(today + timedelta(days=7), time(18)),
            hall=datetime.combine(today + timedelta(days=2), time(13)),
            rooms=today + timedelta(days=3),
            change=change,
            series=datetime.combine(change - timedelta(days=_LEAD_DAYS - 1), time(18)),
        )

    @property
    def closed_week(self) -> date:
        """A date of the series on which the house is closed."""
        return self.series.date() + timedelta(weeks=SERIES_WEEKS - 2)


class House:
    """The demo's own offers in the running hub, all ids made from `run`."""

    def __init__(self, hub: Hub, client: httpx.AsyncClient, run: UUID, dates: Dates) -> None:
        self.dates = dates
        self.course, self.rooms, self.hall = (
            f"urn:hub:{hub.hub_id}:offer:{uuid5(run, name)}" for name in ("course", "rooms", "hall")
        )
        self._hub = hub
        self._client = client

    async def furnish(self) -> None:
        """Publish everything; on return booking takes requests for it."""
        await self._put("places", _HOUSE, _PLACE)
        await self._put("contacts", _RECEPTION, {"name": {"de": "Empfang der Vorführung"}})
        for resource_id, name in ((NORTH, "Raum Nord"), (SOUTH, "Raum Süd"), (_HALL, "Saal")):
            room = {"kind": "unit", "place_id": _HOUSE, "name": {"de": name}, "capacity": 12}
            await self._put("resources", resource_id, room)
        version = await self._put("offers", self.course, _COURSE)
        for schedule_id, schedule in self._sessions().items():
            await self._put(f"offers/{self.course}/schedules", f"demo-{schedule_id}", schedule)
        await self._publish(self.course, version)
        await self._publish(self.hall, await self._put("offers", self.hall, _offer("Saal", _ON_REQUEST)))
        version = await self._put("offers", self.rooms, _offer("Besprechungsräume", _AT_ONCE))
        closed = _local(datetime.combine(self.dates.closed_week, time(0)))
        await self._close("demo-inventur", "offer", self.rooms, closed, closed + timedelta(days=1), "inventory")
        await self._publish(self.rooms, version)
        for offer_id in (self.course, self.hall, self.rooms):
            await self._known(offer_id)

    async def close(self, resource_id: str, start: datetime, end: datetime, cause: str) -> None:
        """A manager closes a room."""
        await self._close(f"demo-{cause}", "resource", resource_id, start, end, cause)

    async def sessions(self) -> dict[datetime, str]:
        """The course's dates that can be booked, as booking tells them: start to id."""
        free = await self.ask("booking", f"/v1/offers/{self.course}/free", **self._window())
        return {datetime.fromisoformat(each["start"]): each["resource_id"] for each in free["sessions"]}

    async def ask(self, service: str, path: str, *, role: str = "desk", **query: str) -> Json:
        """A question of staff."""
        found: Json = _good(await self._send("GET", service, path, role, params=query)).json()
        return found

    def _sessions(self) -> dict[str, Json]:
        soon = self.dates.soon.astimezone(UTC).replace(tzinfo=None)
        return {
            # In UTC there is no hour that clocks leave out or repeat.
            "heute": {"local_start": soon.isoformat(), "duration_minutes": 45, "time_zone": "UTC", "capacity": 10},
            "spaeter": {
                "local_start": self.dates.course.isoformat(),
                "duration_minutes": 90,
                "time_zone": ZONE.key,
                "capacity": PLACES,
            },
        }

    async def _close(self, blackout_id: str, scope: str, scope_id: str, start: datetime, end: datetime, cause: str) -> None:
        what = {"scope": scope, "scope_id": scope_id, "cause": cause}
        await self._put("blackouts", blackout_id, {**what, "start": _text(start), "end": _text(end)}, role="manager")

    async def _put(self, kind: str, thing_id: str, body: Mapping[str, object], *, role: str = "editor") -> int:
        none_yet = {"If-None-Match": "*"}
        answer = await self._send("PUT", "catalog", f"/v1/{kind}/{thing_id}", role, json=body, headers=none_yet)
        version: int = _good(answer).json()["version"]
        return version

    async def _publish(self, offer_id: str, version: int) -> None:
        match = {"If-Match": f'"{version}"'}
        _good(await self._send("POST", "catalog", f"/v1/offers/{offer_id}/publish", "editor", headers=match))

    async def _known(self, offer_id: str) -> None:
        """Until booking's copy has the offer."""
        path = f"/v1/offers/{offer_id}/free"
        deadline = asyncio.get_running_loop().time() + _KNOWN_SECONDS
        query = self._window() | ({} if offer_id == self.course else {"duration": "60"})
        while (answer := await self._send("GET", "booking", path, "desk", params=query)).status_code == 404:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)
        _good(answer)

    async def _send(
        self, method: str, service: str, path: str, role: str, *, headers: Mapping[str, str] | None = None, **content: Any
    ) -> httpx.Response:
        """A call with the service token, as somebody of the role."""
        head = {"Authorization": f"Bearer {self._hub.service_token}", "Hubnetz-Actor": f"{role}/demo", **(headers or {})}
        try:
            return await self._client.request(method, f"{self._hub.http[service]}{path}", headers=head, **content)
        except httpx.HTTPError as exc:
            raise Failure(f"{service} did not answer {method} {path}.", remedy=f"hubnetz logs {service}") from exc

    def _window(self) -> dict[str, str]:
        return {"from": _text(self.dates.soon - _SOON), "to": _text(self.dates.soon + timedelta(days=10))}


def _good(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        asked = f"{answer.request.method} {answer.request.url.path}"
        raise Failure(f"{asked} was answered by {answer.status_code}: {answer.text}", remedy="hubnetz status; hubnetz logs")
    return answer


def _local(wall: datetime) -> datetime:
    """An instant in UTC; `wall` is no time that clocks leave out or repeat."""
    return wall.replace(tzinfo=ZONE).astimezone(UTC)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _offer(title: str, booking: Json, kind: str = "room") -> Json:
    return {
        "kind": kind,
        "time_zone": ZONE.key,
        "title": {"de": f"{title} der Vorführung"},
        "description": {"de": "Daran zeigt die Vorführung, was das Team des Hubs tut."},
        "place_ids": [_HOUSE],
        "contact_id": _RECEPTION,
        "is_free": True,
        "booking": {"horizon_days": _HORIZON_DAYS, **booking},
    }


_PLACE: Final[Json] = {
    "kind": "site",
    "name": {"de": "Haus der Vorführung"},
    "hours": [{"weekday": weekday, "from": "08:00", "to": "20:00"} for weekday in range(1, 8)],
    "accessibility": dict.fromkeys(ACCESSIBILITY_KEYS, "unknown"),
}
_AT_ONCE: Final[Json] = {
    "mode": "instant",
    "components": [{"component_id": "raum", "kind": "unit", "resource_ids": [NORTH, SOUTH], "choose": "either"}],
    "grid_minutes": 30,
}
_ON_REQUEST: Final[Json] = {
    "mode": "request",
    "components": [{"component_id": "saal", "kind": "unit", "resource_ids": [_HALL]}],
    "grid_minutes": 30,
}
_COURSE: Final[Json] = _offer(
    "Kurs",
    {
        "mode": "instant",
        "components": [{"component_id": "platz", "kind": "session", "choose": "named"}],
        "waitlist": {"mode": "strict", "offer_minutes": 60},
        "check_in": {"required": True, "opens_minutes": 30},
    },
    kind="course",
)
