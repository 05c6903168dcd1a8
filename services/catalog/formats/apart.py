"""Reading a foreign file in a process of its own, which may be killed: a bomb costs an import, not the service."""

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from services.catalog.limits import IMPORT_CPU_SECONDS_MAX, IMPORT_MEMORY_BYTES_MAX, IMPORT_WALL_SECONDS_MAX

T = TypeVar("T")


class Killed(Exception):
    """The process went over a limit of memory or time, or died."""


def apart(read: Callable[[bytes, str], T], data: bytes, argument: str) -> T:
    """`read(data, argument)` in a process of its own; blocking. ValueError as raised there (its text), else Killed.

    `read` is a function of a module; what it returns can be pickled.
    """
    context = multiprocessing.get_context("spawn")  # a fork would take locks and sockets of the service along
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(there, read, data, argument), daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(IMPORT_WALL_SECONDS_MAX):
            raise Killed("time")
        fault, result = here.recv()
    except (EOFError, OSError) as exc:
        raise Killed("memory or time") from exc
    finally:
        here.close()
        process.kill()
        process.join()
    if fault is not None:
        raise ValueError(fault)
    assert result is not None, "a reading without fault has a result"
    return result  # type: ignore[no-any-return]


def _work(there: Connection, read: Callable[[bytes, str], T], data: bytes, argument: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (IMPORT_MEMORY_BYTES_MAX, IMPORT_MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (IMPORT_CPU_SECONDS_MAX, IMPORT_CPU_SECONDS_MAX))
    try:
        there.send((None, read(data, argument)))
    except ValueError as exc:
        there.send((str(exc), None))
    finally:
        there.close()
