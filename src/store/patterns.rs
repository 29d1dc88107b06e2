//! Beginnings and parts of texts as SQL looks for them.

/// The smallest text behind every text that begins with `prefix`, or `None`
/// where there is none. UTF-8 sorts as its code points do.
pub(super) fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // Steps over the surrogates, which are no characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// The text with what `LIKE` would take for a pattern escaped by `\`.
pub(super) fn escaped_for_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
