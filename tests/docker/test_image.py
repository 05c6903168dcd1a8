"""The image: what is in it, who it runs as, and that nothing of the builder's machine gets in."""

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import pytest

from deploy.local.services import SERVICES
from tests.support.compose import ROOT
from tests.support.compose_hub import IMAGE, docker

pytestmark = [pytest.mark.timeout(1200), pytest.mark.usefixtures("image")]
BYTES_MAX: Final = 450_000_000
MARK: Final = "zwackelmann-mechthild-7391"  # stands in every file that must not get into an image
READ_ONLY: Final = ("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none", IMAGE)  # noqa: S108


def test_image__is_small_and_becomes_what_the_command_says() -> None:
    (facts,) = json.loads(docker("image", "inspect", IMAGE))
    assert facts["Size"] < BYTES_MAX
    assert facts["Config"]["User"] == "10001:10001"
    assert not facts["Config"].get("Cmd")
    assert not facts["Config"].get("Entrypoint")


def test_image_in_its_history_and_settings__no_secret() -> None:
    told = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE) + docker("image", "inspect", IMAGE)
    assert not re.search(r"(?i)password|token|secret", told.replace("--mount=type=secret", ""))


def test_image_with_everything_on_disk_read_only__runs_as_nobody_in_particular() -> None:
    told = docker(*READ_ONLY, "python", "-c", "import os; print(os.getuid(), os.getgid(), os.access('/opt/hubnetz', os.W_OK))")
    assert told.split() == ["10001", "10001", "False"]
    assert "init" in docker(*READ_ONLY, "hubnetz", "--help")


def test_image__can_import_every_module_of_ours_but_those_that_need_java() -> None:
    code = (
        "import importlib, pkgutil, sys\n"
        "for name in ('contracts', 'hubkit', 'services', 'deploy'):\n"
        "    package = importlib.import_module(name)\n"
        "    for module in pkgutil.walk_packages(package.__path__, name + '.'):\n"
        "        if '.migrations' not in module.name and not module.name.endswith('__main__'):\n"
        "            importlib.import_module(module.name)\n"
        "print(len([name for name in sys.modules if name.split('.')[0] in ('contracts', 'hubkit', 'services', 'deploy')]))\n"
    )
    assert int(docker(*READ_ONLY, "python", "-c", code)) > 150
    for service in SERVICES:
        assert "Hubnetz" not in docker(*READ_ONLY, "python", "-m", f"services.{service}", "--no-such-option", code=1)


def test_image__holds_the_locked_packages_and_no_others() -> None:
    code = "import importlib.metadata as m; print('\\n'.join(f'{d.name}=={d.version}' for d in m.distributions()))"
    there = {line.lower().replace("_", "-") for line in docker(*READ_ONLY, "python", "-c", code).split()}
    lock = (ROOT / "requirements-image.lock").read_text()
    locked = {m[1] for m in re.finditer(r"^([a-z0-9.-]+==\S+)(?! ; sys_platform == 'win32')", lock, re.MULTILINE)}
    windows = {m[1] for m in re.finditer(r"^([a-z0-9.-]+==\S+) ; sys_platform == 'win32'", lock, re.MULTILINE)}
    base = {line for line in there if line.split("==")[0] in ("pip", "setuptools", "wheel")}
    assert {line for line in there - base if not line.startswith("hubnetz==")} == locked - windows


def test_build_beside_secrets__they_are_in_no_layer(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in [name for name in names.split("\0") if name and (ROOT / name).is_file()]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    for name in (".env", "secrets/service-token", "deploy/secrets/key", "deploy/.env", "deploy/hubs/sued.env", ".git/config"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(MARK)
    (tree / "deploy" / "kept.txt").write_text("schlotterbeck-5512")  # what is sent on purpose is found: the search works
    named = os.environ.get("HUBNETZ_PYTHON_IMAGE")
    base = ["--build-arg", f"PYTHON_IMAGE={named}"] if named else []
    image = "hubnetz:tests-secrets"
    docker("build", "--tag", image, *base, str(tree))
    try:
        saved = tmp_path / "image.tar"
        docker("save", "--output", str(saved), image)
        assert _contains(saved, tmp_path / "whole", b"schlotterbeck-5512")
        assert not _contains(saved, tmp_path / "whole", MARK.encode())
    finally:
        docker("image", "rm", image)


def _contains(image: Path, place: Path, mark: bytes) -> bool:
    """Whether any file of any layer holds the mark."""
    place.mkdir(exist_ok=True)
    with tarfile.open(image) as archive:
        archive.extractall(place, filter="data")
    for blob in place.rglob("*"):
        if not blob.is_file():
            continue
        if not tarfile.is_tarfile(blob):
            if mark in blob.read_bytes():
                return True
            continue
        with tarfile.open(blob) as layer:
            for member in layer:
                content = layer.extractfile(member) if member.isfile() else None
                if content is not None and mark in content.read():
                    return True
    return False


def test_init_by_the_image__files_belong_to_who_called(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    os.chown(folder, 4711, 4711)
    (folder / "compose.yaml").write_text("services: {}\n")
    flags = ("--hub-id", "nord", "--hub-name", "Nord", "--url", "https://nord.example", "--mail-relay", "none")
    docker("run", "--rm", "--user", "4711:4711", "--volume", f"{folder}:/hub", IMAGE, "hubnetz", "init", *flags)
    assert {path.stat().st_uid for path in folder.rglob("*") if path.name != "compose.yaml"} == {4711}
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700
    assert (folder / "secrets" / "service-token").stat().st_mode & 0o777 == 0o444
