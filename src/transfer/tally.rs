//! What came of the rows of an import.

use super::Row;
use crate::bulk::ItemOutcome;
use crate::change::Outcome;
use crate::contact::NewContact;
use crate::error::Error;

/// Errors of rows that an answer has, and those of one kind; the summary counts all.
pub(crate) const ERRORS_MAX: usize = 1_000;
pub(crate) const ERRORS_OF_KIND_MAX: u64 = 100;
/// Kinds that the summary counts one by one: more than there are.
pub(crate) const KINDS_MAX: usize = 50;

/// How many rows came to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All of them.
    pub total: u64,
    /// Contacts that were not there.
    pub created: u64,
    /// Contacts that were replaced.
    pub updated: u64,
    /// Contacts that were so already.
    pub unchanged: u64,
    /// Rows with an error.
    pub failed: u64,
    /// Members of metas that are gone.
    pub cleared: u64,
    /// How many errors of each kind there are, the kinds in the order of the lines.
    pub messages: Vec<(String, u64)>,
}

impl Summary {
    /// Counts an error of this kind; how many there are of it now.
    fn count(&mut self, kind: String) -> u64 {
        if let Some((_, count)) = self.messages.iter_mut().find(|(known, _)| *known == kind) {
            *count += 1;
            return *count;
        }
        if self.messages.len() < KINDS_MAX {
            self.messages.push((kind, 1));
        }
        1
    }
}

/// What is wrong with one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Where the row begins.
    pub line: u64,
    /// Which field is wrong; none where it is the row as a whole.
    pub field: Option<&'static str>,
    /// What is wrong with it.
    pub message: String,
}

impl RowError {
    fn of(line: u64, error: &Error) -> Self {
        Self {
            line,
            field: error.field(),
            message: error.to_string(),
        }
    }
}

/// The counts, and the first errors of each kind, of an import under way.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The counts so far.
    pub summary: Summary,
    /// The first errors, in the order of the lines.
    pub errors: Vec<RowError>,
    /// The last line on which a row that was dealt with begins; 0 before the first.
    pub line: u64,
}

impl Tally {
    /// The contacts of a batch that can be stored, in the order of its rows.
    pub fn contacts(batch: &[Row]) -> Vec<NewContact> {
        let contacts = batch.iter().filter_map(|row| row.contact.as_ref().ok());
        contacts.cloned().collect()
    }

    /// Whether there is a place for another error of a kind of which there are so many:
    /// each kind that may still come has one kept for it.
    fn has_place(&self, of_kind: u64) -> bool {
        let kept = KINDS_MAX - self.summary.messages.len();
        of_kind <= ERRORS_OF_KIND_MAX && self.errors.len() + kept < ERRORS_MAX
    }

    /// Adds what came of a batch: of the outcomes in the order of its contacts, and
    /// of the rows that could not be one. Each error goes to `tell` with its row.
    pub fn add(
        &mut self,
        batch: &[Row],
        outcomes: Vec<ItemOutcome>,
        mut tell: impl FnMut(&Row, &RowError),
    ) {
        let mut outcomes = outcomes.into_iter();
        for row in batch {
            self.summary.total += 1;
            self.line = row.line;
            let outcome = match &row.contact {
                Err(invalid) => Err(Error::Invalid(invalid.clone())),
                Ok(_) => match outcomes.next() {
                    Some(outcome) => outcome,
                    None => Err(Error::NotTried),
                },
            };
            match outcome {
                Ok(stored) => {
                    self.summary.cleared += stored.cleared;
                    match stored.outcome {
                        Outcome::Created => self.summary.created += 1,
                        Outcome::Updated => self.summary.updated += 1,
                        Outcome::Unchanged => self.summary.unchanged += 1,
                    }
                }
                Err(error) => {
                    self.summary.failed += 1;
                    let of_kind = self.summary.count(error.kind());
                    let error = RowError::of(row.line, &error);
                    tell(row, &error);
                    if self.has_place(of_kind) {
                        self.errors.push(error);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalid::Invalid;

    #[test]
    fn each_kind_of_error_has_a_place_however_many_there_are_of_others() {
        let kinds = [
            Invalid::AliasMissing,
            Invalid::AliasTooLong,
            Invalid::AliasCharacters,
            Invalid::MsisdnMissing,
            Invalid::MsisdnFormat,
            Invalid::MsisdnDecimal,
            Invalid::MsisdnSeveral,
            Invalid::MsisdnTrunkZero,
            Invalid::MsisdnRounded,
            Invalid::MetaNotJson,
            Invalid::MetaNotObject,
            Invalid::MetaTooDeep,
            Invalid::RowNotText,
            Invalid::RowTooLarge,
            Invalid::QuoteOpen,
        ];
        let mut tally = Tally::default();
        for invalid in &kinds {
            let row = Row {
                line: 1,
                contact: Err(invalid.clone()),
                raw: Vec::new(),
            };
            tally.add(&vec![row; 150], Vec::new(), |_, _| {});
        }
        assert!(tally.errors.len() <= ERRORS_MAX);
        for invalid in &kinds {
            let message = invalid.to_string();
            let told = tally.errors.iter().filter(|error| error.message == message);
            let told = told.count() as u64;
            assert!(
                (1..=ERRORS_OF_KIND_MAX).contains(&told),
                "{message}: {told}"
            );
            assert!(tally.summary.messages.contains(&(message, 150)));
        }
    }
}
