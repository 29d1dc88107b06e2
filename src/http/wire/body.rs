//! Reads a JSON body: its content type, its bytes within a size and a time, and
//! its members by name.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::envelope::Refusal;
use crate::error::Error;
use crate::fields::fields_of;
use crate::http::gate::observe::BodyRead;
use crate::invalid::Invalid;

/// What every body with fields is.
const JSON: &str = "application/json";
/// How long a body may take to arrive; less than a stopping server waits, so
/// that the client gets its answer.
const BODY_WAIT_MAX: Duration = Duration::from_secs(7);

/// Bytes up to which a body is small: it is read as it comes.
const SMALL_BODY_BYTES: u64 = 64 * 1024;
/// Requests whose bodies may be large that are read and answered at once; parsed,
/// a body takes several times its bytes.
const LARGE_BODIES_MAX: usize = 4;
/// Bodies that are taken apart at once, each on a thread of its own: more would
/// only share the processors, and what a thread frees stays with it.
const OFF_THE_WORKER_MAX: usize = 2;
/// How long either waits for its turn; that of a large body is a part of
/// [`BODY_WAIT_MAX`].
const TURN_WAIT_MAX: Duration = Duration::from_secs(4);

static TURNS: Semaphore = Semaphore::const_new(LARGE_BODIES_MAX);
static OFF_THE_WORKER: Semaphore = Semaphore::const_new(OFF_THE_WORKER_MAX);

/// A turn among the requests with large bodies; whoever keeps it keeps it taken.
pub(crate) type Turn = Option<Arc<SemaphorePermit<'static>>>;

/// A whole body of at most `BYTES_MAX` bytes that was sent as JSON.
pub(crate) struct JsonBody<const BYTES_MAX: usize> {
    bytes: Bytes,
    turn: Turn,
}

impl<const BYTES_MAX: usize> FromRequest for JsonBody<BYTES_MAX> {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_head(request, &[JSON], JSON, BYTES_MAX);
        let payload = web::Payload::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            checked?;
            let begun = Instant::now();
            let turn = turn(&request, BYTES_MAX).await?;
            let wait_max = BODY_WAIT_MAX.saturating_sub(begun.elapsed());
            let payload = payload.await.map_err(|_| Invalid::BodyUnreadable)?;
            let bytes = timeout(wait_max, payload.to_bytes_limited(BYTES_MAX))
                .await
                .map_err(|_| Refusal::BodyTooSlow)?
                .map_err(|_| Refusal::BodyTooLarge {
                    bytes_max: BYTES_MAX,
                })?
                .map_err(|_| Invalid::BodyUnreadable)?;
            request.extensions_mut().insert(BodyRead);
            Ok(Self { bytes, turn })
        })
    }
}

/// Waits for a turn where the body is large, or may become so.
async fn turn(request: &HttpRequest, bytes_max: usize) -> Result<Turn, Error> {
    if content_length(request)
        .unwrap_or(u64::MAX)
        .min(bytes_max as u64)
        <= SMALL_BODY_BYTES
    {
        return Ok(None);
    }
    Ok(Some(Arc::new(take(&TURNS).await?)))
}

async fn take(turns: &'static Semaphore) -> Result<SemaphorePermit<'static>, Error> {
    let turn = timeout(TURN_WAIT_MAX, turns.acquire()).await;
    turn.map_err(|_| Error::Busy)?.map_err(|_| Error::Internal)
}

/// Checks what the head says of the body, before a byte of it is read: which of
/// `known` media types it has, as its place; `wanted` names them in a message.
pub(crate) fn check_head(
    request: &HttpRequest,
    known: &[&str],
    wanted: &'static str,
    bytes_max: usize,
) -> Result<usize, Refusal> {
    let headers = request.headers();
    if headers.get_all(CONTENT_TYPE).count() > 1 {
        return Err(Refusal::MediaType { wanted });
    }
    let media_type = request
        .mime_type()
        .ok()
        .flatten()
        .ok_or(Refusal::MediaType { wanted })?;
    let charset_is_utf8 = media_type
        .params()
        .filter(|(name, _)| *name == "charset")
        .all(|(_, charset)| charset.as_str().eq_ignore_ascii_case("utf-8"));
    let place = known
        .iter()
        .position(|known| *known == media_type.essence_str() && charset_is_utf8)
        .ok_or(Refusal::MediaType { wanted })?;
    let encoded = headers
        .get_all(CONTENT_ENCODING)
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return Err(Refusal::ContentEncoding);
    }
    let announced = content_length(request);
    if announced.is_some_and(|length| length > bytes_max as u64) {
        return Err(Refusal::BodyTooLarge { bytes_max });
    }
    Ok(place)
}

fn content_length(request: &HttpRequest) -> Option<u64> {
    let length = request.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

impl<const BYTES_MAX: usize> JsonBody<BYTES_MAX> {
    /// The bytes as they were sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The turn in which the body was read: kept until the answer is made, so that
    /// what the body became is counted, too.
    pub(crate) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// The body's members, one for each of `names` and in their order.
    ///
    /// # Errors
    /// `BodyNotJson`, `BodyNotObject`, then `FieldUnknown` or `FieldTwice`.
    pub(crate) fn fields<const FIELDS: usize>(
        &self,
        names: [&str; FIELDS],
    ) -> Result<[Option<&RawValue>; FIELDS], Invalid> {
        let text = std::str::from_utf8(&self.bytes).map_err(|_| Invalid::BodyNotJson)?;
        let value: &RawValue = serde_json::from_str(text).map_err(|_| Invalid::BodyNotJson)?;
        if !value.get().starts_with('{') {
            return Err(Invalid::BodyNotObject);
        }
        fields_of(value, names)
    }
}

/// Does work of many milliseconds on a thread where it keeps nobody waiting, two
/// pieces at once. Nothing may be stored before it.
///
/// # Errors
/// The work's own, `Busy` where others were in the way for too long, or `Internal`
/// where it panicked.
pub(crate) async fn off_the_worker<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Invalid> + Send + 'static,
) -> Result<T, Refusal> {
    let turn = take(&OFF_THE_WORKER).await?;
    // It goes along: a client that hangs up does not free it early.
    let done = web::block(move || {
        let _turn = turn;
        work()
    });
    Ok(done.await.map_err(|_| Error::Internal)??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[actix_web::test]
    async fn no_more_bodies_are_taken_apart_at_once_than_allowed() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let work = || {
            let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
            MOST.fetch_max(running, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        let all: Vec<_> = (0..8)
            .map(|_| actix_web::rt::spawn(off_the_worker(work)))
            .collect();
        for one in all {
            assert!(one.await.expect("no panic").is_ok());
        }
        assert!(MOST.load(Ordering::SeqCst) <= OFF_THE_WORKER_MAX);
    }
}
