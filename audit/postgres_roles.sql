-- Who may do what with the audit log in PostgreSQL. Run once as the owner of the schema, after postgres.sql; then
--   grant haechi_writer to gateway;  grant haechi_officer to privacy;  grant haechi_auditor to auditor;
-- for login roles of your own. A gateway that holds only haechi_writer cannot change or remove a record, and one that does
-- so by other means is found by `haechi audit verify`.
do $$ declare wanted text; begin
  foreach wanted in array array['haechi_writer', 'haechi_officer', 'haechi_auditor'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      execute format('create role %I nologin', wanted);
    end if;
  end loop;
end $$;
-- The auditor reads everything; all of it is ciphertext, hashes and headers.
grant select on identity, leaf, body, edge, destroyed, state, checkpoint, open_request to haechi_auditor;
-- The writer adds records and moves the edge; of what was recorded it can change nothing.
grant select on identity, leaf, body, edge, destroyed, state, checkpoint, open_request to haechi_writer;
grant insert on leaf, body, edge, destroyed, checkpoint, open_request to haechi_writer;
grant update on edge to haechi_writer;
grant delete on open_request to haechi_writer;
-- The privacy officer also counts erasures, removes the content of erased keys, and thins out checkpoints.
grant haechi_writer to haechi_officer;
grant insert, update on state to haechi_officer;
grant update (ciphertext, wrap) on body to haechi_officer;
grant delete on checkpoint to haechi_officer;
