//! Where the rows of a book on PostgreSQL are: all in its schema, or spread by Citus where
//! the extension is there. The tables are the same.

use crate::harness::{Server, stands_on_postgres};

const SCHEMA: &str = include_str!("../../schema.postgres.sql");

/// All that a schema says of its tables, in its own words. Of Citus, the catalog of tables
/// shows no shards.
const TABLES: &str = "
    SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
        attcollation::regcollation, pg_get_expr(adbin, adrelid), array_to_string(reloptions, ' ')
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
    ORDER BY relname, attnum;
    SELECT conrelid::regclass, conname, pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE connamespace = current_schema()::regnamespace ORDER BY conrelid::regclass::text, conname;
    SELECT indexrelid::regclass, replace(pg_get_indexdef(indexrelid), current_schema() || '.', '')
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = current_schema()::regnamespace ORDER BY indexrelid::regclass::text";

fn has_citus(server: &Server) -> bool {
    server.number("SELECT count(*) FROM pg_extension WHERE extname = 'citus'") == 1
}

#[test]
fn a_book_has_the_tables_of_its_schema_wherever_their_rows_are() {
    if !stands_on_postgres() {
        return;
    }
    let server = Server::start();
    let by_hand = format!("{}_by_hand", server.column("SELECT current_schema()")[0]);
    let within = format!("SET search_path = {by_hand}");
    server.change(&format!("CREATE SCHEMA {by_hand}; {within}; {SCHEMA}"));
    let tables = server.rows(TABLES);
    assert_eq!(tables, server.rows(&format!("{within};{TABLES}")));
    assert!(tables.len() > 100, "{tables:?}");
}

#[test]
fn only_citus_spreads_rows_those_of_an_alias_together() {
    if !stands_on_postgres() {
        return;
    }
    let server = Server::start();
    if !has_citus(&server) {
        let others = "SELECT count(*) FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind NOT IN ('r', 'i', 'S')";
        assert_eq!(server.number(others), 0);
        eprintln!("skipped: needs the extension citus");
        return;
    }
    let placed = server.rows(
        "SELECT relname, partmethod, repmodel,
            colocationid = (SELECT colocationid FROM pg_dist_partition
                WHERE logicalrelid = 'contacts'::regclass)
        FROM pg_dist_partition JOIN pg_class ON pg_class.oid = logicalrelid
        WHERE relnamespace = current_schema()::regnamespace ORDER BY relname",
    );
    let placed: Vec<String> = placed.iter().map(|row| row.join(" ")).collect();
    assert_eq!(
        placed,
        [
            "contacts h s t",
            "counters n s f",
            "group_counts n s f",
            "groups n t f",
            "idempotency n s f",
            "memberships h s t",
            "optouts n t f",
            "response_counts n s f",
        ]
    );
}
