-- Tables of the audit log's key store in PostgreSQL, in a schema of their own (FORMAT.md section 5): back it up apart from
-- the log, and for days only.
create table if not exists tenant_key (tenant text not null, use text not null, wrapped bytea not null, primary key (tenant, use));
create table if not exists subject_key (kid text primary key, tenant text not null, tag bytea not null, class text not null,
    epoch text not null, wrapped bytea not null);
create index if not exists subject_key_place on subject_key (tenant, tag, class, epoch);
create table if not exists state (name text primary key, value bigint not null);
create table if not exists hold (id text primary key, tenant text not null, tag bytea, placed_us bigint not null);
insert into state (name, value) values ('version', 2) on conflict (name) do nothing;
insert into state (name, value) values ('generation', 1) on conflict (name) do nothing;
