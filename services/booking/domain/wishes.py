"""What a wish takes of an offer, and whether the offer can read it at all."""

from collections.abc import Sequence

from services.booking.domain.claims import Wish
from services.booking.domain.codes import Choose
from services.booking.domain.offers import Component, Offer, Resource


def taken_parts(offer: Offer, wish: Wish) -> Sequence[Component]:
    """The components that the wish takes: all that are not optional, and those of its options."""
    if not offer.optional:
        return offer.components
    return [part for part in offer.components if not part.optional or part.component_id in wish.options]


def resources_of(part: Component, wish: Wish) -> Sequence[Resource]:
    """Those of the part that may serve the wish: all, or the one that it names."""
    named = wish.choice(part.component_id)
    if named is None:
        return part.resources
    resource = part.find(named)
    return () if resource is None else (resource,)


def malformed(offer: Offer, wish: Wish, parts: Sequence[Component]) -> tuple[str, ...]:
    """JSON pointers to what this offer needs and the wish lacks, or has and the offer knows nothing of."""
    timed = wish.start is not None and (wish.end is None) != (wish.duration is None)
    if timed and offer.session is None and not (wish.choices or wish.options or wish.quantities or offer.named):
        return ()  # nearly every wish, and each is looked at several times
    detail: list[str] = []
    if offer.session is not None:
        given = (("/start", wish.start), ("/end", wish.end), ("/duration_minutes", wish.duration))
        detail += [pointer for pointer, value in given if value is not None]
    else:
        if wish.start is None:
            detail.append("/start")
        if (wish.end is None) == (wish.duration is None):
            detail.append("/end")
    taken = {part.component_id for part in parts}
    if wish.options and not wish.options <= {part.component_id for part in offer.components if part.optional}:
        detail.append("/options")
    if wish.quantities:
        detail += [_pointer("/quantities", name) for name in wish.quantities if name not in taken]
    if wish.choices:
        detail += [_pointer("/choices", name) for name in wish.choices if name not in taken]
    for part in parts:
        named = wish.choice(part.component_id) is not None
        due = part.choose is Choose.NAMED and len(part.resources) > 1
        if not wish.undecided and (named if part.choose is Choose.ANY else due and not named):
            detail.append(_pointer("/choices", part.component_id))
    return tuple(detail)


def _pointer(under: str, name: str) -> str:
    """RFC 6901: `~` and `/` inside a name are escaped."""
    return f"{under}/{name.replace('~', '~0').replace('/', '~1')}"
