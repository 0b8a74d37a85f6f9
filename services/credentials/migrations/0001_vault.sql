-- The vault. No column holds a secret in the clear; `sealed` is described in src/crypto/envelope.rs.

-- One row per ENCRYPTION_KEY this vault has known and may still need.
CREATE TABLE credentials.keys (
    key_id     integer     PRIMARY KEY,
    salt       bytea       NOT NULL CHECK (length(salt) = 16),
    log_n      smallint    NOT NULL,
    -- A known text sealed with this key: tells the right ENCRYPTION_KEY from a wrong one.
    key_check  bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Set when a rotation has left nothing sealed with it.
    retired_at timestamptz
);

-- One row: which key seals. Writers hold it FOR SHARE, so that after a rotation's UPDATE nothing is sealed with the old key.
CREATE TABLE credentials.vault (
    singleton     boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    active_key_id integer NOT NULL REFERENCES credentials.keys
);

CREATE TABLE credentials.secrets (
    kind       text        NOT NULL,
    record_id  uuid        NOT NULL,
    field      text        NOT NULL,
    tenant_id  text        NOT NULL,
    key_id     integer     NOT NULL REFERENCES credentials.keys,
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, record_id, field)
);
CREATE INDEX secrets_by_key ON credentials.secrets (key_id);

-- Running instances and the keys they hold: a rotation waits until every one of them can read the new key.
CREATE TABLE credentials.replicas (
    replica_id uuid        PRIMARY KEY,
    key_ids    integer[]   NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT now()
);
