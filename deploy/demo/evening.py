"""What came of the day, asked of those who know: the sink for mails, analytics for figures; and how it is told."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import httpx

from deploy import figures, positions, say
from deploy.demo.post import Post
from deploy.hub import Hub

_SECONDS_MAX: Final = 120.0  # for analytics to have read and computed everything; some 2 s where nothing is slow
_POLL_SECONDS: Final = 0.1
_ASK_SECONDS: Final = 10.0
_EVENTS: Final = "booking.events.v1"
_MAILS_LOOKED_AT: Final = 20
_LINES_SHOWN: Final = 14
_ROOMS_SHOWN: Final = 12
_OFFERS_SHOWN: Final = 3
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sink:
    """How many mails it has taken, and one of them as its pages tell it; no mail, no example."""

    stored: int
    example: Json | None
    url: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What analytics says. `rooms` are rows of utilisation on `day`, the one with most booked; refusals by reason and offer.

    `complete`: it has read and computed everything; `differences` to booking's own table, over `days`.
    """

    complete: bool
    day: date
    rooms: Sequence[Json]
    refused: Sequence[Json]
    refused_offers: Sequence[Json]
    days: int
    differences: int


async def look_into_sink(hub: Hub) -> Sink | None:
    """What lies there; None for a hub that has a real relay."""
    url = hub.mail["http"]
    if not url:
        return None
    async with httpx.AsyncClient(base_url=url, timeout=_ASK_SECONDS) as client:
        listed = (await client.get("/api/mails", params={"limit": _MAILS_LOOKED_AT})).json()
        for mail in listed["mails"]:
            whole: Json = (await client.get(f"/api/mails/{mail['number']}")).json()
            if "METHOD:REQUEST" in _part(whole, "text/calendar"):
                return Sink(listed["stored"], whole, url)
    return Sink(listed["stored"], None, url)


def ask_figures(hub: Hub, days: Sequence[date], also: Sequence[date] = ()) -> Figures:
    """Figures of the days that bookings were made for, once analytics has read all and computed all.

    The days of `also`, some few, are held against booking's table as well.
    """
    with say.step("figures") as step:
        today = figures.days(hub, None, None)[0]
        answered = asyncio.run(_ask_figures(hub, days or [today], today))
        compared = sorted({*(days or [today]), *also})
        differences = len(figures.reconcile(hub, compared))
        step.note(f"{len(compared)} days")
    return Figures(*answered, days=len(compared), differences=differences)


async def _ask_figures(
    hub: Hub, days: Sequence[date], today: date
) -> tuple[bool, date, Sequence[Json], Sequence[Json], Sequence[Json]]:
    head = {"Authorization": f"Bearer {hub.service_token}", "Hubnetz-Actor": "operator/demo"}
    async with httpx.AsyncClient(base_url=hub.http["analytics"], headers=head, timeout=_ASK_SECONDS) as client:
        complete = await _has_all(client, hub, today)
        booked = (await _figure(client, "booked", days[0], days[-1], "resource"))["rows"]
        of_days: Counter[str] = Counter()
        for row in booked:
            of_days[row["period"]] += row["numerator"] or 0
        busiest = date.fromisoformat(max(of_days, key=lambda day: (of_days[day], day))) if of_days else days[0]
        yesterday = today - timedelta(days=1)  # the played day may have crossed midnight
        return (
            complete,
            busiest,
            (await _figure(client, "utilisation", busiest, busiest, "resource"))["rows"],
            (await _figure(client, "refused", yesterday, today, "reason"))["rows"],
            (await _figure(client, "refused", yesterday, today, "offer"))["rows"],
        )


async def _has_all(client: httpx.AsyncClient, hub: Hub, today: date) -> bool:
    """Waits until analytics has read the log to its end and has nothing left to compute."""
    end = positions.records_in(hub, _EVENTS)
    deadline = time.monotonic() + _SECONDS_MAX
    while time.monotonic() < deadline:
        as_of = (await _figure(client, "made", today, today, None))["as_of"]
        if sum(as_of["offsets"].get(_EVENTS, {}).values()) >= end and not as_of["dirty_days"]:
            return True
        await asyncio.sleep(_POLL_SECONDS)
    return False


async def _figure(client: httpx.AsyncClient, kpi: str, first: date, last: date, by: str | None) -> Json:
    query = {"kpi": kpi, "period": "day", "from": str(first), "to": str(last + timedelta(days=1))} | ({"by": by} if by else {})
    answer = await client.get("/v1/figures", params=query)
    answer.raise_for_status()
    found: Json = answer.json()
    return found


def tell_post(post: Post, sink: Sink | None) -> list[str]:
    """The lines about mails."""
    lines = [
        f"  mails sent              {post.sent():>6}"
        f"   ({post.overtaken()} more had lost their point: cancelled before the confirmation was out)"
    ]
    lines += [f"  {kind:<24}{count:>6}" for kind, count in sorted(post.others().items())]
    lines.append(f"  people not told         {len(post.missing()):>6}")
    if waiting := post.waiting():
        lines.append(f"  not disturbed at night  {len(waiting):>6}   (due at {waiting[0]:%Y-%m-%d %H:%M} UTC)")
    if sink is None:
        return lines
    lines.append(f"  mails in the sink       {sink.stored:>6}")
    if sink.example:
        lines += ["", f"One of them ({sink.url}/mails/{sink.example['number']}):", *_mail(sink.example)]
    return lines


def _mail(mail: Json) -> list[str]:
    text = _part(mail, "text/plain").splitlines()
    entry = dict(line.split(":", 1) for line in _unfolded(_part(mail, "text/calendar")) if ":" in line)
    times = next(value for name, value in entry.items() if name.startswith("DTSTART"))
    return [
        f"  | {line}".rstrip()
        for line in (
            f"To: {', '.join(mail['recipients'])}",
            f"Subject: {mail['subject']}",
            "",
            *text[:_LINES_SHOWN],
            *(["[...]"] if len(text) > _LINES_SHOWN else []),
            "",
            f"calendar entry: {entry['METHOD']}, {entry['UID']}, version {entry['SEQUENCE']}, begins {times}",
        )
    ]


def _part(mail: Json, media_type: str) -> str:
    return next((str(part["text"]) for part in mail["parts"] if part["type"] == media_type), "")


def _unfolded(calendar: str) -> list[str]:
    """Long lines of RFC 5545 go on after a blank."""
    return calendar.replace("\r\n", "\n").replace("\n ", "").splitlines()


def tell_figures(found: Figures, titles: Mapping[str, str]) -> list[str]:
    """The lines about figures; `titles` by offer."""
    used = sorted((row for row in found.rooms if row["value"]), key=lambda row: (-row["value"], row["key"]["resource"]))
    idle = sum(row["value"] == 0 for row in found.rooms)
    lines = ["", f"Utilisation on {found.day}, the day with most booked, by room or device:"]
    lines += [
        f"  {row['key']['resource']:<30}{row['value']:>6.1f} %"
        f"   {row['numerator'] / 60:>5.0f} of {row['denominator'] / 60:>5.0f} min"
        for row in used[:_ROOMS_SHOWN]
    ]
    lines.append(f"  {len(used[_ROOMS_SHOWN:])} more with bookings, {idle} open without any, {len(found.rooms)} in all")
    lines += ["", "Refused, by reason:"]
    reasons = _summed(found.refused, "reason")
    lines += [f"  {reason:<24}{count:>6}" for reason, count in reasons.most_common()] or ["  nothing"]
    lines += [
        f"    most of {offer}: {count}" for offer, count in _summed(found.refused_offers, "offer").most_common(_OFFERS_SHOWN)
    ]
    read = "everything is read and computed" if found.complete else "analytics has not read or computed everything yet"
    return [
        *lines,
        "",
        f"  reconcile               {found.differences:>6} differences on {found.days} days to booking's own table; {read}",
    ]


def _summed(rows: Sequence[Json], dimension: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row["key"][dimension]] += round(row["value"] or 0)
    return counted
