"""What a booking's whole life needs: deadlines, queue, series, rooms of sessions, figures, hints and retention."""

from hubkit.migrations import sql

revision = "booking_0002"
down_revision = "booking_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns with constant defaults (no row is rewritten), three tables and the indexes of what is looked up.

    The release before this one goes on working: it names its columns and every new one has a default.
    """
    sql("""
    -- In decision order: drawn under the locks of what is waited for.
    CREATE SEQUENCE queue_numbers AS bigint;

    ALTER TABLE bookings
        ADD COLUMN wish jsonb,                    -- what was asked for, while something is still to be decided on it
        ADD COLUMN groups text[] NOT NULL DEFAULT '{}',       -- under whose contingents it counts
        ADD COLUMN competing boolean NOT NULL DEFAULT false,  -- waits for approval without blocking
        ADD COLUMN queue_no bigint,
        ADD COLUMN waits_for text[],              -- waiting: the resources of which one has to become free
        ADD COLUMN series_id uuid,
        ADD COLUMN occurrence_no integer,
        ADD COLUMN hold_expires_at timestamptz,
        ADD COLUMN offer_expires_at timestamptz,
        ADD COLUMN next_due_at timestamptz,       -- when time alone changes it; null in every terminal state
        ADD COLUMN overbook_reason text,
        ADD COLUMN free_to_cancel boolean NOT NULL DEFAULT false,  -- the house moved it
        ADD COLUMN given_back_at timestamptz,     -- left early, or never came: free from then on
        ADD COLUMN anonymised_at timestamptz,
        ADD COLUMN decide_by timestamptz GENERATED ALWAYS AS (CASE state WHEN 'pending_approval' THEN next_due_at END) VIRTUAL,
        ADD COLUMN promote_until timestamptz GENERATED ALWAYS AS (CASE state WHEN 'waitlisted' THEN next_due_at END) VIRTUAL,
        ADD COLUMN rebook_by timestamptz GENERATED ALWAYS AS (CASE state WHEN 'displaced' THEN next_due_at END) VIRTUAL,
        ADD COLUMN answer_by timestamptz GENERATED ALWAYS AS (CASE state WHEN 'awaiting_partner' THEN next_due_at END) VIRTUAL;
    UPDATE bookings SET next_due_at = "end" WHERE state = 'confirmed';
    CREATE INDEX bookings_due ON bookings (next_due_at) WHERE next_due_at IS NOT NULL;
    CREATE INDEX bookings_by_start ON bookings (start);
    CREATE INDEX bookings_waiting ON bookings USING gin (waits_for) WHERE state = 'waitlisted';
    CREATE INDEX bookings_of_a_series ON bookings (series_id) WHERE series_id IS NOT NULL;
    CREATE INDEX bookings_of_a_group ON bookings USING gin (groups) WHERE groups <> '{}';
    CREATE INDEX bookings_of_a_partner ON bookings (hub_id) WHERE state = 'held' AND claimant_kind = 'partner';
    CREATE INDEX bookings_by_code ON bookings (check_in_code) WHERE state IN ('confirmed', 'checked_in');
    CREATE INDEX bookings_to_look_at ON bookings (state, next_due_at) WHERE state IN ('displaced', 'pending_approval');
    CREATE INDEX bookings_to_anonymise ON bookings ("end") WHERE anonymised_at IS NULL;
    -- An offer's bookings that a closure would hit.
    CREATE INDEX bookings_of_an_offer ON bookings (offer_id, "end")
        WHERE state NOT IN ('completed', 'no_show', 'cancelled', 'declined', 'expired');

    ALTER TABLE allocations
        ADD COLUMN n smallint NOT NULL DEFAULT 0,  -- the place among the booking's parts
        ADD COLUMN superseded boolean NOT NULL DEFAULT false,  -- where it was before it was moved
        ADD COLUMN competing boolean NOT NULL DEFAULT false;
    CREATE INDEX allocations_competing ON allocations (resource_id) WHERE competing;
    -- A session's claims: its own counter is the guard, this only finds them.
    CREATE INDEX allocations_of_a_session ON allocations (resource_id)
        WHERE (blocking AND unit_no IS NULL AND pool_no IS NULL);

    ALTER TABLE resources
        ADD COLUMN occupies text[] NOT NULL DEFAULT '{}',     -- a session's rooms
        ADD COLUMN unplaced boolean NOT NULL DEFAULT false;   -- a session whose rooms are taken by others
    CREATE INDEX resources_unplaced ON resources (resource_id) WHERE unplaced;

    CREATE TABLE series (
        series_id uuid PRIMARY KEY,
        offer_id text NOT NULL,
        claimant jsonb NOT NULL,
        rule jsonb NOT NULL,
        mode text NOT NULL,
        results jsonb NOT NULL,                   -- one per occurrence, the skipped ones with their reason
        created_at timestamptz NOT NULL
    );

    -- What readers of the hints were told last; `until` is the first local date that they know nothing of.
    CREATE TABLE hints (
        offer_id text PRIMARY KEY,
        revision bigint NOT NULL,
        until date NOT NULL,
        as_of timestamptz NOT NULL,
        sessions jsonb NOT NULL,
        days jsonb NOT NULL
    );
    CREATE TABLE hint_marks (
        id boolean PRIMARY KEY DEFAULT true CHECK (id),
        read_until timestamptz NOT NULL
    );
    """)
