"""How often what runs by itself comes round."""

import pytest

from hubkit.app import Loop


async def nothing() -> None:
    """A run that is not looked at."""


@pytest.mark.parametrize(
    ("share", "took", "rest"),
    [
        (1.0, 0.0, 1.0),
        (1.0, 30.0, 1.0),
        (0.1, 0.05, 1.0),
        (0.1, 0.5, 4.5),
    ],
)
def test_loop__rests_so_long_that_it_keeps_to_its_share(share: float, took: float, rest: float) -> None:
    assert Loop("x", 1.0, nothing, share).rest(took) == pytest.approx(rest)
