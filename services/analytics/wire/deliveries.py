"""What became of messages, as rows. Kept for the figure of message quality; no address is in them."""

from zoneinfo import ZoneInfo

from contracts.envelope import Event
from contracts.notify import MessageFailed, MessageFate, MessageSuppressed
from hubkit.inbox import content_hash
from services.analytics.domain.rows import DeliveryRow
from services.analytics.domain.zones import local_day


def read_delivery(event: Event, where: ZoneInfo) -> DeliveryRow | None:
    """The row; None for what is no fate of a message."""
    data = event.data
    if not isinstance(data, MessageFate):
        return None
    return DeliveryRow(
        event_id=event.id,
        message_id=data.message_id,
        booking_id=data.booking_id,
        occurred_at=event.time,
        due_at=data.due_at,
        came_at=data.at,
        attempts=data.attempts,
        day=local_day(data.at, where),
        resent=data.resent,
        content_hash=content_hash(event),
        type=data.bare_type(),
        kind=data.kind.value,
        message_class=data.message_class.value,
        channel=data.channel.value,
        reason=data.reason.value if isinstance(data, MessageFailed | MessageSuppressed) else None,
    )
