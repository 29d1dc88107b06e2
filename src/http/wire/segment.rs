//! The last segment of a path, which names one thing.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;

use super::envelope::Refusal;
use crate::invalid::Invalid;

/// The last segment, percent-decoded; nothing where it is not UTF-8. (actix
/// would put U+FFFD in the place of what is not.)
pub(crate) struct Segment(pub(crate) Option<String>);

impl Segment {
    /// Reads the text by `parse`.
    ///
    /// # Errors
    /// Those of `parse`; `not_text` where it is not UTF-8.
    pub(crate) fn read<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
        not_text: Invalid,
    ) -> Result<T, Invalid> {
        parse(self.0.as_deref().ok_or(not_text)?)
    }

    /// What `parse` makes of the text, if it is one.
    pub(crate) fn parse<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.0.as_deref().and_then(parse)
    }
}

impl FromRequest for Segment {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let last = request.uri().path().rsplit('/').next().unwrap_or_default();
        let text = percent_decode_str(last).decode_utf8();
        ready(Ok(Self(text.ok().map(Into::into))))
    }
}
