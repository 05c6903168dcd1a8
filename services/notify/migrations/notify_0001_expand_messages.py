"""The tables of notify: copies of contacts, offers and bookings, messages with their attempts, the state of relays."""

from hubkit.migrations import sql

revision = "notify_0001"
down_revision = None
branch_labels = ("notify",)
depends_on = ("hubkit_0001",)


def upgrade() -> None:
    """Create them; nothing else is locked.

    No foreign keys: a message may be planned before its contact or offer is known, and stays when they are gone.
    """
    sql("""
    -- The only table with personal data. Erasing a person deletes the row here and notes the id in `erased`.
    CREATE TABLE people (
        person_id uuid PRIMARY KEY,
        name text,
        mailbox text,                             -- domain as A-labels; null: none, or none that can be written to
        has_address boolean NOT NULL,
        needs_utf8 boolean NOT NULL,              -- the local part is not ASCII
        language text NOT NULL,
        verified_at timestamptz,
        link_epoch integer NOT NULL,
        revision bigint NOT NULL                  -- of this copy: a mail made with an older one is made again
    );

    CREATE TABLE erased (
        person_id uuid PRIMARY KEY,
        erased_at timestamptz NOT NULL
    );

    CREATE TABLE offers (
        offer_id text PRIMARY KEY,
        revision bigint NOT NULL,
        kind text NOT NULL,
        is_special boolean NOT NULL,              -- its name alone reveals something (GDPR Art. 9)
        document jsonb NOT NULL,                  -- title, place, address on the web, notes, contact: what mails need
        is_withdrawn boolean NOT NULL
    );

    CREATE TABLE bookings (
        booking_id uuid PRIMARY KEY,
        version integer NOT NULL CHECK (version >= 1),
        state text NOT NULL,
        offer_id text NOT NULL,
        person_id uuid,                           -- null: a partner's citizen, the house
        start timestamptz NOT NULL,
        "end" timestamptz NOT NULL,
        time_zone text NOT NULL,
        was_confirmed boolean NOT NULL,
        check_in_code text,
        told_version integer NOT NULL,            -- of the last event that people are told of: SEQUENCE
        told_at timestamptz NOT NULL              -- DTSTAMP
    ) WITH (fillfactor = 80);
    CREATE INDEX bookings_offer ON bookings (offer_id);
    CREATE INDEX bookings_end ON bookings ("end");

    CREATE TABLE messages (
        message_id uuid PRIMARY KEY,              -- uuid5 of dedupe_key
        dedupe_key text NOT NULL,                 -- as unique as the id that is made of it
        kind text NOT NULL,
        class text NOT NULL,
        lane smallint NOT NULL CHECK (lane BETWEEN 1 AND 5),
        channel text NOT NULL CHECK (channel IN ('mail')),
        person_id uuid NOT NULL,
        booking_id uuid,
        booking_states text[] NOT NULL,           -- it holds while the booking is in one of these
        offer_id text NOT NULL,
        version integer NOT NULL,                 -- of the booking, by the event that caused it
        caused_at timestamptz NOT NULL,           -- that event's time
        cause_id uuid NOT NULL,
        start timestamptz NOT NULL,               -- what it speaks of
        "end" timestamptz NOT NULL,
        time_zone text NOT NULL,
        rule text,                                -- of a reminder
        facts jsonb NOT NULL,                     -- further times for the text; nothing about a person
        state text NOT NULL CHECK (state IN ('scheduled', 'claimed', 'sending', 'uncertain', 'sent', 'failed', 'missed',
                                             'skipped', 'superseded', 'suppressed')),
        reason text,
        due_at timestamptz NOT NULL,              -- as planned
        next_at timestamptz NOT NULL,             -- when it may be claimed: later than due after a back-off
        expires_at timestamptz NOT NULL,
        copy_waited interval NOT NULL DEFAULT '0',
        claim bigint NOT NULL DEFAULT 0,          -- counts claims; every later write names the one it belongs to
        claimed_by uuid,                          -- the process
        lease_until timestamptz,
        attempts integer NOT NULL DEFAULT 0,      -- counted ones
        first_attempt_at timestamptz,
        mail_date timestamptz,                    -- header Date; a re-send keeps it
        template text,                            -- <language>/<version> of the text that went out
        resent boolean NOT NULL DEFAULT false,
        resend_at timestamptz,                    -- an uncertain one is scheduled once more then
        ended_at timestamptz,
        CHECK ((lease_until IS NULL) = (state NOT IN ('claimed', 'sending'))),
        CHECK (resend_at IS NULL OR (state = 'uncertain' AND NOT resent))
    );
    -- A row changes state some four times, and each change touches every index that is not partial: those are few.

    -- The queue: each lane is read from its oldest due row.
    CREATE INDEX messages_queue ON messages (lane, next_at, message_id) WHERE state = 'scheduled';
    CREATE INDEX messages_expiry ON messages (expires_at) WHERE state = 'scheduled';
    CREATE INDEX messages_leases ON messages (lease_until) WHERE state IN ('claimed', 'sending');
    CREATE INDEX messages_uncertain ON messages (message_id) INCLUDE (resend_at) WHERE state = 'uncertain';
    CREATE INDEX messages_booking ON messages (booking_id);
    CREATE INDEX messages_unsent_of_person ON messages (person_id) WHERE state IN ('scheduled', 'claimed');
    CREATE INDEX messages_listed ON messages (due_at DESC, message_id DESC);
    ALTER TABLE messages SET (
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
    );

    CREATE TABLE attempts (
        message_id uuid NOT NULL,
        claim bigint NOT NULL,
        at timestamptz NOT NULL,
        effect text NOT NULL,
        phase text NOT NULL,
        code integer,
        reply text NOT NULL,                      -- short, addresses taken out
        counted boolean NOT NULL,
        PRIMARY KEY (message_id, claim)
    );

    -- What operators did by hand.
    CREATE TABLE acts (
        message_id uuid NOT NULL,
        at timestamptz NOT NULL,
        actor text NOT NULL,
        act text NOT NULL
    );
    CREATE INDEX acts_message ON acts (message_id);

    CREATE TABLE relays (
        relay text PRIMARY KEY,
        state text NOT NULL CHECK (state IN ('closed', 'open')),
        reason text,
        failures integer NOT NULL,                -- probes in a row
        probe_at timestamptz,
        probed_by uuid,
        probe_until timestamptz,                  -- lease of the process that probes
        paused_until timestamptz,
        throttles integer NOT NULL,               -- in a row
        CHECK ((state = 'open') = (probe_at IS NOT NULL))
    );
    """)
