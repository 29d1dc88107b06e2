//! Reads what decides over requests: those that come while the row of a key is read are
//! answered by the next read together, which begins after all of them came.

use std::cell::RefCell;
use std::collections::HashMap;

use tokio::sync::oneshot;
use tokio::task::spawn_local;

use super::keys;
use super::readers::Readers;
use super::{Engine, Snapshot};
use crate::error::Error;
use crate::key::Credential;
use crate::token::KeyId;

type Read = Result<Option<Credential>, Error>;

/// Those who wait for the next read of a key, by engine, while one is under way.
type Waiting = HashMap<(u64, KeyId), Vec<oneshot::Sender<Read>>>;

thread_local! {
    /// Those of this thread.
    static WAITING: RefCell<Waiting> = RefCell::default();
}

impl Snapshot {
    pub(crate) async fn credential(&self, id: KeyId) -> Result<Option<Credential>, Error> {
        read(&self.readers, id).await
    }
}

impl Engine {
    pub(crate) async fn credential(&self, id: KeyId) -> Result<Option<Credential>, Error> {
        read(&self.readers, id).await
    }
}

/// What decides over a request of the key `id`, as it is after this was asked.
async fn read(readers: &Readers, id: KeyId) -> Read {
    let place = (readers.number(), id);
    let (answer, outcome) = oneshot::channel();
    let is_first = WAITING.with_borrow_mut(|waiting| {
        let is_first = !waiting.contains_key(&place);
        waiting.entry(place).or_default().push(answer);
        is_first
    });
    if is_first {
        // Goes on for those who come meanwhile, also where the first one hangs up.
        spawn_local(serve(readers.clone(), place));
    }
    outcome.await.unwrap_or(Err(Error::Internal))
}

async fn serve(readers: Readers, place: (u64, KeyId)) {
    loop {
        let answers = WAITING.with_borrow_mut(|waiting| {
            let answers = waiting.get_mut(&place).map(std::mem::take);
            let answers = answers.unwrap_or_default();
            if answers.is_empty() {
                waiting.remove(&place);
            }
            answers
        });
        if answers.is_empty() {
            return;
        }
        let (_, id) = place;
        let read = readers.read(async |link| keys::credential(link, id).await);
        let read = read.await;
        for answer in answers {
            // Whoever hung up asks no more.
            let _ = answer.send(read.clone());
        }
    }
}
