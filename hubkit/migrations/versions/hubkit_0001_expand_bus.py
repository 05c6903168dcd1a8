"""The tables of the bus: outbox and `sent`, inbox, stored offsets, dead letters."""

from hubkit.migrations import sql

revision = "hubkit_0001"
down_revision = None
branch_labels = ("hubkit",)
depends_on = None


def upgrade() -> None:
    """Create them; nothing else is locked."""
    sql("""
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text NOT NULL,
        key bytea,                                -- null only where a dead letter had none
        headers bytea NOT NULL,                   -- hubkit.outbox.pack_headers
        payload bytea,                            -- null = tombstone
        created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    -- Each row lives some 10 ms: without this the relay's select walks over the dead ones.
    ALTER TABLE outbox SET (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000
    );

    -- What was sent in the last days, for a log that was lost with its disk. No key: appended, swept by age, read by span.
    CREATE TABLE sent (
        id bigint NOT NULL,
        topic text NOT NULL,
        key bytea,
        headers bytea NOT NULL,
        payload bytea,
        created_at timestamptz NOT NULL
    );
    CREATE INDEX sent_created_at ON sent USING brin (created_at) WITH (pages_per_range = 32);

    CREATE TABLE inbox (
        consumer text NOT NULL,
        source text NOT NULL,
        event_id uuid NOT NULL,
        content_hash bytea NOT NULL,              -- SHA-256 of ce_type and value
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (consumer, source, event_id)
    );
    CREATE INDEX inbox_received_at ON inbox USING brin (received_at) WITH (pages_per_range = 32);

    CREATE TABLE stored_offsets (
        consumer text NOT NULL,
        topic text NOT NULL,
        partition integer NOT NULL,
        topic_id text,                            -- a topic made anew has another one
        next_offset bigint NOT NULL CHECK (next_offset >= 0),
        stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (consumer, topic, partition)
    ) WITH (fillfactor = 50);                     -- updated with every batch: room for HOT updates

    CREATE TABLE dead_letters (
        dead_letter_id uuid PRIMARY KEY,
        consumer text NOT NULL,
        topic text NOT NULL,
        partition integer NOT NULL,
        record_offset bigint NOT NULL,
        key bytea,
        headers bytea NOT NULL,
        payload bytea,                            -- null where it was null, or stays in its topic alone
        payload_sha256 bytea,
        reason text NOT NULL,
        detail text NOT NULL,
        attempts integer NOT NULL CHECK (attempts >= 1),
        state text NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'replayed', 'dropped')),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        ended_at timestamptz,
        ended_by text,
        CHECK ((state = 'kept') = (ended_at IS NULL))
    );
    CREATE INDEX dead_letters_created_at ON dead_letters (created_at, dead_letter_id);
    """)
