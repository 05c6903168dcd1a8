"""Every bound of analytics, with its unit and its reason."""

from datetime import timedelta

# Ingestion
EVENTS_PER_TRANSACTION_MAX = 4_000  # a twentieth more a second than by 2,000 (2026-12-01); one bad record costs a halving more
EVENTS_PER_POLL_MAX = 16_000  # cut into transactions; only inside a poll is read and written at the same time
RECORDS_READ_AT_ONCE_MAX = 32  # half a ms to one, then whatever waits gets its turn
GATHER_SECONDS = 0.2  # of the 2 s within which a fact is visible (analytics.md §2): booking beside us needs the processors
OFFERS_PER_POLL_MAX = 100  # a state has up to 240 KiB
LOG_AHEAD_MAX = timedelta(minutes=5)  # a `ce_time` further ahead is a wrong clock, not a fact
RETENTION = timedelta(days=427)  # 14 months, as long as the topics are kept
SPAN_DAYS_MAX = 400  # of one booking: the contract's longest is 366 days; a longer one would mark days without end
KEYS_AHEAD = timedelta(days=730)  # the furthest horizon of an offer: a booking's start decides whose year's key it needs
START_AHEAD_MAX = timedelta(days=3_653)  # staff may book beyond every horizon, but not a decade
# Only a replay can bring a first version late, and it comes alone; so in large polls these need no look at other versions.
LATE_VERSIONS_POLL_MAX = 50
VISITORS_CACHED_MAX = 100_000  # pseudonyms kept, some 150 bytes each
INSTANTS_CACHED_MAX = 65_536  # booked times recur: two years of a 15-minute grid
SOURCES_CACHED_MAX = 256  # writers of events that were found well formed: this hub and its partners
TEXTS_CACHED_MAX = 16_384  # ids and words made ready for COPY
KEY_FILE_BYTES_MAX = 64 * 1024
KEY_BYTES_MIN = 32  # of a year's key: as long as the digest

# Calendar
CALENDAR_DAYS = 427  # derived either side of today: 14 months back, and as far ahead
CALENDAR_DAYS_AHEAD_MIN = 400  # extended once less than this is left, so about once a month
RESOURCES_PER_TURN_MAX = 100  # marks taken by one turn: some 15 ms each

# Recomputation
DAYS_PER_TURN_MAX = 183  # marks taken by one turn: a year is two turns, side by side
DAYS_ONE_BY_ONE_MAX = 30  # of a turn, found by index; more days are read from the whole table
DAYS_PER_CHUNK = 183  # of a rebuild, by one transaction: half a year, as each chunk reads the table once
PERIODS_PER_TURN_MAX = 50
TURNS_MAX = 50  # of one run of a loop, then it lets the others have their turn
RECOMPUTE_MEMORY = "256MB"  # work_mem of a turn: a statement's fold sorts in memory
RECOMPUTE_SECONDS_MAX = 60.0  # of one statement, and of waiting for another worker
RECOMPUTE_WORKERS = 2  # connections that compute many days, or a rebuild, side by side: beyond `DAYS_ONE_BY_ONE_MAX` days
RECOMPUTE_SECONDS = 0.25  # with the ingestion before it, a fact is visible within 2 s
RECOMPUTE_SHARE = 0.25  # of the time: under load the same days are marked without end, and the database is booking's too
RECOMPUTE_TRANSACTION_SECONDS_MAX = 180.0  # half a year of 1 M facts takes 2 s; a session's usual limit is for decisions
PERIODS_SECONDS = 10.0
HORIZON_SECONDS = 3_600.0
MEASURE_SECONDS = 5.0
AUDIT_SECONDS = 600.0  # one past day each time, so the whole retention in three days

# Answers
FIGURE_ROWS_MAX = 10_000
FIGURE_PERIODS_MAX = 400
QUARANTINE_PAGE_MAX = 200
DAYS_NAMED_MAX = 4_080  # by an operator's command: as far back as facts are kept, as far ahead as they may lie
ANSWER_SECONDS_MAX = 10.0  # of a service asked for totals
TOTALS_MAX = 100_000  # resources in such an answer
DIFFERENCES_SHOWN_MAX = 1_000
