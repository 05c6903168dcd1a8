"""Every bound of notify, with its unit and its reason."""

from datetime import timedelta

# -- sending ----------------------------------------------------------------------------------------------------------
LEASE = timedelta(seconds=60)  # a process that does not renew its claims for so long has lost them
LEASE_RENEWAL_SECONDS = 10.0  # five renewals may fail before a lease runs out
CLAIM_ROWS_MAX = 100  # rows of one claim: some 0.3 s of work at full speed
RESERVED_SHARE = 10  # one send in so many is kept for the lanes behind the first
AHEAD_SECONDS = 2.0  # as much is claimed ahead as was sent in so long: what is claimed cannot be overtaken by an answer
POLL_SECONDS = 0.05  # due rows are looked for so often while there are none
WAKE_SECONDS = 0.003  # between being woken and looking: the event stays set until the outbox has been looked at too
MARKED_SECONDS = 0.25  # as much is marked ahead as a line sent in so long: what is marked cannot be overtaken by a move
MARKED_ROWS_MAX = 48  # marked ahead by all lines together, besides one each
GROUP_ROWS_MAX = 64  # marks or results that are written together; no more results may wait for a write
GATHER_MARKS_SECONDS = 0.004  # those of several lines in one commit; a line has others ready meanwhile
GATHER_RESULTS_SECONDS = 0.02  # nobody waits for a result
WRITE_RETRY_SECONDS = 1.0  # between two attempts to write while the database is away
DRAIN_SECONDS_MAX = 20.0  # for mails on the wire when the process is asked to stop

CONNECTIONS_MAX = 20  # to one relay, whatever the settings say
CONNECTION_MAILS_MAX = 100  # then a new one: relays close long ones, and a fresh one finds a new address of the relay
CONNECTION_IDLE_SECONDS = 30.0
CONNECT_SECONDS_MAX = 15.0
LOGIN_SECONDS_MAX = 60.0  # greeting, EHLO, TLS and AUTH in all
COMMAND_SECONDS_MAX = 300.0  # MAIL and RCPT (RFC 5321 4.5.3.2)
DATA_SECONDS_MAX = 600.0  # the reply to the final dot (RFC 5321 4.5.3.2.6); less would double mails
SHORT_COMMAND_SECONDS_MAX = 10.0  # RSET, NOOP, QUIT: nothing is lost when they fail
CUTS_MAX = 3  # connections lost one after the other at MAIL or RCPT until the relay counts as down

GATHER_BOOKINGS_SECONDS = 0.1  # their mails take seconds anyway, and booking beside us needs the processors

# -- retrying ---------------------------------------------------------------------------------------------------------
BACK_OFF_MINUTES = (0.5, 2.0, 10.0, 30.0, 60.0, 120.0, 240.0, 480.0)  # before each further counted attempt
BACK_OFF_SPREAD = 0.2  # of each, up or down, derived from the message's id: no herd after an outage
ATTEMPTS_MAX = len(BACK_OFF_MINUTES) + 1
ATTEMPTS_WITHIN = timedelta(hours=24)  # of the first counted attempt
RESEND_AFTER = timedelta(seconds=30)  # a late reply may still settle what is uncertain
PROBE_AFTER = timedelta(seconds=30)  # doubled with each failed probe
PROBE_AFTER_MAX = timedelta(minutes=5)
PROBE_LEASE = timedelta(seconds=100)  # connect, log in and NOOP end before
THROTTLE_PAUSE = timedelta(seconds=30)
THROTTLE_PAUSE_STEP = timedelta(seconds=10)  # more with each throttling in a row
THROTTLE_PAUSE_MAX = timedelta(minutes=30)
THROTTLE_FORGOTTEN = timedelta(minutes=5)  # after the last pause the row of throttlings has ended

# -- waiting for copies -----------------------------------------------------------------------------------------------
COPY_WAIT = timedelta(seconds=60)  # for a contact that is still on its way, counted while their reader is caught up
COPY_WAIT_STEP = timedelta(seconds=2)  # looked for so often
RENDER_RETRY = timedelta(minutes=10)  # a text that cannot be made is a fault that people mend

# -- when -------------------------------------------------------------------------------------------------------------
REMINDER_EXPIRES_BEFORE = timedelta(hours=2)  # of the start, or half the lead if that is less
BEFORE_QUIET = timedelta(minutes=15)  # what the end of the quiet hours would be too late for goes so long before them
LEAD_DAYS_MAX = 366
LEAD_MINUTES_MAX = LEAD_DAYS_MAX * 24 * 60

# -- texts ------------------------------------------------------------------------------------------------------------
VALUE_CHARACTERS_MAX = 200  # any value that is put into a mail
NAME_CHARACTERS_MAX = 60  # a person's name as they typed it
NOTES_CHARACTERS_MAX = 2_000  # what visitors of an offer should know
REPLY_CHARACTERS_MAX = 200  # kept of what a relay answered
MOMENTS_CACHED_MAX = 4_096  # days and spans in words: reminders that are due together are of the same hours
MAIL_BYTES_MAX = 1024 * 1024
LANGUAGES_MAX = 30  # texts of one offer by language

# -- sweeping ---------------------------------------------------------------------------------------------------------
SWEEP_ROWS_MAX = 500  # rows of one state moved in one transaction
SWEEP_SECONDS = 1.0
MEASURE_SECONDS = 2.0
TIDY_SECONDS = 3_600.0
TIDY_ROWS_MAX = 5_000  # rows deleted in one transaction
KEPT = timedelta(days=365)  # messages and attempts, and the bookings they are about

# -- reading ----------------------------------------------------------------------------------------------------------
PAGE_MAX = 200
CURSOR_CHARACTERS_MAX = 100
