//! Plain SQLite in one process: the product's schema and settings, one
//! connection, and nothing around it.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, TransactionBehavior, params};
use uuid::Uuid;

use crate::Outcome;
use crate::bench::Bench;
use crate::cases::{ITEMS, MILLION, Operation, fields};
use crate::report::Section;
use crate::rounds::Measured;
use crate::stats::{median, spread};

const SCHEMA: &str = include_str!("../../schema.sql");
/// Rows of one transaction.
const BATCHES: [u64; 5] = [1, 4, 16, 64, 256];
const INSERT: &str = "INSERT INTO contacts (id, alias, msisdn, meta, updated_on, checksum) VALUES (?1, ?2, ?3, ?4, ?5, -1)";
/// As every transaction of the product that adds contacts.
const ADD_COUNT: &str = "UPDATE counters SET value = value + ?1 WHERE name = 'contacts'";

pub(crate) fn run(bench: &mut Bench, measured: &[Measured]) -> Outcome<Section> {
    let seed = bench.seed(MILLION)?;
    let mut rates: Vec<Vec<f64>> = BATCHES.iter().map(|_| Vec::new()).collect();
    for round in 1..=bench.rounds {
        for (rows, rates) in BATCHES.iter().zip(&mut rates) {
            let copy = seed.copy(bench.work(), "plain")?;
            let nonce = bench.nonce();
            let time = Duration::from_secs(bench.seconds.div_ceil(2));
            let rate = insert(&copy.book, *rows, time, &nonce)?;
            eprintln!("round {round}  plain SQLite: {rate:.0} rows/s by {rows}");
            rates.push(rate);
        }
    }
    let mut text =
        "Inserts into a copy of the book of 1,000,000 in one process by one connection, \
        with the product's schema, settings and build of SQLite; each transaction synced.\n\n\
        | rows a transaction | rows/s (least–most) |\n|---|---|\n"
            .to_owned();
    for (rows, rates) in BATCHES.iter().zip(&rates) {
        let (least, most) = spread(rates.iter().copied());
        let rate = median(rates.iter().copied());
        text += &format!("| {rows} | {rate:.0} ({least:.0}–{most:.0}) |\n");
    }
    for measured in measured {
        let case = measured.case;
        let rows = match case.operation {
            Operation::Create => 1,
            Operation::Bulk => ITEMS,
            _ => continue,
        };
        if case.contacts == MILLION {
            let rate = rows as f64 * measured.median(|sample| sample.servers[0].rate);
            text += &format!("| the server, `{}` | {rate:.0} |\n", case.name());
        }
    }
    Ok(Section {
        title: "Plain SQLite".to_owned(),
        text,
        targets: Vec::new(),
    })
}

/// Inserts for `time`; answers rows a second.
fn insert(book: &Path, rows: u64, time: Duration, nonce: &str) -> Outcome<f64> {
    check_schema()?;
    let mut connection = Connection::open(book)?;
    // As in `src/store/sqlite/database.rs`.
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let mut number = 0;
    let begun = Instant::now();
    while begun.elapsed() < time {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let updated_on = i64::try_from(now.as_millis())?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for _ in 0..rows {
                number += 1;
                let [alias, msisdn, meta] = fields(nonce, number);
                let id = Uuid::now_v7();
                insert.execute(params![&id.as_bytes()[..], alias, msisdn, meta, updated_on])?;
            }
            transaction
                .prepare_cached(ADD_COUNT)?
                .execute([rows as i64])?;
        }
        transaction.commit()?;
    }
    Ok(number as f64 / begun.elapsed().as_secs_f64())
}

/// What is inserted here has to be what the product's schema takes.
fn check_schema() -> Outcome<()> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(SCHEMA)?;
    connection.prepare(INSERT)?;
    connection.prepare(ADD_COUNT)?;
    Ok(())
}
