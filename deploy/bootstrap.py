"""From a fresh machine to a running command, with the standard library only: `python3 deploy/bootstrap.py <target>`.

Brings the pinned uv into `.tools`, the locked dependencies into `.venv`, and hands over. The Makefile calls it, nothing else is
needed beside it. It must stay readable for old Pythons, so that they get a sentence and not a syntax error.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

UV = "0.13.9"
PYTHON_MIN, PYTHON_END = (3, 11), (3, 14)
ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
LOCK_IMAGE = ROOT / "requirements-image.lock"
LOCK_BUILD = ROOT / "requirements-build.lock"
# What the image needs of the extra `local`: the mail sink. Broker, database and Java have images of their own.
IMAGE_ALSO = "aiosmtpd"
BACKEND = "HUBNETZ_TEST_BACKEND"
RACES = "HUBNETZ_TEST_RACES"
LEVELS_FAST = ("unit", "contracts", "tidy")
LEVELS_WITH_SERVERS = ("e2e", "service", "integration")
HELP = """\
setup   uv, locked dependencies (called by the others)
demo    throw-away hub with a played day; ONCE=1 ends by itself, SEED=7
up      the hub with kept data in .hubnetz/, in the foreground; DETACH=1 in the background
down    stops it, data stays
check   ruff, mypy, import contracts, schemas: no server needed
fast    check, then the tests that need no server
test    fast, and beside it all tests against the real broker and database; BACKEND=docker as containers, and the next target
docker  image and compose.yaml tried out: built, started, killed part by part (minutes, needs a Docker engine)
chaos   kills, pauses and cuts (minutes)
long    booking's model in 2,000 lives of 50 steps, its seed printed, and each race in each way (many minutes)
bench   benchmarks on a hub of its own; PEERS=1 instead: side by side with pretix and Indico (brings 1 GB into the cache)
lock    renews the three locks (maintainers)
clean   removes .venv, .tools and caches; asks before .hubnetz/
"""
# What pip is told about where packages come from, as uv wants to hear it.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
}


class Failed(Exception):
    """A step did not work; the text says why and what to try."""


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def bytes_below(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*")) if folder.exists() else 0


def done(what: str, began: float, grown: int) -> None:
    """One line for a step that took a while."""
    say(f"  {what:<42} {grown / 1e6:>19.1f} MB {time.monotonic() - began:6.1f} s")


def run(command: list[str], *, remedy: str, env: dict[str, str] | None = None, text: str = "") -> None:
    """Run a step quietly, with `text` as its input; its output is shown only if it fails."""
    ended = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=env, input=text, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise Failed(f"{' '.join(command[:6])} ... failed:\n{ended.stdout}{ended.stderr}\n  try: {remedy}")


def check_python() -> None:
    version = sys.version_info[:2]
    if not PYTHON_MIN <= version < PYTHON_END:
        raise Failed(
            f"This is Python {platform.python_version()}; Hubnetz needs 3.11, 3.12 or 3.13.\n"
            "  try: make PYTHON=python3.12 <target>"
        )


def uv_environment() -> dict[str, str]:
    """The environment for uv: no Python of its own, and pip's settings about indexes handed on."""
    env = dict(os.environ, UV_PYTHON_DOWNLOADS="never", UV_NO_PROGRESS="1")
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False).stdout
    for row in told.splitlines():
        name, _, value = row.partition("=")
        target = PIP_TO_UV.get(name.rpartition(".")[2])
        if target and target not in os.environ:
            # pip shows a list as words between quotes, or parted by line breaks written as \n
            env[target] = value.strip("'\"").replace("\\n", " ").strip()
    return env


def bring_uv() -> Path:
    """The pinned uv below `.tools`; `--target` works where the system's Python is externally managed too."""
    uv = TOOLS / "bin" / "uv"
    if not (TOOLS / ("uv-" + UV + ".dist-info")).is_dir() or not uv.exists():
        began = time.monotonic()
        shutil.rmtree(TOOLS, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run(
            [*pip, "--target", str(TOOLS), "uv==" + UV],
            remedy="look at the network; is pip there (Debian: apt install python3-pip)? an index of your own: PIP_INDEX_URL",
        )
        done("uv " + UV, began, bytes_below(TOOLS))
    return uv


def setup() -> Path:
    """Everything that the other targets need; the virtual environment's Python. Does nothing if it is up to date."""
    check_python()
    python = VENV / "bin" / "python"
    wanted = hashlib.sha256(LOCK.read_bytes() + platform.python_version().encode() + str(ROOT).encode()).hexdigest()
    stamp = VENV / "hubnetz.stamp"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    uv, env = bring_uv(), uv_environment()
    began = time.monotonic()
    if not (python.exists() and stamp.exists()):
        run([str(uv), "venv", "--clear", "--python", sys.executable, str(VENV)], env=env, remedy="remove .venv")
    before = bytes_below(VENV)
    run(
        [str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(LOCK)],
        env=env,
        remedy="look at the network and at the disk's free space; an index behind a proxy: PIP_INDEX_URL",
    )
    put_project_on_path(python)
    stamp.write_text(wanted)
    done("locked dependencies", began, bytes_below(VENV) - before)
    return python


def put_project_on_path(python: Path) -> None:
    """Make the tree importable and the command `hubnetz` callable, without a build: nothing more has to be downloaded."""
    (site,) = (VENV / "lib").glob("python3.*/site-packages")
    (site / "hubnetz.pth").write_text(str(ROOT) + "\n", encoding="utf-8")
    script = VENV / "bin" / "hubnetz"
    # A shell line instead of a path behind `#!`: that may hold no blank and is cut after some 120 bytes.
    script.write_text(f'#!/bin/sh\nexec "{python}" -m deploy.cli "$@"\n', encoding="utf-8")
    script.chmod(0o755)


def stage(name: str, *commands: list[str]) -> None:
    """Run commands side by side with their output shown one after the other; any failure ends all."""
    began = time.monotonic()
    running = [
        subprocess.Popen(c, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603
        for c in commands
    ]
    bad = []
    for command, process in zip(commands, running, strict=True):
        output = process.communicate()[0].decode(errors="replace")
        if process.returncode:
            bad.append(" ".join(command[1:]))
            say(output)
    if bad:
        raise Failed(f"{name} found something:\n  " + "\n  ".join(bad))
    say(f"  {name:<42} {'':>22} {time.monotonic() - began:6.1f} s")


def check(python: Path) -> None:
    tool = [str(python), "-m"]
    stage(
        "types, style, import contracts, schemas",
        [*tool, "mypy"],
        [*tool, "ruff", "check", "."],
        [*tool, "ruff", "format", "--check", "."],
        [str(VENV / "bin" / "lint-imports")],
        [*tool, "deploy.cli", "schemas", "--check"],
    )


def pytest(python: Path, levels: tuple[str, ...], *options: str) -> None:
    """Run those levels that have tests; output goes straight to the terminal."""
    folders = [f"tests/{level}" for level in levels if list((ROOT / "tests" / level).rglob("test_*.py"))]
    command = [str(python), "-m", "pytest", "-q", *options, *folders]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603
        raise Failed(f"tests failed: {' '.join(folders)}\n  try: {' '.join(command)}")


def fast(python: Path) -> None:
    check(python)
    # Without server nothing waits, so nothing may hang; but beside other tests these get what processor time is left.
    pytest(python, LEVELS_FAST, "-n2", "--timeout=600")


def test(python: Path) -> None:
    """All of it. Tests with servers wait half of their time: what needs none runs meanwhile, at the lowest priority."""
    # Before the clock of any test runs: the first download and the unpacking, with their progress.
    if subprocess.run([str(python), "-m", "deploy.local.fetch"], cwd=ROOT, check=False).returncode:  # noqa: S603
        raise Failed("the servers could not be fetched, see above")
    command = ["nice", "-n", "19", sys.executable, str(Path(__file__)), "fast"]
    beside = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603
    told = threading.Thread(target=lambda: say(beside.communicate()[0].decode(errors="replace")))  # at once, not at the end
    told.start()
    try:
        pytest(python, LEVELS_WITH_SERVERS, "-n3")
    finally:
        told.join()
    if beside.returncode:
        raise Failed("make fast found something, see above")
    if os.environ.get(BACKEND) == "docker":
        pytest(python, ("docker",))


def long(python: Path) -> None:
    """What finds seldom faults and takes too long for each change."""
    os.environ[RACES] = "all"
    for command in ("tests.unit.booking.long_run",), ("pytest", "-q", "tests/service/booking/test_races.py"):
        if subprocess.run([str(python), "-m", *command], cwd=ROOT, check=False).returncode:  # noqa: S603
            raise Failed(f"{' '.join(command)} found something, see above")


def lock() -> None:
    """Renew the locks with the pinned uv, for all platforms: everything; of that what the image holds; what builds a wheel."""
    import tomllib

    check_python()
    form = ["--universal", "--generate-hashes", "--python-version", "3.11", "--no-header", "--no-annotate", "--upgrade"]
    compile_lock = [str(bring_uv()), "pip", "compile", *form]
    env, remedy = uv_environment(), "read the resolver's words above"
    builds = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    everything = ["--all-extras", "--group", "dev", "pyproject.toml"]
    run([*compile_lock, *everything, "-o", str(LOCK)], env=env, remedy=remedy)
    same = ["-c", str(LOCK)]  # of each package the version that was tested
    run([*compile_lock, "pyproject.toml", "-", *same, "-o", str(LOCK_IMAGE)], env=env, remedy=remedy, text=IMAGE_ALSO)
    run([*compile_lock, "-", "-o", str(LOCK_BUILD)], env=env, remedy=remedy, text="\n".join(builds))


def clean() -> None:
    """Remove what can be made again; data only after a yes."""
    for name in (
        ".venv",
        ".tools",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
        ".import_linter_cache",
        "dist",
    ):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for cache in [*ROOT.rglob("__pycache__")]:
        shutil.rmtree(cache, ignore_errors=True)
    data = ROOT / ".hubnetz"
    if data.exists():
        sys.stderr.write(f"Remove the hub's data in {data} too? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() in ("y", "yes", "j", "ja"):
            shutil.rmtree(data)


def hand_over(python: Path, *arguments: str) -> None:
    """Become the command: signals and the exit code are its own from here."""
    os.chdir(ROOT)
    sys.stderr.flush()
    os.execv(python, [str(python), "-m", *arguments])  # noqa: S606


def main(target: str, *rest: str) -> None:
    if os.environ.get("BACKEND"):
        os.environ[BACKEND] = os.environ["BACKEND"]
    flag = {name: os.environ.get(name, "") not in ("", "0") for name in ("ONCE", "DETACH", "PEERS")}
    if target == "help":
        say(HELP)
    elif target == "lock":
        lock()
    elif target == "clean":
        clean()
    elif target == "setup":
        setup()
    elif target == "check":
        check(setup())
    elif target == "fast":
        fast(setup())
    elif target == "test":
        test(setup())
    elif target == "docker":
        pytest(setup(), ("docker",))
    elif target == "chaos":
        pytest(setup(), ("chaos",))
    elif target == "long":
        long(setup())
    elif target == "bench":
        hand_over(setup(), "bench", *(["--peers"] if flag["PEERS"] else []), *rest)
    elif target == "demo":
        once = ["--once"] if flag["ONCE"] else []
        hand_over(setup(), "deploy.cli", "demo", "--seed", os.environ.get("SEED") or "7", *once, *rest)
    elif target == "up":
        hand_over(setup(), "deploy.cli", "up", *(["--detach"] if flag["DETACH"] else []), *rest)
    elif target == "down":
        hand_over(setup(), "deploy.cli", "down", *rest)
    else:
        raise Failed(f"There is no target {target!r}.\n{HELP}")


if __name__ == "__main__":
    try:
        main(*(sys.argv[1:] or ["help"]))
    except Failed as failure:
        say(str(failure))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
