-- Platform accounts, pending authorizations, broadcasts and quotas. Tokens and keys are in credentials.secrets, sealed:
-- kind 'account' (access_token, refresh_token, page_token), kind 'authorization' (state, verifier), kind 'destination' (stream_key).

CREATE TABLE credentials.accounts (
    id               uuid        PRIMARY KEY,
    tenant_id        text        NOT NULL,
    platform         text        NOT NULL,
    -- The platform's id of the person or channel.
    external_id      text        NOT NULL,
    name             text        NOT NULL,
    picture_url      text        NOT NULL DEFAULT '',
    scopes           text[]      NOT NULL DEFAULT '{}',
    status           text        NOT NULL DEFAULT 'ok', -- ok | reauth_required
    fault            jsonb,
    -- Grows with every new pair of tokens: who waited for a refresh sees that it has happened.
    token_version    bigint      NOT NULL DEFAULT 1,
    token_expires_ms bigint      NOT NULL DEFAULT 0, -- 0: never, or unknown
    refreshed_ms     bigint      NOT NULL DEFAULT 0,
    validated_ms     bigint      NOT NULL DEFAULT 0,
    -- No attempt before this, after a transient failure.
    refresh_after_ms bigint      NOT NULL DEFAULT 0,
    -- Transient failures in a row.
    refresh_failures integer     NOT NULL DEFAULT 0,
    linked_ms        bigint      NOT NULL,
    UNIQUE (tenant_id, platform, external_id)
);
CREATE INDEX accounts_due ON credentials.accounts (platform, token_expires_ms) WHERE status = 'ok';

-- One row per sign-in that a person has begun. Taken (deleted) by the first exchange that names it.
CREATE TABLE credentials.authorizations (
    id           uuid   PRIMARY KEY,
    tenant_id    text   NOT NULL,
    platform     text   NOT NULL,
    state_sha256 bytea  NOT NULL UNIQUE,
    expires_ms   bigint NOT NULL
);
CREATE INDEX authorizations_of ON credentials.authorizations (tenant_id, platform, expires_ms);

-- One row per destination that has, or last had, a broadcast on its platform.
CREATE TABLE credentials.broadcasts (
    destination_id  uuid    PRIMARY KEY,
    tenant_id       text    NOT NULL,
    platform        text    NOT NULL,
    account_id      uuid,
    run_ms          bigint  NOT NULL,
    take            integer NOT NULL,
    phase           text    NOT NULL, -- preparing | ready | finishing | finished
    title           text    NOT NULL DEFAULT '',
    settings        jsonb   NOT NULL DEFAULT '{}',
    -- What the platform's own code must remember across a crash: ids and intents, never a secret.
    progress        jsonb   NOT NULL DEFAULT '{}',
    rtmp_url        text    NOT NULL DEFAULT '',
    backup_urls     jsonb   NOT NULL DEFAULT '[]',
    playback_url    text    NOT NULL DEFAULT '',
    notes           jsonb   NOT NULL DEFAULT '[]',
    -- Grows with every write: who has read an older one may not write.
    version         bigint  NOT NULL DEFAULT 1,
    publishing_ms   bigint  NOT NULL DEFAULT 0,
    truth           jsonb   NOT NULL DEFAULT '{}',
    next_look_ms    bigint  NOT NULL DEFAULT 0,
    looks           integer NOT NULL DEFAULT 0,
    -- The replica that looked last: it goes on, as it remembers what need not be asked again.
    looked_by       uuid,
    -- Looks that failed in a row.
    failures        integer NOT NULL DEFAULT 0,
    -- When somebody last asked how it is; what nobody asks about is not looked at.
    observed_ms     bigint  NOT NULL DEFAULT 0,
    -- The destination is deleted: with the end of the broadcast the row goes, and everything kept for it.
    forget          boolean NOT NULL DEFAULT false,
    updated_ms      bigint  NOT NULL
);
CREATE INDEX broadcasts_due ON credentials.broadcasts (next_look_ms) WHERE phase = 'ready';
CREATE INDEX broadcasts_forgotten ON credentials.broadcasts (updated_ms) WHERE forget;
CREATE INDEX broadcasts_of_account ON credentials.broadcasts (account_id);

-- Units of a platform's project used in one day of the platform's calendar.
CREATE TABLE credentials.quota (
    project    text   NOT NULL,
    day        text   NOT NULL, -- YYYY-MM-DD where the platform resets
    used       bigint NOT NULL DEFAULT 0,
    -- Set when the platform itself says that nothing is left.
    exhausted  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (project, day)
);

-- A picture to show before and beside the broadcast. No secret.
CREATE TABLE credentials.thumbnails (
    destination_id uuid  PRIMARY KEY,
    tenant_id      text  NOT NULL,
    content_type   text  NOT NULL,
    image          bytea NOT NULL
);
