"""Planted violations of imports, bounds, telemetry and size."""

from tests.tidy.planted import Plant

_LONG = "def long():\n" + "    step()\n" * 69

PLANTS = (
    Plant(
        "domain",
        "`wire` translates",
        {
            "services/booking/domain.py": """
import zoneinfo
from dataclasses import dataclass
from services.booking.limits import DAYS_MAX
from . import limits
import asyncpg  # bad
from contracts.booking import RequestBooking  # bad
from services.booking import store  # bad
from . import wire  # bad
from services.catalog.domain import Offer  # bad
from hubkit import clock  # bad
""",
            "services/catalog/domain/rules.py": """
from services.catalog import limits
from services.catalog.domain.texts import clean
from .texts import pick
import yaml  # bad
""",
            "services/booking/limits.py": "from datetime import timedelta\nfrom services.booking import domain  # bad",
            "services/analytics/kpi.py": "from services.analytics import domain\nfrom services.analytics import store  # bad",
            "services/booking/wire.py": "from contracts.booking import RequestBooking",
        },
    ),
    Plant(
        "contracts",
        "pydantic and the standard library only",
        {
            "contracts/topics.py": """
import json
from pydantic import BaseModel
from pydantic_core import core_schema
from contracts.envelope import Event
from hubkit import ids  # bad
import orjson  # bad
""",
        },
    ),
    Plant(
        "orphan",
        "remove it, or list it",
        {
            "pyproject.toml": '[project.scripts]\nhubnetz = "deploy.cli:main"',
            "deploy/cli.py": 'from deploy import say\nrun([python, "-m", "deploy.local.watchdog"])',
            "deploy/say.py": "",
            "deploy/local/watchdog.py": "",
            "deploy/bootstrap.py": "",
            "hubkit/stray.py": "import os  # bad",
            "services/booking/__init__.py": "",
            "services/booking/__main__.py": "from services.booking.app import build",
            "services/booking/app.py": "",
            "services/booking/leftover.py": "import os  # bad",
            "services/booking/migrations/booking_0001_expand_bookings.py": "",
            "tests/support/kafka.py": "",
            "tests/support/stray.py": "import os  # bad",
            "tests/unit/test_x.py": "from tests.support import kafka\nimport services.booking.leftover",
        },
    ),
    Plant(
        "unused",
        "nobody uses",
        {
            "hubkit/outbox.py": """
BATCH_ROWS_MAX = 500
STALE_ROWS_MAX = 500  # bad
log: object = None
def put(): return BATCH_ROWS_MAX
def drop(): ...  # bad
class Relay: ...
class Mark: ...  # bad
@route
def health(): ...
""",
            "services/booking/app.py": """
from hubkit.outbox import put
from hubkit import outbox
def start(): outbox.log(); return outbox.Relay
NAMES = ["start"]
print(NAMES)
""",
            "tests/unit/test_x.py": "from hubkit.outbox import drop\ndrop()",
        },
    ),
    Plant(
        "log",
        "extra",
        {
            "hubkit/telemetry.py": 'LOG_FIELDS = frozenset({"action", "booking_id", "count"})',
            "services/booking/handlers.py": """
log.info("booking confirmed", extra={"action": "confirm", "booking_id": booking.id})
log.debug("contact read", extra={"action": "read", "person_id": person})
log.info(f"booked {user.email}", extra={"action": "confirm"})  # bad
logger.warning("booked %s", user, extra={"action": "confirm"})  # bad
log.error("booked " + user, extra={"action": "confirm"})  # bad
log.info("booked {}".format(user), extra={"action": "confirm"})  # bad
self._log.info("booked", extra={"action": "confirm", "email": user.email})  # bad
log.info("booked", extra={"action": "confirm", "person_id": user.id})  # bad
log.info("booked", extra={"action": "confirm", "count": str(exc)})  # bad
log.info("booked", extra={"action": "confirm", "booking_id": f"{user.name}"})  # bad
log.info("booked", extra=fields)  # bad
log.info("booked", extra={"action": "confirm"} | place(booking))
log.info("booked", extra={"action": "confirm"} | person(booking))  # bad
log.info("booked", extra={"action": "confirm"} | elsewhere(booking))  # bad
def place(booking): return {"booking_id": booking.id}
def person(booking): return {"name": booking.name}
log.info("booked", extra={"action": "confirm", **fields})  # bad
log.info("booked", extra={"booking_id": 1})  # bad
log.exception("booked")  # bad
logging.log(20, "booked", extra={"action": "confirm"})
catalogue.info(user)
""",
        },
    ),
    Plant(
        "metric",
        "hubkit.telemetry",
        {
            "hubkit/telemetry.py": """
from prometheus_client import Counter
Metric = Literal[
    "booking_busy_total",
    "booking_lost_total",  # bad
]
""",
            "services/booking/handlers.py": """
import prometheus_client  # bad
def decide(self, metrics, seen, name):
    metrics.add("booking_busy_total")
    self.metrics.add("booking_buzzy_total")  # bad
    self._metrics.observe(name, 3)  # bad
    metrics.set(f"booking_{name}", 1)  # bad
    seen.add(name)
""",
        },
    ),
    Plant(
        "unbounded",
        "range(ATTEMPTS_MAX)",
        {
            "hubkit/messaging.py": """
import itertools
async def poll(stopping):
    while True:  # bad
        await poll_once()
    while 1:  # bad
        break
    while not stopping.is_set():
        await poll_once()
""",
            "tests/unit/test_x.py": "while True: pass",
        },
    ),
    Plant(
        "unbounded",
        "range(..._MAX)",
        {
            "services/booking/worker.py": """
from itertools import count, repeat
def retry():
    for attempt in count():  # bad
        pass
    for _ in repeat(None, 3):
        pass
    for _ in repeat(None):  # bad
        pass
""",
        },
    ),
    Plant(
        "unbounded",
        "limits",
        {
            "services/portal/worker.py": """
import asyncio, functools, queue
from collections import deque
from functools import lru_cache
class Waiters:
    def __init__(self, size):
        self.waiting = asyncio.Queue()  # bad
        self.none = queue.Queue(maxsize=0)  # bad
        self.simple = queue.SimpleQueue()  # bad
        self.last = deque()  # bad
        self.recent = deque(maxlen=size)
        self.bounded = asyncio.Queue(size)
        open_ends = deque()
@functools.cache  # bad
def a(x): ...
@functools.cache
def one(): ...
@lru_cache(maxsize=None)  # bad
def b(x): ...
@lru_cache(maxsize=100)
def c(x): ...
@lru_cache
def d(x): ...
""",
        },
    ),
    Plant(
        "unbounded",
        "read the stream up to",
        {
            "services/catalog/http.py": """
import sys
async def put(request, path, response):
    text = await request.body()  # bad
    data = await request.json()  # bad
    rest = sys.stdin.read()  # bad
    more = sys.stdin.read(100)
    return response.json(), path.read_text()
""",
        },
    ),
    Plant(
        "unbounded",
        "limits",
        {
            "contracts/booking.py": """
from pydantic import BaseModel
class Model(BaseModel): ...
class RequestBooking(Model):
    ce_type: ClassVar[str] = "x"
    offer_id: OfferId
    start: Instant | None = None
    kind: Literal["a", "b"]
    options: list[str]  # bad
    needs: Annotated[tuple[Code, ...], Field(max_length=50)] = ()
    names: Annotated[tuple[str, ...], Field(max_length=50)] = ()  # bad
    choices: dict[Code, Code]  # bad
    title: str  # bad
    maybe: str | None = None  # bad
    note: str = Field(max_length=40)
    raw: Annotated[str, Field(description="x")]  # bad
    quantity: int  # bad
    size: Annotated[int, Field(ge=1, le=500)]
    pair: tuple[Code, Code]
    open: bool = False
class Plain:
    names: list[str]
""",
            "contracts/catalog.py": """
from contracts.booking import RequestBooking as Base
from contracts.values import Rules, Texts, Own
class Longer(Base):
    more: list[Code]  # bad
    rules: Rules  # bad
    texts: Texts | None = None
    own: Own
    plain: Plain  # bad
Plain = str
""",
            "contracts/values.py": """
Rules = dict[str, object]
Texts = Annotated[dict[Code, Code], Field(max_length=9)]
Own = Annotated[str, _Form()]
""",
            "services/booking/domain.py": """
class RequestBooking:
    more: list[str]
""",
            "services/booking/http.py": """
@router.get("/v1/offers/{offer_id}/free")
async def free(offer_id: str,  # bad
               to: Instant,
               limit: int = Query(le=100),
               needs: Annotated[tuple[Code, ...], Query(max_length=9)] = (),
               ids: list[Code] = Query()):  # bad
    ...
def inside(offer_id: str, ids: list[str]): ...
""",
        },
    ),
    Plant(
        "function",
        "fit a screen",
        {
            "services/booking/domain.py": f"{_LONG}\n" + _LONG.replace("long():", "longer():  # bad") + "    step()\n",
            "services/booking/migrations/booking_0001_expand_bookings.py": _LONG + "    step()\n",
        },
    ),
    Plant(
        "file",
        "package by noun",
        {
            "services/booking/domain.py": "pass  # bad\n" + "pass\n" * 400,
            "services/booking/limits.py": "pass\n" * 400,
            "requirements.lock": "pass\n" * 500,
        },
    ),
    Plant(
        "name",
        "name the file by what lives in it",
        {"services/booking/utils.py": "import os  # bad", "services/booking/base/x.py": "import os  # bad"},
    ),
    Plant(
        "name",
        "name the class by what it is",
        {"hubkit/outbox.py": "class OutboxManager: ...  # bad\nclass Relay: ...\nclass Metadata: ...\nclass Data: ..."},
    ),
    Plant(
        "test-name",
        "test_<what>_<circumstance>__<outcome>",
        {
            "tests/unit/test_holds.py": """
def test_confirm_booking_at_the_instant_of_expiry__hold_expired(): ...
def test_confirm(): ...  # bad
async def test_confirm_works(): ...  # bad
def testing(): ...
@pytest.mark.parametrize(("length", "expected"), [(60, None)])
def test_length(length, expected): ...
@given(spans())
def test_track_agrees_with_a_list(spans): ...
""",
        },
    ),
)
