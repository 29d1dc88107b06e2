//! The gate in front of the HTTP parser. actix-http decodes whatever is there and
//! answers it into memory, however much that is; so it is handed one request at a
//! time: the next head only once the answer before it was made and taken.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::{CONTINUE, Connection};
use super::framing::{Framing, Phase};
use super::transport::Transport;

/// Bytes that are read at once while a head is looked for; what is behind the
/// head waits, and nothing more is read until then.
const READ_BYTES: usize = 4096;

thread_local! {
    /// Where bytes are looked at before they are handed on.
    static SCRATCH: RefCell<[u8; READ_BYTES]> = const { RefCell::new([0; READ_BYTES]) };
}

/// A connection's stream, read through its gate.
pub(crate) struct GatedStream {
    stream: Transport,
    connection: Rc<Connection>,
    /// What was read and may not pass yet.
    ahead: Vec<u8>,
    /// The client does not take what is written.
    blocked: bool,
    /// Who wanted to read while that was so.
    reader: Option<Waker>,
}

impl GatedStream {
    pub(crate) fn new(stream: Transport, connection: Rc<Connection>) -> Self {
        Self {
            stream,
            connection,
            ahead: Vec::new(),
            blocked: false,
            reader: None,
        }
    }

    pub(crate) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Hands on what `take` says of the bytes that are there, or that come now.
    fn pass(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        take: impl FnOnce(&mut [u8]) -> usize,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let seen = self.ahead.len().min(into.remaining());
            let passed = take(&mut self.ahead[..seen]);
            into.put_slice(&self.ahead[..passed]);
            self.ahead.drain(..passed);
            return Poll::Ready(Ok(()));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let room = scratch.len().min(into.remaining());
            let mut read = ReadBuf::new(&mut scratch[..room]);
            let polled = Pin::new(&mut self.stream).poll_read(context, &mut read);
            if let Poll::Ready(Ok(())) = polled {
                let bytes = read.filled_mut();
                let passed = take(bytes);
                into.put_slice(&bytes[..passed]);
                self.ahead.extend_from_slice(&bytes[passed..]);
            }
            polled
        })
    }

    /// Hands nothing on, but hears of the client's end. What comes meanwhile waits.
    fn pass_nothing(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            let polled = self.pass(context, into, |_| 0);
            if polled.is_pending() || self.ahead.is_empty() {
                return polled;
            }
        }
        self.connection.wake_when_more_passes(context.waker());
        Poll::Pending
    }

    /// Sends the `100 Continue` that is due, where it has to be encrypted. Where it does
    /// not go out, the client sends its body at last.
    fn ask_for_body(&mut self, context: &mut Context<'_>) {
        if self.stream.is_tls() && self.connection.takes_continue() {
            // Nothing else is being written: the answer before this request was taken.
            let written = Pin::new(&mut self.stream).poll_write(context, CONTINUE);
            if written.is_ready() {
                let _ = Pin::new(&mut self.stream).poll_flush(context);
            }
        }
    }

    /// Notes that the client takes what is written, or does not.
    fn note_write<T>(&mut self, polled: &Poll<io::Result<T>>) {
        if polled.is_pending() == self.blocked {
            return;
        }
        self.blocked = polled.is_pending();
        self.connection.note_blocked(self.blocked);
        if let (false, Some(reader)) = (self.blocked, self.reader.take()) {
            reader.wake();
        }
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.is_served_by(context.waker());
        this.ask_for_body(context);
        match this.connection.phase() {
            Phase::Head(_) if this.blocked => {
                this.reader = Some(context.waker().clone());
                Poll::Pending
            }
            Phase::Head(mut head) => {
                let mut ends = false;
                let polled = this.pass(context, into, |bytes| {
                    let (count, found) = head.take(bytes);
                    ends = found;
                    count
                });
                if polled.is_ready() {
                    this.connection.head_passed(head, ends);
                }
                polled
            }
            Phase::Body(Framing::Length(left)) => {
                // Most of a body goes where it belongs without being looked at.
                if this.ahead.is_empty() && left >= into.remaining() as u64 {
                    let before = into.filled().len();
                    let polled = Pin::new(&mut this.stream).poll_read(context, into);
                    let count = (into.filled().len() - before) as u64;
                    this.connection.body_passed(Framing::Length(left - count));
                    return polled;
                }
                let mut left = left;
                let polled = this.pass(context, into, |bytes| {
                    let count =
                        usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    left -= count as u64;
                    count
                });
                this.connection.body_passed(Framing::Length(left));
                polled
            }
            Phase::Body(Framing::Chunked(mut chunks)) => {
                let mut ends = false;
                let polled = this.pass(context, into, |bytes| {
                    let (count, found) = chunks.take(bytes);
                    ends = found;
                    count
                });
                this.connection.body_passed(if ends {
                    Framing::Length(0)
                } else {
                    Framing::Chunked(chunks)
                });
                polled
            }
            Phase::Ending => this.pass(context, into, |bytes| bytes.len()),
            Phase::Told | Phase::Answering | Phase::Closed => this.pass_nothing(context, into),
        }
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.note_write(&polled);
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // TLS has a buffer of its own, which a client that takes nothing leaves full.
        let polled = Pin::new(&mut this.stream).poll_flush(context);
        this.note_write(&polled);
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
