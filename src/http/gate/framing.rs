//! Where one request ends and the next begins, in the bytes of a connection
//! (RFC 9112): as much of it as the gate has to know. What a head says is told by
//! the parser behind the gate, so that the two cannot disagree.

use memchr::memchr;

/// How the bytes behind a head are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes of a body are still to come; none is no body.
    Length(u64),
    /// Chunks, up to the last one and its trailers.
    Chunked(Chunks),
}

/// What may pass the gate.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// The next head, of which so much was seen.
    Head(Head),
    /// Nothing: a head has passed, and what follows it is not known yet.
    Told,
    /// The body of the request that runs.
    Body(Framing),
    /// Nothing: the whole request has passed, its answer has not.
    Answering,
    /// Everything: the connection ends, and what still comes is thrown away.
    Ending,
    /// Nothing any more: the client wanted the connection closed.
    Closed,
}

/// How far a scan of a head is: RFC 9112, section 2.2, has empty lines in front of
/// it ignored, and a bare line feed for the end of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Something else than an end of a line was seen.
    begun: bool,
    /// The line so far has something.
    in_line: bool,
    /// The client waits for a `100 Continue` before it sends the body.
    expects_continue: bool,
}

/// Fields that the parser must not see, each with its colon. A server may ignore
/// `Upgrade` (RFC 9110, section 7.8), and the parser would lose the body's length
/// over it; `100 Continue` is sent once the key is checked, not before.
const UPGRADE: &[u8] = b"upgrade:";
const EXPECT: &[u8] = b"expect:";
/// Takes the place of their first letter: a field that nobody knows.
const HIDDEN: u8 = b'~';

impl Head {
    /// How many of `bytes` belong to the head, and whether its end is among them.
    /// Hides what the parser must not see.
    pub(crate) fn take(&mut self, bytes: &mut [u8]) -> (usize, bool) {
        let has_something = |line: &[u8]| line.iter().any(|byte| *byte != b'\r');
        let mut line_start = 0;
        while let Some(length) = memchr(b'\n', &bytes[line_start..]) {
            let line = &mut bytes[line_start..line_start + length];
            line_start += length + 1;
            if !self.in_line {
                self.hide(line);
            }
            if self.in_line || has_something(line) {
                self.begun = true;
            } else if self.begun {
                return (line_start, true);
            }
            self.in_line = false;
        }
        self.in_line |= has_something(&bytes[line_start..]);
        self.begun |= self.in_line;
        (bytes.len(), false)
    }

    /// Hides a field in a whole line. One that comes in pieces is left: it harms
    /// nobody but its sender.
    fn hide(&mut self, line: &mut [u8]) {
        let begins = |field: &[u8]| {
            let name = line.get(..field.len());
            name.is_some_and(|name| name.eq_ignore_ascii_case(field))
        };
        let expects_continue = begins(EXPECT);
        if expects_continue || begins(UPGRADE) {
            line[0] = HIDDEN;
        }
        self.expects_continue |= expects_continue;
    }

    /// Whether the client waits for a `100 Continue`.
    pub(crate) fn expects_continue(self) -> bool {
        self.expects_continue
    }

    /// Whether a part of a head was seen.
    pub(crate) fn has_begun(self) -> bool {
        self.begun
    }
}

/// How far a scan of a chunked body is (RFC 9112, section 7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// In the size of a chunk, read so far.
    Size(u64),
    /// In an extension behind a size.
    Extension(u64),
    /// So many bytes of a chunk, and the end of its line, are still to come.
    Data(u64),
    /// In the end of a chunk's line.
    DataEnd,
    /// In the trailers, at the beginning of a line or not.
    #[default]
    Begin,
    /// In the trailers; true at the beginning of a line.
    Trailers(bool),
}

impl Chunks {
    /// How many of `bytes` belong to the body, and whether its end is among them.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut position = 0;
        while position < bytes.len() {
            if let Self::Data(left) = self {
                let skipped = usize::try_from(*left).unwrap_or(usize::MAX);
                let skipped = skipped.min(bytes.len() - position);
                position += skipped;
                *left -= skipped as u64;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            let byte = bytes[position];
            position += 1;
            if self.step(byte) {
                return (position, true);
            }
        }
        (position, false)
    }

    /// Goes on by a byte that is not data; whether it was the last of the body.
    fn step(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (Self::Trailers(true), b'\n') => return true,
            (Self::Trailers(_), b'\n') => Self::Trailers(true),
            (Self::Trailers(at_line_start), b'\r') => Self::Trailers(at_line_start),
            (Self::Trailers(_), _) => Self::Trailers(false),
            (Self::Size(0) | Self::Extension(0), b'\n') => Self::Trailers(true),
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Data(size),
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::DataEnd, b'\n') => Self::Begin,
            (Self::DataEnd, _) => Self::DataEnd,
            (Self::Begin, _) => Self::Size(0).with_digit(byte),
            (Self::Size(_), _) => self.with_digit(byte),
            (Self::Data(left), _) => Self::Data(left),
        };
        false
    }

    /// What is no digit is left to the parser to refuse.
    fn with_digit(self, byte: u8) -> Self {
        let (Self::Size(size), Some(digit)) = (self, char::from(byte).to_digit(16)) else {
            return match self {
                Self::Size(size) => Self::Extension(size),
                other => other,
            };
        };
        Self::Size(size.saturating_mul(16).saturating_add(digit.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADS: [&str; 4] = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /contacts HTTP/1.1\r\nHost: a\r\nX:  \r\n\r\n",
    ];
    const BODIES: [&str; 4] = [
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "a;name=\"x\"\r\n0123456789\r\n1F\r\n0123456789012345678901234567890\r\n0\r\n\r\n",
        "1\r\n\n\r\n0\r\nTrailer: 1\r\nOther: 2\r\n\r\n",
    ];

    /// Takes `text` in pieces of `piece` bytes; how many bytes belong to it.
    fn taken(text: &str, piece: usize, mut take: impl FnMut(&mut [u8]) -> (usize, bool)) -> usize {
        let mut taken = 0;
        for bytes in text.as_bytes().to_vec().chunks_mut(piece) {
            let (count, ends) = take(bytes);
            taken += count;
            if ends {
                return taken;
            }
        }
        panic!("no end in {text:?}");
    }

    proptest! {
        #[test]
        fn a_request_ends_where_it_ends_however_its_bytes_come(
            head in 0..HEADS.len(), body in 0..BODIES.len(), piece in 1..40_usize, rest in "\\PC{0,20}",
        ) {
            let mut scan = Head::default();
            let text = format!("{}{rest}GET", HEADS[head]);
            prop_assert_eq!(taken(&text, piece, |bytes| scan.take(bytes)), HEADS[head].len());
            let mut scan = Chunks::default();
            let text = format!("{}{rest}GET", BODIES[body]);
            prop_assert_eq!(taken(&text, piece, |bytes| scan.take(bytes)), BODIES[body].len());
        }
    }

    #[test]
    fn fields_that_the_parser_must_not_see_are_hidden() {
        let mut head =
            *b"GET /upgrade: HTTP/1.1\r\nuPGRADE: websocket\r\nExpect: 100-continue\r\n\r\n";
        let mut scan = Head::default();
        assert_eq!(scan.take(&mut head), (head.len(), true));
        assert!(scan.expects_continue());
        let hidden = "GET /upgrade: HTTP/1.1\r\n~PGRADE: websocket\r\n~xpect: 100-continue\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&head), hidden);
    }
}
