"""How much memory a process holds, as its system tells it."""

import os
import subprocess
from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Resident set in bytes; 0 if there is no such process."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return 0
        shown = subprocess.run(  # noqa: S603 - fixed words and a number
            ["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return int(shown.stdout.strip() or 0) * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
