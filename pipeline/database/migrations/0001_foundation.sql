-- Users, accounts, tokens; feeds and their transactions by month; identity, ledger, receipts.

CREATE TABLE secrets (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);
-- Signs ingest ids and cursors. 244 random bits from two version 4 UUIDs.
INSERT INTO secrets VALUES ('signing', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE users (
    user_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    external_id text UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE accounts (
    account_id  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    external_id text NOT NULL,
    name        text,
    type        text,
    currency    text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, external_id)
);

-- Only the SHA-256 of a token is kept.
CREATE TABLE tokens (
    token_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    digest       bytea NOT NULL UNIQUE,
    name         text NOT NULL,
    scopes       text[] NOT NULL,
    user_id      uuid REFERENCES users ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);

-- The spine: one growing number per user. Room in the page keeps its updates cheap (HOT).
CREATE TABLE feeds (
    user_id  uuid PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Widest alignment first: no padding inside the row.
CREATE TABLE transactions (
    position               bigint NOT NULL,
    first_position         bigint NOT NULL,
    amount                 bigint NOT NULL,
    accepted_at            timestamptz NOT NULL,
    booked_on              date NOT NULL,
    authorized_on          date,
    confidence             real NOT NULL,
    model_version          integer NOT NULL,
    mcc                    smallint,
    pending                boolean NOT NULL,
    removed                boolean NOT NULL,
    locked                 boolean NOT NULL,
    needs_review           boolean NOT NULL,
    user_id                uuid NOT NULL,
    id                     uuid NOT NULL,
    account_id             uuid NOT NULL,
    currency               text NOT NULL,
    category               text NOT NULL,
    source                 text NOT NULL,
    reason                 text NOT NULL,
    transaction_id         text NOT NULL,
    description            text NOT NULL,
    merchant               text NOT NULL,
    merchant_key           text NOT NULL,
    merchant_name          text,
    provider_category      text,
    pending_transaction_id text,
    metadata               json,
    PRIMARY KEY (user_id, booked_on, id)
) PARTITION BY RANGE (booked_on);
CREATE INDEX transactions_position ON transactions (user_id, position);

-- Where a transaction is now. booked_on NULL: removed before it arrived; whatever was accepted
-- up to removed_at stays out.
CREATE TABLE identity (
    booked_on  date,
    removed_at timestamptz,
    user_id    uuid NOT NULL,
    id         uuid NOT NULL,
    PRIMARY KEY (user_id, id)
) PARTITION BY HASH (user_id);
DO $$ BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE identity_%s PARTITION OF identity
                        FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
    END LOOP;
END $$;

-- Chunks already written. Ids are UUIDv7, so old ones are a range of the key.
CREATE TABLE ledger (
    chunk_id uuid PRIMARY KEY
);

-- What became of each part of an ingest, written with the part's rows.
CREATE TABLE receipts (
    ingest_id uuid NOT NULL,
    part      integer NOT NULL,
    added     integer NOT NULL,
    modified  integer NOT NULL,
    unchanged integer NOT NULL,
    removed   integer NOT NULL,
    discarded integer NOT NULL,
    users     uuid[] NOT NULL,
    positions bigint[] NOT NULL,
    PRIMARY KEY (ingest_id, part)
);

-- Messages that could not be written, with the reason; kept until replayed or dropped.
CREATE TABLE dead_letters (
    letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chunk_id  uuid,
    reason    text NOT NULL,
    rows      integer NOT NULL,
    body      bytea NOT NULL,
    died_at   timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX dead_letters_chunk ON dead_letters (chunk_id);

CREATE TABLE failures (
    ingest_id uuid NOT NULL,
    part      integer NOT NULL,
    reason    text NOT NULL,
    PRIMARY KEY (ingest_id, part)
);

-- The categories of the model in use, put here by `spendline migrate` for the API to read.
CREATE TABLE taxonomy (
    version    text PRIMARY KEY,
    categories json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
