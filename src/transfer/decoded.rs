//! Text in another encoding than UTF-8, read as UTF-8.

use std::io::{self, BufRead, Chain, Cursor, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::BYTE_ORDER_MARK_UTF8;

/// In which encoding a file is, where no byte order mark says another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8; what is not is an error of its row.
    #[default]
    Utf8,
    /// Windows-1252, which western programs write.
    Windows1252,
}

impl Encoding {
    /// Reads its label, in any case.
    pub fn parse(label: &str) -> Option<Self> {
        match label.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Some(Self::Utf8),
            "windows-1252" => Some(Self::Windows1252),
            _ => None,
        }
    }
}

/// Bytes that are decoded at once.
const DECODED_BYTES: usize = 16 * 1024;
/// Bytes of the longest byte order mark, that of UTF-8.
const MARK_BYTES_MAX: u64 = 3;
/// Stands for half a character: no UTF-8 has it, so that its row is refused.
const MALFORMED: u8 = 0xFF;

/// The bytes of a file as UTF-8, those that were decoded behind a byte order mark.
pub(super) struct Decoded<R> {
    input: Chain<Cursor<Vec<u8>>, R>,
    /// None where the bytes are taken as they come.
    decoder: Option<Decoder>,
    buffer: Vec<u8>,
    /// Where in the buffer what is not taken yet begins and ends.
    begin: usize,
    end: usize,
    ended: bool,
}

impl<R: BufRead> Decoded<R> {
    pub(super) fn open(mut input: R, encoding: Encoding) -> io::Result<Self> {
        let mut first = Vec::new();
        (&mut input).take(MARK_BYTES_MAX).read_to_end(&mut first)?;
        let encoding_read = match (first.as_slice(), encoding) {
            ([0xFF, 0xFE, ..], _) => Some(UTF_16LE),
            ([0xFE, 0xFF, ..], _) => Some(UTF_16BE),
            ([0xEF, 0xBB, 0xBF], _) | (_, Encoding::Utf8) => None,
            (_, Encoding::Windows1252) => Some(WINDOWS_1252),
        };
        // So that what is kept of a file of no mark is not taken for its encoding again.
        let mut buffer = match encoding_read {
            Some(encoding) if encoding == WINDOWS_1252 => BYTE_ORDER_MARK_UTF8.to_vec(),
            _ => Vec::new(),
        };
        let end = buffer.len();
        let decoder = encoding_read.map(|read| read.new_decoder_without_bom_handling());
        if decoder.is_some() {
            buffer.resize(DECODED_BYTES, 0);
        }
        Ok(Self {
            input: Cursor::new(first).chain(input),
            decoder,
            buffer,
            begin: 0,
            end,
            ended: false,
        })
    }

    /// What has to stand in front of what is kept of the file: it is UTF-8 by now.
    pub(super) fn mark(&self) -> &'static [u8] {
        match self.decoder {
            Some(_) => BYTE_ORDER_MARK_UTF8,
            None => &[],
        }
    }
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let Some(decoder) = &mut self.decoder else {
            return self.input.fill_buf();
        };
        while self.begin == self.end && !self.ended {
            let bytes = self.input.fill_buf()?;
            let at_end = bytes.is_empty();
            // One byte is left free for what is malformed.
            let room = DECODED_BYTES - 1;
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(bytes, &mut self.buffer[..room], at_end);
            self.input.consume(read);
            (self.begin, self.end) = (0, written);
            match result {
                DecoderResult::Malformed(..) => {
                    self.buffer[written] = MALFORMED;
                    self.end += 1;
                }
                DecoderResult::InputEmpty => self.ended = at_end,
                DecoderResult::OutputFull => {}
            }
        }
        Ok(&self.buffer[self.begin..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        match self.decoder {
            Some(_) => self.begin += bytes,
            None => self.input.consume(bytes),
        }
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}
