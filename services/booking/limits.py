"""Every bound of the service, with its unit and its reason. What the contract bounds already is not repeated here."""

from datetime import timedelta

# Deciding
REQUESTS_PER_POLL_MAX = 500  # beyond that latency grows and throughput hardly does (booking.md §8)
STATE_READS_MAX = 2  # of one attempt: what the wishes need, then what `next_start` of the refused ones needs
NEXT_START_WITHIN = timedelta(days=7)  # how far ahead a refusal looks for the first later start
NEXT_START_TRIES_MAX = 2_000  # candidate starts looked at: 7 days of a room booked every 5 minutes
OFF_GRID_TRIES_MAX = 16  # grid points passed over because a clock change puts the end off the grid
DETAIL_MAX = 20  # JSON pointers in a refusal
COUNTED_BOOKINGS_MAX = 5_000  # bookings of one person read for their limits: 730 days of 6 a day and some

# Opening hours
LONGEST_BOOKING = timedelta(days=366)  # the contract's bound of `max_minutes`; nothing longer is ever booked
LOOKAHEAD_DAYS_MAX = 730  # the largest horizon; a search for working days ends there too
CACHED_DAYS_MAX = 2_000  # opening intervals kept per calendar: two horizons and the past of a long booking

# Keeping rules in memory
OFFERS_CACHED_MAX = 5_000  # some 10 kB each; the fullest hub of the design has 1,200 offers

# Answering questions
FREE_WINDOW_DAYS_MAX = 92  # booking.md §12
FREE_STARTS_MAX = 9_000  # a start every quarter of an hour for 92 days
FREE_SPANS_MAX = 5_000  # maximal free spans of all resources in one answer

# Watching
INVARIANT_SECONDS = 60.0  # booking.md §13
OFFENDERS_MAX = 5  # ids named for each kind of violation: enough to begin looking

# Questions by HTTP: the bounds that the contract sets for the same fields of a request
ASKED_LIST_MAX = 50  # needs, groups, choices, options
YEARS_ASKED = range(2000, 3000)  # of dates and instants: around them one can add and subtract days in any zone
MINUTES_MAX = 366 * 24 * 60
QUANTITY_MAX = 500

# Tables
SPAN_DAYS_MAX = 366  # the longest booking that the contract can state (booking.md §2): how far back a day looks for its own

# Claims
HOLDS_OF_PERSON_MAX = 3  # open at a time (booking.md §9)
HOLDS_OF_PARTNER_MAX = 20  # of one partner hub (booking.md §11)
HOLD_OF_PARTNER_MAX = timedelta(minutes=30)  # a partner's visitor needs two round trips
ORDERS_MAX = 120  # in which a bundle's parts may choose among shared units: all of five parts, the first of more
COMPETING_MAX = 20  # requests that wait for approval of one span
QUEUE_READ_MAX = 20  # waiting entries looked at beyond one for each thing that is freed
ALTERNATIVES_MAX = 3  # spans offered to a displaced booking
DISPLACED_SEARCHED_MAX = 200  # displaced bookings of one poll that get alternatives; a search takes some ms
DUE_MAX = 500  # bookings that one run of the timer changes
WAITING_READ_MAX = 2_000  # entries of all queues that one poll touches: four full ones
TIMER_TRIES_MAX = 3  # of one run, when rows turn out to be needed that were not locked; then the next run
TIMER_SECONDS = 1.0  # booking.md §9
TIMER_RUNS_MAX = 20  # in a row after an outage, before the loop rests a second
LIST_MAX = 2_000  # bookings in one list: a full day of a large hub

# Forgetting (booking.md §13)
REFUSALS_DAYS = 90
FORGOTTEN_DAYS = 3 * 365
FORGET_MAX = 500  # rows of one transaction; the loop comes again
FORGET_RUNS_MAX = 100
FORGET_SECONDS = 3600.0

# Hints
HINT_OFFERS_MAX = 50  # offers whose rules changed that one run describes anew; the next run goes on
HINT_READ_MAX = 25  # offers of one reading: some ms in which nothing else of the process runs
DAYS_AT_A_TIME = 10  # of one offer, then a pause
PAUSE_SECONDS = 0.02  # a small batch takes 10 ms (2026-12-01): a shorter pause meets each of them, and most more than once
HINT_SECONDS = 1.0  # at most one hint per offer and second
HINT_SHARE = 0.25  # of the time, when hundreds of offers change each second: a hint may be late, an answer may not
