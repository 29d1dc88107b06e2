//! The list of contacts.

use super::contacts;
use super::described::{Described, Tag};
use super::parameters;
use crate::http::wire::query::PARAMETERS_MAX;
use crate::invalid::Invalid;

pub(crate) fn list() -> Described {
    Described::new("listContacts", Tag::Contacts, "Lists contacts")
        .note("Filters combine: a contact must match all of them.")
        .note(format!("At most {PARAMETERS_MAX} parameters, each once."))
        .takes_query(parameters::selection())
        .takes_query(parameters::page())
        .takes_query([parameters::cursor()])
        .answers_page_or_next("Contact", &contacts::example())
        .refuses([Invalid::SortField, Invalid::Search, Invalid::MetaFilters])
        .reads_many()
}
