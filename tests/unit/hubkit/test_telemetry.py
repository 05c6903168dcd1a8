"""Every metric is defined once; a log line is one JSON object and holds nobody's data."""

import asyncio
import json
import logging
import sys
from typing import Any, get_args

import pytest

from hubkit.telemetry import LOG_FIELDS, METRICS, JsonFormatter, Metric, Metrics
from tests.support.frontend import PERSON


def test_metrics__each_name_has_a_definition_and_its_unit_at_the_end() -> None:
    assert set(METRICS) == set(get_args(Metric))
    for name, definition in METRICS.items():
        assert definition.help, name
        assert name.endswith("_total") == (definition.kind == "counter"), name
        assert (definition.unit == "seconds") == name.endswith("_seconds"), name
        assert bool(definition.buckets) == (definition.kind == "histogram"), name
        assert definition.buckets == tuple(sorted(set(definition.buckets))), name
        assert not {"person", "name", "mail", "address", "client"} & set(definition.labels), name


@pytest.mark.parametrize("name", METRICS)
def test_each_metric__can_be_reported_and_is_shown(name: Metric) -> None:
    metrics, definition = Metrics(), METRICS[name]
    labels = dict.fromkeys(definition.labels, "x")
    if definition.kind == "counter":
        metrics.add(name, 1.0, **labels)
    elif definition.kind == "gauge":
        metrics.set(name, 1.0, **labels)
    else:
        metrics.observe(name, 1.0, **labels)
    assert f"# HELP {name.removesuffix('_total') if definition.kind == 'counter' else name}" in metrics.exposition().decode()
    if definition.kind != "histogram":
        assert metrics.value(name, **labels) == 1.0


def test_two_apps_in_one_process__count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.add("hubnetz_outbox_sent_total", 3)
    assert (one.value("hubnetz_outbox_sent_total"), other.value("hubnetz_outbox_sent_total")) == (3.0, 0.0)


class Lines(logging.Handler):
    """Keeps what the formatter makes of each record."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter(hub_id="nord", service="booking"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def written(logger_name: str, *arguments: object, **keywords: Any) -> dict[str, Any]:
    """The line of one warning; it has to be a single line and a JSON object."""
    logger, lines = logging.Logger(logger_name), Lines()
    logger.addHandler(lines)
    logger.warning(*arguments, **keywords)
    (line,) = lines.lines
    assert "\n" not in line
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_line__has_its_frame_and_the_allowed_fields() -> None:
    line = written("hubkit.outbox", "relay interrupted", extra={"action": "relay", "retry_in_s": 0.5})
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "warning", "hub_id": "nord", "service": "booking", "logger": "hubkit.outbox", "text": "relay interrupted",
        "action": "relay", "retry_in_s": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("logger", ["hubkit.app", "services.booking.worker", "aiokafka.consumer", "asyncio", "uvicorn.error"])
def test_person_in_arguments_extra_or_exception__is_in_no_line(logger: str) -> None:
    lines = [
        written(logger, "set aside %s", PERSON),
        written(logger, "set aside %(who)s", {"who": PERSON}),
        written(logger, "set aside", extra={"name_of": PERSON, "payload": PERSON, "body": PERSON.encode()}),
        written(logger, ValueError(PERSON)),
    ]
    try:
        raise LookupError(PERSON) from ValueError(PERSON)
    except LookupError:
        lines.append(written(logger, "failed", exc_info=True))
    assert PERSON not in json.dumps(lines)
    assert (lines[-1]["error"], lines[-1]["where"][-1].split(" ")[-1]) == (
        "LookupError", "test_person_in_arguments_extra_or_exception__is_in_no_line",
    )  # fmt: skip


def test_text_that_a_library_put_together__only_its_place_is_said() -> None:
    """asyncio writes the whole exception into its text, without arguments."""
    line = written("asyncio", f"Task exception was never retrieved\nfuture: <Task exception=ValueError('{PERSON}')>")
    assert PERSON not in json.dumps(line)
    assert line["text"].startswith("test_telemetry:")
    assert written("aiokafka.conn", "Failed fetch messages from %s: %s", 1, PERSON)["text"].startswith("Failed fetch")


def test_task_whose_error_nobody_fetched__says_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    monkeypatch.setattr(logging.getLogger("asyncio"), "handlers", [lines])
    monkeypatch.setattr(logging.getLogger("asyncio"), "propagate", False)
    loop = asyncio.new_event_loop()
    try:
        loop.call_exception_handler({"message": "Task exception was never retrieved", "exception": ValueError(PERSON)})
    finally:
        loop.close()
    assert len(lines.lines) == 1
    assert PERSON not in lines.lines[0]


def test_error_that_ends_the_process__is_a_line_and_not_pythons_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hubkit import telemetry

    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(logging, "captureWarnings", lambda capture: None)
    telemetry.set_up_logging(hub_id="nord", service="booking", level="info")
    try:
        raise LookupError(PERSON)
    except LookupError as error:
        sys.excepthook(LookupError, error, error.__traceback__)
    printed = capsys.readouterr().err
    assert json.loads(printed)["error"] == "LookupError"
    assert PERSON not in printed


def test_fields_of_log_lines__name_no_persons_data() -> None:
    forbidden = {
        "name",
        "address",
        "mail",
        "phone",
        "text",
        "payload",
        "body",
        "value",
        "key",
        "token",
        "path",
        "client",
        "person_id",
    }
    assert not LOG_FIELDS & forbidden
