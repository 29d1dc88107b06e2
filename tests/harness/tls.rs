//! Certificates, and a client that trusts one of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use super::Server;

/// A connection over TLS.
pub type TlsClient = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for `localhost` and its key, in files of their own.
pub struct Certificate {
    directory: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut made = Self {
            directory,
            der: CertificateDer::from(Vec::new()),
        };
        made.renew();
        made
    }

    /// Replaces both files by another certificate and its key; the old certificate.
    pub fn renew(&mut self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let CertifiedKey { cert, signing_key } = made;
        std::fs::write(self.path(), cert.pem()).unwrap();
        self.write_key(&signing_key.serialize_pem());
        std::mem::replace(&mut self.der, cert.der().clone())
    }

    pub fn write_key(&self, pem: &str) {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(self.key_path())
            .unwrap();
        file.write_all(pem.as_bytes()).unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    pub fn key_path(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The arguments that name both files.
    pub fn arguments(&self) -> [String; 4] {
        [
            "--tls-cert".to_owned(),
            self.path().to_str().unwrap().to_owned(),
            "--tls-key".to_owned(),
            self.key_path().to_str().unwrap().to_owned(),
        ]
    }

    /// Starts a server that has it.
    pub fn server(&self, more: &[&str]) -> Server {
        let arguments = self.arguments();
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(more);
        Server::start_with(&arguments)
    }

    /// What a client has that trusts this certificate alone.
    pub fn trusting(&self) -> ClientConfig {
        self.trusting_with(rustls::ALL_VERSIONS)
    }

    /// Speaks TLS on a stream, to whoever has it.
    pub fn client(&self, stream: TcpStream) -> std::io::Result<TlsClient> {
        shake_hands(stream, self.trusting())
    }

    pub fn trusting_with(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

/// An authority, and a certificate for `localhost` that it has signed; in files that
/// everybody may read.
pub struct Authority {
    directory: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut of_authority = CertificateParams::default();
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = of_authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(of_authority, key);
        let key = KeyPair::generate().unwrap();
        let of_server = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = of_server.signed_by(&key, &issuer).unwrap();
        let made = Self { directory };
        std::fs::write(made.roots(), root.pem()).unwrap();
        std::fs::write(made.certificate(), certificate.pem()).unwrap();
        std::fs::write(made.key(), key.serialize_pem()).unwrap();
        made
    }

    pub fn roots(&self) -> PathBuf {
        self.directory.path().join("roots.pem")
    }

    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }
}

impl Server {
    /// A connection over TLS; its handshake is done, or has failed.
    pub fn connect_tls(&self, config: ClientConfig) -> std::io::Result<TlsClient> {
        shake_hands(self.connect(), config)
    }
}

fn shake_hands(stream: TcpStream, config: ClientConfig) -> std::io::Result<TlsClient> {
    let name = "localhost".try_into().unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut client = StreamOwned::new(session, stream);
    client.conn.complete_io(&mut client.sock)?;
    Ok(client)
}

/// Sends the last request of a connection and reads to the end, which TLS has to tell.
/// A request that is refused before its end need not be taken whole.
pub fn exchange(client: &mut TlsClient, request: &[u8]) -> String {
    let _ = client.write_all(request).and_then(|()| client.flush());
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}
