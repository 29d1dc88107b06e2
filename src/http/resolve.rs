//! What a sender needs of its recipients in one call.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use actix_web::HttpResponse;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::gate::auth::{Allowed, ReadContacts};
use super::wire::body::JsonBody;
use super::wire::counted::CountedJson;
use super::wire::envelope::{self, Refusal};
use crate::contact::{Alias, FullContact};
use crate::error::Error;
use crate::fields::present;
use crate::invalid::Invalid;
use crate::json::decode_string;
use crate::resolve::{ANSWER_BYTES_MAX, RECIPIENTS_MAX, Recipient, Resolved};
use crate::template::{OnMissing, Rendered, Template};

/// Bytes of a body with many recipients.
pub(crate) const RESOLVE_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

type ResolveBody = JsonBody<RESOLVE_BODY_BYTES_MAX>;

pub(super) async fn resolve(
    allowed: Allowed<ReadContacts>,
    body: ResolveBody,
) -> Result<HttpResponse, Refusal> {
    let permit = body.permit();
    let (recipients, template) = permit.run(move || parse(&body)).await?;
    let template = template.map(Arc::new);
    let answer = Answer {
        results: allowed.count_from(b"{\"success\":true,\"results\":[".to_vec()),
        recipients: allowed.count_from(b"[".to_vec()),
        template: template.clone(),
    };
    let store = allowed.store();
    let answer = store.resolve(allowed.grant(), recipients, template, answer, Answer::add);
    Ok(answer.await?.finish()?)
}

fn parse(body: &ResolveBody) -> Result<(Vec<Recipient>, Option<Template>), Invalid> {
    let [recipients, text, on_missing] = body.fields(["recipients", "text", "onMissing"])?;
    let recipients = recipients.ok_or(Invalid::Recipients)?;
    let recipients: Vec<String> =
        serde_json::from_str(recipients.get()).map_err(|_| Invalid::Recipients)?;
    if !(1..=RECIPIENTS_MAX).contains(&recipients.len()) {
        return Err(Invalid::Recipients);
    }
    let recipients = recipients.into_iter().map(|sent| Recipient {
        alias: Alias::parse(&sent).ok(),
        sent,
    });
    let text = present(text).map(|text| as_text(text).ok_or(Invalid::Text));
    let text = text.transpose()?;
    let on_missing = match present(on_missing) {
        Some(word) => OnMissing::parse(&as_text(word).ok_or(Invalid::OnMissing)?)?,
        None => OnMissing::default(),
    };
    let template = text.map(|text| Template::parse(&text, on_missing));
    Ok((recipients.collect(), template.transpose()?))
}

fn as_text(value: &RawValue) -> Option<Cow<'_, str>> {
    decode_string(value).and_then(Result::ok)
}

/// An answer in the making: what came of each recipient, and beside it those that may
/// be sent to, which stand behind all of them.
struct Answer {
    results: CountedJson,
    recipients: CountedJson,
    template: Option<Arc<Template>>,
}

impl Answer {
    /// Writes what came of the next recipient.
    fn add(&mut self, recipient: &str, resolved: &Resolved) -> Result<(), Error> {
        let written = self.write(recipient, resolved);
        written.map_err(|error| self.refusal(&error))
    }

    fn write(&mut self, recipient: &str, resolved: &Resolved) -> Result<(), serde_json::Error> {
        // Together they have the limit of the answer.
        self.results
            .limit(ANSWER_BYTES_MAX.saturating_sub(self.recipients.len()));
        self.results.separate();
        let result = WrittenResult::of(recipient, resolved, self.template.as_deref())?;
        serde_json::to_writer(&mut self.results, &result)?;
        if let Resolved::Sendable(full, text) = resolved {
            self.recipients
                .limit(ANSWER_BYTES_MAX.saturating_sub(self.results.len()));
            self.recipients.separate();
            let recipient = WrittenRecipient {
                alias: full.contact.alias.as_str(),
                msisdn: full.contact.msisdn.as_str(),
                text: text.as_ref().map(|text| text.text.as_str()),
                missing: lacking(self.template.as_deref(), text.as_ref()),
            };
            serde_json::to_writer(&mut self.recipients, &recipient)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<HttpResponse, Error> {
        let (recipients, held) = self.recipients.finish()?;
        // It moves from the one to the other.
        drop(held);
        self.results.limit(ANSWER_BYTES_MAX);
        let rest = [b"],\"recipients\":", recipients.as_slice(), b"]}"];
        let written = rest
            .iter()
            .try_for_each(|part| self.results.write_all(part));
        drop(recipients);
        match written {
            Ok(()) => envelope::counted(self.results),
            Err(_) => Err(self.results.refusal().unwrap_or(Error::Internal)),
        }
    }

    /// Why a part of it was not written.
    fn refusal(&self, error: &serde_json::Error) -> Error {
        let refused = [&self.results, &self.recipients].map(CountedJson::refusal);
        let refused = refused.into_iter().flatten().next();
        refused.filter(|_| error.is_io()).unwrap_or(Error::Internal)
    }
}

#[derive(Serialize)]
struct WrittenResult<'a> {
    recipient: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    msisdn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing<'a>>,
}

#[derive(Serialize)]
struct WrittenRecipient<'a> {
    alias: &'a str,
    msisdn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing<'a>>,
}

/// The names that a text lacks, written from where they stand.
struct Missing<'a>(&'a Template, &'a Rendered);

impl Serialize for Missing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.missing(self.1))
    }
}

fn lacking<'a>(template: Option<&'a Template>, text: Option<&'a Rendered>) -> Option<Missing<'a>> {
    let text = text.filter(|text| !text.is_complete());
    template
        .zip(text)
        .map(|(template, text)| Missing(template, text))
}

impl<'a> WrittenResult<'a> {
    fn of(
        recipient: &'a str,
        resolved: &'a Resolved,
        template: Option<&'a Template>,
    ) -> Result<Self, serde_json::Error> {
        let (status, full, text): (_, Option<&FullContact>, _) = match resolved {
            Resolved::NotFound => ("not_found", None, None),
            Resolved::OptedOut(full) => ("opted_out", Some(full), None),
            Resolved::Duplicate(full) => ("duplicate", Some(full), None),
            Resolved::Incomplete(full, text) => ("incomplete", Some(full), Some(text)),
            Resolved::Sendable(full, text) => ("ok", Some(full), text.as_ref()),
        };
        let meta = full.map(|full| serde_json::from_str(full.meta.as_json()));
        Ok(Self {
            recipient,
            status,
            msisdn: full.map(|full| full.contact.msisdn.as_str()),
            meta: meta.transpose()?,
            missing: lacking(template, text),
            // What is not to be sent is not shown as if it were ready.
            text: text
                .filter(|_| !matches!(resolved, Resolved::Incomplete(..)))
                .map(|text| text.text.as_str()),
        })
    }
}
