"""Reading a foreign calendar in a process of its own, which may be killed: a bomb costs an import, not the service."""

import asyncio
import resource
import sys

from pydantic import TypeAdapter

from services.catalog.domain.imported import Parsed
from services.catalog.formats.calendar_file import Unreadable, read_calendar
from services.catalog.limits import (
    IMPORT_CPU_SECONDS_MAX,
    IMPORT_FILE_BYTES_MAX,
    IMPORT_MEMORY_BYTES_MAX,
    IMPORT_WALL_SECONDS_MAX,
)

_PARSED: TypeAdapter[Parsed] = TypeAdapter(Parsed)
_UNREADABLE = 3  # exit code: standard output holds the code of `Unreadable`


class Killed(Exception):
    """The process went over a limit of memory or time, or died."""


async def read_calendar_apart(data: bytes, zone: str) -> Parsed:
    """`read_calendar(data, zone)` in a process of its own. Unreadable as raised there; Killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        zone,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # a traceback may quote the file
    )
    try:
        async with asyncio.timeout(IMPORT_WALL_SECONDS_MAX):
            output, _ = await process.communicate(data)
    except TimeoutError as exc:
        raise Killed("the file takes too long to read") from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == _UNREADABLE:
        raise Unreadable(output.decode())
    if process.returncode != 0:
        raise Killed("reading the file took too much memory or time")
    return _PARSED.validate_json(output, strict=True)


def main() -> int:
    """The process: the file on standard input, the zone as argument, the records as JSON on standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (IMPORT_MEMORY_BYTES_MAX, IMPORT_MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (IMPORT_CPU_SECONDS_MAX, IMPORT_CPU_SECONDS_MAX))
    try:
        parsed = read_calendar(sys.stdin.buffer.read(IMPORT_FILE_BYTES_MAX + 1), sys.argv[1])
    except Unreadable as exc:
        sys.stdout.write(exc.code)
        return _UNREADABLE
    sys.stdout.buffer.write(_PARSED.dump_json(parsed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
