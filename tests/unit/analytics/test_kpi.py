"""The registry: null and zero told apart, ratios of sums, texts in both languages."""

import pytest

from services.analytics.kpi import REGISTRY, Rollup, Status, Unit, figure


def test_utilisation__ratio_of_sums_and_never_a_mean_of_ratios() -> None:
    """A small room full and a large one empty: the mean of their ratios would be 50 %."""
    small, large = {"booked_s": 3600, "bookable_s": 3600}, {"booked_s": 0, "bookable_s": 32_400}
    both = {name: small[name] + large[name] for name in small}
    assert figure(REGISTRY["utilisation"], both).value == 10


@pytest.mark.parametrize(
    ("sums", "value", "status"),
    [
        ({"booked_s": 0, "bookable_s": 3600}, 0, Status.PROVISIONAL),
        ({"booked_s": 0, "bookable_s": 0}, None, Status.UNDEFINED),
        ({}, None, Status.UNDEFINED),
        ({"booked_s": 7200, "bookable_s": 3600}, 200, Status.PROVISIONAL),
    ],
    ids=["open and idle: a true zero", "closed: undefined", "no rows: undefined", "overbooked: above 100"],
)
def test_utilisation__zero_and_undefined_are_two_things(sums: dict[str, float], value: float | None, status: Status) -> None:
    found = figure(REGISTRY["utilisation"], sums)
    assert (found.value, found.status) == (value, status)


def test_a_sum_without_rows__is_a_true_zero() -> None:
    assert figure(REGISTRY["made"], {}).value == 0
    assert figure(REGISTRY["bookable"], {}).value == 0


def test_a_median_of_nothing__is_undefined() -> None:
    assert figure(REGISTRY["lead_time"], {"lead_median": None}).status is Status.UNDEFINED


def test_units__seconds_become_minutes_and_hours() -> None:
    assert figure(REGISTRY["bookable"], {"bookable_s": 5400}).value == 90
    assert figure(REGISTRY["lead_time"], {"lead_median": 5400}).value == 1.5
    assert figure(REGISTRY["cancellation_rate"], {"cancelled": 1, "made": 3}).value == pytest.approx(100 / 3)


@pytest.mark.parametrize("kpi", REGISTRY.values(), ids=REGISTRY.keys())
def test_every_figure__is_explained_in_german_and_english(kpi: object) -> None:
    texts = [REGISTRY[kpi.kpi].name, REGISTRY[kpi.kpi].definition]  # type: ignore[attr-defined]
    assert all(set(text) == {"de", "en"} and all(text.values()) for text in texts)


def test_figures_of_people__are_marked_as_such() -> None:
    lengths = {kpi.kpi for kpi in REGISTRY.values() if kpi.rollup is Rollup.RESOURCES}
    assert {kpi.kpi for kpi in REGISTRY.values() if not kpi.person_based} == lengths
    assert {REGISTRY[name].unit for name in lengths} == {Unit.MINUTES, Unit.PERCENT}
