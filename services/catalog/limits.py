"""Every bound of the catalogue, with its unit and its reason."""

from datetime import timedelta

# -- what is stored ---------------------------------------------------------------------------------------------------
TEXT_CHARACTERS_MAX = 20_000  # one text of an offer: some 8 printed pages
NAME_CHARACTERS_MAX = 200  # a name, title or label fits one line of a list
ADDRESS_CHARACTERS_MAX = 1_000  # a web address, a mail address, a recurrence rule
PERSONS_MAX = 100_000  # capacity of a place, a pool, a date
AGE_MAX = 120
PRICE_CENTS_MAX = 10**9  # ten million euros: above, it is a typing error
LANGUAGES_MAX = 20  # tags of one text map
LIST_ITEMS_MAX = 500  # any list of a working copy; occurrences have a bound of their own
JSON_DEPTH_MAX = 32  # nesting of an uploaded document
PLACE_LEVELS_MAX = 5  # site, building, floor, room and one to spare
KEYWORDS_MAX = 20  # free words per offer
STATE_BYTES_MAX = 240 * 1024  # of a published state; topics take 256 KiB and headers need some
ID_CHARACTERS_MAX = 120  # ids of offers (urn:hub:<32>:offer:<36>), places, resources; codes

# -- publishing -------------------------------------------------------------------------------------------------------
REPUBLISH_OFFERS_MAX = 500  # offers built and written in one transaction (some 0.5 s); beyond that a job goes on
LOCK_WAIT_MS_MAX = 9_000  # for the catalogue's lock: below the sessions' statement_timeout of 10 s
TIMED_OFFERS_MAX = 500  # due changes taken by one turn of the clock
TOMBSTONE_AFTER = timedelta(days=45)  # longer than a reader may be away without reading from the start

# -- dates ------------------------------------------------------------------------------------------------------------
HORIZON = timedelta(days=366)  # dates are generated for the next 12 months
PAST_KEPT = timedelta(days=30)  # past dates and closures stay in the state for so long
OCCURRENCES_MAX = 400  # dates of one state; a daily date fills 12 months
OCCURRENCE_MINUTES_MAX = 14 * 24 * 60  # longest single date: a festival of two weeks
SCHEDULES_MAX = 20  # rules per offer
RULE_CHARACTERS_MAX = 500  # one RRULE
RULE_VALUES_MAX = 62  # values of one part: all days of a month from both ends
RULE_COUNT_MAX = 10_000
RULE_INTERVAL_MAX = 1_000
RULE_FIRST_YEAR = 1990  # a rule is expanded from its start: some 13,000 days, 0.6 s, for a daily one
VERIFIED_WITHIN = timedelta(days=365)  # an older confirmation by staff is a warning

# -- reading ----------------------------------------------------------------------------------------------------------
PAGE_MAX = 100  # hits per answer
OFFSET_MAX = 1_000  # beyond, nobody reads; narrower filters do
ENTITIES_MAX = 10_000  # places, resources, contacts ... of one hub, read whole where the tree is needed

# -- import (one worker, in a process of its own that may be killed) ---------------------------------------------------
IMPORT_FILE_BYTES_MAX = 20 * 1024 * 1024
IMPORT_RECORDS_MAX = 50_000
IMPORT_BATCH = 500  # records applied in one transaction
IMPORT_MEMORY_BYTES_MAX = 512 * 1024 * 1024
IMPORT_CPU_SECONDS_MAX = 60
IMPORT_WALL_SECONDS_MAX = 120  # CPU time and as much again for a busy machine
HUB_FILE_BYTES_MAX = 2 * 1024 * 1024  # `LIST_ITEMS_MAX` offers with long texts; it is read into memory whole
NUMBERED_RESOURCES_MAX = 100  # made of one entry of a hub file
HUB_FILE_ERRORS_MAX = 50  # listed; more helps nobody
IMPORT_GONE_SHARE_MAX = 1 / 3  # of a source's offers; more vanished at once is a broken export, not a decision
SHIFTED_AHEAD = timedelta(weeks=8)  # where the last date of a shifted demonstration calendar comes to lie
REPORT_VALUE_CHARACTERS_MAX = 80  # a value shown in a report

# -- loops ------------------------------------------------------------------------------------------------------------
TIMED_CHANGES_SECONDS = 1.0  # publish_from, publish_until, tombstones
HORIZON_CHECK_SECONDS = 600.0  # the horizon moves once a local day; looking is one row
JOB_SECONDS = 1.0  # between two parts of a large republishing
MEASURE_SECONDS = 30.0  # figures of how many offers there are
