//! Imports and exports on their way: slow, hanging, broken off, many at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use addressbook::bulk::BulkMode;
use addressbook::transfer::{Encoding, Format, Reading, Rows};

use crate::book::Book;
use crate::harness::{Reply, is_skipped};
use crate::transfer::{CSV, NDJSON, counts, export, file_of, import};

/// An import that is being sent, chunk by chunk.
pub(super) struct Upload(TcpStream);

impl Upload {
    pub(super) fn begin(book: &Book, key: &str, content_type: &str, query: &str) -> Self {
        let by_key = format!("Authorization: Bearer {key}");
        Self::begin_by(book, &by_key, content_type, query)
    }

    /// Begins one that these lines of its head let in.
    pub(super) fn begin_by(book: &Book, pass: &str, content_type: &str, query: &str) -> Self {
        let mut stream = book.server.connect();
        write!(
            stream,
            "POST /contacts/import{query} HTTP/1.1\r\nHost: x\r\n{pass}\r\nContent-Type: {content_type}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        .unwrap();
        Self(stream)
    }

    pub(super) fn send(&mut self, text: &str) {
        write!(self.0, "{:x}\r\n{text}\r\n", text.len()).unwrap();
    }

    /// Ends the body and reads the answer.
    pub(super) fn answer(mut self) -> String {
        let _ = self.0.write_all(b"0\r\n\r\n");
        self.read()
    }

    pub(super) fn read(mut self) -> String {
        let mut answer = Vec::new();
        // A reset after the answer is an end as well.
        let _ = self.0.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}

fn key(book: &Book) -> String {
    book.server.key(&["create:Contacts", "read:Contacts"])
}

#[test]
fn a_file_that_stops_arriving_is_cut_off_and_what_was_stored_stays() {
    let chunk_wait = Duration::from_millis(500);
    let book = Book::start_with(&["--limit", "chunk_wait=500ms"]);
    let key = key(&book);
    let file = file_of("c", 700);
    let mut upload = Upload::begin(&book, &key, CSV, "");
    upload.send(&file);
    let begun = Instant::now();
    let answer = upload.read();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("Rows up to line 501 are dealt with, for those behind them: Request body did not arrive in time"), "{answer}");
    assert!(
        answer.contains(r#""summary":{"total":500,"created":500,"#),
        "{answer}"
    );
    assert!(begun.elapsed() >= chunk_wait.mul_f32(0.8));
    assert_eq!(book.server.stored(), 500);
}

#[test]
fn a_slow_file_has_its_time_for_each_chunk() {
    let book = Book::start_with(&["--limit", "chunk_wait=1s"]);
    let key = key(&book);
    let mut upload = Upload::begin(&book, &key, CSV, "");
    for piece in ["alias,msi", "sdn\na,1234567\nb,12345", "67\n"] {
        upload.send(piece);
        // Together longer than one chunk may take.
        std::thread::sleep(Duration::from_millis(400));
    }
    let answer = upload.answer();
    assert!(answer.contains(r#""created":2"#), "{answer}");
}

#[test]
fn a_file_that_breaks_off_leaves_whole_batches_and_no_half_row() {
    let book = Book::start();
    let key = key(&book);
    let mut upload = Upload::begin(&book, &key, CSV, "");
    let file = file_of("c", 600);
    upload.send(&file[..file.len() - 4]);
    while book.server.stored() < 500 {
        std::thread::yield_now();
    }
    drop(upload);
    // Its permit is free again once it has ended.
    for round in 0..3 {
        let next = import(&book, "", CSV, file_of(&round.to_string(), 1));
        assert_eq!(counts(&next), [1, 1, 0, 0, 0]);
    }
    assert_eq!(book.server.stored(), 503);
}

#[test]
fn a_length_that_lies_is_no_end() {
    let book = Book::start();
    let key = key(&book);
    let mut stream = book.server.connect();
    write!(
        stream,
        "POST /contacts/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\nContent-Length: 100\r\n\r\nalias,msisdn\na,1234567\n"
    )
    .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("success\":true"));
    assert_eq!(book.server.stored(), 0);
}

#[test]
fn a_key_has_four_imports_at_once_and_another_key_has_some_of_its_own() {
    let book = Book::start();
    let key = key(&book);
    let running = [0, 1, 2, 3].map(|n| {
        let mut upload = Upload::begin(&book, &key, CSV, "");
        upload.send(&file_of(&n.to_string(), 500));
        upload
    });
    while book.server.stored() < 2_000 {
        std::thread::yield_now();
    }
    let refused = book
        .server
        .call("POST", "/contacts/import")
        .key(&key)
        .header("Content-Type", CSV)
        .body(file_of("c", 1))
        .send();
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.message(),
        "Too many imports are under way, nothing was stored, try again"
    );
    assert_eq!(refused.header("retry-after"), "1");
    let others = import(&book, "", CSV, file_of("c", 1));
    assert_eq!(counts(&others), [1, 1, 0, 0, 0]);
    for upload in running {
        assert!(upload.answer().contains(r#""created":500"#));
    }
    let again = Upload::begin(&book, &key, CSV, "");
    assert!(again.answer().starts_with("HTTP/1.1 400 "), "an empty file");
}

#[test]
fn a_connection_serves_on_behind_an_import() {
    let book = Book::start();
    let agent = crate::harness::agent();
    let send = || -> Reply {
        let call = book.call("POST", "/import?mode=upsert").by(&agent);
        call.header("Content-Type", CSV)
            .body(file_of("c", 3))
            .send()
    };
    assert_eq!(send().header("connection"), "");
    assert_eq!(counts(&send()), [3, 0, 0, 3, 0]);
    let refused = import(&book, "", CSV, "x");
    assert_eq!(
        (refused.status, refused.header("connection")),
        (400, "close")
    );
}

#[test]
fn an_export_under_writes_is_one_state() {
    let book = Book::start();
    // Each batch of this file is one transaction of 500 contacts with one number.
    let state = |n: usize| -> String {
        let rows = (0..500).map(|row| format!("c{row},{},{n}\n", 15_550_000_000 + n as u64));
        format!("alias,msisdn,n\n{}", rows.collect::<String>())
    };
    import(&book, "?mode=upsert", CSV, state(0));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for n in 1..20 {
                let stored = import(&book, "?mode=upsert", CSV, state(n));
                assert_eq!(counts(&stored), [500, 0, 500, 0, 0]);
            }
        });
        while !writing.is_finished() {
            for format in [CSV, NDJSON] {
                let file = export(&book, format).body;
                let numbers: std::collections::HashSet<&str> = file
                    .lines()
                    .filter_map(|line| line.find("1555").map(|at| &line[at..at + 11]))
                    .collect();
                assert_eq!(numbers.len(), 1, "{numbers:?}");
            }
        }
        writing.join().unwrap();
    });
}

#[test]
fn a_slow_reader_of_an_export_does_not_keep_the_wal_from_being_reset() {
    if is_skipped("WAL of the book alone") {
        return;
    }
    let book = Book::start();
    let cell = "x".repeat(10_000);
    let rows: String = (0..800)
        .map(|n| format!("c{n},15550000000,{cell}\n"))
        .collect();
    import(&book, "", CSV, format!("alias,msisdn,x\n{rows}"));
    let key = key(&book);
    let mut stream = book.server.connect();
    write!(stream, "GET /contacts/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    // Eight megabytes are more than the sockets' buffers: it has not ended.
    book.contact_of("meanwhile", "15550000000");
    let file = book.server.open_file();
    let (blocked, wal_pages): (bool, i64) = file
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((blocked, wal_pages), (false, 0));
    let mut answer = String::new();
    reader.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.matches("15550000000").count(), 800);
    assert!(!answer.contains("meanwhile"));
}

#[test]
fn a_head_in_tiny_pieces_takes_time_in_proportion_to_its_size() {
    // A column's name of many lines, which come one by one.
    let reading = Reading {
        format: Format::Csv,
        encoding: Encoding::Utf8,
        mode: BulkMode::Create,
        keeps_raw: false,
    };
    let took = |lines: usize| {
        let file = format!("alias,msisdn,\"a{}b\"\n", "\n".repeat(lines));
        let times = (0..3).map(|_| {
            let begun = Instant::now();
            let input = BufReader::with_capacity(1, file.as_bytes());
            // Its name is refused, once it is read to its end.
            assert!(Rows::open(input, reading).is_err());
            begun.elapsed()
        });
        times.min().expect("three times")
    };
    let (one, four) = (took(10_000), took(40_000));
    assert!(four < 10 * one, "{one:?}, four times as much {four:?}");
}
