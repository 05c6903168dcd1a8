"""The import contracts go red for each planted violation, and for nothing else; the repository itself keeps them all.

The skeleton has all six services with the files that each will have, so that the contracts are proven for services that
do not exist yet. Each violation is planted in a copy of its own and checked by lint-imports with the repository's file.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = "import sys; from importlinter.cli import lint_imports_command; sys.argv[0] = 'lint-imports'; lint_imports_command()"

# Layer by layer as every service has them, and what single services have beside them.
COMMON = ("__init__", "__main__", "app", "settings", "http", "worker", "handlers", "store", "wire", "domain", "limits")
MORE = {
    "booking": (),
    "catalog": ("search", "words", "media", "formats/__init__", "formats/ical"),
    "notify": ("delivery", "clients", "senders/__init__", "senders/smtp", "calendar"),
    "analytics": ("ingest", "recompute", "calendar", "kpi", "suppress", "report/__init__", "report/xlsx"),
    "federation": ("clients", "media"),
    "portal": ("clients",),
}
ALLOWED = {  # imports that the contracts must leave alone
    "contracts/booking.py": "import pydantic",
    "hubkit/messaging.py": "import aiokafka, asyncpg\nfrom contracts import booking",
    "deploy/cli.py": "from services.booking import app\nfrom services.catalog import app as other\nimport httpx",
    "services/booking/__main__.py": "from services.booking import app, settings",
    "services/booking/app.py": "from services.booking import http, worker\nfrom hubkit import messaging",
    "services/booking/worker.py": "from services.booking import handlers\nfrom hubkit import messaging",
    "services/booking/handlers.py": "from services.booking import store, wire, domain\nfrom hubkit import messaging",
    "services/booking/store.py": "import asyncpg\nfrom services.booking import domain",
    "services/booking/wire.py": "from contracts import booking\nfrom services.booking import domain",
    "services/booking/domain.py": "import datetime\nfrom services.booking import limits",
    "services/notify/worker.py": "from services.notify import delivery",
    "services/notify/delivery.py": "from services.notify import handlers, senders\nfrom services.notify import clients",
    "services/notify/clients.py": "import httpx, aiosmtplib",
    "services/analytics/handlers.py": "from services.analytics import kpi, suppress, calendar",
    "services/analytics/kpi.py": "from services.analytics import domain",
    "services/booking/migrations/__init__.py": "import alembic",
}
# Contract that must break, file, line planted there.
PLANTED = (
    ("direction", "contracts/booking.py", "import hubkit"),
    ("direction", "hubkit/messaging.py", "from services.booking import domain"),
    ("direction", "services/booking/app.py", "from deploy import cli"),
    ("islands", "services/booking/app.py", "from services.catalog import app"),
    ("islands", "services/portal/clients.py", "import services.booking.domain"),
    ("inside", "services/booking/domain.py", "from services.booking import store"),
    ("inside", "services/booking/store.py", "from . import handlers"),
    ("inside", "services/booking/http.py", "from services.booking.worker import routes"),
    ("inside", "services/catalog/formats/ical.py", "from services.catalog import search"),
    ("inside", "services/notify/delivery.py", "from services.notify import worker"),
    ("inside", "services/booking/helping.py", "import json"),
    ("no call out of a transaction", "services/notify/handlers.py", "from services.notify import senders"),
    ("no call out of a transaction", "services/portal/handlers.py", "from services.portal import clients"),
    ("no call out of a transaction", "services/analytics/ingest.py", "import httpx"),
    ("no call out of a transaction", "services/notify/handlers.py", "from aiosmtplib import send"),
    ("pure domain", "services/booking/domain.py", "from contracts import booking"),
    ("pure domain", "services/analytics/kpi.py", "from hubkit import messaging"),
    ("pure domain", "services/catalog/words.py", "from pydantic import BaseModel"),
    ("pure contracts", "contracts/booking.py", "import asyncpg"),
    ("one Kafka client", "services/federation/worker.py", "from aiokafka import AIOKafkaConsumer"),
    ("one Kafka client", "services/booking/app.py", "from confluent_kafka import Producer"),
    ("SQL in store", "services/booking/handlers.py", "import asyncpg"),
    ("SQL in store", "services/analytics/recompute.py", "import sqlalchemy"),
)


def _write(root: Path, path: str, line: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def _skeleton(root: Path) -> None:
    for service, more in MORE.items():
        for name in (*COMMON, *more, "migrations/__init__"):
            _write(root, f"services/{service}/{name}.py", '"""A file of the skeleton."""')
    for path in ("services/__init__.py", "contracts/__init__.py", "hubkit/__init__.py", "deploy/__init__.py"):
        _write(root, path, '"""A package of the skeleton."""')
    for path, line in ALLOWED.items():
        _write(root, path, line)
    (root / ".importlinter").write_text((ROOT / ".importlinter").read_text("utf-8"), "utf-8")


def _lint(root: Path) -> tuple[int, set[str], str]:
    """Exit code, names of the broken contracts, whole output of lint-imports over `root`."""
    done = subprocess.run([sys.executable, "-c", LINT, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    return done.returncode, set(re.findall(r"^(.+) BROKEN", output, re.MULTILINE)), output


def test_skeleton_of_six_services__keeps_every_contract(tmp_path: Path) -> None:
    _skeleton(tmp_path)

    code, broken, output = _lint(tmp_path)

    assert (code, broken) == (0, set()), output


@pytest.mark.parametrize(("contract", "path", "line"), PLANTED, ids=lambda value: value.replace("/", "."))
def test_planted_import__breaks_its_contract(contract: str, path: str, line: str, tmp_path: Path) -> None:
    _skeleton(tmp_path)
    _write(tmp_path, path, line)

    code, broken, output = _lint(tmp_path)

    assert code == 1, output
    assert contract in broken, output
    assert path.removesuffix(".py").replace("/", ".") in output


def test_contracts__each_has_a_planted_violation() -> None:
    names = re.findall(r"^name = (.+)$", (ROOT / ".importlinter").read_text("utf-8"), re.MULTILINE)

    assert names
    assert set(names) == {contract for contract, _, _ in PLANTED}


def test_repository__keeps_every_contract() -> None:
    code, broken, output = _lint(ROOT)

    assert (code, broken) == (0, set()), output
