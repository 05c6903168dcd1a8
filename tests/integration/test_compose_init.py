"""`hubnetz init`: what it writes is what the services take; a second run changes nothing; one secret can be renewed."""

import importlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

import deploy.cli  # noqa: F401 - puts all commands on `app`
from deploy import container, installation
from deploy.cli.root import app
from deploy.failures import Failure
from hubkit.settings import ServiceSettings
from services.analytics.domain.pseudonyms import years_needed
from services.analytics.settings import AnalyticsSettings
from services.analytics.wire.keys import read_keys
from services.booking.settings import BookingSettings
from services.catalog.settings import CatalogSettings
from services.notify.settings import NotifySettings
from tests.support.compose import MAIN, ROOT, overlay_files, own, rendered

SINK: Final = ("--hub-id", "nord", "--hub-name", "Hub Nord", "--url", "https://nord.example", "--mail-relay", "none")
RELAY: Final = (*SINK[:-1], "mx.nord.example:465", "--mail-security", "tls")
SETTINGS: Final[Mapping[str, type[ServiceSettings]]] = {
    "booking": BookingSettings,
    "catalog": CatalogSettings,
    "notify": NotifySettings,
    "analytics": AnalyticsSettings,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release as operators unpack it, as far as init looks at it."""
    shutil.copy(ROOT / MAIN, tmp_path / MAIN)
    return tmp_path


def init(folder: Path, *arguments: str, code: int = 0, text: str = "") -> str:
    """Run the command without a terminal; its output and its complaints."""
    quiet = {name: None for name in os.environ if name.startswith("HUBNETZ_")}
    ended = CliRunner(env=quiet).invoke(app, ["init", "--folder", str(folder), *arguments], input=text)
    told, ended_with = ended.output, ended.exit_code
    if isinstance(ended.exception, Failure):  # `main` turns it into lines and a code
        told, ended_with = f"{told}{ended.exception}", ended.exception.code
    elif ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert ended_with == code, told
    return told


def everything(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Path -> mode, instant of the last change, content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (stat.S_IMODE(facts.st_mode), facts.st_mtime_ns, content)
    return found


def test_init_fresh__no_secret_in_env_and_modes_as_compose_needs_them(folder: Path) -> None:
    init(folder, *SINK)
    written = everything(folder)
    secrets = {name: facts for name, facts in written.items() if name.startswith("secrets/")}
    assert written["secrets"][0] == 0o700
    assert written["secrets/analytics-keys"][0] == 0o755
    assert {facts[0] for name, facts in secrets.items() if (folder / name).is_file()} == {0o444}
    for name, (_, _, content) in secrets.items():
        if content.strip() and not name.endswith(".gitignore"):
            assert content.strip() not in written[".env"][2], name
    values = [content for name, (_, _, content) in secrets.items() if content and not name.endswith(".gitignore")]
    assert len(values) == len(set(values)) > 8


def test_init_twice__changes_nothing(folder: Path) -> None:
    init(folder, *SINK)
    before = everything(folder)
    assert "Nothing to do" in init(folder)
    assert "Nothing to do" in init(folder, *SINK)
    assert everything(folder) == before


def test_init_with_other_flags_than_before__changes_nothing_and_says_so(folder: Path) -> None:
    init(folder, *SINK)
    before = everything(folder)
    told = init(folder, "--hub-id", "sued", "--overlay", "ha", "--mail-user", "hub", code=1)
    assert "HUBNETZ_HUB_ID: 'sued'" in told
    assert "overlay: ha" in told
    assert "HUBNETZ_SMTP_USER" in told
    assert everything(folder) == before


def test_two_hubs__share_neither_cluster_id_nor_secret(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copy(ROOT / MAIN, other / MAIN)
    init(folder, *SINK)
    init(other, *SINK)
    ids = {installation.read_env(place)["HUBNETZ_CLUSTER_ID"] for place in (folder, other)}
    assert len(ids) == 2
    for secret in installation.DRAWN:
        texts = {(place / "secrets" / secret.name).read_text() for place in (folder, other)}
        assert len(texts) == 2, secret.name


def test_cluster_ids_drawn__are_16_bytes_that_no_tool_reads_as_an_option() -> None:
    drawn = {installation.draw_cluster_id() for _ in range(200)}
    assert len(drawn) == 200
    assert all(len(each) == 22 and each[0] == "A" for each in drawn)


def test_env_edited_and_a_secret_lost__only_what_is_missing_comes_back(folder: Path) -> None:
    init(folder, *SINK)
    env = folder / ".env"
    kept = [line for line in env.read_text().splitlines() if not line.startswith("HUBNETZ_TIME_ZONE")]
    text = "\n".join([*kept, "# mine", "HUBNETZ_NOFILE=4096"])  # without a newline at the end
    env.write_text(text)
    (folder / "secrets" / "check-in-key").unlink()
    (folder / "secrets").chmod(0o755)
    before = everything(folder)
    told = init(folder)
    after = everything(folder)
    assert after[".env"][2].decode() == text + "\nHUBNETZ_TIME_ZONE=Europe/Berlin\n"
    assert "check-in-key" in told
    assert after["secrets"][0] == 0o700
    changed = {name for name, facts in after.items() if facts[2] != before.get(name, (0, 0, b""))[2]}
    assert changed == {".env", "secrets/check-in-key"}


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        (("--hub-id", "Nord"), "--hub-id"),
        (("--hub-name", ""), "--hub-name"),
        (("--url", "nord.example"), "--url"),
        (("--url", "https://nord.example/hub"), "--url"),
        (("--mail-relay", "mx nord"), "--mail-relay"),
        (("--mail-relay", "mx.nord.example:smtp"), "--mail-relay"),
        (("--mail-relay", "mx.nord.example", "--mail-security", "none"), "relay"),
        (("--mail-sender", "hub"), "--mail-sender"),
        (("--mail-domain", "-"), "--mail-domain"),
        (("--time-zone", "Mars/Olympus"), "--time-zone"),
        (("--overlay", "four-brokers"), "--overlay"),
        (("--mail-relay", "mx.nord.example", "--mail-user", "hub"), "--mail-password-file"),
        (("--rotate", "no-such-secret"), "postgres-admin"),
    ],
)
def test_flag_that_no_service_would_take(folder: Path, flags: tuple[str, ...], flag: str) -> None:
    assert flag in init(folder, *SINK, *flags, code=2)
    assert not (folder / ".env").exists()
    assert not (folder / "secrets").exists()


@pytest.mark.parametrize("missing", ["--hub-id", "--hub-name", "--url", "--mail-relay"])
def test_flag_missing_without_a_terminal(folder: Path, missing: str) -> None:
    at = SINK.index(missing)
    assert missing in init(folder, *SINK[:at], *SINK[at + 2 :], code=2)
    assert not (folder / ".env").exists()


def test_init_elsewhere__says_where_to_go(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli", "init", "--folder", str(tmp_path), *SINK]
    ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "compose.yaml" in ended.stderr


NAMES: Final = ["Hub Nord", "Hub 'Nord'", 'Hub "Nord"', "5 $ und ${HOME}", "a # b", "zurück\\", 'it\'s "$x" \\ `y`', " Rand "]


@pytest.mark.parametrize("name", NAMES)
def test_name_of_any_kind_is_read_back(folder: Path, name: str) -> None:
    init(folder, *SINK, "--hub-name", name)
    assert installation.read_env(folder)["HUBNETZ_HUB_NAME"] == name


@pytest.mark.parametrize("service", SETTINGS)
@pytest.mark.parametrize("flags", [SINK, RELAY, (*RELAY, "--mail-user", "hub")], ids=["sink", "relay", "login"])
def test_environment_of_a_service_is_what_its_settings_take(
    folder: Path, flags: tuple[str, ...], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = folder / "password"
    password.write_text("aus der Mail des Betreibers\n")
    init(folder, *flags, *(("--mail-password-file", str(password)) if "--mail-user" in flags else ()))
    settings = SETTINGS[service].model_validate(_environment(folder, service, monkeypatch))
    address = urlsplit(settings.database_url.get_secret_value())
    assert (address.username, address.hostname, address.path) == (service, "postgres", f"/{service}")
    assert settings.http_port == container.PORT
    assert len(settings.service_token.get_secret_value()) >= 32
    if isinstance(settings, NotifySettings):
        told = (settings.delivery, settings.smtp_host, settings.smtp_port, settings.smtp_security)
        assert told == (("sink", "mailsink", 1025, "none") if flags is SINK else ("live", "mx.nord.example", 465, "tls"))
        secret = settings.smtp_password.get_secret_value() if settings.smtp_password else None
        assert secret == ("aus der Mail des Betreibers" if "--mail-user" in flags else None)
    if isinstance(settings, AnalyticsSettings):
        assert years_needed(date.today()).stop - 1 in read_keys(settings.analytics_keys)  # noqa: DTZ011 - the machine's day


def _environment(folder: Path, service: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the service finds: variables of its container, and the files where they would be mounted."""
    for name in [name for name in os.environ if name.startswith("HUBNETZ_")]:
        monkeypatch.delenv(name)
    variables = installation.read_env(folder)
    overlays = [name for name in installation.OVERLAYS if f"compose.{name}.yaml" in variables["COMPOSE_FILE"]]
    described = rendered(overlay_files(*overlays), variables)["services"][service]
    mounted = folder / "mounted"
    mounted.mkdir()
    for secret in described["secrets"]:
        shutil.copy(folder / "secrets" / secret["source"], mounted / secret["target"])
    shutil.copytree(folder / "secrets" / "analytics-keys", mounted / "analytics-keys")
    for name, value in described["environment"].items():
        monkeypatch.setenv(name, str(value).replace("/run/secrets", str(mounted)))
    return {}


def test_services_of_all_lists__are_those_that_can_be_started() -> None:
    startable = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}
    described = {name for name in own(rendered(overlay_files(), installation_variables())) if name in startable}
    assert described == startable == set(installation.SERVICES) == set(SETTINGS)
    for name in startable:
        assert importlib.util.find_spec(f"services.{name}.settings") is not None


def installation_variables() -> dict[str, str]:
    """Any values for what compose.yaml asks for."""
    names = ("HUB_ID", "HUB_NAME", "CLUSTER_ID", "MAIL_SENDER", "MAIL_DOMAIN", "SMTP_HOST", "SMTP_PORT", "SMTP_SECURITY")
    return {f"HUBNETZ_{name}": "x" for name in names}


def test_secrets_of_init__are_those_of_compose_with_their_readers() -> None:
    project = rendered(overlay_files(), installation_variables())
    readers: dict[str, set[str]] = {name: set() for name in project["secrets"]}
    for service in installation.SERVICES:
        for secret in project["services"][service]["secrets"]:
            readers[secret["source"]].add(service)
    known = {each.name: set(each.readers) for each in (*installation.DRAWN, installation.GIVEN)}
    assert known == readers


@pytest.mark.parametrize("name", [secret.name for secret in installation.DRAWN])
def test_secret_renewed(folder: Path, name: str) -> None:
    init(folder, *SINK)
    before = everything(folder)
    told = init(folder, "--rotate", name, "--yes")
    after = everything(folder)
    assert {path for path, facts in after.items() if facts[2] != before[path][2]} == {f"secrets/{name}"}
    assert after[f"secrets/{name}"][0] == 0o444
    assert "docker compose" in told
    assert after[f"secrets/{name}"][2].decode().strip() not in told
    if name.endswith("-database-url"):
        old, new = (urlsplit(facts[f"secrets/{name}"][2].decode()) for facts in (before, after))
        assert (old.username, old.hostname, old.port, old.path) == (new.username, new.hostname, new.port, new.path)
        assert old.password != new.password


def test_secret_renewed_that_people_hold__asks_first(folder: Path) -> None:
    init(folder, *SINK)
    before = everything(folder)
    assert "no longer be accepted" in init(folder, "--rotate", "check-in-key", code=1, text="n\n")
    assert everything(folder) == before
    init(folder, "--rotate", "check-in-key", text="y\n")
    assert everything(folder) != before


def test_password_of_the_relay_renewed__is_taken_from_a_file(folder: Path) -> None:
    init(folder, *SINK)
    assert "--mail-password-file" in init(folder, "--rotate", "smtp-password", code=2)
    (folder / "new").write_text("neu\n")
    init(folder, "--rotate", "smtp-password", "--mail-password-file", str(folder / "new"))
    assert (folder / "secrets" / "smtp-password").read_text() == "neu"


def test_secret_renewed_before_init__says_what_to_run(folder: Path) -> None:
    assert "hubnetz init" in init(folder, "--rotate", "service-token", code=3)


def test_overlays_chosen__operators_own_file_stays_a_part(folder: Path) -> None:
    (folder / "compose.override.yaml").write_text("services: {}\n")
    init(folder, *SINK, "--overlay", "ha")
    files = installation.read_env(folder)["COMPOSE_FILE"].split(":")
    assert files == [*overlay_files("ha", "mailsink"), "compose.override.yaml"]


def test_hub_of_a_container__has_what_is_mounted_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = tmp_path / "secrets"
    mounted.mkdir()
    (mounted / "booking-database-url").write_text("postgresql://booking:pw@postgres:5432/booking")
    (mounted / "postgres-admin").write_text("a/b\n")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, value in {
        "HUB_ID": "nord",
        "HUB_NAME": "N",
        "KAFKA": "kafka:9092",
        "KAFKA_SECURITY": "plaintext-internal",
    }.items():
        monkeypatch.setenv(f"HUBNETZ_{name}", value)
    hub = container.hub(mounted)
    assert hub.postgres_admin == "postgresql://postgres:a%2Fb@postgres:5432/postgres"
    assert hub.postgres == {"booking": "postgresql://booking:pw@postgres:5432/booking"}
    assert hub.http == {"booking": "http://booking:8080"}
    monkeypatch.delenv("HUBNETZ_KAFKA")
    with pytest.raises(Failure, match="HUBNETZ_KAFKA"):
        container.hub(mounted)
