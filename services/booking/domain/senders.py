"""Which source may speak for which roles: the right to write the topic is the trust boundary (booking.md §4)."""

from collections.abc import Mapping

from services.booking.domain.codes import Role

NOBODY: frozenset[Role] = frozenset()


def roles_of(source: str, hub_id: str, also: Mapping[str, frozenset[Role]]) -> frozenset[Role]:
    """The roles that a `ce_source` may state; none for a source that nobody knows.

    By default this hub's portal speaks for citizens and staff, its border for partners, its other frontends for citizens.
    `also` names further sources, or other roles for one of these.
    """
    if source in also:
        return also[source]
    ours = f"urn:hub:{hub_id}:"
    if not source.startswith(ours):
        return NOBODY
    name = source[len(ours) :]
    if name == "portal":
        return frozenset({Role.CITIZEN, Role.STAFF})
    if name == "federation":
        return frozenset({Role.PARTNER})
    if name.startswith("frontend-") and len(name) > len("frontend-"):
        return frozenset({Role.CITIZEN})
    return NOBODY
