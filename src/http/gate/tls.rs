//! TLS in front of the gate: a certificate and its key, read at the start and anew when
//! it is asked for, and the handshake of a connection. Knows nothing of requests.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::certificate::not_after;
use super::transport::Transport;
use crate::files;
use crate::moment::Moment;

/// What is spoken inside (RFC 7301). A client that wants something else alone is
/// refused in the handshake.
const PROTOCOL: &[u8] = b"http/1.1";

/// A certificate with its key, as their files had them last.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

/// Why a certificate and its key cannot be used: one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file is no PEM. Never what stands in it: that may be a key.
    #[error("{path} is not in PEM: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Reading what is no file may wait for ever.
    #[error("{0} is no file")]
    NoFile(PathBuf),
    /// A file has no certificate.
    #[error("{0} has no certificate in PEM")]
    NoCertificate(PathBuf),
    /// A file has no key, or one behind a passphrase.
    #[error("{0} has no private key in PEM, or an encrypted one")]
    NoKey(PathBuf),
    /// The two do not belong together.
    #[error("{key} is not the key of the first certificate in {certificate}")]
    KeyOfAnother {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The library cannot use what the files have.
    #[error("{certificate} with {key} cannot be used: {source}")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Its reason.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads a certificate, with those between it and its root behind it, and its key.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let (config, expires) = read_config(certificate, key)?;
        let read = Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            config: RwLock::new(Arc::new(config)),
        };
        read.announce(expires);
        Ok(read)
    }

    /// Reads both files anew, for connections that come from now on. Where something
    /// is wrong with them, what is used stays.
    pub(crate) fn read_anew(&self) {
        match read_config(&self.certificate, &self.key) {
            Ok((config, expires)) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                self.announce(expires);
            }
            Err(error) => log::error!(error:% = error; "the certificate stays as it was"),
        }
    }

    /// Makes a connection one of TLS, within `wait`.
    ///
    /// # Errors
    /// `TimedOut`; what the client did wrong.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        wait: Duration,
    ) -> io::Result<Transport> {
        let accepting = TlsAcceptor::from(self.config()).accept(stream);
        let accepted = tokio::time::timeout(wait, accepting).await;
        let accepted = accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        accepted
            .map(|stream| Transport::Tls(Box::new(stream)))
            .inspect_err(|error| log::debug!(error:% = error; "a TLS handshake failed"))
    }

    /// Tells which certificate is used from now on, and until when it is good.
    fn announce(&self, expires: Option<Moment>) {
        let path = self.certificate.display();
        match expires {
            Some(expires) if expires < Moment::now() => {
                log::warn!(path:% = path, expires:% = expires; "the certificate has expired");
            }
            Some(expires) => {
                log::info!(path:% = path, expires:% = expires; "the certificate was read");
            }
            None => log::info!(path:% = path; "the certificate was read"),
        }
    }

    fn config(&self) -> Arc<ServerConfig> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }
}

/// A configuration of its own for each reading, so that no session of an older
/// certificate is resumed under a new one; and when the certificate expires.
fn read_config(certificate: &Path, key: &Path) -> Result<(ServerConfig, Option<Moment>), TlsError> {
    let unusable = |source| match source {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::KeyOfAnother {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        },
        source => TlsError::Unusable {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            source,
        },
    };
    let chain = read_chain(certificate)?;
    let expires = chain.first().and_then(|first| not_after(first));
    let secret = read_key(key)?;
    for (open, mode) in files::open_to_others(key) {
        log::warn!(path:% = open.display(), mode:% = format_args!("{mode:04o}"); "open to others than its owner");
    }
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unusable)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok((config, expires))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read_file(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(path, &error))?;
    match chain.is_empty() {
        true => Err(TlsError::NoCertificate(path.to_owned())),
        false => Ok(chain),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read_file(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(path.to_owned()),
        error => not_pem(path, &error),
    })
}

/// The library's own words repeat what it read.
fn not_pem(path: &Path, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => {
            "an END line is missing, or not on a line of its own"
        }
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is not on a line of its own",
        pem::Error::Base64Decode(_) => "what is between BEGIN and END is no base64",
        _ => "it cannot be read",
    };
    TlsError::Pem {
        path: path.to_owned(),
        reason,
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let failed = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(TlsError::NoFile(path.to_owned()));
    }
    let text = fs::read(path).map_err(failed)?;
    Ok(Zeroizing::new(text))
}
