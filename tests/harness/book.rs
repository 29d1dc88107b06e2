//! The book itself, asked past its server: a file by the `sqlite3` inside the test, or a
//! schema of PostgreSQL. With `ADDRESSBOOK_TEST_POSTGRES`, the URL of a database, each
//! book is a schema of its own in it, and the same tests run on PostgreSQL.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use tempfile::TempDir;
use tokio_postgres::{NoTls, SimpleQueryMessage};
use uuid::Uuid;

use super::{Server, WAIT_MAX};

const URL: &str = "ADDRESSBOOK_TEST_POSTGRES";

/// The database of the tests, where they run on PostgreSQL.
fn url() -> Option<String> {
    std::env::var(URL).ok()
}

/// A book that is not there yet; beside it what has to be kept for as long.
pub fn new_book() -> (PathBuf, Option<TempDir>) {
    let Some(url) = url() else {
        let directory = tempfile::tempdir().unwrap();
        return (directory.path().join("book.db"), Some(directory));
    };
    let joint = if url.contains('?') { '&' } else { '?' };
    let schema = Uuid::now_v7().simple();
    // By its name, the connections of a book can be told from those of others.
    let url = format!(
        "{url}{joint}application_name=book_{schema}&options=-c%20search_path%3Dbook_{schema}"
    );
    (PathBuf::from(url), None)
}

/// Whether the tests run on PostgreSQL, where there is no `subject`; says so.
pub fn is_skipped(subject: &str) -> bool {
    let is_skipped = url().is_some();
    if is_skipped {
        eprintln!("skipped on PostgreSQL, where there is no {subject}");
    }
    is_skipped
}

/// Whether the tests run on PostgreSQL; says that one is skipped where they do not.
pub fn stands_on_postgres() -> bool {
    let stands = url().is_some();
    if !stands {
        eprintln!("skipped on a file: needs {URL}, the URL of a PostgreSQL database");
    }
    stands
}

impl Server {
    /// Whether its book is on PostgreSQL, and no file.
    pub fn is_on_postgres(&self) -> bool {
        self.database.to_str().unwrap().starts_with("postgres://")
    }

    /// What is said in SQL of the engine that is there.
    pub fn in_sql<'s>(&self, sqlite: &'s str, postgres: &'s str) -> &'s str {
        match self.is_on_postgres() {
            true => postgres,
            false => sqlite,
        }
    }

    /// Every column of every row as text; nothing for null, bytes in hexadecimal digits.
    pub fn rows(&self, query: &str) -> Vec<Vec<String>> {
        if self.is_on_postgres() {
            return asked(&self.database, query).0;
        }
        let file = self.open_file();
        let mut statement = file.prepare(query).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns).map(|at| row.get_ref(at).map(text)).collect()
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// The one column of each row.
    pub fn column(&self, query: &str) -> Vec<String> {
        self.rows(query)
            .into_iter()
            .map(|mut row| row.remove(0))
            .collect()
    }

    /// The one number that a query finds.
    pub fn number(&self, query: &str) -> i64 {
        self.column(query)[0].parse().unwrap()
    }

    /// How many rows the last of these statements changed.
    pub fn change(&self, statements: &str) -> u64 {
        if self.is_on_postgres() {
            return asked(&self.database, statements).1;
        }
        let file = self.open_file();
        file.busy_timeout(WAIT_MAX).unwrap();
        file.execute_batch(statements).unwrap();
        file.changes()
    }

    /// How many contacts the book holds.
    pub fn stored(&self) -> i64 {
        self.number("SELECT count(*) FROM contacts")
    }

    /// Asserts that the members of every group are as many as the book says.
    #[track_caller]
    pub fn assert_members_counted(&self) {
        let kept = self.in_sql(
            "SELECT id, members FROM groups WHERE deleted_on IS NULL AND members <> 0 ORDER BY id",
            "SELECT group_id, sum(members) FROM group_counts
            WHERE group_id IN (SELECT id FROM groups WHERE deleted_on IS NULL)
            GROUP BY group_id HAVING sum(members) <> 0 ORDER BY group_id",
        );
        let counted = "SELECT group_id, count(*) FROM memberships
            WHERE group_id IN (SELECT id FROM groups WHERE deleted_on IS NULL)
            GROUP BY group_id ORDER BY group_id";
        assert_eq!(self.rows(kept), self.rows(counted));
    }

    /// The file itself, by the `sqlite3` inside the test.
    pub fn open_file(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.database).unwrap()
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Has a book on PostgreSQL do something; how many rows the last statement concerned.
pub(super) fn execute(book: &Path, statements: &str) -> u64 {
    asked(book, statements).1
}

/// Rows, and how many the last statement concerned.
fn asked(book: &Path, statements: &str) -> (Vec<Vec<String>>, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answers = runtime.block_on(async {
        let connecting = tokio_postgres::connect(book.to_str().unwrap(), NoTls);
        let (client, connection) = connecting.await.unwrap();
        tokio::spawn(connection);
        client.simple_query(statements).await.unwrap()
    });
    let (mut rows, mut changed) = (Vec::new(), 0);
    for answer in answers {
        match answer {
            SimpleQueryMessage::Row(row) => {
                let text = |at| row.get(at).unwrap_or_default().to_owned();
                rows.push((0..row.len()).map(text).collect());
            }
            SimpleQueryMessage::CommandComplete(count) => changed = count,
            _ => {}
        }
    }
    (rows, changed)
}
