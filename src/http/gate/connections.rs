//! Every open connection, with its deadline and its gate: how long it may go without
//! a request, and what of it may pass to the parser.

use std::cell::RefCell;
use std::io::Write;
use std::mem;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use actix_web::dev::ServiceRequest;
use actix_web::{HttpRequest, rt};
use socket2::SockRef;

use super::framing::{Framing, Head, Phase};
use super::limits::Limits;
use super::shares::{Place, Shares};
use crate::bucket::{Buckets, Rate};
use crate::error::Error;
use crate::moment::Moment;

/// How often connections beyond their deadline are reaped.
const REAP_EVERY: Duration = Duration::from_millis(250);
/// How often it is said that an address has its share.
const ONCE_A_MINUTE: Rate = Rate {
    burst: 1,
    per_minute: 1,
};
/// The interim answer to `Expect: 100-continue`.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Stands for: a request is running, which has limits of its own.
const NEVER: u64 = u64::MAX;

/// Every open connection.
pub(crate) struct Connections {
    begun: Instant,
    limits: Limits,
    shares: Arc<Shares>,
    warnings: Buckets<()>,
    open: Mutex<Vec<Weak<Deadline>>>,
}

/// A second handle on a socket, and until when it may stay open.
struct Deadline {
    socket: TcpStream,
    begun: Instant,
    at_ms: AtomicU64,
    /// Wakes what serves the connection.
    task: OnceLock<Waker>,
}

/// One connection, as its worker knows it.
pub(crate) struct Connection {
    /// None where the system has no second handle to give.
    deadline: Option<Arc<Deadline>>,
    /// What is written past its stream would break it.
    is_encrypted: bool,
    limits: Limits,
    gate: RefCell<Gate>,
    /// Of a trusted proxy: where the requests that it forwards are counted.
    forwarded: Option<Arc<Shares>>,
    _place: Place,
}

struct Gate {
    phase: Phase,
    /// The request that runs is the last: its client says so.
    is_last: bool,
    /// The client waits for a `100 Continue`.
    expects_continue: bool,
    /// It is to be sent by the connection's stream.
    owes_continue: bool,
    /// Who waits until more may pass.
    reader: Option<Waker>,
}

impl Connections {
    pub(crate) fn new(limits: Limits, connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            limits,
            shares: Shares::new(connections_max),
            warnings: Buckets::new(1),
            open: Mutex::default(),
        })
    }

    /// Takes in a connection that was accepted from `address`, or from a trusted
    /// proxy; none where the address has its share. What is encrypted takes its
    /// handshake as a connection already.
    pub(crate) fn enter(
        &self,
        stream: &rt::net::TcpStream,
        address: Option<IpAddr>,
        is_encrypted: bool,
    ) -> Option<Rc<Connection>> {
        let place = self.shares.connection(address);
        if place.is_none() && self.warnings.take((), ONCE_A_MINUTE, Moment::now()).taken {
            log::warn!(address:? = address; "connections are short, and an address has its share");
        }
        let place = place?;
        let duplicate = stream.as_fd().try_clone_to_owned().ok();
        let deadline = duplicate.map(|socket| {
            Arc::new(Deadline {
                socket: TcpStream::from(socket),
                begun: self.begun,
                at_ms: AtomicU64::new(NEVER),
                task: OnceLock::new(),
            })
        });
        let connection = Connection {
            deadline,
            is_encrypted,
            limits: self.limits,
            forwarded: address.is_none().then(|| Arc::clone(&self.shares)),
            _place: place,
            gate: RefCell::new(Gate {
                phase: Phase::Head(Head::default()),
                is_last: false,
                expects_continue: false,
                owes_continue: false,
                reader: None,
            }),
        };
        connection.stay(self.limits.idle);
        self.lock()
            .extend(connection.deadline.as_ref().map(Arc::downgrade));
        Some(Rc::new(connection))
    }

    /// Ends what is beyond its deadline, again and again.
    pub(crate) async fn reap(self: Arc<Self>) {
        loop {
            rt::time::sleep(REAP_EVERY).await;
            let now_ms = elapsed_ms(self.begun);
            self.lock().retain(|deadline| {
                let Some(deadline) = deadline.upgrade() else {
                    return false;
                };
                if deadline.at_ms.load(Ordering::Relaxed) < now_ms {
                    deadline.end();
                }
                true
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Deadline>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deadline {
    fn after_ms(&self, duration: Duration) -> u64 {
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(NEVER);
        elapsed_ms(self.begun).saturating_add(duration_ms)
    }

    /// Ends the connection as actix will notice, and by a reset (tcp(7),
    /// `SO_LINGER`): with less the system would go on offering an answer that
    /// nobody takes, and leave a client that waits for room to write without a word.
    fn end(&self) {
        // It may have ended by itself in this very moment.
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        let _ = self.socket.shutdown(Shutdown::Both);
        self.wake();
    }

    /// Has the connection served on, even where nothing of its socket is waited for:
    /// behind an answer, actix-http waits for nothing while a body that nobody took
    /// fills its buffer.
    fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

impl Connection {
    /// Whether `request` came over TLS that ends here.
    pub(super) fn is_encrypted(request: &HttpRequest) -> bool {
        let connection = request.conn_data::<Rc<Self>>();
        connection.is_some_and(|connection| connection.is_encrypted)
    }

    /// The connection of `request`, whose clock stops: a running request has
    /// limits of its own. The gate learns what follows its head, and whether the
    /// client wants it to be the last.
    pub(crate) fn of(
        request: &ServiceRequest,
        framing: Framing,
        is_last: bool,
    ) -> Option<Rc<Self>> {
        let connection = request.request().conn_data::<Rc<Self>>()?;
        if let Some(deadline) = &connection.deadline {
            deadline.at_ms.store(NEVER, Ordering::Relaxed);
        }
        connection.gate.borrow_mut().is_last = is_last;
        connection.body_passed(framing);
        if framing != Framing::Length(0) {
            connection.wake_reader();
        }
        Some(Rc::clone(connection))
    }

    /// Tells a client that waits for it to send the body of `request` (RFC 9110,
    /// section 10.1.1): the key is checked, and the body is wanted.
    pub(crate) fn ask_for_body(request: &HttpRequest) {
        let Some(connection) = request.conn_data::<Rc<Self>>() else {
            return;
        };
        let expected = mem::take(&mut connection.gate.borrow_mut().expects_continue);
        if expected && connection.is_encrypted {
            connection.gate.borrow_mut().owes_continue = true;
            connection.wake_reader();
            if let Some(deadline) = &connection.deadline {
                deadline.wake();
            }
        } else if let (true, Some(deadline)) = (expected, &connection.deadline) {
            // Nothing else is being written: the answer before this request was
            // taken. Where it does not go out, the client sends its body at last.
            let _ = (&deadline.socket).write(CONTINUE);
        }
    }

    /// Whether a `100 Continue` is to be sent by the connection's stream, once.
    pub(super) fn takes_continue(&self) -> bool {
        mem::take(&mut self.gate.borrow_mut().owes_continue)
    }

    /// Counts a request by the `client` that a trusted proxy names; what comes from
    /// anybody else is counted by its connection.
    ///
    /// # Errors
    /// `Busy` where the address has its share.
    pub(super) fn count_request(
        &self,
        client: impl FnOnce() -> IpAddr,
    ) -> Result<Option<Place>, Error> {
        let Some(shares) = &self.forwarded else {
            return Ok(None);
        };
        shares.request(client()).map(Some).ok_or(Error::Busy)
    }

    /// The limits of this server.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Learns who serves the connection, which is always the same task.
    pub(super) fn is_served_by(&self, task: &Waker) {
        if let Some(deadline) = &self.deadline {
            deadline.task.get_or_init(|| task.clone());
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.gate.borrow().phase
    }

    /// A part of a head has passed, perhaps its end. Its clock begins with its
    /// first byte.
    pub(super) fn head_passed(&self, head: Head, ends: bool) {
        let mut gate = self.gate.borrow_mut();
        let began = matches!(gate.phase, Phase::Head(before) if !before.has_begun());
        gate.phase = if ends { Phase::Told } else { Phase::Head(head) };
        gate.expects_continue = head.expects_continue();
        if !ends && began && head.has_begun() {
            self.stay_at_most(self.limits.head_wait);
        }
    }

    /// What is left of the body of the running request.
    pub(super) fn body_passed(&self, left: Framing) {
        self.gate.borrow_mut().phase = match left {
            Framing::Length(0) => Phase::Answering,
            Framing::Length(_) | Framing::Chunked(_) => Phase::Body(left),
        };
    }

    /// Whoever reads is woken once more may pass.
    pub(super) fn wake_when_more_passes(&self, reader: &Waker) {
        self.gate.borrow_mut().reader = Some(reader.clone());
    }

    /// The answer was made: the next head may pass. With `closing` the rest of a
    /// body that was not read is thrown away.
    pub(super) fn answered(&self, closing: bool) {
        let mut gate = self.gate.borrow_mut();
        // What was not asked for by now must not stand behind the answer.
        gate.owes_continue = false;
        gate.phase = if closing {
            Phase::Ending
        } else if gate.is_last {
            Phase::Closed
        } else {
            Phase::Head(Head::default())
        };
        drop(gate);
        let Limits { refused, idle, .. } = self.limits;
        self.stay(if closing { refused } else { idle });
        self.wake_reader();
        if let (true, Some(deadline)) = (closing, &self.deadline) {
            deadline.wake();
        }
    }

    fn wake_reader(&self) {
        let reader = self.gate.borrow_mut().reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The client takes nothing of what is written, or takes it again. What is left
    /// of an answer that was made has a time; while one is made, its slices have.
    pub(super) fn note_blocked(&self, is_blocked: bool) {
        let made = matches!(self.phase(), Phase::Head(_) | Phase::Closed);
        match (made, is_blocked) {
            (true, true) => self.stay_at_most(self.limits.answer_wait),
            (true, false) => self.stay(self.limits.idle),
            (false, _) => {}
        }
    }

    pub(super) fn stay(&self, duration: Duration) {
        let Some(deadline) = &self.deadline else {
            return;
        };
        let at_ms = deadline.after_ms(duration);
        deadline.at_ms.store(at_ms, Ordering::Relaxed);
    }

    /// The same, but never later than it would end already.
    fn stay_at_most(&self, duration: Duration) {
        if let Some(deadline) = &self.deadline {
            let at_ms = deadline.after_ms(duration);
            deadline.at_ms.fetch_min(at_ms, Ordering::Relaxed);
        }
    }

    /// Ends the connection at once.
    pub(super) fn end(&self) {
        if let Some(deadline) = &self.deadline {
            deadline.end();
        }
    }
}

fn elapsed_ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(NEVER)
}
