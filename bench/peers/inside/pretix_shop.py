"""Runs inside pretix' environment: one event with free products, each behind a quota, and a team's token that may sell them.

    python pretix_shop.py '{"hot": [500], "spread": [100000, ...], "last": [1, ...]}'

Prints one line of JSON: the token, and the products of each kind in the order of their quotas.
"""

# mypy: ignore-errors
# Its imports exist in pretix' environment only.

import json
import sys
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.db import transaction  # noqa: E402
from django.utils.timezone import now  # noqa: E402
from django_scopes import scopes_disabled  # noqa: E402
from pretix.base.models import Event, Item, Organizer, Quota, Team  # noqa: E402


def product(event: Any, name: str, size: int) -> int:
    """A free product whose quota has so many places."""
    item = Item.objects.create(event=event, name=name, default_price=0, active=True)
    quota = Quota.objects.create(event=event, name=name, size=size)
    quota.items.add(item)
    return int(item.pk)


def shop(kinds: dict[str, list[int]]) -> dict[str, Any]:
    """Everything that the comparison sells."""
    organizer = Organizer.objects.create(name="Messung", slug="bench")
    event = Event.objects.create(
        organizer=organizer,
        name="Messung",
        slug="bench",
        currency="EUR",
        date_from=now() + timedelta(days=30),
        live=True,
        plugins="",
    )
    event.set_defaults()
    team = Team.objects.create(
        organizer=organizer, name="Messung", all_events=True, all_event_permissions=True, all_organizer_permissions=True
    )
    products = {
        kind: [product(event, f"{kind} {number}", size) for number, size in enumerate(sizes)] for kind, sizes in kinds.items()
    }
    return {"token": team.tokens.create(name="bench").token, **products}


if __name__ == "__main__":
    with scopes_disabled(), transaction.atomic():
        made = shop(json.loads(sys.argv[1]))
    print(json.dumps(made))
