"""Analytics' commands beside the running hub: days computed anew, the rebuild, figures held against booking's own table."""

import asyncio
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy import installation
from deploy.failures import USAGE, Failure
from deploy.hub import Hub
from deploy.local.folder import DataFolder
from services.analytics import app as analytics
from services.analytics.recompute.rebuild import Rebuilt
from services.analytics.settings import ReconcileSettings
from services.analytics.worker.reconcile import Disagreement

_REMEDY: Final = "hubnetz status; the services have to run"


def settings(hub: Hub) -> ReconcileSettings:
    """What analytics is told of this hub, and where booking is; both want the same token. No key is read by these commands."""
    folder = DataFolder(Path(hub.data_dir))
    told = {
        "hub_id": hub.hub_id,
        "hub_name": hub.hub_name,
        "kafka": hub.kafka,
        "kafka_security": hub.kafka_security,
        "time_zone": hub.time_zone,
        "database_url": hub.postgres["analytics"],
        "service_token": hub.service_token,
        "http_port": urlsplit(hub.http["analytics"]).port,
        "analytics_keys": folder.path / installation.SECRETS / installation.YEAR_KEYS,
        "booking_url": hub.http["booking"],
        "booking_token": hub.service_token,
        "analytics_url": hub.http["analytics"],
    }
    return ReconcileSettings.model_validate(told)


def days(hub: Hub, first: date | None, last: date | None) -> list[date]:
    """From `first` to `last`, both included; without them today, by the hub's clock on the wall."""
    try:
        return analytics.days_named(settings(hub), first, last)
    except analytics.DaysRefused as refused:
        raise Failure(f"{refused}.", remedy="--from 2027-03-01 --to 2027-03-31", code=USAGE) from refused


def recompute(hub: Hub, of_days: Sequence[date]) -> None:
    """Mark the days; the running service computes them."""
    asyncio.run(analytics.mark_days(settings(hub), of_days))


def rebuild(hub: Hub, *, accept: bool) -> Rebuilt:
    """All roll-ups anew from what is stored, compared with the live ones, swapped unless something is unexplained."""
    return asyncio.run(analytics.rebuild_all(settings(hub), accept=accept))


def reconcile(hub: Hub, of_days: Sequence[date]) -> list[Disagreement]:
    """Every number in which figures and bookings differ; empty is as it must be once everything is read and computed."""
    try:
        return asyncio.run(analytics.compare_with_booking(settings(hub), of_days))
    except OSError as error:
        raise Failure(f"{error}.", remedy=_REMEDY) from error
