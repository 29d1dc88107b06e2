//! An answer on its way: it keeps its connection's time while it is sent, counts
//! against the budget of what waits in memory, and ends with the key that asked for it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use super::admission::KeyWatch;
use super::connections::Connection;
use super::metrics::InFlight;
use super::shares::Place;
use crate::budget::Held;

/// Bytes of an answer that a client has the limit `answer_wait` to take.
const SLICE_BYTES_MAX: usize = 64 * 1024;
/// Bytes a second that a whole answer has to be taken at, once it takes longer
/// than [`SLOW_AFTER`].
const RATE_MIN: u64 = 16 * 1024;
const SLOW_AFTER: Duration = Duration::from_secs(60);

/// What an answer on its way takes of the budget and of its address's share, and its
/// place among the requests in flight.
pub(crate) type Holding = (Option<Held>, Option<Place>, Option<InFlight>);

/// An answer's body, handed out in slices, each of which has to be taken within
/// the limit `answer_wait`.
pub(crate) struct TimedBody {
    body: BoxBody,
    /// What is left of the chunk that is being handed out.
    chunk: Bytes,
    connection: Option<Rc<Connection>>,
    closing: bool,
    begun: Option<Instant>,
    handed_out: u64,
    _held: Holding,
    watch: Option<KeyWatch>,
}

impl TimedBody {
    /// `closing` where the request's body was not read: the connection ends. With
    /// `watch` no slice but the first goes out once the key is not good any more.
    pub(crate) fn new(
        body: BoxBody,
        connection: Option<Rc<Connection>>,
        closing: bool,
        held: Holding,
        watch: Option<KeyWatch>,
    ) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            connection,
            closing,
            begun: None,
            handed_out: 0,
            _held: held,
            watch,
        }
    }

    /// Whether the client takes it more slowly than it has to.
    fn is_too_slow(&self) -> bool {
        let elapsed = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        elapsed > SLOW_AFTER && self.handed_out / elapsed.as_secs() < RATE_MIN
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.answered(self.closing);
        }
    }
}

impl MessageBody for TimedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.handed_out > 0
            && let Some(watch) = &mut self.watch
        {
            match watch.poll_look(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(Box::new(error)))),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.chunk.is_empty() {
            match Pin::new(&mut self.body).poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => self.chunk = chunk,
                other => return other,
            }
        }
        let slice_bytes = self.chunk.len().min(SLICE_BYTES_MAX);
        let slice = self.chunk.split_to(slice_bytes);
        if self.chunk.is_empty() && self.handed_out == 0 {
            // The only slice, as of most answers: nothing has to be timed.
        } else {
            self.begun.get_or_insert_with(Instant::now);
        }
        self.handed_out += slice_bytes as u64;
        if let Some(connection) = &self.connection {
            if self.is_too_slow() {
                connection.end();
            }
            connection.stay(connection.limits().answer_wait);
        }
        Poll::Ready(Some(Ok(slice)))
    }
}
