//! Reads the query of a list: known parameters, each once, each within its limits.

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

use crate::bulk::BulkMode;
use crate::contact::{Alias, Msisdn};
use crate::group::GroupId;
use crate::invalid::Invalid;
use crate::optout::{Optout, OptoutSelection};
use crate::selection::{Filter, Page, Position, Selection, Sort, SortField};
use crate::transfer::Encoding;

/// Parameters of one query: more than any call knows.
pub(crate) const PARAMETERS_MAX: usize = 64;
pub(crate) const LIMIT_DEFAULT: u32 = 10;
pub(crate) const LIMIT_MAX: u32 = 1000;
/// Characters of `aliasPrefix` and `search`.
pub(crate) const TEXT_CHARACTERS_MAX: usize = 128;
/// Members of `meta` that one list filters by.
pub(crate) const META_FILTERS_MAX: usize = 16;
/// Characters of the value that such a member is to have.
pub(crate) const META_VALUE_CHARACTERS_MAX: usize = 1024;
/// Characters of a parameter's name that a message shows.
const NAME_SHOWN_CHARACTERS_MAX: usize = 64;
/// What a filter by a member of `meta` begins with.
pub(crate) const META_PREFIX: &str = "meta.";

/// The decoded parameters of a query (the URL standard's
/// `application/x-www-form-urlencoded`), taken one by one.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query string.
    ///
    /// # Errors
    /// `ParametersTooMany`, `QueryNotText`, `ParameterTwice`.
    pub(crate) fn parse(query: &str) -> Result<Self, Invalid> {
        // Before anything that looks at each beside all others.
        if query.bytes().filter(|byte| *byte == b'&').count() >= PARAMETERS_MAX {
            return Err(Invalid::ParametersTooMany);
        }
        percent_decode_str(query)
            .decode_utf8()
            .map_err(|_| Invalid::QueryNotText)?;
        Self::of(serde_urlencoded::from_str(query).unwrap_or_default())
    }

    /// Takes parameters that stand elsewhere.
    ///
    /// # Errors
    /// `ParametersTooMany`, `ParameterTwice`.
    pub(crate) fn of(parameters: Vec<(String, String)>) -> Result<Self, Invalid> {
        if parameters.len() > PARAMETERS_MAX {
            return Err(Invalid::ParametersTooMany);
        }
        for (position, (name, _)) in parameters.iter().enumerate() {
            if parameters[..position]
                .iter()
                .any(|(other, _)| other == name)
            {
                return Err(Invalid::ParameterTwice(shown(name)));
            }
        }
        Ok(Self(parameters))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Takes a parameter that is `true` or `false`; without it, false.
    fn take_flag(&mut self, name: &str, wrong: Invalid) -> Result<bool, Invalid> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(wrong),
        }
    }

    /// Takes `offset` and `limit`.
    ///
    /// # Errors
    /// `Offset`, `Limit`.
    fn take_offset_and_limit(&mut self) -> Result<(Option<u64>, u32), Invalid> {
        let offset = match self.take("offset") {
            Some(text) => Some(whole_number(&text).ok_or(Invalid::Offset)?),
            None => None,
        };
        let limit = match self.take("limit") {
            Some(text) => whole_number(&text)
                .and_then(|limit| u32::try_from(limit).ok())
                .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                .ok_or(Invalid::Limit)?,
            None => LIMIT_DEFAULT,
        };
        Ok((offset, limit))
    }

    /// Takes `offset` and `limit`; nothing else may be left.
    ///
    /// # Errors
    /// `Offset`, `Limit`, `ParameterUnknown`.
    pub(crate) fn into_page(mut self) -> Result<(u64, u32), Invalid> {
        let (offset, limit) = self.take_offset_and_limit()?;
        self.nothing_left()?;
        Ok((offset.unwrap_or(0), limit))
    }

    /// Takes what selects opt-outs; nothing else may be left.
    ///
    /// # Errors
    /// The variant of [`Invalid`] for the first parameter that is wrong.
    pub(crate) fn into_optouts(mut self) -> Result<OptoutSelection, Invalid> {
        let (offset, limit) = self.take_offset_and_limit()?;
        let msisdn = self.take("msisdn");
        let msisdn = msisdn.map(|text| Msisdn::parse(&text)).transpose()?;
        let cursor = self.take("cursor");
        self.nothing_left()?;
        let read = |cursor: &str| Optout::from_cursor(cursor, msisdn.as_ref());
        Ok(OptoutSelection {
            page: page(cursor.as_deref(), offset, read)?,
            msisdn,
            limit,
        })
    }

    /// Takes `mode`, `encoding` and `dryRun`; nothing else may be left.
    ///
    /// # Errors
    /// `ImportMode`, `ImportEncoding`, `ImportDryRun`, `ParameterUnknown`.
    pub(crate) fn into_import(mut self) -> Result<(BulkMode, Encoding, bool), Invalid> {
        let mode = match self.take("mode") {
            Some(word) => BulkMode::parse(&word).ok_or(Invalid::ImportMode)?,
            None => BulkMode::Create,
        };
        let encoding = match self.take("encoding") {
            Some(label) => Encoding::parse(&label).ok_or(Invalid::ImportEncoding)?,
            None => Encoding::default(),
        };
        let dry_run = self.take_flag("dryRun", Invalid::ImportDryRun)?;
        self.nothing_left()?;
        Ok((mode, encoding, dry_run))
    }

    /// Takes `bom`; nothing else may be left.
    ///
    /// # Errors
    /// `ExportBom`, `ParameterUnknown`.
    pub(crate) fn into_export(mut self) -> Result<bool, Invalid> {
        let with_mark = self.take_flag("bom", Invalid::ExportBom)?;
        self.nothing_left()?;
        Ok(with_mark)
    }

    /// Takes `force`; nothing else may be left.
    ///
    /// # Errors
    /// `Force`, `ParameterUnknown`.
    pub(crate) fn into_force(mut self) -> Result<bool, Invalid> {
        let force = self.take_flag("force", Invalid::Force)?;
        self.nothing_left()?;
        Ok(force)
    }

    /// Takes everything that selects contacts; nothing else may be left.
    ///
    /// # Errors
    /// The variant of [`Invalid`] for the first parameter that is wrong.
    pub(crate) fn into_selection(mut self) -> Result<Selection, Invalid> {
        let sort = self.take_sort()?;
        let (offset, limit) = self.take_offset_and_limit()?;
        let filters = self.take_filters()?;
        let with_meta = match self.take("include").as_deref() {
            None => false,
            Some("meta") => true,
            Some(_) => return Err(Invalid::Include),
        };
        let cursor = self.take("cursor");
        self.nothing_left()?;
        let read = |cursor: &str| Position::from_cursor(cursor, &filters, sort);
        Ok(Selection {
            page: page(cursor.as_deref(), offset, read)?,
            filters,
            sort,
            limit,
            with_meta,
        })
    }

    /// Takes what filters contacts; nothing else may be left.
    ///
    /// # Errors
    /// The variant of [`Invalid`] for the first parameter that is wrong.
    pub(crate) fn into_filters(mut self) -> Result<Vec<Filter>, Invalid> {
        let filters = self.take_filters()?;
        self.nothing_left()?;
        Ok(filters)
    }

    /// Takes what selects a part of a group's members; nothing else may be left.
    ///
    /// # Errors
    /// The variant of [`Invalid`] for the first parameter that is wrong.
    pub(crate) fn into_members(mut self, group: GroupId) -> Result<Selection, Invalid> {
        let (offset, limit) = self.take_offset_and_limit()?;
        let cursor = self.take("cursor");
        self.nothing_left()?;
        let filters = vec![Filter::Group(group)];
        let sort = Sort {
            field: SortField::CreatedOn,
            descending: false,
        };
        let read = |cursor: &str| Position::from_cursor(cursor, &filters, sort);
        Ok(Selection {
            page: page(cursor.as_deref(), offset, read)?,
            filters,
            sort,
            limit,
            with_meta: false,
        })
    }

    /// Takes nothing.
    ///
    /// # Errors
    /// `ParameterUnknown`.
    pub(crate) fn into_nothing(self) -> Result<(), Invalid> {
        self.nothing_left()
    }

    /// # Errors
    /// `ParameterUnknown`, where a parameter was not taken.
    fn nothing_left(&self) -> Result<(), Invalid> {
        match self.0.first() {
            Some((name, _)) => Err(Invalid::ParameterUnknown(shown(name))),
            None => Ok(()),
        }
    }

    fn take_sort(&mut self) -> Result<Sort, Invalid> {
        let field = match self.take("sortField").as_deref() {
            None | Some("created_on") => SortField::CreatedOn,
            Some("alias") => SortField::Alias,
            Some("msisdn") => SortField::Msisdn,
            Some(_) => return Err(Invalid::SortField),
        };
        let descending = match self.take("sortDir") {
            None => false,
            Some(direction) if direction.eq_ignore_ascii_case("asc") => false,
            Some(direction) if direction.eq_ignore_ascii_case("desc") => true,
            Some(_) => return Err(Invalid::SortDir),
        };
        Ok(Sort { field, descending })
    }

    fn take_filters(&mut self) -> Result<Vec<Filter>, Invalid> {
        let mut filters = Vec::new();
        if let Some(alias) = self.take("alias") {
            filters.push(Filter::Alias(Alias::parse(&alias)?));
        }
        if let Some(msisdn) = self.take("msisdn") {
            filters.push(Filter::Msisdn(Msisdn::parse(&msisdn)?));
        }
        if let Some(group) = self.take("group") {
            filters.push(Filter::Group(
                GroupId::parse(&group).ok_or(Invalid::GroupFilter)?,
            ));
        }
        if let Some(word) = self.take("optedOut") {
            filters.push(Filter::OptedOut(match word.as_str() {
                "true" => true,
                "false" => false,
                _ => return Err(Invalid::OptedOutFilter),
            }));
        }
        if let Some(prefix) = self.take("aliasPrefix") {
            // White space at its end may stand in the middle of an alias.
            let prefix = normal(&prefix, str::trim_start);
            filters.push(Filter::AliasPrefix(bounded(prefix, Invalid::AliasPrefix)?));
        }
        if let Some(text) = self.take("search") {
            filters.push(Filter::Search(bounded(
                normal(&text, str::trim),
                Invalid::Search,
            )?));
        }
        let (metas, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(name, _)| name.len() > META_PREFIX.len() && name.starts_with(META_PREFIX));
        self.0 = rest;
        if metas.len() > META_FILTERS_MAX {
            return Err(Invalid::MetaFilters);
        }
        let is_too_long = |value: &str| value.chars().count() > META_VALUE_CHARACTERS_MAX;
        if metas.iter().any(|(_, value)| is_too_long(value)) {
            return Err(Invalid::MetaFilterValue);
        }
        filters.extend(metas.into_iter().map(|(name, value)| Filter::Meta {
            name: name[META_PREFIX.len()..].to_owned(),
            value,
        }));
        Ok(filters)
    }
}

/// The page that is asked for, by a cursor that `read` reads or by an offset.
fn page<P>(
    cursor: Option<&str>,
    offset: Option<u64>,
    read: impl FnOnce(&str) -> Result<P, Invalid>,
) -> Result<Page<P>, Invalid> {
    Ok(match (cursor, offset) {
        (Some(_), Some(_)) => return Err(Invalid::CursorWithOffset),
        (Some(""), None) => Page::After(None),
        (Some(cursor), None) => Page::After(Some(read(cursor)?)),
        (None, offset) => Page::Offset(offset.unwrap_or(0)),
    })
}

/// Digits alone, within a `u64`: no sign, no space.
fn whole_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A part of an alias as aliases are stored: in NFC, and without the white space that
/// `trim` takes away, unless there is nothing else.
fn normal(part: &str, trim: fn(&str) -> &str) -> String {
    let seen = trim(part);
    let seen = if seen.is_empty() { part } else { seen };
    seen.nfc().collect()
}

fn bounded(text: String, error: Invalid) -> Result<String, Invalid> {
    if (1..=TEXT_CHARACTERS_MAX).contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(error)
    }
}

fn shown(name: &str) -> String {
    name.chars().take(NAME_SHOWN_CHARACTERS_MAX).collect()
}
