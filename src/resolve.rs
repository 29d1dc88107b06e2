//! What a sender needs of its recipients: who they are, whether they may be
//! sent to, and the text for each.

use std::collections::HashSet;
use std::sync::Arc;

use crate::contact::{Alias, FullContact};
use crate::error::Error;
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
    /// Its text lacks a value, and such are to be skipped.
    Incomplete(FullContact, Rendered),
    /// It may be sent to; with its text, where there is one.
    Sendable(FullContact, Option<Rendered>),
}

/// Goes through recipients in order, deciding for each: not found, opted out,
/// duplicate number, incomplete text, else sendable.
pub struct Resolver {
    template: Option<Arc<Template>>,
    /// As today's rules write them: two spellings of one are one.
    numbers: HashSet<String>,
}

impl Resolver {
    /// Begins with no number yet; each sendable recipient gets `template`'s text.
    pub fn new(template: Option<Arc<Template>>) -> Self {
        Self {
            template,
            numbers: HashSet::new(),
        }
    }

    /// Decides over one recipient.
    ///
    /// # Errors
    /// `AnswerTooLarge` where its text alone would be.
    pub fn decide(
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
        let [number, _] = full.contact.msisdn.spellings();
        if self.numbers.contains(number.as_ref()) {
            return Ok(Resolved::Duplicate(full));
        }
        let number = number.into_owned();
        let text = match &self.template {
            Some(template) => {
                let text = template.render(&full, ANSWER_BYTES_MAX);
                let text = text.ok_or(Invalid::AnswerTooLarge)?;
                if template.skips(&text) {
                    return Ok(Resolved::Incomplete(full, text));
                }
                Some(text)
            }
            None => None,
        };
        self.numbers.insert(number);
        Ok(Resolved::Sendable(full, text))
    }
}

/// Takes what came of each recipient, as it was sent: nothing is kept of it but
/// what is collected.
pub type Collect<C> = fn(&mut C, &str, &Resolved) -> Result<(), Error>;

/// A recipient as it was sent: a contact by its alias, else a group by its id; a
/// text that is no alias names nobody.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// As it was sent.
    pub sent: String,
    /// Whom it names.
    pub alias: Option<Alias>,
}
