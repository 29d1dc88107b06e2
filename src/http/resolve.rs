//! What a sender needs of its recipients in one call.

use std::io::Write;
use std::sync::Arc;

use actix_web::HttpResponse;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::gate::auth::{Allowed, ReadContacts};
use super::gate::observe::Repeatable;
use super::wire::body::JsonBody;
use super::wire::bounded::BoundedBytes;
use super::wire::envelope::{self, Refusal};
use crate::contact::{Alias, FullContact};
use crate::error::Error;
use crate::fields::present;
use crate::invalid::Invalid;
use crate::json::decode_string;
use crate::resolve::{ANSWER_BYTES_MAX, RECIPIENTS_MAX, Recipient, Resolved};
use crate::template::{Rendered, Template};

/// Bytes of a body with many recipients.
const RESOLVE_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

type ResolveBody = JsonBody<RESOLVE_BODY_BYTES_MAX>;

pub(super) async fn resolve(
    allowed: Allowed<ReadContacts>,
    body: ResolveBody,
) -> Result<HttpResponse, Refusal> {
    let permit = body.permit();
    let (recipients, template) = permit.run(move || parse(&body)).await?;
    let store = allowed.store();
    let template = template.map(Arc::new);
    let resolved = store.resolve(allowed.grant(), recipients, template.clone());
    let resolved = resolved.await?;
    let answer = permit.run(move || Ok(write(&resolved, template.as_deref())));
    let answer = answer.await??;
    let mut answer = envelope::written(answer);
    answer.extensions_mut().insert(Repeatable);
    Ok(answer)
}

fn parse(body: &ResolveBody) -> Result<(Vec<Recipient>, Option<Template>), Invalid> {
    let [recipients, text] = body.fields(["recipients", "text"])?;
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
    Ok((
        recipients.collect(),
        present(text).map(parse_text).transpose()?,
    ))
}

fn parse_text(value: &RawValue) -> Result<Template, Invalid> {
    let text = decode_string(value).and_then(Result::ok);
    Template::parse(&text.ok_or(Invalid::Text)?)
}

/// Writes the answer, counting its bytes as it goes.
fn write(resolved: &[(String, Resolved)], template: Option<&Template>) -> Result<Vec<u8>, Error> {
    let mut json = BoundedBytes::new(ANSWER_BYTES_MAX);
    write_to(&mut json, resolved, template).map_err(|error| {
        if error.is_io() {
            Invalid::AnswerTooLarge.into()
        } else {
            Error::Internal
        }
    })?;
    Ok(json.into_bytes())
}

fn write_to(
    json: &mut BoundedBytes,
    resolved: &[(String, Resolved)],
    template: Option<&Template>,
) -> Result<(), serde_json::Error> {
    let io = serde_json::Error::io;
    json.write_all(b"{\"success\":true,\"results\":[")
        .map_err(io)?;
    for (at, (recipient, resolved)) in resolved.iter().enumerate() {
        separate(json, at)?;
        serde_json::to_writer(
            &mut *json,
            &WrittenResult::of(recipient, resolved, template)?,
        )?;
    }
    json.write_all(b"],\"recipients\":[").map_err(io)?;
    let recipients = resolved.iter().filter_map(|(_, resolved)| match resolved {
        Resolved::Sendable(full, text) => Some(WrittenRecipient {
            alias: full.contact.alias.as_str(),
            msisdn: full.contact.msisdn.as_str(),
            text: text.as_ref().map(|text| text.text.as_str()),
        }),
        Resolved::NotFound | Resolved::OptedOut(_) | Resolved::Duplicate(_) => None,
    });
    for (at, recipient) in recipients.enumerate() {
        separate(json, at)?;
        serde_json::to_writer(&mut *json, &recipient)?;
    }
    json.write_all(b"]}").map_err(io)
}

fn separate(json: &mut BoundedBytes, at: usize) -> Result<(), serde_json::Error> {
    if at == 0 {
        return Ok(());
    }
    json.write_all(b",").map_err(serde_json::Error::io)
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
}

/// The names that a text lacks, written from where they stand.
struct Missing<'a>(&'a Template, &'a Rendered);

impl Serialize for Missing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.missing(self.1))
    }
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
            Resolved::Sendable(full, text) => ("ok", Some(full), text.as_ref()),
        };
        let meta = full.map(|full| serde_json::from_str(full.meta.as_json()));
        let lacking = text.filter(|text| !text.is_complete());
        Ok(Self {
            recipient,
            status,
            msisdn: full.map(|full| full.contact.msisdn.as_str()),
            meta: meta.transpose()?,
            text: text.map(|text| text.text.as_str()),
            missing: template
                .zip(lacking)
                .map(|(template, text)| Missing(template, text)),
        })
    }
}
