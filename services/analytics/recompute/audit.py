"""One day computed in plain Python from its facts and held against its stored roll-ups: the two must never differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from hubkit.db import Pool, reading
from services.analytics.domain.days import OfferDay, ResourceDay, offer_days, resource_days
from services.analytics.domain.facts import fold
from services.analytics.store import audit


@dataclass(frozen=True, slots=True)
class Audited:
    """What a day should be, and what is stored of it. `marked`: it is still to be computed, so nothing follows."""

    expected: tuple[dict[str, ResourceDay], dict[str, OfferDay]]
    stored: tuple[dict[str, ResourceDay], dict[str, OfferDay]]
    marked: bool

    @property
    def differences(self) -> int:
        """Resources and offers whose line is another one, missing or too many."""
        if self.marked:
            return 0
        return _count(self.expected[0], self.stored[0]) + _count(self.expected[1], self.stored[1])


def _count(expected: Mapping[str, object], stored: Mapping[str, object]) -> int:
    return sum(expected.get(key) != stored.get(key) for key in expected.keys() | stored.keys())


async def audit_day(pool: Pool, hub_id: str, day: date, where: ZoneInfo) -> Audited:
    """Compare one day of one hub, in one snapshot."""
    async with reading(pool) as conn:
        facts = await audit.read_facts(conn, hub_id, day)
        bookings = [fold(of_one) for of_one in facts.values()]
        expected = (
            resource_days(day, where, await audit.read_open_days(conn, hub_id, day), bookings),
            offer_days(day, where, bookings, await audit.read_refusals(conn, hub_id, day)),
        )
        stored = (await audit.read_resource_days(conn, hub_id, day), await audit.read_offer_days(conn, hub_id, day))
        return Audited(expected, stored, await audit.is_marked(conn, hub_id, day))
