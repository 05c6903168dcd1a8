"""The tables of analytics: events and deliveries, the catalogue's history, open days, roll-ups, marks, quarantine."""

from hubkit.migrations import sql

revision = "analytics_0001"
down_revision = None
branch_labels = ("analytics",)
depends_on = ("hubkit_0001",)


def upgrade() -> None:
    """Create them; nothing else is locked. No foreign keys: everything is a function of the log, in whatever order it came."""
    sql(_EVENTS)
    sql(_CATALOGUE)
    sql(_ROLLUPS)
    sql(_MARKS)


_EVENTS = """
    -- One row per fact, no payload: a figure that needs another field is a rebuild from the log. Wide columns first, so that
    -- little is lost to alignment. No partitions: a hub stays far below 10^8 rows.
    CREATE TABLE events (
        event_id uuid NOT NULL,
        booking_id uuid,                          -- null: a refusal
        occurred_at timestamptz NOT NULL,         -- ce_time
        produced_at timestamptz,                  -- Kafka's; null with partition and offset: replayed from a dead letter
        ingested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        starts_at timestamptz,
        ends_at timestamptz,
        given_back_at timestamptz,                -- from then on the time was free again: no-show released, left early
        record_offset bigint,
        partition integer,
        version integer,
        quantity integer,
        occurred_day date NOT NULL,               -- days are local days of the hub
        first_day date NOT NULL,                  -- of the span; of a refusal the day of the request
        last_day date NOT NULL,
        over_midnight boolean NOT NULL,           -- last_day > first_day; a column, so that the planner knows how rare that is
        moved boolean NOT NULL,
        late boolean NOT NULL,
        freed boolean NOT NULL,
        content_hash bytea NOT NULL,              -- SHA-256 of ce_type and value: same id, other content
        visitor bytea,                            -- pseudonym within a year; null: no person, or the year's key is gone
        type text NOT NULL,
        state text,
        from_state text,
        hub_id text NOT NULL,                     -- of the offer
        side text NOT NULL,                       -- provider, home
        claimant text,                            -- person, partner, house
        actor_role text,
        reason text,
        offer_id text NOT NULL,
        resource_ids text[] NOT NULL,
        quantities integer[] NOT NULL             -- of the resources, in their order
    );
    CREATE UNIQUE INDEX events_event_id ON events (event_id);
    CREATE INDEX events_booking_id ON events (booking_id, version);
    CREATE INDEX events_first_day ON events (hub_id, first_day);
    -- Few rows have one of these: spans that are found from their later days too, and requests that led to nothing.
    CREATE INDEX events_over_midnight ON events (hub_id, last_day) WHERE over_midnight;
    CREATE INDEX events_refused ON events (hub_id, first_day) WHERE booking_id IS NULL;
    -- Rows are inserted only: statistics must follow a backlog, and visibility is set before a rebuild reads.
    ALTER TABLE events SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

    -- As of when: the latest ce_time that was read of a topic.
    CREATE TABLE readings (
        topic text PRIMARY KEY,
        last_event_at timestamptz NOT NULL,
        read_at timestamptz NOT NULL
    );

    CREATE TABLE deliveries (
        event_id uuid PRIMARY KEY,
        message_id uuid NOT NULL,
        booking_id uuid,
        occurred_at timestamptz NOT NULL,
        ingested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        due_at timestamptz NOT NULL,
        came_at timestamptz NOT NULL,             -- when the message came to this
        attempts integer NOT NULL,
        day date NOT NULL,                        -- the local day of `came_at`
        resent boolean NOT NULL,
        content_hash bytea NOT NULL,
        type text NOT NULL,
        kind text NOT NULL,
        class text NOT NULL,
        channel text NOT NULL,
        reason text
    );
    CREATE INDEX deliveries_day ON deliveries (day);
    CREATE INDEX deliveries_message_id ON deliveries (message_id);

    CREATE TABLE quarantine (
        quarantine_id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('fact', 'delivery', 'offer')),
        subject text NOT NULL,                    -- event id; offer or resource id with its revision
        reason text NOT NULL,
        content jsonb NOT NULL,                   -- what would have been stored: pseudonyms, no person ids
        content_hash bytea NOT NULL,
        occurred_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        state text NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'released')),
        ended_at timestamptz,
        ended_by text,
        CHECK ((state = 'kept') = (ended_at IS NULL))
    );
    -- The same record again is the same entry.
    CREATE UNIQUE INDEX quarantine_subject ON quarantine (kind, subject, reason, content_hash);
    CREATE INDEX quarantine_created_at ON quarantine (created_at, quarantine_id);
"""

_CATALOGUE = """
    -- Every revision once, also after withdrawal and tombstone.
    CREATE TABLE offer_states (
        offer_id text NOT NULL,
        revision bigint NOT NULL,
        hub_id text NOT NULL,
        seen_at timestamptz NOT NULL,             -- the earliest ce_time seen
        content_hash bytea NOT NULL,              -- of what is kept: same revision, other content
        check_in_required boolean NOT NULL,
        status text NOT NULL,
        kind text NOT NULL,
        mode text NOT NULL,
        data_category text NOT NULL,
        terms text[] NOT NULL,                    -- <scheme>:<code>
        resource_ids text[] NOT NULL,             -- all that it shows
        bookable_ids text[] NOT NULL,             -- those that a component names
        blackouts jsonb NOT NULL,
        PRIMARY KEY (offer_id, revision)
    );
    CREATE INDEX offer_states_resource_ids ON offer_states USING gin (resource_ids);

    CREATE TABLE resource_states (
        hub_id text NOT NULL,
        resource_id text NOT NULL,
        revision bigint NOT NULL,
        seen_at timestamptz NOT NULL,
        content_hash bytea NOT NULL,
        kind text NOT NULL,
        time_zone text NOT NULL,
        occupies text[] NOT NULL,                 -- units that a session takes
        content jsonb NOT NULL,                   -- hours, exceptions, blackouts, capacity, start, end, status
        PRIMARY KEY (hub_id, resource_id, revision)
    );
    CREATE INDEX resource_states_occupies ON resource_states USING gin (occupies);

    CREATE TABLE resource_calendars (
        hub_id text NOT NULL,
        resource_id text NOT NULL,
        first_booked date,                        -- a resource counts from then on, if that is before its first revision
        derived_until date,
        PRIMARY KEY (hub_id, resource_id)
    );

    CREATE TABLE open_days (
        hub_id text NOT NULL,
        day date NOT NULL,
        resource_id text NOT NULL,
        kind text NOT NULL,
        units integer NOT NULL,
        open tstzmultirange NOT NULL,             -- empty on a closed day
        house tstzmultirange NOT NULL,            -- taken by sessions of the catalogue
        PRIMARY KEY (hub_id, day, resource_id)
    );
    CREATE INDEX open_days_resource ON open_days (hub_id, resource_id, day);
"""

_ROLLUPS = """
    CREATE TABLE day_resource (
        hub_id text NOT NULL,
        day date NOT NULL,
        resource_id text NOT NULL,
        kind text,                                -- null: not in the calendar of that day
        bookable_s bigint NOT NULL,               -- lengths in seconds times units
        booked_s bigint NOT NULL,
        house_s bigint NOT NULL,
        out_of_hours_s bigint NOT NULL,
        held_s bigint NOT NULL,                   -- booked, open or not: what booking's own table holds
        states jsonb NOT NULL,                    -- state -> bookings that start that day, house use included
        PRIMARY KEY (hub_id, day, resource_id)
    );

    CREATE TABLE day_offer (
        hub_id text NOT NULL,
        day date NOT NULL,
        offer_id text NOT NULL,
        made integer NOT NULL,
        cancelled integer NOT NULL,
        lead_same_day integer NOT NULL,
        lead_1_7 integer NOT NULL,
        lead_8_30 integer NOT NULL,
        lead_over_30 integer NOT NULL,
        leads integer[] NOT NULL,                 -- seconds from first confirmation to start, sorted
        leads_after_move integer[] NOT NULL,
        states jsonb NOT NULL,                    -- state -> bookings that start that day, without house use
        refused jsonb NOT NULL,                   -- reason -> requests of that day
        PRIMARY KEY (hub_id, day, offer_id)
    );

    -- What days cannot add up to.
    CREATE TABLE period_figures (
        hub_id text NOT NULL,
        period text NOT NULL CHECK (period IN ('week', 'month', 'quarter', 'year')),
        first_day date NOT NULL,
        measure text NOT NULL,
        offer_id text NOT NULL,                   -- empty: all offers
        value double precision NOT NULL,
        number bigint NOT NULL,                   -- of values behind it
        PRIMARY KEY (hub_id, period, first_day, measure, offer_id)
    );

    -- Raised by each recomputation: answers are cached by it.
    CREATE TABLE watermarks (
        hub_id text PRIMARY KEY,
        value bigint NOT NULL,
        raised_at timestamptz NOT NULL
    );
"""

_MARKS = """
    -- What is to be computed anew. Insert-only and without a key: nobody waits for a lock, the workers take them as they come.
    CREATE TABLE dirty_days (
        hub_id text NOT NULL,
        day date NOT NULL,
        marked_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE dirty_resources (
        hub_id text NOT NULL,
        resource_id text NOT NULL,
        marked_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE dirty_periods (
        hub_id text NOT NULL,
        period text NOT NULL,
        first_day date NOT NULL,
        marked_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    ALTER TABLE dirty_days SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
                                autovacuum_vacuum_cost_delay = 0);
    ALTER TABLE dirty_resources SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
    ALTER TABLE dirty_periods SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""
