//! The path under which a server stands behind its proxy: what every path of it
//! begins with. Knows no route.

use std::fmt;
use std::str::FromStr;

/// Characters of a base path.
const BASE_PATH_CHARACTERS_MAX: usize = 128;

/// What every path begins with, such as `/book`; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// `pattern` as it is without the base path.
    pub fn strip<'a>(&self, pattern: &'a str) -> &'a str {
        pattern.strip_prefix(self.0.as_str()).unwrap_or(pattern)
    }
}

/// Nothing, or a slash in front and none behind.
impl fmt::Display for BasePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reads a path of segments that a URL spells in one way alone: of letters, digits
/// and `-._~` (RFC 3986, section 2.3). Nothing and `/` are no base path; a slash at
/// the end is dropped.
impl FromStr for BasePath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Ok(Self::default());
        }
        if path.len() > BASE_PATH_CHARACTERS_MAX {
            return Err("at most 128 characters");
        }
        let segments = path.strip_prefix('/').ok_or("begin with /, as in /book")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        for segment in segments.split('/') {
            if ["", ".", ".."].contains(&segment) {
                return Err("no segment may be empty, . or ..");
            }
            if !segment.bytes().all(plain) {
                return Err("letters, digits and -._~ between slashes");
            }
        }
        Ok(Self(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_spelt_in_one_way() {
        let longest = format!("/{}", "a".repeat(127));
        for (text, path) in [
            ("", ""),
            ("/", ""),
            ("/book", "/book"),
            ("/book/", "/book"),
            ("/a-b/c.d/~e_f", "/a-b/c.d/~e_f"),
            (&longest, &longest),
        ] {
            let parsed: BasePath = text.parse().expect(text);
            assert_eq!(parsed.to_string(), path);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_none() {
        let too_long = format!("/{}", "a".repeat(128));
        for text in [
            "book", "//", "/a//b", "/..", "/a/../b", "/.", "/a b", "/a%2Fb", "/{id}", "/é", "/a?b",
            "/a#b", "/a//", &too_long,
        ] {
            assert!(text.parse::<BasePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_is_shown_without_it() {
        let base: BasePath = "/book".parse().expect("a base path");
        assert_eq!(base.strip("/book/healthz"), "/healthz");
        assert_eq!(BasePath::default().strip("/healthz"), "/healthz");
    }
}
