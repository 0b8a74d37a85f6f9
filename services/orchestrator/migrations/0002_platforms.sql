-- Destinations on platforms: what people ask of the platform, how far it is prepared, what it says, what is left to end.
-- A broadcast is named by (destination, run_ms = streams.started_at_ms, take); take grows when one run needs another.

ALTER TABLE destinations
    ADD COLUMN platform_settings       jsonb   NOT NULL DEFAULT '{}',
    -- The broadcast wanted in the present run.
    ADD COLUMN take                    integer NOT NULL DEFAULT 0,
    -- The broadcast the platform is ready for.
    ADD COLUMN prepared_run_ms         bigint,
    ADD COLUMN prepared_take           integer,
    ADD COLUMN prep_fault              jsonb,
    ADD COLUMN prep_retry_at_ms        bigint,
    ADD COLUMN prep_attempts           integer NOT NULL DEFAULT 0,
    ADD COLUMN prep_notes              jsonb   NOT NULL DEFAULT '[]',
    -- Who calls the platform for it now: one call at a time, renewed while it lasts.
    ADD COLUMN platform_claim          uuid,
    ADD COLUMN platform_claim_job      text    NOT NULL DEFAULT '', -- prepare | finish
    ADD COLUMN platform_claim_until_ms bigint  NOT NULL DEFAULT 0,
    -- What the platform says.
    ADD COLUMN platform_state          text    NOT NULL DEFAULT '', -- waiting | live | ended | unknown
    ADD COLUMN platform_seen_ms        bigint  NOT NULL DEFAULT 0,
    ADD COLUMN platform_health         text    NOT NULL DEFAULT 'unknown', -- good | ok | bad | unknown
    ADD COLUMN platform_issues         jsonb   NOT NULL DEFAULT '[]',
    ADD COLUMN platform_fault          jsonb,
    -- Repairs: a session of this epoch or an older one connects anew.
    ADD COLUMN stale_epoch             bigint,
    ADD COLUMN repaired_at_ms          bigint  NOT NULL DEFAULT 0,
    ADD COLUMN renewals                integer NOT NULL DEFAULT 0,
    -- There may be a broadcast at the platform that must be ended. Written before the first call that may make one.
    ADD COLUMN open_run_ms             bigint,
    ADD COLUMN open_take               integer,
    ADD COLUMN finish_since_ms         bigint,
    ADD COLUMN finish_retry_at_ms      bigint,
    ADD COLUMN finish_attempts         integer NOT NULL DEFAULT 0,
    ADD COLUMN finish_fault            jsonb;

CREATE INDEX destinations_on_platforms ON destinations (stream_id) WHERE platform <> 'rtmp_custom' AND attached;
CREATE INDEX destinations_open ON destinations (stream_id) WHERE open_run_ms IS NOT NULL;
CREATE INDEX streams_stopping ON streams (id) WHERE status = 'stopping';
