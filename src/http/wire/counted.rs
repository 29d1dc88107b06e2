//! An answer in the making: its bytes are counted before they are held, against its
//! own limit and against what all answers may take.

use std::io::{self, Write};
use std::mem;

use crate::budget::{Budget, Held};
use crate::error::Error;
use crate::invalid::Invalid;
use crate::token::KeyId;

/// Answers of up to so many bytes are not counted: a connection has one.
pub(crate) const UNCOUNTED_BYTES: usize = 64 * 1024;
/// Bytes that are taken from the budget at once.
const STEP_BYTES: usize = 256 * 1024;

/// JSON that is being written.
pub(crate) struct CountedJson {
    json: Vec<u8>,
    bytes_max: usize,
    /// Bytes that are counted already.
    counted: usize,
    held: Option<Held>,
    budget: Budget,
    key: KeyId,
    /// Why no more is written.
    refused: Option<Error>,
}

impl CountedJson {
    /// Goes on behind `json`, for an answer to `key` that takes of `budget`.
    pub(crate) fn new(json: Vec<u8>, budget: &Budget, key: KeyId) -> Self {
        Self {
            json,
            bytes_max: usize::MAX,
            counted: UNCOUNTED_BYTES,
            held: None,
            budget: budget.clone(),
            key,
            refused: None,
        }
    }

    /// Gives it a limit of its own, beyond which it is `AnswerTooLarge`.
    pub(crate) fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    pub(crate) fn len(&self) -> usize {
        self.json.len()
    }

    /// Why no more is written.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.refused.clone()
    }

    /// Writes a comma, but not before the first of an array.
    pub(crate) fn separate(&mut self) {
        if !self.json.ends_with(b"[") {
            self.append(|json| json.push(b','));
        }
    }

    /// Writes a small piece, which is counted behind it; nothing once it is refused.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.refused.is_none() {
            write(&mut self.json);
            self.counts(0);
        }
    }

    /// What was written, and what it takes of the budget.
    ///
    /// # Errors
    /// `AnswersWaiting`, `AnswerTooLarge`.
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, Option<Held>), Error> {
        match self.refused.take() {
            None => Ok((self.json, self.held)),
            Some(error) => Err(error),
        }
    }

    /// Counts what there is and so many bytes more; whether there is room.
    fn counts(&mut self, more: usize) -> bool {
        let bytes = self.json.len() + more;
        if bytes <= self.counted && bytes <= self.bytes_max {
            return true;
        }
        if bytes > self.bytes_max {
            self.refuse(Invalid::AnswerTooLarge.into());
            return false;
        }
        let step = (bytes - self.counted).next_multiple_of(STEP_BYTES);
        let taken = match &mut self.held {
            Some(held) => held.grow(step),
            None => {
                self.held = self.budget.take(self.key, self.counted + step);
                self.held.is_some()
            }
        };
        if !taken {
            self.refuse(Error::AnswersWaiting);
            return false;
        }
        self.counted += step;
        true
    }

    /// Gives back what it holds: nobody will see it.
    fn refuse(&mut self, error: Error) {
        self.refused = Some(error);
        mem::take(&mut self.json);
        self.held = None;
    }
}

impl Write for CountedJson {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.refused.is_some() || !self.counts(bytes.len()) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.json.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(budget: &Budget) -> CountedJson {
        let key = KeyId::parse("000000000001").expect("an id");
        CountedJson::new(Vec::new(), budget, key)
    }

    #[test]
    fn escapes_count_and_nothing_beyond_the_limit_is_kept() {
        let budget = Budget::new(usize::MAX, usize::MAX);
        let mut exact = begun(&budget);
        exact.limit(8);
        serde_json::to_writer(&mut exact, "\u{1}").expect("eight bytes");
        let (json, held) = exact.finish().expect("room");
        assert_eq!(json, b"\"\\u0001\"");
        assert!(held.is_none(), "it is small");
        let mut short = begun(&budget);
        short.limit(7);
        assert!(serde_json::to_writer(&mut short, "\u{1}").is_err());
        let refused = short.finish().map(|_| ());
        assert_eq!(refused, Err(Invalid::AnswerTooLarge.into()));
    }

    #[test]
    fn what_is_written_is_taken_from_the_budget_before_it_is_held() {
        let piece = [b'x'; 100 * 1024];
        // Of 500 KiB each takes 576; 256 more are too much.
        let budget = Budget::new(1200 * 1024, 1200 * 1024);
        let mut one = begun(&budget);
        let mut other = begun(&budget);
        for _ in 0..5 {
            one.write_all(&piece).expect("room");
            other.append(|json| json.extend_from_slice(&piece));
        }
        assert!(one.write_all(&piece).is_err());
        let refused = one.finish().map(|_| ());
        assert_eq!(refused, Err(Error::AnswersWaiting));
        // What it held is free again.
        other.write_all(&piece).expect("room");
        let (json, held) = other.finish().expect("not refused");
        assert_eq!(json.len(), 6 * piece.len());
        assert!(held.is_some());
    }
}
