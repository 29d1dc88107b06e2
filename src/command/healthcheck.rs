//! `addressbook healthcheck`: for containers, whose images have no curl.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{CommandError, any_certificate, reachable};
use crate::cli::Healthcheck;

/// How long connecting, and each read and write, may take.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Bytes of the answer that are read: its head is much shorter.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Asks `/healthz` or `/readyz` once.
///
/// # Errors
/// `Unhealthy`, with the reason.
pub fn healthcheck(arguments: &Healthcheck) -> Result<(), CommandError> {
    let address = reachable(arguments.listen.address);
    let unhealthy = |reason: String| CommandError::Unhealthy { address, reason };
    let path = if arguments.ready {
        "/readyz"
    } else {
        "/healthz"
    };
    let path = format!("{}{path}", arguments.base_path.base);
    let answer = ask(address, &path, arguments.tls_certificate.is_some())
        .map_err(|error| unhealthy(error.to_string()))?;
    if !answer.starts_with("HTTP/1.1 200 ") {
        let status = answer.lines().next().unwrap_or("an empty answer");
        return Err(unhealthy(format!("it answers {status:?}")));
    }
    Ok(())
}

fn ask(address: SocketAddr, path: &str, tls: bool) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    match tls {
        true => exchange(any_certificate::speak(stream, address)?, &request),
        false => exchange(stream, &request),
    }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}
