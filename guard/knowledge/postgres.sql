create table knowledge_base (
  id int generated always as identity primary key, name text collate "C" unique not null,
  passages bigint not null default 0, terms bigint not null default 0);
create table knowledge_document (
  id bigint generated always as identity primary key, base int not null references knowledge_base (id),
  root text collate "C" not null, name text collate "C" not null, version int not null, sha256 text not null,
  source text not null, licence text not null, valid_from text collate "C" not null, valid_to text collate "C" not null,
  meaning text not null, passages int not null default 0, unique (base, root, name));
create index knowledge_document_until on knowledge_document (base, valid_to) where valid_to <> '';
create index knowledge_document_from on knowledge_document (base, valid_from) where valid_from <> '';
create table knowledge_passage (
  id bigint generated always as identity primary key, document bigint not null references knowledge_document (id),
  number int not null, title text not null, text text not null, start int not null, vector bytea not null);
create index knowledge_passage_of on knowledge_passage (document);
create table knowledge_posting (
  passage bigint primary key references knowledge_passage (id), document bigint not null, size int not null,
  terms text[] collate "C" not null) with (toast_tuple_target = 128);
create index knowledge_posting_of on knowledge_posting (document);
create index knowledge_posting_terms on knowledge_posting using gin (terms);
create table knowledge_term (
  base int not null references knowledge_base (id), term text collate "C" not null, passages int not null,
  primary key (base, term));
