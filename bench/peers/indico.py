"""Indico's room booking: one booking of one room for each request, over the address that its own pages use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from bench.hub import Hub
from bench.peers.house import House, house
from bench.peers.loop import Answer, Ask
from bench.peers.peer import Counts, Shop, counted, encoded

ROOMS: Final = 50
SLOT: Final = timedelta(minutes=30)
_SLOTS_A_DAY: Final = 40  # from midnight; a booking of its own day only, as Indico wants it
_INSIDE: Final = Path(__file__).parent / "inside" / "indico_rooms.py"
_HOST: Final = "127.0.0.1"
_CREATE: Final = "/rooms/api/booking/create"
_SCOPE: Final = ("unaccent", "pg_trgm")
_FOLDERS: Final = ("cache", "tmp", "log", "archive")
# Accepted bookings, and the pairs of them that have one room at one time.
_COUNTS: Final = """
WITH held AS (
    SELECT r.id, r.room_id, tsrange(o.start_dt, o.end_dt) AS span
    FROM roombooking.reservations AS r
    JOIN roombooking.reservation_occurrences AS o ON o.reservation_id = r.id
    WHERE r.state = 2 AND o.state = 2
)
SELECT
    (SELECT count(*) FROM held)::int,
    (SELECT count(*) FROM held AS a JOIN held AS b ON b.room_id = a.room_id AND b.span && a.span AND b.id > a.id)::int
"""


@dataclass(slots=True)
class Indico:
    """A running Indico, ready to be booked; each slot is asked for once unless a crowd wants it."""

    shop: Shop
    dsn: str
    rooms: Sequence[int]
    first: date
    _used: int = field(default=0, init=False)

    def spread(self, count: int) -> list[Ask]:
        """Bookings round the rooms, each of a slot that nobody else wants."""
        return [self._next() for _ in range(count)]

    def last(self, count: int) -> list[Ask]:
        """Bookings of one and the same slot."""
        return [self._next()] * count

    def _next(self) -> Ask:
        room_id = self.rooms[self._used % len(self.rooms)]
        start = slot_start(self.first, self._used // len(self.rooms))
        self._used += 1
        span = {"start_dt": start.isoformat(), "end_dt": (start + SLOT).isoformat()}
        return encoded(_CREATE, {"room_id": room_id, **span, "repeat_frequency": "NEVER", "reason": "Messung"})

    async def counts(self) -> Counts:
        """Read from its tables; it has no sessions that could be sold out."""
        sold, doubled = await counted(self.dsn, _COUNTS)
        return Counts(sold=sold, oversold=0, doubled=doubled)


def slot_start(first: date, number: int) -> datetime:
    """When the slot of that number begins: `_SLOTS_A_DAY` from midnight, then the next day."""
    days, slot = divmod(number, _SLOTS_A_DAY)
    return datetime.combine(first + timedelta(days=days), time()) + slot * SLOT  # Indico keeps the house's clock face


def judge(status: int, body: bytes) -> Answer:
    """What Indico's answer to a booking means; 418 carries what it expects to go wrong, a taken room among it."""
    if status == 200 and b'"booking"' in body:
        return Answer.CONFIRMED
    return Answer.REFUSED if status == 418 else Answer.FAILED


def _settings(place: House) -> str:
    """As its set-up wizard writes it: PostgreSQL, redis as cache and queue, room booking on; nobody works the queue off."""
    redis = f"redis://127.0.0.1:{place.redis}"
    known = {
        "SQLALCHEMY_DATABASE_URI": place.database.dsn,
        "SECRET_KEY": place.database.password,
        "BASE_URL": f"http://{_HOST}",
        "CELERY_BROKER": f"{redis}/0",
        "REDIS_CACHE_URL": f"{redis}/1",
        "DEFAULT_TIMEZONE": "Europe/Berlin",
        "DEFAULT_LOCALE": "de_DE",
        "ENABLE_ROOMBOOKING": True,
        "CACHE_DIR": str(place.folder / "cache"),
        "TEMP_DIR": str(place.folder / "tmp"),
        "LOG_DIR": str(place.folder / "log"),
        "STORAGE_BACKENDS": {"default": f"fs:{place.folder / 'archive'}"},
        "NO_REPLY_EMAIL": "noreply@hub.example",
        "SUPPORT_EMAIL": "hub@hub.example",
        "SYSTEM_NOTICES_URL": None,
    }
    return "".join(f"{name} = {value!r}\n" for name, value in known.items())


@contextmanager
def running_indico(hub: Hub, folder: Path, first: date) -> Iterator[Indico]:
    """Make its tables, fill, serve; stopped at the end."""
    with house(hub, "indico", folder, extensions=_SCOPE) as place:
        for name in _FOLDERS:
            (folder / name).mkdir(exist_ok=True)
        config = folder / "indico.conf"
        config.touch(mode=0o600)
        config.write_text(_settings(place), encoding="utf-8")
        env = {"INDICO_CONFIG": str(config)}
        place.job("prepare", ["indico", "db", "prepare"], env)
        made = place.told("fill", ["python", str(_INSIDE), str(ROOMS)], env)
        port = place.serve("indico.web.flask.app:make_app()", env)
        # As a web server before it would pass it on: Indico sends whoever calls it by another name to its own address.
        headers = {"Host": _HOST, "Authorization": f"Bearer {made['token']}", "Content-Type": "application/json"}
        yield Indico(Shop(port, headers, judge), place.database.dsn, made["rooms"], first)
