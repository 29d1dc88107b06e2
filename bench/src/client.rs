//! A client of one keep-alive connection that does one request after the other.
//! Knows enough of HTTP/1.1 for answers with a length.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Outcome;

/// How long an answer may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// An open connection.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    piece: Vec<u8>,
}

/// One answer; the body is the client's until the next request.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        Ok(Self {
            stream,
            received: Vec::new(),
            piece: vec![0; READ_BYTES],
        })
    }

    /// Sends a whole request and reads its answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> Outcome<Answer<'_>> {
        self.stream.write_all(request)?;
        self.received.clear();
        let head_bytes = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
            self.receive()?;
        };
        let head = std::str::from_utf8(&self.received[..head_bytes])?;
        let status = head.get(9..12).ok_or("no status")?.parse()?;
        let body_bytes = content_length(head)?;
        while self.received.len() < head_bytes + body_bytes {
            self.receive()?;
        }
        Ok(Answer {
            status,
            body: &self.received[head_bytes..head_bytes + body_bytes],
        })
    }

    /// The same, where anything but a success is an error.
    pub(crate) fn succeed(&mut self, request: &[u8]) -> Outcome<&[u8]> {
        let answer = self.send(request)?;
        if !(200..300).contains(&answer.status) {
            let body = String::from_utf8_lossy(answer.body);
            return Err(format!("the answer is {}: {body}", answer.status).into());
        }
        Ok(answer.body)
    }

    fn receive(&mut self) -> Outcome<()> {
        let bytes = self.stream.read(&mut self.piece)?;
        if bytes == 0 {
            return Err("the server hung up".into());
        }
        self.received.extend_from_slice(&self.piece[..bytes]);
        Ok(())
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

fn content_length(head: &str) -> Outcome<usize> {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim())
    });
    Ok(length.ok_or("an answer without a length")?.parse()?)
}

/// A whole request; with a body it says that it is JSON.
pub(crate) fn request(method: &str, path: &str, token: &str, body: Option<&str>) -> Vec<u8> {
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n");
    let rest = body.map_or_else(
        || "\r\n".to_owned(),
        |body| {
            let bytes = body.len();
            format!("Content-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n{body}")
        },
    );
    (head + &rest).into_bytes()
}
