//! The WAL stays bounded, whoever writes and reads.

use std::time::Instant;

use super::*;
use crate::store::Measures;
use crate::store::sqlite::Database;

const PAGE_BYTES: u64 = 4096;
const GOAL: u32 = 64;

struct Book {
    database: Database,
    wal: Arc<Wal>,
    checkpointer: Checkpointer,
    _directory: tempfile::TempDir,
}

fn book() -> Book {
    let directory = tempfile::tempdir().expect("made");
    let path = directory.path().join("book.db");
    let database = Database::open_or_create(&path, None).expect("opened");
    Wal::watch(&database.connection);
    let wal = Arc::new(Wal::checkpointed_at(GOAL));
    let beside = database::open_writer(&path).expect("opened");
    let file = KeptFile::open(&path).expect("opened");
    let names = Arc::new(Names::of(&path, &file).expect("its names"));
    let checkpointer = Checkpointer::start(
        &path,
        beside,
        file,
        names,
        Arc::clone(&wal),
        Measures::default().checkpoint_seconds,
    )
    .expect("started");
    Book {
        database,
        wal,
        checkpointer,
        _directory: directory,
    }
}

impl Book {
    /// Writes about as many pages as the WAL is to have, again and again.
    fn write(&self, times: u32) {
        for _ in 0..times {
            let _writing = self.wal.write();
            self.database.fill_pages(GOAL).expect("written");
        }
    }

    fn wal_pages(&self) -> u64 {
        let mut wal = self.database.path().as_os_str().to_owned();
        wal.push("-wal");
        std::fs::metadata(wal).expect("a WAL").len() / PAGE_BYTES
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
fn the_wal_begins_anew_beside_a_writer_that_never_rests() {
    let book = book();
    book.write(100);
    let written = 100 * u64::from(GOAL);
    assert!(book.wal_pages() < written / 4, "{}", book.wal_pages());
    book.checkpointer.stop();
}

#[test]
fn a_reader_of_an_old_state_keeps_the_wal_but_nobody_waiting() {
    let book = book();
    book.write(1);
    let reader = database::open_reader(book.database.path()).expect("opened");
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM audit")
        .expect("read");
    book.write(20);
    assert!(book.wal_pages() > 15 * u64::from(GOAL));
    drop(reader);
    let begun = Instant::now();
    while book.wal.lock().pages != 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it is checkpointed at last"
        );
        thread::yield_now();
    }
    let before = book.wal_pages();
    book.write(1);
    assert_eq!(book.wal_pages(), before, "the WAL begins anew");
    book.checkpointer.stop();
}

#[test]
fn the_wal_begins_anew_where_other_processes_alone_write() {
    const ROUNDS: u32 = 16;
    let book = book();
    let other = Database::open_or_create(book.database.path(), None).expect("opened");
    for _ in 0..ROUNDS {
        other.fill_pages(GOAL).expect("written");
        // Long enough for a quiet state to be held in between.
        thread::sleep(LOOK_EVERY * 3);
    }
    let written = u64::from(ROUNDS * GOAL);
    assert!(book.wal_pages() < written / 4, "{}", book.wal_pages());
    book.checkpointer.stop();
}
