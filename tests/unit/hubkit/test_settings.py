"""Settings from the environment and from files; what is missing or says too little is refused, and no secret is printed."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from hubkit.settings import ServiceSettings

SECRET = "a-secret-of-the-tests"  # noqa: S105 - made up
ENOUGH = {
    "HUB_ID": "nord",
    "HUB_NAME": "Hub Nord",
    "KAFKA": "127.0.0.1:9092",
    "KAFKA_SECURITY": "plaintext-internal",
    "DATABASE_URL": f"postgresql://booking:{SECRET}@127.0.0.1/booking",
    "HTTP_PORT": "8100",
    "SERVICE_TOKEN": SECRET,
}


def read(monkeypatch: pytest.MonkeyPatch, **changed: str | None) -> ServiceSettings:
    for name, value in (ENOUGH | changed).items():
        if value is None:
            monkeypatch.delenv(f"HUBNETZ_{name}", raising=False)
        else:
            monkeypatch.setenv(f"HUBNETZ_{name}", value)
    return ServiceSettings()


def test_enough__read_with_secrets_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert settings.service_token.get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    assert (settings.topic_prefix, settings.http_host) == ("", "127.0.0.1")


@pytest.mark.parametrize("name", ENOUGH)
def test_address_or_secret_missing__refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ValidationError, match=name.lower()):
        read(monkeypatch, **{name: None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUB_ID", "Nord"), ("HUB_ID", ""), ("HUB_ID", "-a"), ("HTTP_PORT", "70000"), ("HTTP_PORT", "http"),
        ("KAFKA_SECURITY", "none"), ("KAFKA", ""), ("SERVICE_TOKEN", "short"), ("DATABASE_POOL_MAX", "1"),
        ("TOPIC_PREFIX", "a b"), ("LOG_LEVEL", "loud"), ("DATABASE_URL", ""),
    ],
)  # fmt: skip
def test_value_out_of_bounds__refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        read(monkeypatch, **{name: value})


def test_secret_in_a_file__read_without_its_line_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET + "\n")
    settings = read(monkeypatch, SERVICE_TOKEN=None, SERVICE_TOKEN_FILE=str(tmp_path / "token"))
    assert settings.service_token.get_secret_value() == SECRET


def test_secret_in_file_and_variable__refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which of the two is meant nobody can know; after a rotation it would be the old one."""
    (tmp_path / "token").write_text(SECRET)
    with pytest.raises(ValidationError, match="both set"):
        read(monkeypatch, SERVICE_TOKEN_FILE=str(tmp_path / "token"))


def test_secret_file_that_is_not_there__refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(monkeypatch, SERVICE_TOKEN=None, SERVICE_TOKEN_FILE=str(tmp_path / "nothing"))


def test_file_of_a_certificate__is_a_path_and_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = read(monkeypatch, KAFKA_CA_FILE=str(tmp_path / "ca.pem"))
    assert settings.kafka_ca_file == tmp_path / "ca.pem"


LOGIN = {"KAFKA_USER": "booking", "KAFKA_PASSWORD": SECRET}


@pytest.mark.parametrize(
    ("security", "more", "fits"),
    [
        ("plaintext-internal", {}, True),
        ("scram-internal", {}, False),
        ("scram-internal", {"KAFKA_USER": "booking"}, False),
        ("scram-internal", {"KAFKA_PASSWORD": SECRET}, False),
        ("scram-internal", LOGIN, True),
        ("scram-tls", LOGIN, False),
        ("scram-tls", {"KAFKA_CA_FILE": "/ca.pem"}, False),
        ("scram-tls", LOGIN | {"KAFKA_CA_FILE": "/ca.pem"}, True),
    ],
)
def test_login_to_kafka__must_be_whole_for_what_is_asked(
    monkeypatch: pytest.MonkeyPatch, security: str, more: dict[str, str], fits: bool
) -> None:
    """SCRAM without TLS where TLS was meant is plaintext, silently."""
    if fits:
        assert read(monkeypatch, KAFKA_SECURITY=security, **more).kafka_security == security
    else:
        with pytest.raises(ValidationError, match=security):
            read(monkeypatch, KAFKA_SECURITY=security, **more)


@pytest.mark.parametrize(
    "changed",
    [{"SERVICE_TOKEN": SECRET[:10]}, {"HUB_ID": "No"}, {"KAFKA_SECURITY": "scram-tls", **LOGIN}, {"HTTP_PORT": None}],
)
def test_error_of_any_kind__shows_no_secret(monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None]) -> None:
    """pydantic quotes what it was given, and a service that does not start prints it."""
    with pytest.raises(ValidationError) as caught:
        read(monkeypatch, **changed)
    assert SECRET[:10] not in str(caught.value)
