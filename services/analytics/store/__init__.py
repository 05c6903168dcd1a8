"""All SQL of analytics, one typed function per statement.

`copying` (rows made ready for COPY), `events` (the inbox that facts go into), `deliveries`, `states` (the catalogue's history),
`calendars` (open days), `marks` (what is to be computed anew), `days` (roll-ups of days), `periods` (what days cannot add up
to), `figures` (answers from roll-ups), `freshness` (as of when), `quarantine`, `shadow` (the rebuild beside the live tables),
`audit` (one day as facts, and as stored).
"""
