//! Address books full of contacts: made once by the product's own binary, filled
//! by SQLite directly, copied for each run that writes.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags, params};
use uuid::Builder;

use crate::Outcome;

/// The product's own.
#[cfg_attr(not(test), expect(dead_code, reason = "only rows are written here"))]
#[path = "../../src/store/sqlite/checksum.rs"]
mod checksum;

/// Samples of a book that requests draw from, spread evenly over it.
const SAMPLES_MAX: u64 = 50_000;
/// The millisecond of the first contact, in September 2026; one more for each.
const FIRST_CREATED_MS: u64 = 1_790_000_000_000;
/// The page cache while a book is filled, in KiB: the index of aliases fits.
const FILL_CACHE_KIB: i64 = 2_000_000;
/// What the benchmark's key may do.
const PERMISSIONS: [&str; 4] = [
    "create:Contacts",
    "read:Contacts",
    "update:Contacts",
    "delete:Contacts",
];
const INSERT: &str =
    "INSERT INTO contacts (id, alias, msisdn, meta, updated_on) VALUES (?1, ?2, ?3, ?4, ?5)";
const CHECKSUMS: &str =
    "UPDATE contacts SET checksum = contact_checksum(id, alias, msisdn, meta, updated_on)";
const HAS_CHECKSUMS: &str =
    "SELECT count(*) FROM pragma_table_info('contacts') WHERE name = 'checksum'";
const SET_COUNT: &str = "UPDATE counters SET value = ?1 WHERE name = 'contacts'";

/// A filled address book, its key and its samples; never served itself.
#[derive(Clone)]
pub(crate) struct Seed {
    book: PathBuf,
    pub(crate) token: String,
    pub(crate) aliases: PathBuf,
    pub(crate) ids: PathBuf,
}

/// A copy of a book, alone in its directory, removed when it is dropped.
pub(crate) struct Copy {
    directory: PathBuf,
    pub(crate) book: PathBuf,
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What cannot be removed is overwritten by the next run.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Seed {
    /// Finds the book of `contacts` contacts under `directory`, or makes it.
    pub(crate) fn of(server: &Path, directory: &Path, contacts: u64) -> Outcome<Self> {
        let schema = directory.join(schema_of(server, directory)?);
        fs::create_dir_all(&schema)?;
        let file = |kind: &str| schema.join(format!("contacts-{contacts}.{kind}"));
        let seed = |token: String| Self {
            book: file("db"),
            token,
            aliases: file("aliases"),
            ids: file("ids"),
        };
        // The book gets its name last of all: where it is, the rest is, too.
        if file("db").exists() {
            return Ok(seed(fs::read_to_string(file("token"))?));
        }
        eprintln!("seeds: filling a book of {contacts} contacts");
        let begun = Instant::now();
        let draft = file("draft");
        remove_book(&draft)?;
        let made = seed(create_key(server, &draft)?);
        fill(&draft, contacts, &made)?;
        fs::write(file("token"), &made.token)?;
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, file("db"))?;
        eprintln!("seeds: {contacts} contacts in {:?}", begun.elapsed());
        Ok(made)
    }

    /// A book of a server of PostgreSQL, under its URL; it is filled by others, who also
    /// write the file of `aliases`.
    pub(crate) fn at_url(server: &Path, url: &str, aliases: &Path) -> Outcome<Self> {
        Ok(Self {
            book: url.into(),
            token: create_key(server, Path::new(url))?,
            aliases: aliases.to_owned(),
            ids: PathBuf::new(),
        })
    }

    /// Copies the book into a directory of its own under `work` and has it on the
    /// disk and in the page cache: no later sync pays for it.
    pub(crate) fn copy(&self, work: &Path, name: &str) -> Outcome<Copy> {
        let directory = work.join(name);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir_all(&directory)?,
        }
        let book = directory.join("addressbook.db");
        let copy = Copy { directory, book };
        fs::copy(&self.book, &copy.book)?;
        let mut file = File::open(&copy.book)?;
        file.sync_all()?;
        io::copy(&mut file, &mut io::sink())?;
        Ok(copy)
    }

    /// The sampled aliases.
    pub(crate) fn aliases(&self) -> Outcome<Vec<String>> {
        let lines = fs::read_to_string(&self.aliases)?;
        Ok(lines.lines().map(str::to_owned).collect())
    }
}

/// A name for the schema that `server` makes: books of another are not reused.
fn schema_of(server: &Path, directory: &Path) -> Outcome<String> {
    fs::create_dir_all(directory)?;
    let empty = tempfile::tempdir_in(directory)?;
    let book = empty.path().join("empty.db");
    create_key(server, &book)?;
    let connection = Connection::open_with_flags(&book, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let mut hasher = DefaultHasher::new();
    number("page_size")?.hash(&mut hasher);
    let mut statement = connection.prepare("SELECT sql FROM sqlite_schema ORDER BY name")?;
    let texts = statement.query_map([], |row| row.get::<_, Option<String>>(0))?;
    for text in texts {
        text?.hash(&mut hasher);
    }
    let version = number("user_version")?;
    Ok(format!("schema-{version}-{:016x}", hasher.finish()))
}

/// Makes a key with the product's binary, and the book where there is none.
fn create_key(server: &Path, book: &Path) -> Outcome<String> {
    let mut command = Command::new(server);
    command.args(["key", "create", "--name", "bench", "--database"]);
    command.arg(book);
    for permission in PERMISSIONS {
        command.args(["--permission", permission]);
    }
    let output = command
        .output()
        .map_err(|error| format!("{} does not start: {error}", server.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`addressbook key create` failed: {said}").into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn remove_book(book: &Path) -> Outcome<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = book.as_os_str().to_owned();
        path.push(suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Writes the contacts and their samples. A crash leaves a draft that nobody
/// takes, so nothing is synced and no journal kept meanwhile.
fn fill(book: &Path, contacts: u64, seed: &Seed) -> Outcome<()> {
    let mut connection = Connection::open(book)?;
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -FILL_CACHE_KIB)?;
    let mut aliases = BufWriter::new(File::create(&seed.aliases)?);
    let mut ids = BufWriter::new(File::create(&seed.ids)?);
    let between_samples = contacts.div_ceil(SAMPLES_MAX);
    let mut random = Random(contacts);
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare(INSERT)?;
        for number in 0..contacts {
            let created_ms = FIRST_CREATED_MS + number;
            let id = random.id(created_ms);
            let alias = format!("user-{:010x}-{number}", random.next() >> 24);
            let msisdn = (447_900_000_000 + random.next() % 100_000_000).to_string();
            let city = number % 100;
            let meta = format!(r#"{{"NAME":"Name {number}","CITY":"City {city}","n":{number}}}"#);
            insert.execute(params![
                &id.as_bytes()[..],
                alias,
                msisdn,
                meta,
                created_ms as i64
            ])?;
            if number % between_samples == 0 {
                writeln!(aliases, "{alias}")?;
                writeln!(ids, "{id}")?;
            }
        }
    }
    // Books of an older server have none.
    if transaction.query_row(HAS_CHECKSUMS, [], |row| row.get(0))? {
        checksum::add_function(&transaction)?;
        transaction.execute(CHECKSUMS, [])?;
    }
    transaction.execute(SET_COUNT, [contacts as i64])?;
    transaction.commit()?;
    aliases.flush()?;
    ids.flush()?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same book on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn id(&mut self, created_ms: u64) -> uuid::Uuid {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next().to_be_bytes()[..2]);
        Builder::from_unix_timestamp_millis(created_ms, &bytes).into_uuid()
    }
}
