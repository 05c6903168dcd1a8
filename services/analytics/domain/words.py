"""The closed word lists of booking's language; a test compares them with the contract's."""

from enum import StrEnum


class State(StrEnum):
    """States of a booking."""

    HELD = "held"
    PENDING_APPROVAL = "pending_approval"
    OFFERED = "offered"
    CONFIRMED = "confirmed"
    CHECKED_IN = "checked_in"
    WAITLISTED = "waitlisted"
    DISPLACED = "displaced"
    AWAITING_PARTNER = "awaiting_partner"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    EXPIRED = "expired"
    REJECTED = "rejected"


BOOKED = frozenset({State.CONFIRMED, State.CHECKED_IN, State.COMPLETED, State.NO_SHOW})
"""States in which the time is, or was, taken."""


class Kind(StrEnum):
    """How a resource is scarce."""

    UNIT = "unit"
    POOL = "pool"
    SESSION = "session"
    ADVISER = "adviser"
    UNKNOWN = "unknown"


EXCLUSIVE = frozenset({Kind.UNIT, Kind.ADVISER})
"""Kinds that one booking takes whole: their time is a union, never a sum."""


class Claimant(StrEnum):
    """For whom a booking is."""

    PERSON = "person"
    PARTNER = "partner"
    HOUSE = "house"


class Side(StrEnum):
    """Whether the offer is this hub's, or a partner's that our citizens booked."""

    PROVIDER = "provider"
    HOME = "home"
