//! Creates of many clients in one transaction: each lane takes what waits, and equal
//! aliases meet in one lane.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZero;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::connection::{Link, uuid};
use super::contacts::{self, IDS_BY_ALIASES};
use super::creation::{Creation, Queue};
use super::failure::{self, Failure, Kind, LOST_PAUSE};
use super::keys::{self, STANDINGS};
use super::threads::{Local, Threads};
use super::transaction::Counter;
use super::writer::{QUEUE_WAIT_MAX, SHARE_KEYS, TRYING_TIME_MAX, Waits};
use crate::contact::{ContactId, FullContact};
use crate::error::Error;
use crate::key::{Grant, Standing};
use crate::moment::Moment;
use crate::store::Measures;
use crate::token::KeyId;

/// Transactions of creates under way at once, at most: one for every two processors of
/// this server. Each waits for what comes meanwhile, so that fewer of them have more
/// rows each: on two processors one took 87 µs of both for a create, two took 109 to
/// 134, four took 151 to 179.
const LANES_MAX: usize = 4;
const PROCESSORS_OF_LANE: usize = 2;
/// How long the outcome is waited for.
const OUTCOME_WAIT_MAX: Duration = Duration::from_secs(12);

/// Inserts what is not there yet, and counts it in the same statement.
const INSERT_COUNTED: &str = "WITH stored AS (
        INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
        SELECT id, alias, msisdn, meta::json, updated_on
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[])
            AS new (id, alias, msisdn, meta, updated_on)
        ON CONFLICT (alias) DO NOTHING RETURNING id
    ), counted AS (
        UPDATE counters SET value = value + (SELECT count(*) FROM stored)
        WHERE name = $6 AND slot = $7
    )
    SELECT id FROM stored";

/// The ways to the lanes.
pub(super) struct Lanes {
    lanes: RwLock<Vec<mpsc::UnboundedSender<Creation>>>,
    hasher: RandomState,
    waiting: Arc<AtomicUsize>,
    measures: Measures,
}

impl Lanes {
    /// Starts the lanes; none of them connects yet.
    ///
    /// # Errors
    /// `Stopping`.
    pub(super) fn start(threads: &Threads, measures: &Measures) -> Result<Self, Error> {
        let processors = available_parallelism().map_or(1, NonZero::get);
        let number_max = (processors / PROCESSORS_OF_LANE).clamp(1, LANES_MAX);
        let mut lanes = Vec::new();
        for number in 0..number_max {
            let (lane, queue) = mpsc::unbounded_channel();
            let measures = measures.clone();
            threads.begin(number, move |local| async move {
                run(&local, queue, &measures).await;
            })?;
            lanes.push(lane);
        }
        Ok(Self {
            lanes: RwLock::new(lanes),
            hasher: RandomState::new(),
            waiting: Arc::default(),
            measures: measures.clone(),
        })
    }

    /// Stores a contact whose id is made.
    ///
    /// # Errors
    /// `AliasTaken`; those of every write.
    pub(super) async fn create(
        &self,
        grant: Grant,
        contact: FullContact,
    ) -> Result<FullContact, Error> {
        let waits = Waits::count(&self.waiting, &self.measures)?;
        let hash = self.hasher.hash_one(contact.contact.alias.as_str());
        let (creation, stage, mut outcome) = Creation::new(grant, contact, waits);
        let sent = {
            let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
            let number = hash.checked_rem(lanes.len() as u64);
            let number = number.and_then(|number| usize::try_from(number).ok());
            let lane = number.and_then(|number| lanes.get(number));
            lane.and_then(|lane| lane.send(creation).ok())
        };
        sent.ok_or(Error::Stopping)?;
        if let Ok(answered) = timeout(QUEUE_WAIT_MAX, &mut outcome).await {
            return answered.unwrap_or(Err(Error::Stopping));
        }
        if stage.withdraw() {
            return Err(Error::Busy);
        }
        match timeout(OUTCOME_WAIT_MAX, outcome).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) | Err(_) => Err(Error::OutcomeUnknown),
        }
    }

    /// Takes no more; what waits is stored all the same.
    pub(super) fn stop(&self) {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        lanes.clear();
    }
}

async fn run(local: &Local, coming: mpsc::UnboundedReceiver<Creation>, measures: &Measures) {
    let mut link = None;
    let mut queue = Queue::new(coming);
    loop {
        let batch = queue.next_batch().await;
        if batch.is_empty() && queue.is_over() {
            return;
        }
        store(local, &mut link, (batch, &mut queue), measures).await;
    }
}

/// Stores a batch and answers all of it, trying again while that may come to something.
async fn store(
    local: &Local,
    link: &mut Option<Link>,
    (mut batch, queue): (Vec<Creation>, &mut Queue),
    measures: &Measures,
) {
    let begun = Instant::now();
    while !batch.is_empty() {
        let tried = match connected(local, link).await {
            Ok(link) => try_once(link, (&mut batch, queue), measures).await,
            Err(error) => Err(error.into()),
        };
        let error = match tried {
            Ok(()) => continue,
            Err(error) => error,
        };
        let is_worth_it = begun.elapsed() < TRYING_TIME_MAX;
        let (error, pause) = match error {
            Failure::Refused(error) => (error, None),
            Failure::Overtaken => (Error::Busy, Some(Duration::ZERO)),
            Failure::Storage(error) => {
                *link = None;
                let told = failure::unwritten(&error, "creates were not stored");
                match failure::kind(&error) {
                    Kind::Met => (told, Some(Duration::ZERO)),
                    Kind::Lost => (told, Some(LOST_PAUSE)),
                    Kind::TooSlow | Kind::Locked | Kind::Full | Kind::Other => (told, None),
                }
            }
        };
        match pause.filter(|_| is_worth_it) {
            Some(pause) => sleep(pause).await,
            None => {
                for creation in batch.drain(..) {
                    let error = match creation.may_be_stored {
                        true => Error::OutcomeUnknown,
                        false => error.clone(),
                    };
                    creation.tell(Err(error));
                }
            }
        }
    }
}

async fn connected<'l>(
    local: &Local,
    link: &'l mut Option<Link>,
) -> Result<&'l Link, tokio_postgres::Error> {
    if link.as_ref().is_none_or(Link::is_closed) {
        *link = Some(local.open().await?);
    }
    Ok(link.as_ref().expect("it was just opened"))
}

/// Does one transaction; whoever's outcome is clear then is answered and leaves the
/// batch.
async fn try_once(
    link: &Link,
    (batch, queue): (&mut Vec<Creation>, &mut Queue),
    measures: &Measures,
) -> Result<(), Failure> {
    let stored = transact(link, (batch, queue), measures).await?;
    answer(batch, |creation| {
        stored.contains(&uuid(creation.contact.contact.id))
    });
    if batch.is_empty() {
        return Ok(());
    }
    // The rest found its alias taken: by whom?
    let aliases: Vec<&str> = batch.iter().map(Creation::alias).collect();
    let rows = link.query(IDS_BY_ALIASES, &[&aliases]).await?;
    let mut holders: HashMap<String, ContactId> = HashMap::new();
    for row in &rows {
        holders.insert(row.try_get(0)?, ContactId::from_uuid(row.try_get(1)?));
    }
    for creation in std::mem::take(batch) {
        match holders.get(creation.alias()) {
            // By this very contact: a commit had stored it of which nobody heard.
            Some(holder) if *holder == creation.contact.contact.id => creation.tell_stored(),
            Some(holder) => creation.tell(Err(Error::AliasTaken(*holder))),
            // He is gone: once more.
            None => batch.push(creation),
        }
    }
    Ok(())
}

/// Inserts the batch in one transaction; the ids of those that are stored. Whose key
/// does not stand any more is answered and leaves the batch before.
async fn transact(
    link: &Link,
    (batch, queue): (&mut Vec<Creation>, &mut Queue),
    measures: &Measures,
) -> Result<HashSet<Uuid>, Failure> {
    let (lock, standings) = (
        link.prepared(SHARE_KEYS).await?,
        link.prepared(STANDINGS).await?,
    );
    let insert = link.prepared(INSERT_COUNTED).await?;
    let mut keys: Vec<KeyId> = batch.iter().map(|creation| creation.grant.key()).collect();
    keys.sort();
    keys.dedup();
    let names: Vec<&str> = keys.iter().map(KeyId::as_str).collect();
    let (began, locked, found) = tokio::join!(
        biased;
        link.batch("BEGIN"),
        link.client().query(&lock, &[]),
        async { link.client().query(&standings, &[&names]).await },
    );
    began?;
    locked?;
    // Their keys stand until the commit, too.
    queue.add_to(batch, &keys);
    confirm(batch, &found?)?;
    // Equal aliases one after the other, and rows locked in one order by everybody.
    batch.sort_by(|one, other| one.alias().cmp(other.alias()));
    let all: Vec<&FullContact> = batch.iter().map(|creation| &creation.contact).collect();
    let rows = contacts::Rows::of(&all);
    let [ids, aliases, msisdns, metas, updated_ons] = rows.values();
    let (counter, slot) = (Counter::Contacts.name(), link.slot);
    let begun = Instant::now();
    let (inserted, committed) = tokio::join!(
        biased;
        async {
            let values = [ids, aliases, msisdns, metas, updated_ons, &counter, &slot];
            link.client().query(&insert, &values).await
        },
        // What failed is rolled back by it.
        link.batch("COMMIT"),
    );
    measures.batch_rows.observe(all.len() as f64);
    measures
        .commit_seconds
        .observe(begun.elapsed().as_secs_f64());
    if let Err(error) = &committed
        && failure::kind(error) == Kind::Lost
    {
        for creation in batch {
            creation.may_be_stored = true;
        }
    }
    let inserted = inserted?;
    committed?;
    let ids = inserted.iter().map(|row| row.try_get(0));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Answers those whose key does not stand as it has to.
fn confirm(
    batch: &mut Vec<Creation>,
    rows: &[tokio_postgres::Row],
) -> Result<(), tokio_postgres::Error> {
    let now = Moment::now();
    let mut found: HashMap<&str, Standing> = HashMap::new();
    for row in rows {
        found.insert(row.try_get(4)?, keys::standing_of(row)?);
    }
    let standing = |grant: &Grant| found.get(grant.key().as_str());
    let mut at = 0;
    while at < batch.len() {
        let grant = &batch[at].grant;
        match grant.confirm(standing(grant), now) {
            Ok(()) => at += 1,
            Err(error) => {
                let creation = batch.remove(at);
                let error = match creation.may_be_stored {
                    true => Error::OutcomeUnknown,
                    false => error,
                };
                creation.tell(Err(error));
            }
        }
    }
    Ok(())
}

/// Answers those that are stored.
fn answer(batch: &mut Vec<Creation>, is_stored: impl Fn(&Creation) -> bool) {
    for creation in std::mem::take(batch) {
        match is_stored(&creation) {
            true => creation.tell_stored(),
            false => batch.push(creation),
        }
    }
}
