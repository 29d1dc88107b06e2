//! The log stays bounded, whoever writes and reads.

use std::time::Instant;

use super::*;
use crate::store::sqlite::Database;

const PAGE_BYTES: u64 = 4096;
const GOAL: u32 = 64;

struct Book {
    database: Database,
    log: Arc<Log>,
    checkpointer: Checkpointer,
    _directory: tempfile::TempDir,
}

fn book() -> Book {
    let directory = tempfile::tempdir().expect("made");
    let path = directory.path().join("book.db");
    let database = Database::open_or_create(&path, None).expect("opened");
    Log::watch(&database.connection);
    let log = Arc::new(Log::moved_at(GOAL));
    let beside = database::open_writer(&path).expect("opened");
    let checkpointer = Checkpointer::start(&path, beside, Arc::clone(&log)).expect("started");
    Book {
        database,
        log,
        checkpointer,
        _directory: directory,
    }
}

impl Book {
    /// Writes about as many pages as the log is to have, again and again.
    fn write(&self, times: u32) {
        for _ in 0..times {
            let _writing = self.log.write();
            self.database.fill_pages(GOAL).expect("written");
        }
    }

    fn log_pages(&self) -> u64 {
        let mut log = self.database.path().as_os_str().to_owned();
        log.push("-wal");
        std::fs::metadata(log).expect("a log").len() / PAGE_BYTES
    }
}

impl Database {
    fn fill_pages(&self, pages: u32) -> Result<(), rusqlite::Error> {
        let page = "INSERT INTO audit (created_on, action) VALUES (0, hex(zeroblob(2000)))";
        let transaction = self.connection.unchecked_transaction()?;
        for _ in 0..pages {
            transaction.execute(page, [])?;
        }
        transaction.commit()
    }
}

#[test]
fn the_log_begins_anew_beside_a_writer_that_never_rests() {
    let book = book();
    book.write(100);
    let written = 100 * u64::from(GOAL);
    assert!(book.log_pages() < written / 4, "{}", book.log_pages());
    book.checkpointer.stop();
}

#[test]
fn a_reader_of_an_old_state_keeps_the_log_but_nobody_waiting() {
    let book = book();
    book.write(1);
    let reader = database::open_reader(book.database.path()).expect("opened");
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM audit")
        .expect("read");
    book.write(20);
    assert!(book.log_pages() > 15 * u64::from(GOAL));
    drop(reader);
    let begun = Instant::now();
    while book.log.lock().pages != 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it is moved at last"
        );
        thread::yield_now();
    }
    let before = book.log_pages();
    book.write(1);
    assert_eq!(book.log_pages(), before, "the log begins anew");
    book.checkpointer.stop();
}

#[test]
fn the_log_begins_anew_where_other_processes_alone_write() {
    const ROUNDS: u32 = 16;
    let book = book();
    let other = Database::open_or_create(book.database.path(), None).expect("opened");
    for _ in 0..ROUNDS {
        other.fill_pages(GOAL).expect("written");
        // Long enough for a quiet state to be held in between.
        thread::sleep(LOOK_EVERY * 3);
    }
    let written = u64::from(ROUNDS * GOAL);
    assert!(book.log_pages() < written / 4, "{}", book.log_pages());
    book.checkpointer.stop();
}
