"""The tables of booking: copies of offers and resources, bookings and their allocations, the ledger of requests."""

from hubkit.migrations import sql

revision = "booking_0001"
down_revision = None
branch_labels = ("booking",)
depends_on = ("hubkit_0001",)


def upgrade() -> None:
    """Create them; nothing else is locked.

    No foreign keys: what belongs together is written by one statement group in one transaction, a key costs its check for
    every row, and the invariant check looks for strays.
    """
    sql("""
    CREATE TABLE offers (
        offer_id text PRIMARY KEY,
        hub_id text NOT NULL,
        revision bigint NOT NULL,
        status text NOT NULL,                     -- published, suspended, cancelled, withdrawn, removed (tombstone)
        time_zone text NOT NULL,
        partner_mode text NOT NULL,
        rules jsonb NOT NULL,                     -- the `booking` block as published, without its resources
        content_hash bytea NOT NULL,              -- SHA-256 of what is copied: same revision, other content = conflict
        resource_ids text[] NOT NULL,             -- all that its components name: their rows are locked when it changes
        limit_keys text[] NOT NULL                -- offers with a key in common count together
    );

    -- Drawn once for each unit and pool: a number for the range types, which need no extension then.
    CREATE SEQUENCE resource_numbers AS bigint;

    CREATE TABLE resources (
        resource_id text PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('unit', 'pool', 'session', 'adviser', 'allowance', 'partner', 'unknown')),
        unit_no bigint UNIQUE,                    -- units and advisers
        pool_no bigint UNIQUE,                    -- pools: only finds their allocations, guards nothing
        capacity integer CHECK (capacity >= 0),
        used integer NOT NULL DEFAULT 0,          -- sessions, else 0
        tolerated integer NOT NULL DEFAULT 0 CHECK (tolerated >= 0),
        revision bigint NOT NULL,
        rules jsonb,                              -- as published; null for rows that are only locked
        content_hash bytea,
        CONSTRAINT no_oversell CHECK (used >= 0 AND used <= capacity + tolerated)
    ) WITH (fillfactor = 60);                     -- a hot session's counter changes with every poll: in place

    CREATE TABLE bookings (
        booking_id uuid PRIMARY KEY,
        offer_id text NOT NULL,
        offer_revision bigint NOT NULL,
        claimant_kind text NOT NULL CHECK (claimant_kind IN ('person', 'partner', 'house')),
        person_id uuid,
        hub_id text,
        booking_ref uuid,
        purpose text,
        state text NOT NULL,
        version integer NOT NULL CHECK (version >= 1),
        start timestamptz NOT NULL,
        "end" timestamptz NOT NULL,
        time_zone text NOT NULL,
        quantity integer NOT NULL CHECK (quantity >= 1),
        needs text[] NOT NULL,
        check_in_code text,
        CHECK (start < "end")
    );
    -- A person's limits are counted from here.
    CREATE INDEX bookings_of_a_person ON bookings (person_id, "end") WHERE person_id IS NOT NULL;

    CREATE TABLE allocations (
        booking_id uuid NOT NULL,
        component_id text NOT NULL,
        resource_id text NOT NULL,
        unit_no bigint,
        pool_no bigint,
        booked tstzrange NOT NULL,
        occupied tstzrange NOT NULL,              -- with set-up and tear-down
        quantity integer NOT NULL CHECK (quantity > 0),
        blocking boolean NOT NULL,
        resale_after timestamptz,                 -- freed, but until then taken for newcomers
        CHECK (NOT isempty(booked) AND lower_inc(booked) AND NOT upper_inc(booked)),
        CHECK (lower_inc(occupied) AND NOT upper_inc(occupied) AND occupied @> booked),
        -- int8range(null, null) is unbounded: without the condition on unit_no a pool's row would block everything.
        CONSTRAINT no_overlap EXCLUDE USING gist (int8range(unit_no, unit_no, '[]') WITH &&, occupied WITH &&)
            WHERE (blocking AND unit_no IS NOT NULL)
    );
    CREATE INDEX allocations_of_a_booking ON allocations (booking_id);
    -- What the exclusion's index is to units: finds the claims on a pool in a span.
    CREATE INDEX allocations_of_a_pool ON allocations USING gist (int8range(pool_no, pool_no, '[]'), occupied)
        WHERE (blocking AND pool_no IS NOT NULL);
    CREATE INDEX allocations_kept ON allocations (resource_id) WHERE (NOT blocking AND resale_after IS NOT NULL);

    CREATE TABLE requests (
        request_id uuid PRIMARY KEY,
        payload_hash text NOT NULL,
        command text NOT NULL,
        actor_role text,                          -- null where the body could not be read
        actor_id text,
        booking_id uuid,
        version integer,
        decided_at timestamptz NOT NULL,
        outcome jsonb NOT NULL                    -- the answering event: {type, time, data}
    );

    -- In the order of time by nature: a few pages for what other indexes would need a fifth of the table.
    CREATE INDEX requests_by_time ON requests USING brin (decided_at);

    -- Tables start empty and fill fast: statistics must follow, or the first plans scan.
    ALTER TABLE bookings SET (autovacuum_analyze_scale_factor = 0.02);
    ALTER TABLE allocations SET (autovacuum_analyze_scale_factor = 0.02);
    """)
