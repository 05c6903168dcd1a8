"""The tables of what the hub offers: working copies, published states, dates, closures, where imports came from."""

from hubkit.migrations import sql

revision = "catalog_0001"
down_revision = None
branch_labels = ("catalog",)
depends_on = ("hubkit_0001",)


def upgrade() -> None:
    """Create them; nothing else is locked."""
    sql("""
    -- `document` is what staff or a file stated, in the form of catalog.md; columns repeat only what SQL has to find or check.
    -- `source`, `source_hash`: the file it came from and what that said, so that the same file again changes nothing.
    CREATE TABLE places (
        place_id text PRIMARY KEY,
        parent_id text REFERENCES places (place_id) DEFERRABLE INITIALLY DEFERRED,
        document jsonb NOT NULL,
        version bigint NOT NULL DEFAULT 1,
        source text,
        source_hash bytea,
        edited_at timestamptz NOT NULL,
        edited_by text NOT NULL
    );
    CREATE TABLE resources (
        resource_id text PRIMARY KEY,
        place_id text NOT NULL REFERENCES places (place_id),
        kind text NOT NULL CHECK (kind IN ('unit', 'pool', 'adviser')),
        document jsonb NOT NULL,
        revision bigint NOT NULL DEFAULT 0,       -- rises when the built form differs; 0 = never in a state
        built_hash bytea,
        version bigint NOT NULL DEFAULT 1,
        source text,
        source_hash bytea,
        edited_at timestamptz NOT NULL,
        edited_by text NOT NULL
    );
    CREATE TABLE contacts (
        contact_id text PRIMARY KEY,
        document jsonb NOT NULL,
        version bigint NOT NULL DEFAULT 1,
        source text,
        source_hash bytea,
        edited_at timestamptz NOT NULL,
        edited_by text NOT NULL
    );
    CREATE TABLE terms (
        term_id text PRIMARY KEY,                 -- <scheme>:<code>
        document jsonb NOT NULL,
        version bigint NOT NULL DEFAULT 1,
        source text,
        source_hash bytea,
        edited_at timestamptz NOT NULL,
        edited_by text NOT NULL
    );
    CREATE TABLE blackouts (
        blackout_id text PRIMARY KEY,
        scope text NOT NULL CHECK (scope IN ('hub', 'place', 'resource', 'offer')),
        scope_id text,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        proposed boolean NOT NULL,
        document jsonb NOT NULL,
        version bigint NOT NULL DEFAULT 1,
        source text,
        source_hash bytea,
        edited_at timestamptz NOT NULL,
        edited_by text NOT NULL,
        CHECK (starts_at < ends_at),
        CHECK ((scope = 'hub') = (scope_id IS NULL))
    );
    CREATE INDEX blackouts_ends_at ON blackouts (ends_at);

    -- Rises in commit order, because it is drawn under the catalogue's lock: change feeds and search copies rely on it.
    CREATE SEQUENCE changed_seq AS bigint;

    CREATE TABLE offers (
        offer_id text PRIMARY KEY,
        kind text NOT NULL,
        status text NOT NULL CHECK (status IN
            ('draft', 'in_review', 'scheduled', 'published', 'suspended', 'cancelled', 'withdrawn', 'archived')),
        document jsonb NOT NULL,                  -- the working copy
        version bigint NOT NULL DEFAULT 1,        -- of the working copy: the ETag
        frozen jsonb,                             -- the working copy as last published, schedules included
        state jsonb,                              -- the record as last sent: published state or withdrawal
        state_hash bytea,                         -- of the published state without its revision
        revision bigint NOT NULL DEFAULT 0,       -- never reset, also after a withdrawal
        changed_seq bigint,
        place_ids text[] NOT NULL DEFAULT '{}',   -- what the published state shows
        resource_ids text[] NOT NULL DEFAULT '{}',
        contact_id text,
        publish_from timestamptz,
        publish_until timestamptz,
        published_at timestamptz,
        withdrawn_at timestamptz,                 -- null again once it is published anew
        tombstoned_at timestamptz,
        gate_errors jsonb,                        -- why a timed publishing failed, for the list of staff
        source text,
        source_id text,
        source_hash bytea,
        edited_at timestamptz NOT NULL,
        edited_by text NOT NULL,
        CHECK (status NOT IN ('published', 'suspended', 'cancelled') OR (state IS NOT NULL AND frozen IS NOT NULL))
    );
    CREATE UNIQUE INDEX offers_source ON offers (source, source_id) WHERE source IS NOT NULL;
    CREATE UNIQUE INDEX offers_changed_seq ON offers (changed_seq) WHERE changed_seq IS NOT NULL;
    CREATE INDEX offers_due_from ON offers (publish_from) WHERE status = 'scheduled';
    CREATE INDEX offers_due_until ON offers (publish_until) WHERE status IN ('published', 'suspended', 'cancelled');
    CREATE INDEX offers_due_tombstone ON offers (withdrawn_at) WHERE tombstoned_at IS NULL;
    CREATE INDEX offers_places ON offers USING gin (place_ids);
    CREATE INDEX offers_resources ON offers USING gin (resource_ids);

    CREATE TABLE schedules (
        schedule_id text PRIMARY KEY,
        offer_id text NOT NULL REFERENCES offers (offer_id) ON DELETE CASCADE,
        position integer NOT NULL,
        document jsonb NOT NULL,
        version bigint NOT NULL DEFAULT 1,
        edited_at timestamptz NOT NULL,
        edited_by text NOT NULL
    );
    CREATE INDEX schedules_offer ON schedules (offer_id, position);

    CREATE TABLE occurrences (
        occurrence_id uuid PRIMARY KEY,
        offer_id text NOT NULL REFERENCES offers (offer_id) ON DELETE CASCADE,
        schedule_id text NOT NULL,
        rule_start timestamp NOT NULL,            -- wall time by the rule: names the date for ever
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        time_zone text NOT NULL,
        status text NOT NULL CHECK (status IN ('scheduled', 'moved', 'postponed', 'cancelled')),
        previous_start timestamptz,
        capacity integer CHECK (capacity >= 0),
        occupies text[] NOT NULL DEFAULT '{}',
        sequence bigint NOT NULL DEFAULT 0,       -- rises when the built form differs from what was last public
        built_hash bytea,                         -- null = never public
        CHECK (starts_at < ends_at)
    );
    CREATE INDEX occurrences_offer ON occurrences (offer_id, starts_at);

    CREATE TABLE revisions (
        offer_id text NOT NULL REFERENCES offers (offer_id) ON DELETE CASCADE,
        revision bigint NOT NULL,
        at timestamptz NOT NULL,
        actor_role text NOT NULL,
        actor_id text NOT NULL,
        diff jsonb NOT NULL,                      -- RFC 6902, from the revision before
        PRIMARY KEY (offer_id, revision)
    );

    CREATE TABLE import_sources (
        system text PRIMARY KEY,
        format text NOT NULL,
        trusted boolean NOT NULL,                 -- may publish through the gate
        document jsonb NOT NULL,                  -- what its records do not say: place, contact, price, booking
        shift_weeks integer NOT NULL DEFAULT 0,   -- demonstrations only: an old calendar moved to the present
        version bigint NOT NULL DEFAULT 1,
        source text,
        source_hash bytea,
        edited_at timestamptz NOT NULL,
        edited_by text NOT NULL
    );
    CREATE TABLE imports (
        import_id uuid PRIMARY KEY,
        system text NOT NULL,
        format text NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz NOT NULL,
        started_by text NOT NULL,
        counts jsonb NOT NULL,
        report jsonb NOT NULL                     -- one entry per record; names, addresses and numbers masked
    );
    CREATE INDEX imports_started_at ON imports (started_at);

    -- Republishing of more offers than one transaction takes.
    CREATE TABLE jobs (
        job_id uuid PRIMARY KEY,
        offer_ids text[] NOT NULL,
        done integer NOT NULL DEFAULT 0,
        total integer NOT NULL,
        state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
        created_at timestamptz NOT NULL,
        created_by text NOT NULL
    );
    CREATE INDEX jobs_running ON jobs (created_at) WHERE state = 'running';
    """)
