//! What a sender needs of its recipients: who they are, whether they may be
//! sent to, and the text for each.

use std::collections::HashSet;
use std::sync::Arc;

use crate::contact::{Alias, FullContact, Msisdn};
use crate::invalid::Invalid;
use crate::template::{Rendered, Template};

/// Recipients of one request, those in its groups among them.
pub const RECIPIENTS_MAX: usize = 10_000;
/// Bytes of an answer with all its recipients.
pub const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What came of one recipient.
#[derive(Debug)]
pub enum Resolved {
    /// No contact has the alias.
    NotFound,
    /// The contact's number is opted out.
    OptedOut(FullContact),
    /// An earlier recipient has the same number.
    Duplicate(FullContact),
    /// It may be sent to; with its text, where there is one.
    Sendable(FullContact, Option<Rendered>),
}

impl Resolved {
    /// What an answer needs for it at the least: its meta, its text twice, and the
    /// names of what is missing in it.
    fn answer_bytes_min(&self) -> usize {
        match self {
            Self::NotFound => 0,
            Self::OptedOut(full) | Self::Duplicate(full) => full.meta.as_json().len(),
            Self::Sendable(full, text) => {
                let text_bytes = text.as_ref().map_or(0, Rendered::answer_bytes_min);
                full.meta.as_json().len() + text_bytes
            }
        }
    }
}

/// Goes through recipients in order, deciding for each: not found, opted out,
/// duplicate number, else sendable.
pub struct Resolver {
    template: Option<Arc<Template>>,
    numbers: HashSet<Msisdn>,
    /// What the answer holds so far, at the least.
    answer_bytes: usize,
}

impl Resolver {
    /// Begins with no number yet; each sendable recipient gets `template`'s text.
    pub fn new(template: Option<Arc<Template>>) -> Self {
        Self {
            template,
            numbers: HashSet::new(),
            answer_bytes: 0,
        }
    }

    /// Decides over one recipient.
    ///
    /// # Errors
    /// `AnswerTooLarge`, as soon as the answer is sure to be: before it takes the
    /// memory.
    pub fn decide(
        &mut self,
        found: Option<FullContact>,
        opted_out: bool,
    ) -> Result<Resolved, Invalid> {
        let resolved = self.decided(found, opted_out)?;
        self.answer_bytes += resolved.answer_bytes_min();
        if self.answer_bytes > ANSWER_BYTES_MAX {
            return Err(Invalid::AnswerTooLarge);
        }
        Ok(resolved)
    }

    fn decided(
        &mut self,
        found: Option<FullContact>,
        opted_out: bool,
    ) -> Result<Resolved, Invalid> {
        let Some(full) = found else {
            return Ok(Resolved::NotFound);
        };
        if opted_out {
            return Ok(Resolved::OptedOut(full));
        }
        if !self.numbers.insert(full.contact.msisdn.clone()) {
            return Ok(Resolved::Duplicate(full));
        }
        let bytes_max = ANSWER_BYTES_MAX - self.answer_bytes;
        let text = match &self.template {
            Some(template) => {
                let text = template.render(&full, bytes_max);
                Some(text.ok_or(Invalid::AnswerTooLarge)?)
            }
            None => None,
        };
        Ok(Resolved::Sendable(full, text))
    }
}

/// A recipient as it was sent: a contact by its alias, else a group by its id; a
/// text that is no alias names nobody.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// As it was sent.
    pub sent: String,
    /// Whom it names.
    pub alias: Option<Alias>,
}
