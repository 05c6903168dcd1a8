"""Strategies: messages as a writer may make them, whatever sense they make."""

import unicodedata
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st

from contracts.booking import (
    ActorRole,
    BookingCancelled,
    BookingConfirmed,
    BookingRejected,
    CancelBooking,
    Reason,
    RejectedFor,
    RequestBooking,
    State,
)
from contracts.booking.commands import Actor, AddTo, Overbook, Series
from contracts.booking.vocabulary import (
    Claimant,
    Every,
    HouseClaimant,
    Intent,
    PartnerClaimant,
    PersonClaimant,
    Placement,
    SeriesMode,
)
from contracts.people import ContactSaved

unhurried = settings(deadline=None)
"""A loaded machine is no finding."""

codes = st.text("abz09_-", min_size=1, max_size=40)
ids = st.text("AZaz09._:-", min_size=1, max_size=120)
reason_codes = st.text("az_", min_size=1, max_size=40)
hubs = st.text("az09-", min_size=2, max_size=32)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
whole = instants.map(lambda value: value.replace(microsecond=0))
lengths = st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds))
versions = st.integers(1, 2**31 - 1)
revisions = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=50).map(
    lambda text: unicodedata.normalize("NFC", text)
)
claimants: st.SearchStrategy[Claimant] = st.one_of(
    st.builds(PersonClaimant, kind=st.just("person"), person_id=st.uuids()),
    st.builds(PartnerClaimant, kind=st.just("partner"), hub_id=hubs, booking_ref=st.uuids()),
    st.builds(HouseClaimant, kind=st.just("house"), purpose=codes),
)
actors = st.builds(
    Actor,
    role=st.sampled_from([ActorRole.CITIZEN, ActorRole.STAFF, ActorRole.PARTNER]),
    id=st.none() | ids,
    groups=st.lists(codes, max_size=3).map(tuple),
)
reasons = st.sampled_from([reason for reason in Reason if reason is not Reason.UNKNOWN])

repetitions = st.builds(
    Series,
    every=st.sampled_from(Every),
    interval=st.integers(1, 52),
    count=st.integers(1, 60),
    mode=st.sampled_from(SeriesMode),
)
additions = st.builds(AddTo, series_id=st.uuids(), n=st.integers(0, 59))


@st.composite
def wishes(draw: st.DrawFn) -> RequestBooking:
    """Any `RequestBooking` that its model takes."""
    start = draw(st.none() | whole)
    by_end = draw(st.booleans())
    local = draw(st.booleans())
    if start is not None and local:
        start = start.replace(tzinfo=None)
    series = draw(st.none() | repetitions) if start is not None else None
    return RequestBooking(
        offer_id=draw(ids),
        actor=draw(actors),
        expected_version=draw(st.none() | versions),
        claimant=draw(claimants),
        start=start,
        end=start + draw(lengths) if start is not None and by_end else None,
        duration_minutes=draw(st.integers(1, 527_040)) if start is not None and not by_end else None,
        choices=draw(st.dictionaries(codes, ids, max_size=8)),
        options=draw(st.lists(codes, max_size=3).map(tuple)),
        quantity=draw(st.integers(1, 500)),
        quantities=draw(st.dictionaries(codes, st.integers(1, 500), max_size=8)),
        needs=draw(st.lists(codes, max_size=3).map(tuple)),
        intent=draw(st.sampled_from(Intent)),
        hold_seconds=draw(st.none() | st.integers(1, 1800)),
        join_waitlist=draw(st.booleans()),
        instant_only=draw(st.booleans()),
        series=series,
        add_to=None if series else draw(st.none() | additions),
        overbook=draw(st.none() | st.builds(Overbook, reason_code=reason_codes)),
        offer_revision=draw(st.none() | revisions),
    )


_fact = {
    "booking_id": st.uuids(),
    "version": versions,
    "from_state": st.none() | st.sampled_from(State),
    "offer_id": ids,
    "offer_revision": revisions,
    "claimant": claimants,
    "start": whole,
    "end": whole,
    "time_zone": st.sampled_from(["Europe/Berlin", "UTC"]),
    "quantity": st.integers(1, 500),
    "placements": st.lists(
        st.builds(Placement, component_id=codes, resource_id=ids, quantity=st.integers(1, 500)), max_size=3
    ).map(tuple),
    "series_id": st.none() | st.uuids(),
    "occurrence_no": st.none() | st.integers(0, 59),
    "actor_role": st.sampled_from(ActorRole),
    "request_id": st.none() | st.uuids(),
    "reason": st.none() | reasons,
}

messages = st.one_of(
    wishes(),
    st.builds(CancelBooking, offer_id=ids, actor=actors, booking_id=st.uuids(), series_id=st.none(), from_n=st.none()),
    st.builds(
        BookingConfirmed,
        state=st.just(State.CONFIRMED),
        check_in_code=st.just("7K3MZQ0T"),
        cancel_until=instants,
        overbook_reason=st.none() | reason_codes,
        **_fact,
    ),
    st.builds(
        BookingCancelled,
        state=st.just(State.CANCELLED),
        by=st.sampled_from(ActorRole),
        late=st.booleans(),
        freed=st.booleans(),
        resale_after=st.none() | instants,
        **_fact,
    ),
    st.builds(
        BookingRejected,
        offer_id=ids,
        actor_role=st.sampled_from(ActorRole),
        request_id=st.none() | st.uuids(),
        reason=reasons,
        claimant=st.none() | claimants,
        reasons=st.lists(st.builds(RejectedFor, code=reasons, component_id=st.none() | codes), min_size=1, max_size=3).map(
            tuple
        ),
        retryable=st.booleans(),
        requested_at=instants,
    ),
    st.builds(
        ContactSaved,
        person_id=st.uuids(),
        name=st.none() | texts,
        address=st.none() | st.just("a@example.org"),
        verified_at=st.none() | instants,
        link_epoch=st.integers(0, 2**31 - 1),
    ),
)
"""A message of any shape that occurs: optional parts, unions, enums, texts, instants."""
