"""Planted violations inside functions: bus, time, chance, settings, failures, SQL."""

from tests.tidy.planted import Plant

PLANTS = (
    Plant(
        "publish",
        "hubkit.outbox.put(tx, topic, events)",
        {
            "services/booking/handlers.py": """
from aiokafka import AIOKafkaProducer
from faststream.kafka import KafkaBroker as Broker
from hubkit import outbox
async def confirm(tx, broker, offers, line: Broker, socket):
    await broker.publish(b"", "booking.events.v1")  # bad
    await self.bus.producer.send("booking.events.v1")  # bad
    await line.publish(b"")  # bad
    await offers.publish(tx)
    await socket.send(b"")
    await outbox.put(tx, [])
def connect():
    own = AIOKafkaProducer()  # bad
    own.send("x")  # bad
    anything.send_and_wait("x")  # bad
""",
            "services/booking/worker.py": """
@router.publisher("booking.events.v1")  # bad
async def answer(): ...
""",
            "hubkit/outbox.py": """
async def relay(producer):
    await producer.send("x")
""",
            "hubkit/messaging/bus.py": """
from aiokafka import AIOKafkaProducer
def producer(): return AIOKafkaProducer()
async def own(producer):
    await producer.send("x")  # bad
""",
            "deploy/demo/visitors.py": "producer.send(1)",
            "bench/spread.py": "producer.send(1)",
        },
    ),
    Plant(
        "clock",
        "take `now` as an argument",
        {
            "services/booking/domain.py": """
import time, datetime as dt
from datetime import datetime, date, UTC
from time import time_ns, monotonic
def confirm(booking):
    if datetime.now(UTC) > booking.expires:  # bad
        return dt.datetime.utcnow()  # bad
    return time.time(), time_ns()  # bad
def fresh(today=date.today):  # bad
    return monotonic(), time.perf_counter(), datetime.fromisoformat("2030-01-01"), dt.timedelta(1)
""",
            "hubkit/clock.py": "from datetime import datetime\nnow = datetime.now()",
            "deploy/say.py": "import time\nbegan = time.time()",
        },
    ),
    Plant(
        "random",
        "hubkit.ids",
        {
            "services/catalog/handlers.py": """
import os, random, secrets, uuid
from random import choice
from uuid import UUID, uuid4, uuid5
def new(namespace):
    one = uuid4()  # bad
    two = [uuid.uuid1(), choice([1])]  # bad
    noise = os.urandom(8)  # bad
    jitter = random.random()  # bad
    code = secrets.token_hex()  # bad
    same = secrets.compare_digest("a", "b")
    return uuid5(namespace, "x"), UUID(int=0), os.getpid()
""",
            "hubkit/ids.py": "import os\nnoise = os.urandom(8)",
            "deploy/secrets.py": "import secrets\npassword = secrets.token_hex()",
        },
    ),
    Plant(
        "random",
        "random.Random(seed)",
        {
            "bench/spread.py": """
import random
from uuid import uuid4
def visit(seed):
    dice = random.Random(seed)
    late = random.random()  # bad
    return dice.random(), uuid4()
""",
            "tests/unit/test_x.py": "import random\nrandom.shuffle([])  # bad",
        },
    ),
    Plant(
        "environment",
        "settings.py",
        {
            "services/booking/app.py": """
import os
from os import environ as surroundings
def build():
    os.environ["HUBNETZ_KAFKA"]  # bad
    surroundings.get("HUBNETZ_KAFKA")  # bad
    return os.getenv("HOME")  # bad
""",
            "services/booking/settings.py": 'import os\nhome = os.environ["HOME"]',
            "hubkit/settings.py": 'import os\nhome = os.environ["HOME"]',
            "deploy/cli.py": 'import os\nhome = os.environ["HOME"]',
        },
    ),
    Plant(
        "setting",
        "remove the field",
        {
            "services/booking/settings.py": """
from hubkit.settings import ServiceSettings
class BookingSettings(ServiceSettings):
    model_config = {}
    check_in_key: str
    grace_seconds: int = 3  # bad
class Other:
    grace_seconds: int
""",
            "services/booking/app.py": """
def build(settings, made):
    made.grace_seconds = 3
    return settings.check_in_key
""",
        },
    ),
    Plant(
        "blind-except",
        "catch what you expect by its class",
        {
            "services/booking/handlers.py": """
from contextlib import suppress
def swallow():
    try:
        pass
    except Exception:  # bad
        return None
    try:
        pass
    except (OSError, BaseException):  # bad
        pass
    with suppress(Exception):  # bad
        pass
    with suppress(OSError):
        pass
    try:
        pass
    except BaseException:
        undo()
        raise
    try:
        pass
    except OSError:
        pass
""",
            "services/booking/worker.py": """
async def loop(stopping):
    while not stopping.is_set():
        try:
            await run()
        except Exception:
            failed()
    try:
        await run()
    except Exception:  # bad
        pass
""",
            "hubkit/messaging/subscriber.py": "try:\n    pass\nexcept Exception:\n    pass",
            "hubkit/app.py": "try:\n    pass\nexcept:  # bad\n    pass",
        },
    ),
    Plant(
        "skip",
        "strict=True",
        {
            "tests/unit/test_x.py": """
import pytest
from pytest import mark
@pytest.mark.skipif(True, reason="no server")  # bad
def test_a__b(): ...
@mark.skip  # bad
def test_c__d():
    pytest.skip("later")  # bad
@pytest.mark.xfail(reason="memory broker never redelivers")  # bad
def test_e__f(): ...
@pytest.mark.xfail(strict=True, reason="memory broker never redelivers")
def test_g__h(): ...
""",
        },
    ),
    Plant(
        "sql-place",
        "typed function there",
        {
            "services/booking/handlers.py": '''
async def confirm(tx):
    """SELECT nothing FROM nowhere in a docstring."""
    await tx.fetch("SELECT booking_id FROM bookings")  # bad
    await tx.fetch("select * from bookings")  # bad
    await tx.execute(f"UPDATE {table} SET state = 1")  # bad
    await tx.execute("ROLLBACK TO decided")  # bad
    say("Select an offer from the list, or update your booking", "delete from cart?")
    say("Bitte wählen", "values differ", "the order by which it came", "CREATE A BOOKING")
''',
            "services/booking/store.py": 'X = "SELECT 1 FROM bookings"',
            "services/catalog/search.py": 'X = "SELECT 1 FROM bookings"',
            "services/catalog/store/offers.py": 'X = "SELECT 1 FROM bookings"',
            "services/booking/migrations/booking_0001_expand_bookings.py": 'X = "CREATE TABLE bookings ()"',
            "hubkit/inbox.py": 'X = "SELECT 1 FROM bookings"',
            "deploy/cli.py": 'X = "SELECT 1 FROM bookings"  # bad',
            "deploy/migrate.py": 'X = "CREATE ROLE booking"',
            "deploy/pins.py": 'X = " OR ".join(licences)',
            "tests/service/test_x.py": 'X = "SELECT 1 FROM bookings"',
        },
    ),
    Plant(
        "sql-pieces",
        "values as $1",
        {
            "services/booking/store.py": """
BASE = "SELECT booking_id FROM bookings"
WHOLE = (
    "SELECT booking_id "
    "FROM bookings"
)
async def read(conn, column, rows, names):
    await conn.fetch(f"SELECT {column} FROM bookings")  # bad
    await conn.fetch("SELECT booking_id FROM bookings WHERE offer_id = '%s'" % column)  # bad
    await conn.fetch("SELECT {} FROM bookings".format(column))  # bad
    await conn.fetch(BASE + column)  # bad
    await conn.fetch(f"{BASE} LIMIT 3")  # bad
    text = BASE
    text += " WHERE state = 1"  # bad
    where = " AND ".join(names)  # bad
    await conn.fetch(BASE, column)
    return f"{len(rows)} of {column}", ", ".join(names), "%s" % column, WHOLE
""",
            "hubkit/migrations/hubkit_0001_expand_outbox.py": """
def upgrade():
    sql("CREATE TABLE %s ()" % name)  # bad
    sql("CREATE TABLE outbox (id bigint)")
""",
        },
    ),
)
