"""The registry of figures (analytics.md §6): what each is, from which sums it is made, how it may be broken down.

Ratios are sum / sum over the group, never a mean of ratios. A denominator of 0 makes the figure undefined, shown as "-" and
never as 0 %; a true zero is 0. Values are not rounded here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

VERSION: Final = 1
"""Of all definitions together; a new one applies to open periods only."""


class Unit(StrEnum):
    """What a value is measured in."""

    MINUTES = "min"
    HOURS = "h"
    PERCENT = "%"
    COUNT = "n"


class Dimension(StrEnum):
    """What a figure may be broken down by, besides time."""

    RESOURCE = "resource"
    KIND = "kind"
    OFFER = "offer"
    STATE = "state"
    REASON = "reason"


class Rollup(StrEnum):
    """Where the sums of a figure come from."""

    RESOURCES = "resources"
    OFFERS = "offers"
    STATES = "states"
    REFUSALS = "refusals"
    LEADS = "leads"


class Status(StrEnum):
    """How far a value can be relied on. No period is closed yet, so none is final."""

    PROVISIONAL = "provisional"
    UNDEFINED = "undefined"


@dataclass(frozen=True, slots=True)
class Kpi:
    """One figure: `factor` x sum of `numerator` / sum of `denominator` (None: nothing to divide by)."""

    kpi: str
    unit: Unit
    rollup: Rollup
    numerator: str
    denominator: str | None
    factor: float
    by: tuple[Dimension, ...]
    person_based: bool
    name: Mapping[str, str]
    definition: Mapping[str, str]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with what it is made of, in seconds or counts; None where nothing is defined."""

    value: float | None
    numerator: float | None
    denominator: float | None
    status: Status


Sums = Mapping[str, float | None]


def figure(kpi: Kpi, sums: Sums) -> Figure:
    """The figure of one group. A group without rows has true zeros; a median or quantile of nothing is undefined."""
    over = sums.get(kpi.numerator, 0)
    if over is None:
        return Figure(None, None, None, Status.UNDEFINED)
    if kpi.denominator is None:
        return Figure(kpi.factor * over, over, None, Status.PROVISIONAL)
    under = sums.get(kpi.denominator, 0) or 0
    if under == 0:
        return Figure(None, over, 0, Status.UNDEFINED)
    return Figure(kpi.factor * over / under, over, under, Status.PROVISIONAL)


_OF_RESOURCES = (Dimension.RESOURCE, Dimension.KIND)
_PER_MINUTE = 1 / 60
_PER_HOUR = 1 / 3600


def _minutes(kpi: str, numerator: str, name: Mapping[str, str], definition: Mapping[str, str]) -> Kpi:
    return Kpi(kpi, Unit.MINUTES, Rollup.RESOURCES, numerator, None, _PER_MINUTE, _OF_RESOURCES, False, name, definition)


def _share_of_made(kpi: str, numerator: str, name: Mapping[str, str], definition: Mapping[str, str]) -> Kpi:
    return Kpi(kpi, Unit.PERCENT, Rollup.OFFERS, numerator, "made", 100, (Dimension.OFFER,), True, name, definition)


def _lead(kpi: str, measure: str, name: Mapping[str, str], definition: Mapping[str, str]) -> Kpi:
    return Kpi(kpi, Unit.HOURS, Rollup.LEADS, measure, None, _PER_HOUR, (Dimension.OFFER,), True, name, definition)


_ALL = (
    _minutes(
        "bookable",
        "bookable_s",
        {"de": "Buchbare Zeit", "en": "Bookable time"},
        {
            "de": "Summe der Öffnungszeiten mal Plätze: 1 je Raum, Arbeitsplatz, Gerät oder Beratung, die Kapazität eines"
            " Bestandes, bei Terminen ihre Dauer mal Plätze. Schließungen sind abgezogen; ungenutzte Räume zählen mit.",
            "en": "Sum of opening times by units: 1 for a room, desk, device or adviser, the capacity of a pool, for sessions"
            " their length by places. Closures are taken off; idle rooms count.",
        },
    ),
    _minutes(
        "booked",
        "booked_s",
        {"de": "Gebuchte Zeit", "en": "Booked time"},
        {
            "de": "Gebuchte Zeit innerhalb der Öffnungszeiten mal Plätze, Hausnutzung eingeschlossen; bei Räumen, Geräten und"
            " Beratung ohne Doppelzählung. Zurückgegebene Zeit und Puffer zählen nicht.",
            "en": "Booked time within opening times by units, house use included; of rooms, devices and advisers nothing counts"
            " twice. Time given back and buffers do not count.",
        },
    ),
    Kpi(
        "utilisation",
        Unit.PERCENT,
        Rollup.RESOURCES,
        "booked_s",
        "bookable_s",
        100,
        _OF_RESOURCES,
        False,
        {"de": "Auslastung", "en": "Utilisation"},
        {
            "de": "Gebuchte Zeit geteilt durch buchbare Zeit der Gruppe. Ohne Öffnungszeit nicht definiert; über 100 % nur, wo"
            " das Personal einen Bestand überbucht hat.",
            "en": "Booked time divided by bookable time of the group. Not defined where nothing was open; above 100 % only"
            " where staff overbooked a pool.",
        },
    ),
    _minutes(
        "out_of_hours",
        "out_of_hours_s",
        {"de": "Nutzung außerhalb der Öffnungszeiten", "en": "Use out of hours"},
        {
            "de": "Gebuchte Zeit außerhalb der Öffnungszeiten mal Plätze; nie Teil der Auslastung.",
            "en": "Booked time outside opening times by units; never part of utilisation.",
        },
    ),
    _minutes(
        "house",
        "house_s",
        {"de": "Hausnutzung", "en": "House use"},
        {
            "de": "Der Teil der gebuchten Zeit, den das Haus selbst belegt: Veranstaltungen in Räumen, Nutzung durch Personal.",
            "en": "The part of booked time that the house itself takes: sessions in rooms, staff use.",
        },
    ),
    Kpi(
        "made",
        Unit.COUNT,
        Rollup.OFFERS,
        "made",
        None,
        1,
        (Dimension.OFFER,),
        True,
        {"de": "Buchungen", "en": "Bookings made"},
        {
            "de": "Buchungen, die je bestätigt waren, am Tag ihres Beginns; ohne Hausnutzung.",
            "en": "Bookings that were ever confirmed, on the day of their start; without house use.",
        },
    ),
    Kpi(
        "bookings",
        Unit.COUNT,
        Rollup.STATES,
        "bookings",
        None,
        1,
        (Dimension.STATE, Dimension.OFFER),
        True,
        {"de": "Buchungen nach Stand", "en": "Bookings by state"},
        {
            "de": "Buchungen nach ihrem letzten Stand, am Tag ihres Beginns; ohne Hausnutzung.",
            "en": "Bookings by their latest state, on the day of their start; without house use.",
        },
    ),
    _share_of_made(
        "cancellation_rate",
        "cancelled",
        {"de": "Stornoquote", "en": "Cancellation rate"},
        {
            "de": "Nach Bestätigung stornierte Buchungen geteilt durch alle je bestätigten; verdrängte und abgelaufene nicht.",
            "en": "Bookings cancelled after confirmation divided by all ever confirmed; displaced and expired ones are not.",
        },
    ),
    Kpi(
        "refused",
        Unit.COUNT,
        Rollup.REFUSALS,
        "refused",
        None,
        1,
        (Dimension.REASON, Dimension.OFFER),
        True,
        {"de": "Abgelehnte Anfragen", "en": "Refused requests"},
        {
            "de": "Buchungswünsche, die nicht erfüllt wurden, nach erstem Grund, am Tag der Anfrage.",
            "en": "Requests that led to no booking, by their first reason, on the day of the request.",
        },
    ),
    _lead(
        "lead_time",
        "lead_median",
        {"de": "Vorlauf (Median)", "en": "Lead time (median)"},
        {
            "de": "Zeit von der ersten Bestätigung bis zum Beginn, Median; ein Umbuchen ändert sie nicht, negativ zählt als 0.",
            "en": "Time from first confirmation to start, median; a move does not reset it, negative counts as 0.",
        },
    ),
    _lead(
        "lead_time_p90",
        "lead_p90",
        {"de": "Vorlauf (90 %)", "en": "Lead time (90 %)"},
        {
            "de": "Zeit von der ersten Bestätigung bis zum Beginn, die 90 % der Buchungen nicht überschreiten.",
            "en": "Time from first confirmation to start that 90 % of bookings do not exceed.",
        },
    ),
    _lead(
        "lead_time_after_move",
        "lead_after_move_median",
        {"de": "Vorlauf ab letzter Umbuchung (Median)", "en": "Lead time since the last move (median)"},
        {
            "de": "Wie der Vorlauf, bei umgebuchten ab der letzten Umbuchung.",
            "en": "As lead time, of moved bookings from their last move on.",
        },
    ),
    _lead(
        "lead_time_after_move_p90",
        "lead_after_move_p90",
        {"de": "Vorlauf ab letzter Umbuchung (90 %)", "en": "Lead time since the last move (90 %)"},
        {
            "de": "Wie der Vorlauf (90 %), bei umgebuchten ab der letzten Umbuchung.",
            "en": "As lead time (90 %), of moved bookings from their last move on.",
        },
    ),
    _share_of_made(
        "lead_time_same_day",
        "lead_same_day",
        {"de": "Am selben Tag gebucht", "en": "Booked on the same day"},
        {
            "de": "Anteil der Buchungen, die am Tag ihres Beginns zuerst bestätigt wurden.",
            "en": "Share of bookings first confirmed on the day of their start.",
        },
    ),
    _share_of_made(
        "lead_time_1_7",
        "lead_1_7",
        {"de": "1 bis 7 Tage vorher gebucht", "en": "Booked 1 to 7 days ahead"},
        {
            "de": "Anteil der Buchungen, die 1 bis 7 Kalendertage vor ihrem Beginn zuerst bestätigt wurden.",
            "en": "Share of bookings first confirmed 1 to 7 calendar days before their start.",
        },
    ),
    _share_of_made(
        "lead_time_8_30",
        "lead_8_30",
        {"de": "8 bis 30 Tage vorher gebucht", "en": "Booked 8 to 30 days ahead"},
        {
            "de": "Anteil der Buchungen, die 8 bis 30 Kalendertage vor ihrem Beginn zuerst bestätigt wurden.",
            "en": "Share of bookings first confirmed 8 to 30 calendar days before their start.",
        },
    ),
    _share_of_made(
        "lead_time_over_30",
        "lead_over_30",
        {"de": "Über 30 Tage vorher gebucht", "en": "Booked more than 30 days ahead"},
        {
            "de": "Anteil der Buchungen, die mehr als 30 Kalendertage vor ihrem Beginn zuerst bestätigt wurden.",
            "en": "Share of bookings first confirmed more than 30 calendar days before their start.",
        },
    ),
)

REGISTRY: Final[Mapping[str, Kpi]] = {kpi.kpi: kpi for kpi in _ALL}
