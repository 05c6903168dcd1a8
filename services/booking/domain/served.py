"""What this release decides. Everything that it does not is refused here as `not_bookable`, never half done.

Decided are offers with instant booking whose components are units, pools or sessions (at most one component with sessions),
for wishes to book at once; and cancelling. Widening this file is how the next kinds and commands come in.
"""

from collections.abc import Sequence

from services.booking.domain.claims import Wish
from services.booking.domain.codes import Kind, Per
from services.booking.domain.offers import Component, Offer

SERVED_KINDS = frozenset({Kind.UNIT, Kind.POOL, Kind.SESSION})
SERVED_MODES = frozenset({"instant"})


def serves_offer(mode: str, components: Sequence[Component]) -> bool:
    """Whether bookings of such an offer are decided at all."""
    sessions = sum(part.kind is Kind.SESSION for part in components)
    return mode in SERVED_MODES and bool(components) and sessions <= 1 and all(part.kind in SERVED_KINDS for part in components)


def serves_wish(*, intent: str, series: bool, overbook: bool) -> bool:
    """Whether such a wish is decided: no hold, no series, no overbooking yet."""
    return intent == "book" and not series and not overbook


def counts_unserved_group(offer: Offer, wish: Wish) -> bool:
    """Whether a contingent of one of the asker's groups would have to be counted: only a person's own limits are."""
    return wish.groups is not None and any(
        limit.per is Per.GROUP and (limit.group is None or limit.group in wish.groups) for limit in offer.limits
    )
