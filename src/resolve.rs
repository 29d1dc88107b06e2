//! What a sender needs of its recipients: who they are, whether they may be
//! sent to, and the text for each.

use std::collections::HashSet;

use crate::contact::{Alias, FullContact, Msisdn};
use crate::template::{Rendered, Template};

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

/// Goes through recipients in order, deciding for each: not found, opted out,
/// duplicate number, else sendable.
pub struct Resolver {
    template: Option<Template>,
    numbers: HashSet<Msisdn>,
}

impl Resolver {
    /// Begins with no number yet; each sendable recipient gets `template`'s text.
    pub fn new(template: Option<Template>) -> Self {
        Self {
            template,
            numbers: HashSet::new(),
        }
    }

    /// Decides over one recipient.
    pub fn decide(&mut self, found: Option<FullContact>, opted_out: bool) -> Resolved {
        let Some(full) = found else {
            return Resolved::NotFound;
        };
        if opted_out {
            return Resolved::OptedOut(full);
        }
        if !self.numbers.insert(full.contact.msisdn.clone()) {
            return Resolved::Duplicate(full);
        }
        let text = self
            .template
            .as_ref()
            .map(|template| template.render(&full));
        Resolved::Sendable(full, text)
    }
}

/// A recipient as it was sent; a text that is no alias names nobody.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// As it was sent.
    pub sent: String,
    /// Whom it names.
    pub alias: Option<Alias>,
}
