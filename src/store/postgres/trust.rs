//! Whom a connection trusts: TLS towards PostgreSQL, as the parameters of its URL say.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

const MODE: &str = "sslmode=";
const ROOTS: &str = "sslrootcert=";
/// As libpq writes that it takes the certificates of the system.
const OF_SYSTEM: &str = "system";

/// Takes what is said of TLS out of a URL where only libpq knows it: the rest, and the
/// file of certificates that are trusted, none are those of the system.
///
/// # Errors
/// What is wrong with it.
pub(super) fn take_parameters(url: &str) -> Result<(String, Option<PathBuf>), String> {
    let Some((place, parameters)) = url.split_once('?') else {
        return Ok((url.to_owned(), None));
    };
    let (mut kept, mut roots) = (Vec::new(), None);
    for parameter in parameters.split('&') {
        if let Some(mode) = parameter.strip_prefix(MODE) {
            kept.push(match mode {
                "disable" | "prefer" | "require" => parameter,
                // Certificate and name are looked at wherever there is TLS.
                "verify-full" => "sslmode=require",
                _ => return Err("sslmode has to be disable, prefer, require or verify-full, and both the last check the certificate and its name".to_owned()),
            });
        } else if let Some(file) = parameter.strip_prefix(ROOTS) {
            let file = percent_decode_str(file).decode_utf8_lossy();
            roots = (file != OF_SYSTEM).then(|| PathBuf::from(&*file));
        } else {
            kept.push(parameter);
        }
    }
    Ok((format!("{place}?{}", kept.join("&")), roots))
}

/// What shakes hands with whoever has a certificate by one of these roots, and of the
/// name that the URL has.
///
/// # Errors
/// Why a file of roots is of no use.
pub(super) fn connector(roots: Option<PathBuf>) -> Result<MakeRustlsConnect, String> {
    let roots = match roots {
        Some(file) => {
            let failed = |reason: String| format!("sslrootcert {}: {reason}", file.display());
            read(&file).map_err(failed)?
        }
        None => of_system(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// What helps where the other side is not trusted.
pub(super) fn advice(error: &(dyn Error + 'static)) -> &'static str {
    let io = error.downcast_ref::<io::Error>();
    let tls = io.and_then(|error| error.get_ref()?.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            ", name the file of its authority by sslrootcert=FILE"
        }
        _ => "",
    }
}

fn read(file: &Path) -> Result<RootCertStore, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| format!("not in PEM: {error}"))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    match roots.is_empty() {
        true => Err("no certificate in PEM".to_owned()),
        false => Ok(roots),
    }
}

fn of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        log::warn!(error:% = error; "some certificates of the system cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}
