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
