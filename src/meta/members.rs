//! Walks the members of a stored meta without copying any: an export looks at
//! those of every contact twice.

use super::Meta;

/// A member as it stands in the stored text: its name and its value as JSON.
pub type Member<'a> = (&'a str, &'a str);

impl Meta {
    /// The members at the top of compact JSON from the store, in their order;
    /// up to the first that is none, where the text is no such JSON.
    pub fn stored_members(compact: &str) -> impl Iterator<Item = Member<'_>> {
        let mut rest = compact.strip_prefix('{').unwrap_or_default();
        std::iter::from_fn(move || {
            let name_end = value_end(rest)?;
            let (name, behind) = rest.split_at_checked(name_end)?;
            let behind = behind.strip_prefix(':')?;
            let end = value_end(behind)?;
            let (value, behind) = behind.split_at_checked(end)?;
            rest = behind.get(1..)?;
            Some((name, value))
        })
    }
}

/// Where the value ends that `text` begins with: what is left begins with the
/// `,`, `:`, `}` or `]` behind it.
fn value_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b',' | b':' | b'}' | b']' if depth == 0 => return (at > 0).then_some(at),
            _ => {}
        }
        at += 1;
    }
}

/// Where the closing quote of a string is whose inside begins at `from`.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(compact: &str) -> Vec<Member<'_>> {
        Meta::stored_members(compact).collect()
    }

    #[test]
    fn the_members_are_those_of_the_text() {
        assert_eq!(members("{}"), []);
        assert_eq!(
            members(r#"{"a":"b","c\"}":{"x":[1,{"]":"}"}],"y":"\\"},"d":-1.50,"e":null,"":[]}"#),
            [
                (r#""a""#, r#""b""#),
                (r#""c\"}""#, r#"{"x":[1,{"]":"}"}],"y":"\\"}"#),
                (r#""d""#, "-1.50"),
                (r#""e""#, "null"),
                (r#""""#, "[]"),
            ]
        );
    }

    #[test]
    fn no_text_breaks_the_walk() {
        for text in [
            "", "{", "[1]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\\", "{,}", "{:1}", "{\"a\":}",
        ] {
            assert!(members(text).is_empty(), "{text}");
        }
    }
}
