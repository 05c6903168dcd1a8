"""Logs and metrics, alike for all services: one JSON object per line, and every metric's name in one place.

Nobody's data is in either: a log line takes only the fields of `LOG_FIELDS`, a metric only ids of things as labels.
"""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

log = logging.getLogger(__name__)

Metric = Literal[
    "hubnetz_consumer_records_total",
    "hubnetz_consumer_batch_records",
    "hubnetz_consumer_batch_seconds",
    "hubnetz_consumer_known_total",
    "hubnetz_consumer_retries_total",
    "hubnetz_consumer_stopped",
    "hubnetz_consumer_position_age_seconds",
    "hubnetz_dead_letters_total",
    "hubnetz_outbox_sent_total",
    "hubnetz_outbox_oldest_seconds",
    "hubnetz_relay_batch_seconds",
    "hubnetz_loop_failures_total",
    "booking_outcomes_total",
    "booking_lock_wait_seconds",
    "booking_plan_repeats_total",
    "booking_busy_total",
    "booking_backstop_total",
    "booking_invariant_violations",
    "booking_invariant_checked_at_seconds",
    "catalog_offers",
    "catalog_publish_seconds",
    "catalog_gate_errors_total",
    "catalog_import_records_total",
    "notify_messages_total",
    "notify_lateness_seconds",
    "notify_oldest_due_seconds",
    "notify_uncertain",
    "notify_breaker_open",
    "notify_template_fallback_total",
    "notify_attempts_total",
    "analytics_ingest_events_total",
    "analytics_passed_over_total",
    "analytics_quarantined_total",
    "analytics_lag_seconds",
    "analytics_dirty_days",
    "analytics_audit_differences",
]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric is: its kind, unit and labels, and the sentence that dashboards show."""

    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENESS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
_RECORDS = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0)

METRICS: Final[Mapping[Metric, Definition]] = {
    "hubnetz_consumer_records_total": Definition("counter", "records", "Records committed", ("topic",)),
    "hubnetz_consumer_batch_records": Definition("histogram", "records", "Records per poll", ("topic",), _RECORDS),
    "hubnetz_consumer_batch_seconds": Definition("histogram", "seconds", "From poll to commit", ("topic",), _SECONDS),
    "hubnetz_consumer_known_total": Definition("counter", "records", "Redelivered records dropped", ("topic", "by")),
    "hubnetz_consumer_retries_total": Definition("counter", "batches", "Batches tried again", ("topic", "error")),
    "hubnetz_consumer_stopped": Definition("gauge", "1", "1 while the consumer waits for an operator", ("topic",)),
    "hubnetz_consumer_position_age_seconds": Definition("gauge", "seconds", "Since the position moved", ("topic",)),
    "hubnetz_dead_letters_total": Definition("counter", "records", "Records set aside", ("topic", "reason")),
    "hubnetz_outbox_sent_total": Definition("counter", "messages", "Messages acknowledged by the broker"),
    "hubnetz_outbox_oldest_seconds": Definition("gauge", "seconds", "Age of the oldest unsent message"),
    "hubnetz_relay_batch_seconds": Definition("histogram", "seconds", "From read to deleted", (), _SECONDS),
    "hubnetz_loop_failures_total": Definition("counter", "runs", "Failed runs of a timed loop", ("loop",)),
    "booking_outcomes_total": Definition("counter", "requests", "Decided requests", ("type", "reason")),
    "booking_lock_wait_seconds": Definition("histogram", "seconds", "Waiting for resource rows", (), _SECONDS),
    "booking_plan_repeats_total": Definition("counter", "batches", "Batches planned again with more rows"),
    "booking_busy_total": Definition("counter", "requests", "Requests answered busy"),
    "booking_backstop_total": Definition("counter", "batches", "Constraints hit: somebody writes without the lock"),
    "booking_invariant_violations": Definition("gauge", "rows", "Violations found by the last check", ("kind",)),
    "booking_invariant_checked_at_seconds": Definition("gauge", "seconds", "Unix time of the last check"),
    "catalog_offers": Definition("gauge", "offers", "Offers by status and visibility", ("status", "visibility")),
    "catalog_publish_seconds": Definition("histogram", "seconds", "A publish, gate included", (), _SECONDS),
    "catalog_gate_errors_total": Definition("counter", "errors", "Errors of the publish gate", ("code",)),
    "catalog_import_records_total": Definition("counter", "records", "Imported records", ("source", "outcome")),
    "notify_messages_total": Definition("counter", "messages", "Fates of messages", ("state", "kind", "reason")),
    "notify_lateness_seconds": Definition("histogram", "seconds", "From due to sent", ("kind",), _LATENESS),
    "notify_oldest_due_seconds": Definition("gauge", "seconds", "Age of the oldest due message"),
    "notify_uncertain": Definition("gauge", "messages", "Messages of which nobody knows whether they arrived"),
    "notify_breaker_open": Definition("gauge", "1", "1 while the relay counts as down", ("relay",)),
    "notify_template_fallback_total": Definition("counter", "messages", "Texts in another language", ("language",)),
    "notify_attempts_total": Definition("counter", "attempts", "Attempts to hand a message to a relay", ("relay", "effect")),
    "analytics_ingest_events_total": Definition("counter", "events", "Events taken in, each once"),
    "analytics_passed_over_total": Definition("counter", "events", "Events of types without a figure", ("type",)),
    "analytics_quarantined_total": Definition("counter", "events", "Events that must not count yet", ("reason",)),
    "analytics_lag_seconds": Definition("gauge", "seconds", "Age of the latest event when it was taken in"),
    "analytics_dirty_days": Definition("gauge", "days", "Days that are still to be computed"),
    "analytics_audit_differences": Definition("gauge", "rows", "Roll-ups of the last audited day that its facts contradict"),
}


class Metrics:
    """One registry per app, so that two apps fit in one process; collectors are made at first use."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._collectors: dict[Metric, Counter | Gauge | Histogram] = {}

    def add(self, name: Metric, amount: float = 1.0, **labels: str) -> None:
        """Raise a counter."""
        counter = self._collector(name)
        assert isinstance(counter, Counter), f"{name} is no counter"
        (counter.labels(**labels) if labels else counter).inc(amount)

    def set(self, name: Metric, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._collector(name)
        assert isinstance(gauge, Gauge), f"{name} is no gauge"
        (gauge.labels(**labels) if labels else gauge).set(value)

    def observe(self, name: Metric, value: float, **labels: str) -> None:
        """Put a value into a histogram, in the metric's unit."""
        histogram = self._collector(name)
        assert isinstance(histogram, Histogram), f"{name} is no histogram"
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def value(self, name: Metric, **labels: str) -> float:
        """The present value of a counter or gauge: for tests and the health page."""
        sample = name if METRICS[name].kind != "counter" or name.endswith("_total") else f"{name}_total"
        return self._registry.get_sample_value(sample, labels) or 0.0

    def exposition(self) -> bytes:
        """The text format that Prometheus reads."""
        return generate_latest(self._registry)

    def _collector(self, name: Metric) -> Counter | Gauge | Histogram:
        collector = self._collectors.get(name)
        if collector is None:
            definition = METRICS[name]
            if definition.kind == "histogram":
                collector = Histogram(
                    name, definition.help, definition.labels, buckets=definition.buckets, registry=self._registry
                )
            elif definition.kind == "counter":
                collector = Counter(name, definition.help, definition.labels, registry=self._registry)
            else:
                collector = Gauge(name, definition.help, definition.labels, registry=self._registry)
            self._collectors[name] = collector
        return collector


# Ids of things, codes, counts and durations (`style.md` §7). Never names, addresses, free text, payloads or tokens.
LOG_FIELDS: Final = frozenset(
    {
        "action", "attempt", "booking_id", "code", "consumer", "count", "day", "dead_letter_id", "error", "event_id", "kind",
        "known_sha256", "loop", "message_id", "offer_id", "offset", "partition", "port", "reason", "relay",
        "request_id", "resource_id", "retry_in_s", "rows", "seconds", "sha256", "sqlstate", "state", "topic",
        "violations",
    }
)  # fmt: skip


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, service, hub, constant text, allowed fields, and where an error arose."""

    def __init__(self, *, hub_id: str, service: str) -> None:
        super().__init__()
        self._frame = {"hub_id": hub_id, "service": service}

    def format(self, record: logging.LogRecord) -> str:
        """The line; of an exception only its type and place, since its text may quote a payload."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._frame,
            "logger": record.name,
            "text": _constant(record),
        }
        for name in LOG_FIELDS:
            if name in record.__dict__:
                line[name] = record.__dict__[name]
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _where(record.exc_info[2])
        return json.dumps(line, default=str, ensure_ascii=False)


def _constant(record: logging.LogRecord) -> str:
    """The text before its arguments are filled in: they may be anybody's.

    A library's text without arguments may have been put together before, as asyncio does with a task's exception: of such
    a one only the place is said, where its constant text can be read.
    """
    ours = record.name.split(".")[0] in _OURS
    if isinstance(record.msg, str) and (ours or record.args):
        return record.msg
    return f"{record.module}:{record.lineno} {record.funcName}"


_OURS = ("hubkit", "services", "deploy", "contracts", "__main__")


def _where(traceback: TracebackType | None) -> list[str]:
    places = []
    frame = traceback
    while frame is not None:
        code = frame.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 2)[-1]}:{frame.tb_lineno} {code.co_name}")
        frame = frame.tb_next
    return places[-12:]


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    log.critical("ended by an error", exc_info=(kind, error, traceback), extra={"action": "run"})


def set_up_logging(*, hub_id: str, service: str, level: str) -> None:
    """Send every logger's lines to standard error as JSON. Libraries may speak from warning on, as constant text."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(hub_id=hub_id, service=service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught  # Python's own would print the error's text, which may quote a row
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())
