//! Receives a body that is larger than memory: chunk by chunk, each within a
//! time, as fast as they are taken on the other side.

use std::future::poll_fn;
use std::io::{self, BufRead, Read};
use std::pin::Pin;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::body::{BodyStream, MessageBody};
use actix_web::web::{self, Bytes};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::body::check_head;
use super::envelope::Refusal;
use crate::http::gate::state::State;
use crate::invalid::Invalid;
use crate::transfer::Format;

/// Bytes of a file that is imported.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Bytes a second that a whole file has to arrive at, once it takes longer than
/// [`SLOW_AFTER`].
const RATE_MIN: u64 = 4 * 1024;
const SLOW_AFTER: Duration = Duration::from_secs(60);
/// Chunks that are received and wait to be parsed.
const CHUNKS_MAX: usize = 4;

/// What the formats are called; the first of each is the one that we answer with.
pub(crate) const MEDIA_TYPES: [(&str, Format); 6] = [
    ("text/csv", Format::Csv),
    ("application/csv", Format::Csv),
    ("application/x-ndjson", Format::Ndjson),
    ("application/ndjson", Format::Ndjson),
    ("application/jsonl", Format::Ndjson),
    ("application/json-lines", Format::Ndjson),
];

/// How a message names them.
pub(crate) const WANTED: &str = "text/csv or application/x-ndjson";

/// A file that is being received.
pub(crate) struct Upload {
    body: BodyStream<web::Payload>,
    chunk_wait: Duration,
    file_wait: Duration,
}

impl Upload {
    /// Looks at the head alone.
    ///
    /// # Errors
    /// `MediaType`, `ContentEncoding`, `BodyTooLarge`.
    pub(crate) fn begin(
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<(Format, Self), Refusal> {
        let types: Vec<&str> = MEDIA_TYPES.iter().map(|(name, _)| *name).collect();
        let place = check_head(request, &types, WANTED, FILE_BYTES_MAX)?;
        let (_, format) = MEDIA_TYPES[place];
        let limits = State::of(request)?.limits();
        let upload = Self {
            body: BodyStream::new(payload),
            chunk_wait: limits.chunk_wait,
            file_wait: limits.file_wait,
        };
        Ok((format, upload))
    }

    /// Passes the whole body on, and then its end; no end where nobody takes it
    /// any more.
    ///
    /// # Errors
    /// `BodyTooSlow`, `BodyTooLarge`, `BodyUnreadable`: then, too, no end.
    pub(crate) async fn receive(mut self, chunks: mpsc::Sender<Bytes>) -> Result<(), Refusal> {
        let began = Instant::now();
        let mut bytes = 0;
        let mut wait_left = self.file_wait;
        loop {
            let next = poll_fn(|context| Pin::new(&mut self.body).poll_next(context));
            let begun = Instant::now();
            let next = timeout(self.chunk_wait.min(wait_left), next).await;
            wait_left = wait_left.saturating_sub(begun.elapsed());
            let chunk = match next.map_err(|_| Refusal::BodyTooSlow)? {
                Some(chunk) => chunk.map_err(|_| Invalid::BodyUnreadable)?,
                None => Bytes::new(),
            };
            let ends = chunk.is_empty();
            bytes += chunk.len();
            if is_too_slow(bytes, began.elapsed()) {
                return Err(Refusal::BodyTooSlow);
            }
            if bytes > FILE_BYTES_MAX {
                return Err(Refusal::BodyTooLarge {
                    bytes_max: FILE_BYTES_MAX,
                });
            }
            if chunks.send(chunk).await.is_err() || ends {
                return Ok(());
            }
        }
    }
}

/// Whether a file comes more slowly than it has to.
fn is_too_slow(bytes: usize, elapsed: Duration) -> bool {
    elapsed > SLOW_AFTER && (bytes as u64) / elapsed.as_secs() < RATE_MIN
}

/// The way from receiving to parsing.
pub(crate) fn channel() -> (mpsc::Sender<Bytes>, Received) {
    let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
    let received = Received {
        chunks,
        chunk: Bytes::new(),
        ended: false,
    };
    (sender, received)
}

/// What was received, for a thread that may block. A body that breaks off is an
/// error and never an end: half a row must not be taken for a row.
pub(crate) struct Received {
    chunks: mpsc::Receiver<Bytes>,
    chunk: Bytes,
    ended: bool,
}

impl BufRead for Received {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() && !self.ended {
            let broken = || io::Error::from(io::ErrorKind::ConnectionAborted);
            self.chunk = self.chunks.blocking_recv().ok_or_else(broken)?;
            self.ended = self.chunk.is_empty();
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, bytes: usize) {
        let _ = self.chunk.split_to(bytes);
    }
}

impl Read for Received {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}
