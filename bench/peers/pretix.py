"""pretix: one order over its API for each request, of a free product whose quota is the session's capacity."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.hub import Hub
from bench.peers.house import House, house
from bench.peers.loop import Answer, Ask
from bench.peers.peer import LAST, Counts, Shop, Size, counted, encoded

QUOTAS: Final = 20
ENOUGH: Final = 100_000
_INSIDE: Final = Path(__file__).parent / "inside" / "pretix_shop.py"
_ORDERS: Final = "/api/v1/organizers/bench/events/bench/orders/"
_SOLD_OUT: Final = b"not enough quota available"
# Of each quota the places that valid orders hold, in a count of our own: pretix' cached figures are not asked.
_COUNTS: Final = """
SELECT coalesce(sum(sold), 0)::int, coalesce(sum(greatest(0, sold - size)), 0)::int
FROM (
    SELECT q.size, count(p.id) FILTER (WHERE NOT p.canceled AND o.status IN ('n', 'p')) AS sold
    FROM pretixbase_quota AS q
    JOIN pretixbase_quota_items AS i ON i.quota_id = q.id
    LEFT JOIN pretixbase_orderposition AS p ON p.item_id = i.item_id
    LEFT JOIN pretixbase_order AS o ON o.id = p.order_id
    GROUP BY q.id
) AS s
"""


@dataclass(frozen=True, slots=True)
class Pretix:
    """A running pretix, ready to sell."""

    shop: Shop
    dsn: str
    products: Mapping[str, Sequence[int]]

    def hot(self, count: int) -> list[Ask]:
        """Orders of the one product with few places."""
        return [_order(self.products["hot"][0])] * count

    def spread(self, count: int) -> list[Ask]:
        """Orders round products that have enough."""
        products = self.products["spread"]
        return [_order(products[number % len(products)]) for number in range(count)]

    def last(self, number: int, count: int) -> list[Ask]:
        """Orders of a product with one place."""
        return [_order(self.products["last"][number])] * count

    async def counts(self) -> Counts:
        """Read from its tables; it has nothing that could overlap."""
        sold, oversold = await counted(self.dsn, _COUNTS)
        return Counts(sold=sold, oversold=oversold, doubled=0)


def judge(status: int, body: bytes) -> Answer:
    """What pretix' answer to an order means; 409 is its lock's patience at an end."""
    if status == 201:
        return Answer.CONFIRMED
    if status == 400 and _SOLD_OUT in body:
        return Answer.REFUSED
    return Answer.BUSY if status == 409 else Answer.FAILED


def _order(product: int) -> Ask:
    position = {"item": product, "variation": None, "price": None}
    return encoded(_ORDERS, {"sales_channel": "web", "positions": [position]})


def _settings(place: House) -> str:
    """Production as its manual has it: PostgreSQL, redis for cache and sessions, background work handed to a queue.

    Nobody works that queue off here, which spares pretix the processor time of mails and webhooks.
    """
    redis = f"redis://127.0.0.1:{place.redis}"
    known = place.database
    sections: dict[str, dict[str, object]] = {
        "pretix": {"instance_name": "bench", "url": "http://127.0.0.1", "datadir": place.folder / "data", "ecb_rates": "off"},
        "locale": {"default": "en", "timezone": "Europe/Berlin"},
        "database": {
            "backend": "postgresql",
            "name": known.name,
            "user": known.user,
            "password": known.password,
            "host": known.host,
            "port": known.port,
        },
        "redis": {"location": f"{redis}/0", "sessions": "true"},
        "celery": {"backend": f"{redis}/1", "broker": f"{redis}/2"},
    }
    return "\n".join(
        line
        for name, values in sections.items()
        for line in (f"[{name}]", *(f"{key}={value}" for key, value in values.items()))
    )


@contextmanager
def running_pretix(hub: Hub, folder: Path, size: Size) -> Iterator[Pretix]:
    """Migrate, fill, serve; stopped at the end."""
    with house(hub, "pretix", folder) as place:
        (folder / "data").mkdir()
        config = folder / "pretix.cfg"
        config.touch(mode=0o600)
        config.write_text(_settings(place), encoding="utf-8")
        env = {"PRETIX_CONFIG_FILE": str(config), "DJANGO_SETTINGS_MODULE": "pretix.settings"}
        place.job("migrate", ["python", "-m", "pretix", "migrate", "--verbosity", "0"], env)
        kinds = {"hot": [size.places], "spread": [ENOUGH] * QUOTAS, "last": [1] * LAST}
        made = place.told("fill", ["python", str(_INSIDE), json.dumps(kinds)], env)
        port = place.serve("pretix.wsgi", env)
        headers = {"Authorization": f"Token {made['token']}", "Content-Type": "application/json"}
        yield Pretix(Shop(port, headers, judge), place.database.dsn, {kind: made[kind] for kind in kinds})
