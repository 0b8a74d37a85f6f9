-- The orchestrator's truth. Times are milliseconds since 1970, given by the service; epochs come from one sequence.
-- Whoever writes sessions, destinations or events of a stream locks the stream's row first.

CREATE SEQUENCE epochs AS bigint;

CREATE TABLE streams (
    id                uuid PRIMARY KEY,
    tenant_id         text NOT NULL,
    title             text NOT NULL,
    ingest_key_sha256 bytea NOT NULL CHECK (length(ingest_key_sha256) = 32),
    end_grace_s       integer NOT NULL,
    wish              text NOT NULL DEFAULT 'stopped',
    generation        bigint NOT NULL DEFAULT 0,
    input_source      text,
    auto_started      boolean NOT NULL DEFAULT false,
    auto_handled      bigint NOT NULL DEFAULT 0,
    status            text NOT NULL DEFAULT 'idle',
    started_at_ms     bigint,
    live_at_ms        bigint,
    ended_at_ms       bigint,
    traceparent       text,
    created_at_ms     bigint NOT NULL,
    deleted_at_ms     bigint
);
CREATE UNIQUE INDEX streams_ingest_key ON streams (ingest_key_sha256);
CREATE INDEX streams_of_tenant ON streams (tenant_id, id) WHERE deleted_at_ms IS NULL;
CREATE INDEX streams_running ON streams (id) WHERE wish = 'running' OR deleted_at_ms IS NOT NULL;

-- The latest publish of each stream.
CREATE TABLE sources (
    stream_id       uuid PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    publish_id      uuid NOT NULL,
    relay_id        text NOT NULL,
    relay_http      text NOT NULL DEFAULT '',
    epoch           bigint NOT NULL,
    sequence        bigint NOT NULL DEFAULT 0,
    state           text NOT NULL, -- authorized | connected | gone
    announced       boolean NOT NULL DEFAULT false,
    info            jsonb NOT NULL DEFAULT '{}',
    connected_at_ms bigint,
    last_seen_ms    bigint NOT NULL,
    gone_at_ms      bigint
);
CREATE INDEX sources_present ON sources (last_seen_ms) WHERE state <> 'gone';

CREATE TABLE destinations (
    id              uuid PRIMARY KEY,
    stream_id       uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    tenant_id       text NOT NULL,
    platform        text NOT NULL,
    name            text NOT NULL,
    is_enabled      boolean NOT NULL,
    auto_start      boolean NOT NULL,
    settings        jsonb NOT NULL,
    rtmp_url        text NOT NULL,
    account_id      text NOT NULL DEFAULT '',
    playback_url    text NOT NULL DEFAULT '',
    viewer_count    bigint NOT NULL DEFAULT 0,
    attached        boolean NOT NULL DEFAULT false,
    spec_version    bigint NOT NULL DEFAULT 1,
    gave_up         jsonb,
    status          text NOT NULL DEFAULT 'pending',
    fault           jsonb,
    retry_at_ms     bigint,
    mode            text NOT NULL DEFAULT '',
    reconnects      integer NOT NULL DEFAULT 0,
    connected_at_ms bigint,
    health          text NOT NULL DEFAULT 'unknown',
    issues          jsonb NOT NULL DEFAULT '[]',
    created_at_ms   bigint NOT NULL,
    deleted_at_ms   bigint
);
CREATE INDEX destinations_of_tenant ON destinations (tenant_id, id) WHERE deleted_at_ms IS NULL;
CREATE INDEX destinations_of_stream ON destinations (stream_id);

-- One row per session id, reused by every epoch. A delivery has its destination's id, a pull its stream's.
CREATE TABLE sessions (
    id                 uuid PRIMARY KEY,
    stream_id          uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    destination_id     uuid REFERENCES destinations ON DELETE CASCADE,
    kind               text NOT NULL,
    epoch              bigint NOT NULL,
    generation         bigint NOT NULL,
    phase              text NOT NULL,
    worker_id          text,
    spec_version       bigint NOT NULL DEFAULT 0,
    placed_at_ms       bigint NOT NULL,
    unclaimed_since_ms bigint NOT NULL,
    placements         integer NOT NULL DEFAULT 1,
    claimed_at_ms      bigint,
    lease_expired      boolean NOT NULL DEFAULT false,
    stop_first_ms      bigint,
    stop_last_ms       bigint,
    refresh_first_ms   bigint,
    refresh_last_ms    bigint,
    sequence           bigint NOT NULL DEFAULT 0,
    fault              jsonb,
    retry_at_ms        bigint,
    mode               text NOT NULL DEFAULT '',
    flowing            boolean NOT NULL DEFAULT false,
    ever_connected     boolean NOT NULL DEFAULT false,
    reconnects         integer NOT NULL DEFAULT 0,
    prior_reconnects   integer NOT NULL DEFAULT 0,
    test_result        bytea,
    traceparent        text,
    updated_at_ms      bigint NOT NULL
);
CREATE INDEX sessions_of_stream ON sessions (stream_id);
CREATE INDEX sessions_active ON sessions (stream_id) WHERE phase NOT IN ('failed', 'ended', 'released');

-- Counters of one run of a stream, over all epochs.
CREATE TABLE totals (
    destination_id uuid PRIMARY KEY,
    stream_id      uuid NOT NULL,
    run_ms         bigint NOT NULL,
    platform       text NOT NULL,
    epoch          bigint NOT NULL,
    base_bytes     bigint NOT NULL,
    base_frames    bigint NOT NULL,
    base_dropped   bigint NOT NULL,
    last_bytes     bigint NOT NULL,
    last_frames    bigint NOT NULL,
    last_dropped   bigint NOT NULL,
    last_at_ms     bigint NOT NULL
);
CREATE INDEX totals_of_stream ON totals (stream_id);

CREATE TABLE run_errors (
    id             bigserial PRIMARY KEY,
    stream_id      uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    destination_id uuid,
    at_ms          bigint NOT NULL,
    code           text NOT NULL,
    message        text NOT NULL
);
CREATE INDEX run_errors_of_stream ON run_errors (stream_id, id);

-- What must leave Postgres after a commit. Rows are deleted when they have.
CREATE TABLE outbox (
    id             bigserial PRIMARY KEY,
    event_id       uuid NOT NULL,
    topic          text NOT NULL, -- event | delete_secrets
    kind           text NOT NULL DEFAULT '',
    stream_id      uuid NOT NULL,
    destination_id uuid,
    tenant_id      text NOT NULL,
    data           jsonb NOT NULL DEFAULT '{}',
    traceparent    text,
    attempts       integer NOT NULL DEFAULT 0,
    not_before_ms  bigint NOT NULL DEFAULT 0,
    created_at_ms  bigint NOT NULL
);
CREATE INDEX outbox_order ON outbox (topic, stream_id, id);

CREATE TABLE idempotency (
    tenant_id      text NOT NULL,
    key            text NOT NULL,
    fingerprint    bytea NOT NULL,
    begun_at_ms    bigint NOT NULL,
    finished_at_ms bigint,
    status         integer,
    body           bytea,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_age ON idempotency (begun_at_ms);
