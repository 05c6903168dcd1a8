"""Which source may speak for whom."""

import pytest

from services.booking.domain.codes import Role
from services.booking.domain.senders import roles_of

CITIZEN, STAFF, PARTNER = Role.CITIZEN, Role.STAFF, Role.PARTNER


@pytest.mark.parametrize(
    ("source", "roles"),
    [
        ("urn:hub:nord:portal", {CITIZEN, STAFF}),
        ("urn:hub:nord:federation", {PARTNER}),
        ("urn:hub:nord:frontend-kiosk", {CITIZEN}),
        ("urn:hub:nord:frontend-", set()),
        ("urn:hub:nord:frontend", set()),
        ("urn:hub:nord:booking", set()),
        ("urn:hub:nord:portal2", set()),
        ("urn:hub:sued:portal", set()),
        ("urn:hub:nord", set()),
        ("https://example.org/portal", set()),
        ("", set()),
    ],
)
def test_roles_of__by_default(source: str, roles: set[Role]) -> None:
    assert roles_of(source, "nord", {}) == roles


def test_roles_of__the_setting_widens_and_narrows() -> None:
    also = {"urn:hub:nord:frontend-desk": frozenset({STAFF}), "urn:hub:nord:portal": frozenset({CITIZEN})}
    assert roles_of("urn:hub:nord:frontend-desk", "nord", also) == {STAFF}
    assert roles_of("urn:hub:nord:portal", "nord", also) == {CITIZEN}
    assert roles_of("urn:hub:nord:federation", "nord", also) == {PARTNER}
