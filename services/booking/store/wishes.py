"""Wishes as JSON: what a booking keeps of them while something is still to be decided."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.booking.domain.claims import Claimant, ClaimantKind, Wish
from services.booking.domain.codes import Every, Reason, State
from services.booking.domain.requests import Result, SeriesRule


def dump_wish(wish: Wish | None) -> str | None:
    """Fields at their default are left out."""
    if wish is None:
        return None
    fields: dict[str, object] = {
        "start": None if wish.start is None else wish.start.isoformat(),
        "end": None if wish.end is None else wish.end.isoformat(),
        "seconds": None if wish.duration is None else int(wish.duration.total_seconds()),
        "quantity": wish.quantity,
        "quantities": dict(wish.quantities) if wish.quantities else None,
        "choices": dict(wish.choices) if wish.choices else None,
        "options": sorted(wish.options),
        "needs": sorted(wish.needs),
        "groups": None if wish.groups is None else sorted(wish.groups),
        "person_id": None if wish.person_id is None else str(wish.person_id),
        "overbook": wish.overbook,
        "undecided": wish.undecided,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def load_wish(text: str | None) -> Wish | None:
    """What `dump_wish` made."""
    if text is None:
        return None
    fields: Mapping[str, Any] = json.loads(text)
    return Wish(
        start=_instant(fields.get("start")),
        end=_instant(fields.get("end")),
        duration=timedelta(seconds=fields["seconds"]) if "seconds" in fields else None,
        quantity=fields["quantity"],
        quantities=fields.get("quantities"),
        choices=fields.get("choices"),
        options=frozenset(fields["options"]),
        needs=frozenset(fields["needs"]),
        groups=frozenset(fields["groups"]) if "groups" in fields else None,
        person_id=UUID(fields["person_id"]) if "person_id" in fields else None,
        overbook=fields["overbook"],
        undecided=fields["undecided"],
    )


def dump_claimant(claimant: Claimant) -> str:
    """Ids only."""
    fields = {name: str(value) for name, value in claimant._asdict().items() if value is not None}
    return json.dumps(fields)


def load_claimant(text: str) -> Claimant:
    """What `dump_claimant` made."""
    fields: Mapping[str, str] = json.loads(text)
    return Claimant(
        ClaimantKind(fields["kind"]),
        UUID(fields["person_id"]) if "person_id" in fields else None,
        fields.get("hub_id"),
        UUID(fields["booking_ref"]) if "booking_ref" in fields else None,
        fields.get("purpose"),
    )


def dump_rule(rule: SeriesRule) -> str:
    """The rule of a series; its mode has a column."""
    return json.dumps({"every": rule.every, "interval": rule.interval, "times": rule.times})


def load_rule(text: str, mode: str) -> SeriesRule:
    """What `dump_rule` made."""
    fields: Mapping[str, Any] = json.loads(text)
    return SeriesRule(Every(fields["every"]), fields["interval"], fields["times"], mode == "skip")


def dump_results(results: tuple[Result, ...]) -> str:
    """One object per occurrence."""
    return json.dumps(
        [
            {"n": r.n, "start": r.start.isoformat(), "state": r.state, "booking_id": r.booking_id and str(r.booking_id),
             "reason": r.reason}
            for r in results
        ]
    )  # fmt: skip


def load_results(text: str) -> tuple[Result, ...]:
    """What `dump_results` made."""
    rows: list[Mapping[str, Any]] = json.loads(text)
    return tuple(
        Result(
            row["n"],
            datetime.fromisoformat(row["start"]),
            State(row["state"]) if row["state"] else None,
            UUID(row["booking_id"]) if row["booking_id"] else None,
            Reason(row["reason"]) if row["reason"] else None,
        )
        for row in rows
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
