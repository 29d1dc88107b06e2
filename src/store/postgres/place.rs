//! The schema of a book: the one that the search path names first. From then on it is the
//! whole search path, so that tables and locks are those of one book.

use super::connection::Link;

/// What everybody's search path begins with: the schema of the user's own name, if any.
const USER: &str = "$user";
const PATH: &str = "SELECT current_setting('search_path')";
const OF_USER: &str = "SELECT nspname::text FROM pg_namespace WHERE nspname = current_user";

/// Which schema the search path of a new connection names first.
///
/// # Errors
/// The database's; `None` where it names none that a book could have.
pub(super) async fn named_first(link: &Link) -> Result<Option<String>, tokio_postgres::Error> {
    let path: String = link.query_one(PATH, &[]).await?.try_get(0)?;
    for name in names(&path) {
        if name != USER {
            let is_reserved = name.starts_with("pg_") || name == "information_schema";
            return Ok((!is_reserved).then_some(name));
        }
        if let Some(row) = link.query_opt(OF_USER, &[]).await? {
            return Ok(Some(row.try_get(0)?));
        }
    }
    Ok(None)
}

/// The names of a list, as PostgreSQL reads it: what is in quotes as it stands, a doubled
/// quote for one, everything else in small letters.
fn names(list: &str) -> Vec<String> {
    let (mut names, mut name, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => names.push(std::mem::take(&mut name)),
            _ if is_quoted => name.push(character),
            _ if character.is_whitespace() => {}
            _ => name.extend(character.to_lowercase()),
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_search_path_is_read_as_postgresql_reads_it() {
        for (list, wanted) in [
            ("\"$user\", public", &["$user", "public"][..]),
            ("Book9", &["book9"]),
            ("\"Book9\" , b", &["Book9", "b"]),
            ("\"a\"\"b\",\"with,comma\"", &["a\"b", "with,comma"]),
            ("", &[]),
            ("\"\"", &[]),
        ] {
            assert_eq!(names(list), wanted, "{list}");
        }
    }
}
