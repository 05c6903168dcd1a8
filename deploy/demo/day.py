"""Plays the day: asks what is free, as a page would, lets the visitors come, hour by hour; then staff do their part."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import httpx

from contracts.booking import ActorRole, CancelBooking, RequestBooking
from contracts.booking.commands import Actor
from contracts.booking.rules import BookingMode, Choose, ResourceKind
from contracts.booking.vocabulary import PersonClaimant
from contracts.catalog import OfferPublished
from contracts.envelope import Event
from deploy import say
from deploy.demo import desk
from deploy.demo.frontend import Frontend, connected, offers
from deploy.demo.ledger import ANSWER_SECONDS_MAX, Ledger
from deploy.demo.post import Post
from deploy.demo.visitors import CLOSES, OPENS, Shown, Slot, Visit, day
from deploy.failures import Failure
from deploy.hub import Hub

HOUR_SECONDS: Final = 1.0  # a played hour takes a second
_QUIET_SECONDS: Final = 1.0  # after the last answer: a second one for the same request would still be on its way
_MAILS_SECONDS_MAX: Final = 120.0  # some 2 s where nothing is slow
_DAYS_SHOWN: Final = 14
_DAYS_SHOWN_OF_SESSIONS: Final = 92  # trainings and events are announced long before
_OFFERS_MAX: Final = 500
_SLOTS_MAX: Final = 40
_ASK_SECONDS: Final = 30.0  # a page to answer
_KNOWN_SECONDS: Final = 60.0  # the offers from the import to booking's own copy: some 5 s where nothing is slow


@dataclass(frozen=True, slots=True)
class Played:
    """A day that is over: what was shown, asked and answered, what people were told, the days it was about."""

    shown: Sequence[Shown]
    ledger: Ledger
    post: Post
    days: Sequence[date]
    staff: desk.StaffPart


async def play(hub: Hub, *, seed: int, visitors: int) -> Played:
    """A day of `visitors`; on return every request was answered and every mail has left, or the time for it is over."""
    with say.step("what is free") as step:
        shown = await look(hub)
        step.note(f"{len(shown)} offers")
    visits = day(shown, seed=seed, visitors=visitors)
    ledger = Ledger()
    async with connected(hub, ledger) as frontend:
        await frontend.introduce([visit.person_id for visit in visits])
        clock = _Clock()
        watching = asyncio.create_task(_show(ledger, clock))
        try:
            async with asyncio.timeout((CLOSES - OPENS) * HOUR_SECONDS + ANSWER_SECONDS_MAX):
                await asyncio.gather(*(_visit(frontend, clock, visit) for visit in visits))
        except TimeoutError:
            say.line(f"  {ledger.waiting()} requests were not answered within {ANSWER_SECONDS_MAX:.0f} s")
        finally:
            watching.cancel()
        days = _from_first_to_last(frontend.days)
        staff = await desk.play(hub, frontend, run=uuid5(UUID(int=seed), "staff"))
        await asyncio.sleep(_QUIET_SECONDS)
        with say.step("mails") as step, suppress(TimeoutError):
            async with asyncio.timeout(_MAILS_SECONDS_MAX):
                await frontend.everybody_told()
            step.note(f"{frontend.post.sent()} sent")
    return Played(shown, ledger, frontend.post, days, staff)


def _from_first_to_last(days: Collection[date]) -> list[date]:
    return [min(days) + timedelta(days=n) for n in range((max(days) - min(days)).days + 1)] if days else []


class _Clock:
    """The played day's time: hours since midnight."""

    def __init__(self) -> None:
        self._began = asyncio.get_running_loop().time()

    @property
    def hour(self) -> float:
        return OPENS + (asyncio.get_running_loop().time() - self._began) / HOUR_SECONDS

    async def until(self, hour: float) -> None:
        await asyncio.sleep(max(0.0, (hour - self.hour) * HOUR_SECONDS))


async def _show(ledger: Ledger, clock: _Clock) -> None:
    """A line for each played hour."""
    for hour in range(int(OPENS) + 1, int(CLOSES) + 1):
        await clock.until(hour)
        outcomes = ledger.outcomes()
        confirmed = ledger.number_of("BookingConfirmed")
        cancelled = ledger.number_of("BookingCancelled")
        refused = sum(n for (_, reason), n in outcomes.items() if reason)
        say.line(
            f"  {hour:02}:00  {len(ledger.asked):>4} requests   {confirmed:>4} confirmed   {cancelled:>3} cancelled"
            f"   {refused:>4} refused   {ledger.waiting():>3} waiting"
        )


async def _visit(frontend: Frontend, clock: _Clock, visit: Visit) -> None:
    """One visitor from the first wish to the last word."""
    await clock.until(visit.at)
    command = _wish(visit)
    if visit.odd == "no_body":
        await frontend.ask_raw(visit.request_id, command, b'{"offer_id": 7}')
        return
    answer = await frontend.ask(visit.request_id, command, copies=2 if visit.twice else 1)
    if visit.reused:
        await frontend.reuse(visit.request_id, command.model_copy(update={"quantity": command.quantity + 1}))
    next_start: datetime | None = getattr(answer.data, "next_start", None)
    if visit.second_try and next_start is not None and visit.slot.minutes is not None:
        again = command.model_copy(update={"start": next_start})
        answer = await frontend.ask(_derived(visit, "second"), again)
    await _cancel(frontend, clock, visit, answer)


async def _cancel(frontend: Frontend, clock: _Clock, visit: Visit, answer: Event) -> None:
    booking_id: UUID | None = getattr(answer.data, "booking_id", None)
    if visit.cancels_after is None or answer.bare_type != "BookingConfirmed" or booking_id is None:
        return
    await clock.until(min(CLOSES, clock.hour + visit.cancels_after))
    command = CancelBooking(offer_id=visit.offer.offer_id, actor=_actor(visit), booking_id=booking_id)
    await frontend.ask(_derived(visit, "cancel"), command)


def _wish(visit: Visit) -> RequestBooking:
    """The command of a visit; odd ones ask for what cannot be had."""
    start, minutes = visit.slot.start, visit.slot.minutes
    if start is not None and minutes is not None:
        if visit.odd == "too_long":
            minutes = 1440
        elif visit.odd == "far_ahead":
            start += timedelta(days=731)
    offer_id = visit.offer.offer_id + ("-unknown" if visit.odd == "unknown_offer" else "")
    return RequestBooking(
        offer_id=offer_id,
        actor=_actor(visit),
        claimant=PersonClaimant(kind="person", person_id=visit.person_id),
        start=start,
        duration_minutes=minutes,
        choices=dict(visit.slot.choices),
        quantity=visit.quantity,
    )


def _actor(visit: Visit) -> Actor:
    return Actor(role=ActorRole.CITIZEN, id=str(visit.person_id))


def _derived(visit: Visit, what: str) -> UUID:
    return uuid5(visit.request_id, what)


async def look(hub: Hub) -> list[Shown]:
    """The offers that can be booked here, with what is free; waits until booking's copy has them."""
    states = [state for state in await offers(hub) if state.booking.mode is BookingMode.INSTANT][:_OFFERS_MAX]
    async with httpx.AsyncClient(base_url=hub.http["booking"], timeout=_ASK_SECONDS) as client:
        try:
            pages = [await _page(client, state) for state in states]
        except httpx.TimeoutException as exc:
            raise Failure(f"booking did not answer within {_ASK_SECONDS:g} s.", remedy="hubnetz logs booking") from exc
    shown = [page for page in pages if page.slots]
    if not shown:
        raise Failure(
            f"{len(states)} offers can be booked, and none has anything free.",
            remedy="hubnetz seed; hubnetz logs booking",
        )
    return sorted(shown, key=lambda page: (page.slots[0].start is None, -len(page.slots), page.offer_id))


async def _page(client: httpx.AsyncClient, state: OfferPublished) -> Shown:
    """One offer and its free slots, asked as its page would ask."""
    rules = state.booking
    minutes = rules.durations[0] if rules.durations else max(rules.min_minutes, min(60, rules.max_minutes))
    now = datetime.now(UTC).replace(microsecond=0)
    session = next((part for part in rules.components if part.kind is ResourceKind.SESSION), None)
    days = _DAYS_SHOWN if session is None else _DAYS_SHOWN_OF_SESSIONS
    query = {"from": _text(now), "to": _text(now + timedelta(days=days))}
    query |= {"duration": str(minutes)} if session is None else {}
    free = await _ask(client, f"/v1/offers/{state.offer_id}/free", query)
    if session is not None:
        bookable = [each["resource_id"] for each in free["sessions"] if each["bookable"]]
        named_one = session.choose is not Choose.ANY
        slots = [Slot(None, None, ((session.component_id, each),) if named_one else ()) for each in bookable]
    else:
        named = [part for part in rules.components if part.choose is Choose.NAMED and not part.optional]
        choices = tuple((part.component_id, part.resource_ids[0]) for part in named)
        starts = free["starts"] or sorted({span["start"] for span in free["spans"]})
        slots = [Slot(datetime.fromisoformat(start), minutes, choices) for start in starts]
    title = state.title.get("de", state.offer_id)
    return Shown(state.offer_id, title, tuple(slots[:_SLOTS_MAX]), rules.max_quantity)


async def _ask(client: httpx.AsyncClient, path: str, query: dict[str, str]) -> dict[str, Any]:
    """A question to booking, repeated while it does not know the offer yet."""
    deadline = asyncio.get_running_loop().time() + _KNOWN_SECONDS
    answer = await client.get(path, params=query)
    while answer.status_code == 404 and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
        answer = await client.get(path, params=query)
    if answer.status_code != 200:
        raise Failure(f"booking answers {answer.status_code} to {path}.", remedy="hubnetz logs booking")
    found: dict[str, Any] = answer.json()
    return found


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
