//! How long a connection may go without a request. actix limits the first head
//! of a connection alone; a later head that never ends, an answer that nobody
//! reads and an endless body behind a refusal would hold it for ever.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest};
use actix_web::rt;
use actix_web::web::Bytes;
use socket2::SockRef;

use super::limits::Limits;

/// Bytes of an answer that a client has the limit `idle` to take.
const SLICE_BYTES_MAX: usize = 64 * 1024;
/// How often connections beyond their deadline are reaped.
const REAP_EVERY: Duration = Duration::from_millis(250);
/// Stands for: a request is running, which has limits of its own.
const NEVER: u64 = u64::MAX;

/// Every open connection.
pub(crate) struct Connections {
    begun: Instant,
    limits: Limits,
    open: Mutex<Vec<Weak<Connection>>>,
}

/// One connection: a second handle on its socket, and its deadline.
pub(crate) struct Connection {
    socket: TcpStream,
    begun: Instant,
    limits: Limits,
    deadline_ms: AtomicU64,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            limits,
            open: Mutex::default(),
        })
    }

    /// Remembers a connection that was accepted.
    pub(crate) fn enter(&self, stream: &dyn Any, extensions: &mut Extensions) {
        let duplicate = stream
            .downcast_ref::<rt::net::TcpStream>()
            .and_then(|stream| stream.as_fd().try_clone_to_owned().ok());
        let Some(socket) = duplicate else { return };
        let connection = Arc::new(Connection {
            socket: TcpStream::from(socket),
            begun: self.begun,
            limits: self.limits,
            deadline_ms: AtomicU64::new(NEVER),
        });
        connection.stay(self.limits.idle);
        self.lock().push(Arc::downgrade(&connection));
        extensions.insert(connection);
    }

    /// Ends what is beyond its deadline, again and again.
    pub(crate) async fn reap(self: Arc<Self>) {
        loop {
            rt::time::sleep(REAP_EVERY).await;
            let now_ms = elapsed_ms(self.begun);
            self.lock().retain(|connection| {
                let Some(connection) = connection.upgrade() else {
                    return false;
                };
                if connection.deadline_ms.load(Ordering::Relaxed) < now_ms {
                    connection.end();
                }
                true
            });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// The connection of `request`, on which a request now runs.
    pub(crate) fn of(request: &ServiceRequest) -> Option<Arc<Self>> {
        let connection = request.request().conn_data::<Arc<Self>>()?;
        connection.deadline_ms.store(NEVER, Ordering::Relaxed);
        Some(Arc::clone(connection))
    }

    /// Ends it as actix will notice, and by a reset (tcp(7), `SO_LINGER`): with less
    /// the system would go on offering an answer that nobody takes, and leave a
    /// client that waits for room to write without a word.
    fn end(&self) {
        // It may have ended by itself in this very moment.
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn stay(&self, duration: Duration) {
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(NEVER);
        let deadline_ms = elapsed_ms(self.begun).saturating_add(duration_ms);
        self.deadline_ms.store(deadline_ms, Ordering::Relaxed);
    }
}

fn elapsed_ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(NEVER)
}

/// An answer's body, which keeps the connection's time while it is sent: handed
/// out in slices, each of which has to be taken within the limit `idle`.
pub(crate) struct TimedBody {
    body: BoxBody,
    /// What is left of the chunk that is being handed out.
    chunk: Bytes,
    connection: Option<Arc<Connection>>,
    closing: bool,
}

impl TimedBody {
    /// `closing` where the request's body was not read: the connection ends.
    pub(crate) fn new(body: BoxBody, connection: Option<Arc<Connection>>, closing: bool) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            connection,
            closing,
        }
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            let Limits { refused, idle, .. } = connection.limits;
            connection.stay(if self.closing { refused } else { idle });
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
        if self.chunk.is_empty() {
            match Pin::new(&mut self.body).poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => self.chunk = chunk,
                other => return other,
            }
        }
        let slice_bytes = self.chunk.len().min(SLICE_BYTES_MAX);
        let slice = self.chunk.split_to(slice_bytes);
        if let Some(connection) = &self.connection {
            connection.stay(connection.limits.idle);
        }
        Poll::Ready(Some(Ok(slice)))
    }
}
