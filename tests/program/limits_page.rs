//! `docs/limits.md` against the source: every bound is on the page, and each figure
//! on the page is that of its constant.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bounds of the inside that nobody meets, each with its reason.
const NOT_ON_THE_PAGE: &[(&str, &str)] = &[
    ("http/wire/body:TYPE_SHOWN_CHARACTERS_MAX", "cuts a message"),
    ("http/routes:PATH_SHOWN_BYTES_MAX", "cuts a message"),
    ("cli/settings:FILE_BYTES_MAX", "told by its message"),
    ("command/notify:WAIT_MAX", "of a supervisor"),
    ("limits:watch_every", "the server's own"),
    ("limits:minute", "what its name says"),
    ("limits:check_after", "told by docs/backing-up.md"),
    (
        "store/sqlite/whole_check:PART_TIME_MAX",
        "told by docs/backing-up.md",
    ),
    ("store/sqlite/readers:CHECKS_MAX", "the server's own"),
    ("store/sqlite/figures:FIGURES_MAX", "the server's own"),
    (
        "store/sqlite/figures:KEY_EXPIRIES_MAX",
        "cuts what /metrics tells",
    ),
    ("cli/settings:MISSPELT_LETTERS_MAX", "of a typing error"),
    (
        "base_path:BASE_PATH_CHARACTERS_MAX",
        "told by docs/configuration.md",
    ),
    ("store/sqlite/readers:BACKUPS_MAX", "the server's own"),
    (
        "cli/serve:BACKUPS_KEPT_MAX",
        "told by docs/configuration.md",
    ),
    (
        "cli/serve:BACKUP_EVERY_MIN",
        "told by docs/configuration.md",
    ),
    ("store/sqlite/check:LINES_MAX", "cuts a report"),
    (
        "transfer/columns:PLAIN_CHARACTERS_MAX",
        "a rule of spelling",
    ),
    ("msisdn:FIRST_GROUP_DIGITS_MAX", "a rule of spelling"),
    ("msisdn:GROUP_DIGITS_MAX", "a rule of spelling"),
    ("transfer/columns:COLUMNS_SHOWN_MAX", "cuts a message"),
    (
        "transfer/columns:COLUMN_SHOWN_CHARACTERS_MAX",
        "cuts a message",
    ),
    ("transfer/decoded:MARK_BYTES_MAX", "of Unicode"),
    ("command/healthcheck:WAIT_MAX", "of a command, in its help"),
    ("command/healthcheck:ANSWER_BYTES_MAX", "of our own answer"),
    ("command/serve:FILES_MAX", "asked of the system"),
    ("command/serve:FILES_MIN", "asked of the system"),
    ("fields:FIELD_SHOWN_CHARACTERS_MAX", "cuts a message"),
    (
        "http/gate/admission:LAST_USE_AGE_MAX",
        "how true last_used_on is",
    ),
    (
        "http/gate/observe:REQUEST_ID_CHARACTERS_MAX",
        "told by docs/failures.md",
    ),
    ("http/transfer:BATCHES_MAX", "between two threads"),
    (
        "http/wire/body_permits:PARSED_AT_ONCE_MAX",
        "threads, for processors",
    ),
    ("http/wire/many:RECORDS_EXPECTED_MAX", "a guess at a size"),
    (
        "http/wire/query:NAME_SHOWN_CHARACTERS_MAX",
        "cuts a message",
    ),
    ("http/wire/upload:CHUNKS_MAX", "between two threads"),
    ("limits:refused", "lets a client read its refusal"),
    ("meta:NAME_SHOWN_CHARACTERS_MAX", "cuts a message"),
    (
        "store/sqlite/checkpointer:LAST_PAGES_MAX",
        "of a checkpoint",
    ),
    ("store/sqlite/checkpointer:PAUSES_MAX", "of a checkpoint"),
    (
        "store/sqlite/checkpointer:READERS_POLLS_LONG_MAX",
        "of a checkpoint",
    ),
    (
        "store/sqlite/checkpointer:READERS_POLLS_MAX",
        "of a checkpoint",
    ),
    ("store/sqlite/checkpointer:ROUNDS_MAX", "of a checkpoint"),
    (
        "store/sqlite/database:LOCK_POLLS_MAX",
        "LOCK_WAIT_MAX in steps",
    ),
    ("store/sqlite/database:SQLITE_VERSION_MIN", "a version"),
    (
        "store/sqlite/database:STATEMENTS_MAX",
        "prepared statements",
    ),
    ("store/remembered:FORGOTTEN_MAX", "a step of tidying"),
    ("store/remembered:INFLATED_BYTES_MAX", "of our own answer"),
    ("store/sqlite/sessions:FORGOTTEN_MAX", "a step of tidying"),
    ("store/postgres/sessions:FORGOTTEN_MAX", "a step of tidying"),
    (
        "store/sqlite/pool:CONNECTION_WAIT_MAX",
        "never met under permits",
    ),
    ("store/sqlite/file:LOOKS_MAX", "of a lock, 200 ms in all"),
    ("store/sqlite/room:EMPTIED_BYTES_MIN", "of a checkpoint"),
    ("store/sqlite/wal_scan:PAGE_BYTES_MAX", "SQLite's own"),
    ("store/postgres/figures:FIGURES_MAX", "the server's own"),
    (
        "store/postgres/figures:KEY_EXPIRIES_MAX",
        "cuts what /metrics tells",
    ),
    (
        "store/postgres/threads:STOPPING_WAIT_MAX",
        "a part of the stop",
    ),
    (
        "store/sqlite/writer:STOPPING_WAIT_MAX",
        "a part of the stop",
    ),
];

/// The constants of the source that bound something, each as a reader would write
/// its value.
fn bounds() -> BTreeMap<String, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    list_sources(&source, &mut files);
    let mut bounds = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(&source).unwrap().with_extension("");
        let name = name.to_str().unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for line in text.lines() {
            let declared = line.split_once("const ").and_then(|(_, rest)| {
                let (constant, rest) = rest.split_once(": ")?;
                let (_, value) = rest.split_once(" = ")?;
                Some((constant, value.strip_suffix(';')?))
            });
            if let Some((constant, value)) = declared
                && is_bound(constant)
            {
                bounds.insert(format!("{name}:{constant}"), written(constant, value));
            }
        }
    }
    let limits = fs::read_to_string(source.join("http/gate/limits.rs")).unwrap();
    let (_, limits) = limits.split_once("limits! {").unwrap();
    let (limits, _) = limits.split_once("\n}").unwrap();
    let told = |line: &&str| !line.is_empty() && !line.contains("///");
    for line in limits.lines().filter(told) {
        let (name, millis) = line.trim().trim_end_matches(',').split_once(": ").unwrap();
        let millis = millis.replace('_', "").parse().unwrap();
        bounds.insert(
            format!("limits:{name}"),
            duration(Duration::from_millis(millis)),
        );
    }
    bounds
}

fn list_sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list_sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_stem().is_some_and(|stem| stem != "tests")
        {
            files.push(path);
        }
    }
}

fn is_bound(constant: &str) -> bool {
    let named = ["_MAX", "_MIN", "_KEPT"];
    named.iter().any(|end| constant.ends_with(end))
        || ["UNCOUNTED_BYTES", "SMALL_BODY_BYTES"].contains(&constant)
}

/// A value as a reader would write it: `8 MiB`, `1.5 s`, `10,000`.
fn written(constant: &str, value: &str) -> String {
    let of_duration = |unit: &str| {
        let inner = value.strip_prefix(&format!("Duration::from_{unit}("))?;
        Some(product(inner.strip_suffix(')')?))
    };
    if let Some(seconds) = of_duration("secs") {
        return duration(Duration::from_secs(seconds));
    }
    if let Some(millis) = of_duration("millis") {
        return duration(Duration::from_millis(millis));
    }
    let number = product(value);
    if constant.contains("PAGES") {
        return bytes(number * 4096);
    }
    if constant.contains("BYTES") || constant == "RATE_MIN" {
        return bytes(number);
    }
    thousands(number)
}

/// What a product such as `8 * 1024` comes to; factors are numbers, or constants
/// that other rows have.
fn product(value: &str) -> u64 {
    let factors = value.split(" * ").map(|factor| match factor {
        "MEMBERS_MAX" | "NAME_CHARACTERS_MAX" => 64,
        "ROW_BYTES_MAX" => 64 * 1024,
        number => number.replace('_', "").parse().expect("a number"),
    });
    factors.product()
}

fn bytes(number: u64) -> String {
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if number >= size && number.is_multiple_of(size) {
            return format!("{} {unit}", number / size);
        }
    }
    thousands(number)
}

fn duration(duration: Duration) -> String {
    const DAY_S: u64 = 24 * 60 * 60;
    match duration.as_secs() {
        seconds if seconds >= DAY_S => format!("{} days", seconds / DAY_S),
        seconds if seconds >= 120 => format!("{} minutes", seconds / 60),
        _ => format!("{} s", duration.as_secs_f64()),
    }
}

fn thousands(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        1000..1_000_000 => format!("{},{:03}", number / 1000, number % 1000),
        _ => format!(
            "{},{}",
            thousands(number / 1000),
            &format!("{:04}", number % 1000)[1..]
        ),
    }
}

#[test]
fn every_bound_is_on_the_page_and_each_figure_is_its_constants() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md");
    let page = fs::read_to_string(page).unwrap();
    let mut bounds = bounds();
    let mut told = Vec::new();
    for line in page.lines() {
        let Some((row, marks)) = line.split_once("<!-- ") else {
            continue;
        };
        let (marks, _) = marks.split_once(" -->").unwrap();
        for mark in marks.split(' ') {
            let value = bounds
                .get(mark)
                .unwrap_or_else(|| panic!("no such constant: {mark}"));
            let plain = value.replace(',', "");
            assert!(
                row.contains(value) || row.contains(&plain),
                "{mark} is {value}: {row}"
            );
            told.push(mark);
        }
    }
    for (internal, _) in NOT_ON_THE_PAGE {
        assert!(bounds.remove(*internal).is_some(), "there is no {internal}");
    }
    bounds.retain(|bound, _| !told.contains(&bound.as_str()));
    assert!(bounds.is_empty(), "not on the page: {bounds:#?}");
}
