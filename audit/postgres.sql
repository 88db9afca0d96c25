-- Tables of the audit log in PostgreSQL (FORMAT.md section 1). Made by the gateway at its first start when its role may
-- create tables, or by hand: psql -f postgres.sql, as the owner of the schema.
create table if not exists identity (sole integer primary key check (sole = 1), public_key text not null);
create table if not exists leaf (log text not null, seq bigint not null, header bytea not null, primary key (log, seq));
create table if not exists body (log text not null, seq bigint not null, name text not null, kid text not null,
    ciphertext bytea, wrap bytea, primary key (log, seq, name));
create index if not exists body_of_key on body (kid);
create table if not exists edge (log text primary key, size bigint not null, hashes bytea not null, sts bigint not null);
create table if not exists destroyed (kid text primary key, seq bigint not null);
create table if not exists state (name text primary key, value bigint not null);
create table if not exists checkpoint (log text not null, size bigint not null, hashes bytea not null, note bytea not null,
    primary key (log, size));
create table if not exists open_request (record text primary key, log text not null, request text not null,
    writer text not null);
-- Ciphertext does not compress, and a header is short: spare the attempt.
alter table body alter column ciphertext set storage external;

-- A batch in one message, for who believes to know where its logs end: false, and nothing is written, if somebody else has
-- appended or destroyed keys meanwhile. `owner` and `at` count from 1: of a leaf its log, of a body its leaf.
-- Its statements are those of `store_postgres.py`, and what each reads was committed before the lock was taken.
create or replace function extend_log(
    lock bigint, known_erasures bigint,
    logs text[], old_sizes bigint[], old_hashes bytea[], new_sizes bigint[], new_hashes bytea[], new_sts bigint[],
    owner integer[], seqs bigint[], headers bytea[],
    body_at integer[], names text[], kids text[], ciphertexts bytea[], wraps bytea[],
    begun text[], begun_logs text[], requests text[], writers text[], ended text[]
) returns boolean language plpgsql as $$
begin
    perform pg_advisory_xact_lock(lock);
    if known_erasures <> coalesce((select value from state where name = 'erasures'), 0) or cardinality(logs) <> (
        select count(*) from edge join unnest(logs, old_sizes, old_hashes) as old (log, size, hashes)
        on edge.log = old.log and edge.size = old.size and edge.hashes = old.hashes) then
        return false;
    end if;
    insert into leaf (log, seq, header)
        select logs[o], s, h from unnest(owner, seqs, headers) as new (o, s, h);
    if cardinality(body_at) > 0 then
        insert into body (log, seq, name, kid, ciphertext, wrap)
            select logs[owner[a]], seqs[a], n, k, c, w from unnest(body_at, names, kids, ciphertexts, wraps) as new (a, n, k, c, w);
    end if;
    if cardinality(begun) > 0 then
        insert into open_request (record, log, request, writer)
            select b, l, r, w from unnest(begun, begun_logs, requests, writers) as new (b, l, r, w);
    end if;
    if cardinality(ended) > 0 then
        delete from open_request where record = any(ended);
    end if;
    update edge set size = new.size, hashes = new.hashes, sts = new.sts
        from unnest(logs, new_sizes, new_hashes, new_sts) as new (log, size, hashes, sts) where edge.log = new.log;
    return true;
end
$$;
