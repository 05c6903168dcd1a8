"""All rules, one module per family."""

from tests.tidy.rules import bounds, bus, clock, errors, imports, settings, size, sql, telemetry, words

ALL = (
    *bus.RULES,
    *clock.RULES,
    *settings.RULES,
    *errors.RULES,
    *sql.RULES,
    *imports.RULES,
    *telemetry.RULES,
    *bounds.RULES,
    *size.RULES,
    *words.RULES,
)
