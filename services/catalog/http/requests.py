"""What all changing calls have in common: the version seen, and how refusals are said."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Body, Header, Path
from pydantic import Field

from hubkit import http
from hubkit.http import Problem
from services.catalog.domain.entities import Problem as Finding
from services.catalog.domain.life import WrongState
from services.catalog.handlers.drafts import Exists
from services.catalog.handlers.publishing import Actor
from services.catalog.handlers.steps import CannotRepublish, Closed, Stale
from services.catalog.limits import ID_CHARACTERS_MAX, LIST_ITEMS_MAX
from services.catalog.wire.documents import BadDocument

Id = Annotated[str, Path(max_length=ID_CHARACTERS_MAX)]
Word = Annotated[str, Field(max_length=ID_CHARACTERS_MAX)]
Document = Annotated[dict[Word, Any], Body(max_length=LIST_ITEMS_MAX)]
IfMatch = Annotated[str | None, Header(max_length=30)]
IfNoneMatch = Annotated[str | None, Header(max_length=30)]


def actor_of(actor: http.Actor) -> Actor:
    """The actor as the handlers know one."""
    return Actor(actor.role, actor.id)


def version_of(if_match: str | None) -> int:
    """The version that the caller saw; 428 without one, 412 for what is none of ours."""
    if if_match is None:
        raise Problem(428, "precondition_required", 'If-Match: "<version>" is needed')
    text = if_match.removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdecimal():
        raise Problem(412, "stale_version", "If-Match holds no version of this catalogue")
    return int(text)


def is_creation(if_match: str | None, if_none_match: str | None) -> bool:
    """Whether the caller wants to create; 428 if it does not say, 400 if it says both."""
    if if_match is not None and if_none_match is not None:
        raise Problem(400, "two_preconditions")
    if if_none_match is not None:
        if if_none_match != "*":
            raise Problem(400, "bad_precondition", "If-None-Match is * or absent")
        return True
    if if_match is None:
        raise Problem(428, "precondition_required", 'If-None-Match: * to create, If-Match: "<version>" to replace')
    return False


def told(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Findings as they stand in an answer."""
    return [{"pointer": each.pointer, "code": each.code} for each in findings]


def bad_document(exc: BadDocument) -> Problem:
    """422: what was sent is not stored."""
    return Problem(422, "bad_document", "the document does not fit", errors=told(exc.problems))


def would_break(exc: CannotRepublish) -> Problem:
    """409: the change would leave published offers without a valid state."""
    return Problem(409, "offers_would_break", "published offers would lose their valid state", offer_ids=list(exc.offer_ids))


def refused(outcome: Exists | Stale | Closed | WrongState) -> Problem:
    """A refusal of a handler as a problem."""
    match outcome:
        case Exists():
            return Problem(412, "exists", "there is one with other content", version=outcome.version)
        case Stale():
            more: dict[str, Any] = {"version": outcome.version}
            if outcome.edited_by:
                more |= {"edited_at": outcome.edited_at.isoformat(), "edited_by": outcome.edited_by}
            return Problem(412, "stale_version", "somebody changed it since", **more)
        case Closed():
            return Problem(
                422,
                "gate_closed",
                "the offer cannot be published as it is",
                errors=told(outcome.findings.errors),
                warnings=told(outcome.findings.warnings),
            )
        case WrongState():
            return Problem(409, "wrong_state", "this step is not for an offer in its state", state=outcome.status)
