"""The sub-commands, as `hubnetz` and operators call them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services.catalog.__main__ import main
from tests.service.catalog.hub import SEED, makerspace_calendar


@pytest.fixture
def surroundings(service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process of the catalogue is told."""
    told = {
        "HUB_ID": "grossroehrsdorf",
        "HUB_NAME": "InnovationsHub",
        "KAFKA": "127.0.0.1:1",  # no command speaks to the bus
        "KAFKA_SECURITY": "plaintext-internal",
        "DATABASE_URL": service_db("catalog"),
        "HTTP_PORT": "0",
        "SERVICE_TOKEN": "token-of-the-tests-only",
    }
    for name, value in told.items():
        monkeypatch.setenv(f"HUBNETZ_{name}", value)


@pytest.mark.usefixtures("surroundings")
def test_imports_and_republish__do_their_work_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calendar = tmp_path / "kalender.ics"
    calendar.write_bytes(makerspace_calendar())
    assert main(["import-hub", str(SEED)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "112 created; 44 events"
    source = ["--source", "fablab-cottbus", "--shift-to-present", "--json"]
    assert main(["import-ics", str(calendar), *source]) == 0
    report = json.loads(capsys.readouterr().out)
    assert sum(report["records"].values()) == 28
    assert report["shift_weeks"] > 400
    row = next(each for each in report["rows"] if each["code"] == "shifted")
    assert row["message"]["de"] == "Vorführung: um ganze Wochen in die Gegenwart verschoben"
    assert main(["republish"]) == 0
    assert capsys.readouterr().out == "sent again in 1 parts\n"


@pytest.mark.usefixtures("surroundings")
def test_file_that_is_not_taken__ends_with_one_and_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "hub.yaml"
    broken.write_text("format: hubnetz-hub/1\nhub: {time_zone: Europe/Berlin}\nplatz: {}\nplaces: {}\n")
    assert main(["import-hub", str(broken)]) == 1
    assert capsys.readouterr().err == "line 3: platz: Extra inputs are not permitted\n"
    assert main(["import-hub", str(tmp_path / "fehlt.yaml")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert main(["import-ics", str(broken), "--source", "x"]) == 1
    assert capsys.readouterr().err == "not_a_calendar\n"
    broken.write_bytes(makerspace_calendar())
    assert main(["import-ics", str(broken), "--source", "x"]) == 1
    assert "no source is called x" in capsys.readouterr().err


def test_unknown_command__is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["mach-was"])
    assert ended.value.code == 2
