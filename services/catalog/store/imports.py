"""What imports left behind: their reports, and the shift of demonstration calendars."""

from datetime import datetime
from uuid import UUID

from hubkit.db import Tx

INSERT_IMPORT = """
INSERT INTO imports (import_id, system, format, started_at, finished_at, started_by, counts, report)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

READ_SHIFT = """
SELECT shift_weeks
FROM import_sources
WHERE system = $1
"""

SAVE_SHIFT = """
UPDATE import_sources
SET shift_weeks = $2
WHERE system = $1
"""


async def insert_import(
    tx: Tx,
    import_id: UUID,
    *,
    system: str,
    format_name: str,
    started_at: datetime,
    finished_at: datetime,
    by: str,
    counts: str,
    report: str,
) -> None:
    """Keep a report; counts and report are JSON."""
    await tx.execute(INSERT_IMPORT, import_id, system, format_name, started_at, finished_at, by, counts, report)


async def read_shift(tx: Tx, system: str) -> int:
    """Weeks by which the dates of a source are moved; 0 for an unknown one."""
    return int(await tx.fetchval(READ_SHIFT, system) or 0)


async def save_shift(tx: Tx, system: str, weeks: int) -> None:
    """Move the dates of a source by whole weeks from now on."""
    await tx.execute(SAVE_SHIFT, system, weeks)
