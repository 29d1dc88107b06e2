-- How a book is spread over a cluster of Citus: run behind schema.postgres.sql where the
-- extension is in the database when the book is made. Without it nothing here is run.
-- Statement by statement; each ends with its line. Each table of that file has its line here.
--
-- Every server connects to the coordinator: the tables that are local are there alone, and
-- so are the advisory locks by which writes and changes of keys exclude each other.

-- Citus adds no table to a cluster that a local one refers to: they come back below.
ALTER TABLE memberships
    DROP CONSTRAINT memberships_group_id_fkey,
    DROP CONSTRAINT memberships_alias_fkey;

-- Reference tables: all of it on every node, a write goes to all of them. Each is joined
-- to rows of every shard, has few rows beside contacts, and is written seldom.

-- With the memberships of a contact, in each of its reads.
SELECT create_reference_table('groups');

-- With contacts, in lists of who is opted out.
SELECT create_reference_table('optouts');

-- Distributed: the rows of an alias on one node. A create, and a get, a change or a delete
-- by alias, asks that one; what has another condition asks all shards.
SELECT create_distributed_table('contacts', 'alias', colocate_with => 'none');

-- On the shard of their contact, with which they are read. The collations of both columns
-- have to be equal for that.
SELECT create_distributed_table('memberships', 'alias', colocate_with => 'contacts');

ALTER TABLE memberships
    ADD CONSTRAINT memberships_group_id_fkey FOREIGN KEY (group_id) REFERENCES groups (id);
ALTER TABLE memberships
    ADD CONSTRAINT memberships_alias_fkey FOREIGN KEY (alias) REFERENCES contacts (alias);

-- On the coordinator alone, and known to Citus: they are written in the transaction of
-- contacts, which is a two-phase commit then. Of a table that Citus does not know, it would
-- commit the shard first and the rest a moment later, and a crash in between would leave a
-- contact that is not counted, or an answer that is not remembered. Reference tables they are
-- not: every create would be written to every node.
SELECT citus_add_local_table_to_metadata('counters');
SELECT citus_add_local_table_to_metadata('group_counts');
SELECT citus_add_local_table_to_metadata('idempotency');
SELECT citus_add_local_table_to_metadata('response_counts');

-- On the coordinator alone, as they are: read with every request or written by themselves,
-- and joined to nothing that is spread.
-- local: book
-- local: api_keys
-- local: key_uses
-- local: sessions
-- local: audit
