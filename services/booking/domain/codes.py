"""The closed word lists of the domain: reasons in the order in which they are checked, states, kinds, roles."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a request was refused. The order is the order of precedence: the first that applies is *the* reason."""

    INVALID_REQUEST = "invalid_request"
    REQUEST_EXPIRED = "request_expired"
    REQUEST_ID_REUSED = "request_id_reused"
    UNKNOWN_OFFER = "unknown_offer"
    NOT_BOOKABLE = "not_bookable"
    REVISION_OUTDATED = "revision_outdated"
    NOT_PERMITTED = "not_permitted"
    HOLD_EXPIRED = "hold_expired"
    OFFER_EXPIRED = "offer_expired"
    DEADLINE_PASSED = "deadline_passed"
    GONE = "gone"
    STALE_VERSION = "stale_version"
    NONEXISTENT_LOCAL_TIME = "nonexistent_local_time"
    AMBIGUOUS_LOCAL_TIME = "ambiguous_local_time"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    OFF_GRID = "off_grid"
    TOO_SOON = "too_soon"
    TOO_FAR_AHEAD = "too_far_ahead"
    BLACKOUT = "blackout"
    OUTSIDE_OPENING_HOURS = "outside_opening_hours"
    NEEDS_UNMET = "needs_unmet"
    SAME_UNIT_TWICE = "same_unit_twice"
    PERSON_LIMIT = "person_limit"
    GROUP_QUOTA = "group_quota"
    PARTNER_LIMIT = "partner_limit"
    CONFLICT = "conflict"
    BUFFER = "buffer"
    CAPACITY_FULL = "capacity_full"
    WAITLIST_FULL = "waitlist_full"
    APPROVAL_REQUIRED = "approval_required"
    SERIES_INCOMPLETE = "series_incomplete"
    BUSY = "busy"


RANK = {reason: rank for rank, reason in enumerate(Reason)}

# What another start could cure: only where nothing else stands in the way is a next start worth telling.
TAKEN = frozenset({Reason.CONFLICT, Reason.BUFFER, Reason.CAPACITY_FULL})


class State(StrEnum):
    """Where a booking stands; what may follow is the table of booking.md §6."""

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


BLOCKING = frozenset({State.HELD, State.PENDING_APPROVAL, State.OFFERED, State.CONFIRMED, State.CHECKED_IN})
TERMINAL = frozenset({State.COMPLETED, State.NO_SHOW, State.CANCELLED, State.DECLINED, State.EXPIRED})
# Limits per day, week and month also count what was used up.
USED_UP = frozenset({State.COMPLETED, State.NO_SHOW})


class Kind(StrEnum):
    """What a resource is, and with it what guards it. `unknown`: newer than we are."""

    UNIT = "unit"
    POOL = "pool"
    SESSION = "session"
    ADVISER = "adviser"
    ALLOWANCE = "allowance"
    PARTNER = "partner"
    UNKNOWN = "unknown"


# One claim at a time: guarded by the exclusion constraint.
EXCLUSIVE = frozenset({Kind.UNIT, Kind.ADVISER})
BOOKED_KINDS = EXCLUSIVE | {Kind.POOL, Kind.SESSION}


class Choose(StrEnum):
    """How one of a component's resources is picked."""

    ANY = "any"
    NAMED = "named"
    EITHER = "either"


class Role(StrEnum):
    """Who acts. `system` is ours: no command may state it."""

    CITIZEN = "citizen"
    STAFF = "staff"
    PARTNER = "partner"
    SYSTEM = "system"


class Per(StrEnum):
    """Whose bookings a limit adds up."""

    PERSON = "person"
    GROUP = "group"


class Measure(StrEnum):
    """What a limit adds up."""

    BOOKINGS = "bookings"
    PLACES = "places"
    MINUTES = "minutes"


class Window(StrEnum):
    """Over which time a limit adds up."""

    ACTIVE = "active"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SAME_TIME = "same_time"


class Lead(StrEnum):
    """In what the lead time is counted."""

    MINUTES = "minutes"
    DAYS = "days"
    WORKING_DAYS = "working_days"


class Queue(StrEnum):
    """Who is next where something is full: nobody waits, the first in the queue, the first that fits."""

    OFF = "off"
    STRICT = "strict"
    FIT = "fit"


class Every(StrEnum):
    """Step of a series; `month` is the same ordinal weekday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
