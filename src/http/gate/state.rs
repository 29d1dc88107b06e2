//! What every worker shares: the book, what is remembered of keys and
//! addresses, the counters. Rooms outside the gate reach the store through
//! `Allowed` alone.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, web};

use super::limits::Limits;
use super::metrics::{Metrics, Rest};
use super::minutes::{Minute, Minutes};
use super::readiness::{Checks, LastLook};
use super::recent::Recent;
use crate::address::AddressRanges;
use crate::base_path::BasePath;
use crate::bucket::Buckets;
use crate::budget::Budget;
use crate::error::Error;
use crate::http::wire::body_permits::BodyPermits;
use crate::keyring::Keyring;
use crate::moment::Moment;
use crate::origin::Origins;
use crate::permission::Permission;
use crate::sign_in::CodeFile;
use crate::store::{Figures, Shelf, Store};
use crate::token::KeyId;

/// Addresses, keys, and pairs of key and permission that are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// Bytes of answers that wait to be taken, in all and of one key: the largest
/// answer has 32 MiB.
const ANSWERS_BYTES_MAX: usize = 48 * 1024 * 1024;
const ANSWERS_OF_KEY_BYTES_MAX: usize = 36 * 1024 * 1024;

/// What every worker shares.
pub struct State {
    pub(super) store: Arc<Store>,
    pub(super) keyring: Keyring,
    pub(super) trusted_proxies: AddressRanges,
    pub(super) requests: Buckets<KeyId>,
    pub(super) failures: Buckets<IpAddr>,
    pub(super) uses: Buckets<KeyId>,
    pub(super) ended: Buckets<KeyId>,
    pub(super) refusals: Buckets<(KeyId, Permission)>,
    pub(super) openings: Buckets<KeyId>,
    pub(super) metrics: Metrics,
    minutes: Minutes,
    /// Whether the log has the addresses of clients.
    pub(super) logs_addresses: bool,
    bodies: BodyPermits,
    answers: Budget,
    last_look: LastLook,
    last_figures: Recent<Result<Figures, Error>>,
    last_metrics: Recent<Result<Bytes, fmt::Error>>,
    base_path: BasePath,
    origins: Origins,
    shelf: Option<Arc<Shelf>>,
    sign_in: Option<CodeFile>,
    limits: Limits,
}

/// What is set by whoever starts a server.
#[derive(Default)]
pub struct Settings {
    /// From whom alone `X-Forwarded-For` is believed.
    pub trusted_proxies: AddressRanges,
    /// What every path begins with.
    pub base_path: BasePath,
    /// Which pages may call from a browser.
    pub origins: Origins,
    /// The times that clients are given.
    pub limits: Limits,
    /// Whether the log has the addresses of clients.
    pub logs_addresses: bool,
    /// Where backups are made.
    pub shelf: Option<Arc<Shelf>>,
    /// Where a code is kept that signs in once.
    pub sign_in: Option<CodeFile>,
}

/// What people want to know of a server that runs.
pub(crate) struct Status {
    pub(crate) figures: Figures,
    pub(crate) started_on: Moment,
    /// Whether it was given a directory for backups.
    pub(crate) has_backups: bool,
    pub(crate) last_backup_on: Option<Moment>,
    pub(crate) minutes: Vec<Minute>,
}

impl State {
    /// The state of a server of `store`.
    pub fn new(store: Arc<Store>, settings: Settings) -> Self {
        let Settings {
            trusted_proxies,
            base_path,
            origins,
            limits,
            logs_addresses,
            shelf,
            sign_in,
        } = settings;
        Self {
            store,
            keyring: Keyring::default(),
            trusted_proxies,
            requests: Buckets::new(REMEMBERED_MAX),
            failures: Buckets::new(REMEMBERED_MAX),
            uses: Buckets::new(REMEMBERED_MAX),
            ended: Buckets::new(REMEMBERED_MAX),
            refusals: Buckets::new(REMEMBERED_MAX),
            openings: Buckets::new(REMEMBERED_MAX),
            metrics: Metrics::default(),
            minutes: Minutes::default(),
            logs_addresses,
            bodies: BodyPermits::new(limits.permit_wait),
            answers: Budget::new(ANSWERS_BYTES_MAX, ANSWERS_OF_KEY_BYTES_MAX),
            last_look: LastLook::default(),
            last_figures: Recent::default(),
            last_metrics: Recent::default(),
            base_path,
            origins,
            shelf,
            sign_in,
            limits,
        }
    }

    /// The address of a peer, but for a trusted proxy's.
    pub(crate) fn address_of(&self, peer: Option<SocketAddr>) -> Option<IpAddr> {
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        (!self.trusted_proxies.contain(address)).then_some(address)
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The metrics of requests and of the process, in the text format of OpenMetrics: one
    /// text for all who ask within a second.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) async fn open_metrics(&self) -> Result<Bytes, Error> {
        let writing = async { self.metrics.to_text(None).map(Bytes::from) };
        let text = self.last_metrics.get(writing).await;
        text.map_err(|_| Error::Internal)
    }

    /// The same with those of the book. What cannot be looked up is left out: these are
    /// asked for most when something is wrong.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) async fn all_metrics(&self) -> Result<Bytes, Error> {
        let figures = self.figures().await.ok();
        let last_backup = self.shelf().and_then(|shelf| shelf.last_on());
        let rest = Rest {
            engine: self.store.engine(),
            figures: figures.as_ref(),
            measures: self.store.measures(),
            damage: self.store.damage(),
            last_backup_s: last_backup.map(|last| last.millis() / 1000),
        };
        let text = self.metrics.to_text(Some(rest)).map(Bytes::from);
        text.map_err(|_| Error::Internal)
    }

    /// Keeps what is counted, minute by minute, for ever.
    pub(crate) async fn keep_minutes(&self) -> Infallible {
        let read = || self.metrics.counted_text(self.store.measures());
        self.minutes.keep(self.limits.minute, read).await
    }

    /// What the address book holds and how the server fares.
    ///
    /// # Errors
    /// Those of every read; `ListsBusy` where too many ask at once.
    pub(super) async fn status(&self) -> Result<Status, Error> {
        Ok(Status {
            figures: self.figures().await?,
            started_on: self.metrics.started(),
            has_backups: self.shelf().is_some(),
            last_backup_on: self.shelf().and_then(|shelf| shelf.last_on()),
            minutes: self.minutes.kept(),
        })
    }

    /// What the address book holds, looked up once a second at most.
    async fn figures(&self) -> Result<Figures, Error> {
        self.last_figures.get(self.store.figures()).await
    }

    /// Whether the server is ready, by each of its checks.
    pub(crate) async fn checks(&self) -> Checks {
        self.last_look.checks(&self.store).await
    }

    /// Where backups are made, where they are.
    pub(super) fn shelf(&self) -> Option<&Arc<Shelf>> {
        self.shelf.as_ref()
    }

    /// Where a code is kept that signs in once.
    pub(super) fn sign_in(&self) -> Option<&CodeFile> {
        self.sign_in.as_ref()
    }

    /// What every path begins with.
    pub(crate) fn base_path(&self) -> &BasePath {
        &self.base_path
    }

    /// Which pages may call from a browser.
    pub(super) fn origins(&self) -> &Origins {
        &self.origins
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn bodies(&self) -> &BodyPermits {
        &self.bodies
    }

    /// What answers that wait to be taken may hold in memory.
    pub(super) fn answers(&self) -> &Budget {
        &self.answers
    }

    /// The state of the server that `request` came to.
    ///
    /// # Errors
    /// `Internal` where the server was built without one.
    pub(crate) fn of(request: &HttpRequest) -> Result<&web::Data<Self>, Error> {
        request.app_data().ok_or(Error::Internal)
    }
}
