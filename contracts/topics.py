"""Every topic of a hub: who owns, writes and reads it, its key, its messages, how long it is kept.

Topics are created from this table and access to them is planned from it: there is no second list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.booking import COMMANDS, FACTS, NOTICES
from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope.event import COMMAND_BYTES_MAX, RECORD_BYTES_MAX, VALUE_BYTES_MAX, Model
from contracts.notify import FATES
from contracts.people import ContactSaved

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
FOURTEEN_MONTHS_MS: Final = 427 * DAY_MS
"""Lets the figures be rebuilt from the log alone; no personal data is in those topics."""
AWAY_MS: Final = 45 * DAY_MS
"""How long a reader may be away and still learn of a deletion. Kafka's defaults (1 to 7 days) lose exactly a week's absence."""
DEAD_LETTER_BYTES_MAX: Final = 320 * 1024
"""A record at the limit and its `dl_*` headers, else the relay would stick."""
CLOCK_SKEW_MS: Final = 300_000
"""How far ahead of the broker's clock the timestamp of a shared record may lie: compaction lags go by it."""

SERVICES: Final = ("booking", "catalog", "notify", "analytics", "federation", "portal")
FRONTENDS: Final = "frontends"
PARTNERS: Final = "partners"
OPERATORS: Final = "operators"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row of the table; `by_type` leads from `ce_type` to the model.

    `tombstones`: a null value is due. `answers_invalid`: a command whose body fails its model is answered instead of put away.
    `own_writers_only`: only services of this hub write it, so a bad record there is a fault of ours. Elsewhere the broker
    stamps the records: by a stranger's clock they would be deleted before they are read, or never.
    """

    name: str
    key: str
    owner: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: int
    models: tuple[type[Model], ...] = ()
    retention_ms: int | None = None
    min_compaction_lag_ms: int | None = None
    max_compaction_lag_ms: int | None = None
    timestamp_after_max_ms: int | None = None
    max_message_bytes: int = RECORD_BYTES_MAX
    value_bytes_max: int = VALUE_BYTES_MAX
    answers_invalid: bool = False
    own_writers_only: bool = True
    by_type: Mapping[str, type[Model]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_type", {model.ce_type: model for model in self.models})

    @property
    def cleanup(self) -> str:
        """Kafka's `cleanup.policy`."""
        return "compact" if self.retention_ms is None else "delete"

    @property
    def tombstones(self) -> bool:
        """Whether a null value means something here: it removes what is under its key."""
        return self.retention_ms is None

    def config(self) -> dict[str, str]:
        """Kafka's topic configuration, all values as text. Replication is the cluster's matter, compression the producer's."""
        numbers = {
            "max.message.bytes": self.max_message_bytes,
            "retention.ms": self.retention_ms,
            "delete.retention.ms": AWAY_MS if self.tombstones else None,
            "min.compaction.lag.ms": self.min_compaction_lag_ms,
            "max.compaction.lag.ms": self.max_compaction_lag_ms,
            "message.timestamp.after.max.ms": self.timestamp_after_max_ms,
        }
        texts = {"cleanup.policy": self.cleanup}
        if not self.own_writers_only:
            texts["message.timestamp.type"] = "LogAppendTime"
        return texts | {name: str(number) for name, number in numbers.items() if number is not None}


def _shared(name: str, *, key: str, partitions: int, readers: tuple[str, ...], retention_ms: int | None = None) -> Topic:
    """A topic at the border: written by the gateway alone; compacted unless `retention_ms` is given."""
    compacted = retention_ms is None
    return Topic(
        name=name,
        key=key,
        owner="federation",
        writers=("federation",),
        readers=readers,
        partitions=partitions,
        retention_ms=retention_ms,
        min_compaction_lag_ms=DAY_MS if compacted else None,
        max_compaction_lag_ms=7 * DAY_MS if compacted else None,
        timestamp_after_max_ms=CLOCK_SKEW_MS,
    )


BOOKING_REQUESTS: Final = Topic(
    name="booking.requests.v1",
    key="offer id",
    owner="booking",
    writers=("portal", "federation", FRONTENDS),
    readers=("booking",),
    partitions=6,
    models=COMMANDS,
    retention_ms=14 * DAY_MS,
    value_bytes_max=COMMAND_BYTES_MAX,
    answers_invalid=True,
    own_writers_only=False,
)
BOOKING_EVENTS: Final = Topic(
    name="booking.events.v1",
    key="booking id, or offer id where no single booking is meant",
    owner="booking",
    writers=("booking",),
    readers=("notify", "analytics", "portal", "federation"),
    partitions=6,
    models=(*FACTS, *NOTICES),
    retention_ms=FOURTEEN_MONTHS_MS,
)
CATALOG_OFFERS: Final = Topic(
    name="catalog.offers.v1",
    key="offer id",
    owner="catalog",
    writers=("catalog",),
    readers=("booking", "notify", "analytics", "federation", "portal"),
    partitions=6,
    models=(OfferPublished, OfferWithdrawn),
    min_compaction_lag_ms=FOURTEEN_MONTHS_MS,
)
PEOPLE_CONTACTS: Final = Topic(
    name="people.contacts.v1",
    key="person id",
    owner="portal",
    writers=("portal",),
    readers=("notify",),
    partitions=3,
    models=(ContactSaved,),
    max_compaction_lag_ms=DAY_MS,
)
NOTIFY_DELIVERIES: Final = Topic(
    name="notify.deliveries.v1",
    key="booking id or message id",
    owner="notify",
    writers=("notify",),
    readers=("analytics", "portal"),
    partitions=6,
    models=FATES,
    retention_ms=FOURTEEN_MONTHS_MS,
)
ANALYTICS_FIGURES: Final = Topic(
    name="analytics.figures.v1",
    key="figures id",
    owner="analytics",
    writers=("analytics",),
    readers=("federation",),
    partitions=1,
)
FED_OUT_HUB: Final = _shared("fed.out.hub.v1", key="hub id", partitions=1, readers=(PARTNERS,))
FED_OUT_OFFERS: Final = _shared("fed.out.offers.v1", key="offer id", partitions=6, readers=(PARTNERS,))
FED_OUT_AVAILABILITY: Final = _shared("fed.out.availability.v1", key="offer id", partitions=6, readers=(PARTNERS,))
FED_OUT_FIGURES: Final = _shared("fed.out.figures.v1", key="figures id", partitions=1, readers=(PARTNERS,))
FED_IN_OFFERS: Final = _shared(
    "fed.in.offers.v1",
    key="offer id, <offer id>/availability or hub id",
    partitions=6,
    readers=("catalog", "booking", "notify"),
)
FED_IN_BOOKING: Final = _shared(
    "fed.in.booking.v1", key="booking ref", partitions=3, readers=("booking", "notify"), retention_ms=AWAY_MS
)
FED_IN_FIGURES: Final = _shared("fed.in.figures.v1", key="figures id", partitions=1, readers=("analytics",))


def to_partner(hub_id: str) -> Topic:
    """The topic of cross-hub requests and answers to one partner; there is one for each, made when the partner is added."""
    return _shared(f"fed.out.to-{hub_id}.booking.v1", key="booking ref", partitions=1, readers=(hub_id,), retention_ms=AWAY_MS)


def dead_letter(service: str) -> Topic:
    """The topic of raw records that `service` could not read; ValueError for a name that is no service."""
    if service not in SERVICES:
        raise ValueError(f"no service is called {service}")
    return Topic(
        name=f"{service}.dead-letter.v1",
        key="as in the record put away",
        owner=service,
        writers=(service,),
        readers=(OPERATORS,),
        partitions=1,
        retention_ms=30 * DAY_MS,
        max_message_bytes=DEAD_LETTER_BYTES_MAX,
        value_bytes_max=DEAD_LETTER_BYTES_MAX,
    )


DEAD_LETTERS: Final = tuple(dead_letter(service) for service in SERVICES)

ALL: Final = (
    BOOKING_REQUESTS,
    BOOKING_EVENTS,
    CATALOG_OFFERS,
    PEOPLE_CONTACTS,
    NOTIFY_DELIVERIES,
    ANALYTICS_FIGURES,
    FED_OUT_HUB,
    FED_OUT_OFFERS,
    FED_OUT_AVAILABILITY,
    FED_OUT_FIGURES,
    FED_IN_OFFERS,
    FED_IN_BOOKING,
    FED_IN_FIGURES,
    *DEAD_LETTERS,
)
"""All that a hub without partners has."""

WITHOUT_MODELS: Final = (
    ANALYTICS_FIGURES,
    FED_OUT_HUB,
    FED_OUT_OFFERS,
    FED_OUT_AVAILABILITY,
    FED_OUT_FIGURES,
    FED_IN_OFFERS,
    FED_IN_BOOKING,
    FED_IN_FIGURES,
)
"""Topics that exist before the service that fills them: their messages come with it. Dead letters never have any."""
