//! A PostgreSQL of Debian's package in a folder of this run, and what is asked of it
//! beside the server: `psql` and `pgbench`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

/// Room for the pages of the book; no checkpoint in the middle of a run.
const SETTINGS: &str = "max_connections = 300\nshared_buffers = 1GB\nmax_wal_size = 8GB\n\
    checkpoint_timeout = 30min\nunix_socket_directories = ''\nlisten_addresses = '127.0.0.1'\n";
/// A table of the same columns, indexes and checks beside the book's, with as many
/// rows of the same kind in both.
const FILL: &str = "CREATE SCHEMA plain;
    CREATE TABLE plain.contacts (LIKE book.contacts INCLUDING ALL);
    INSERT INTO plain.contacts (id, alias, msisdn, meta, updated_on)
    SELECT gen_random_uuid(), 'seed-' || n, (447900000000 + n)::text,
        json_build_object('NAME', 'Name ' || n, 'CITY', 'London'), 1790000000000 + n
    FROM generate_series(1, :contacts) n;
    INSERT INTO book.contacts SELECT * FROM plain.contacts;
    UPDATE book.counters SET value = :contacts WHERE name = 'contacts' AND slot = 0;
    VACUUM ANALYZE; CHECKPOINT";

/// A running one; ended when it is dropped.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
}

impl Cluster {
    /// Starts one under `directory`, or none where the package is not there.
    pub(crate) fn start(directory: &Path) -> Outcome<Option<Self>> {
        let Some(programs) = programs() else {
            return Ok(None);
        };
        let folder = tempfile::tempdir_in(directory)?;
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let cluster = Self {
            programs,
            folder,
            port,
        };
        let data = cluster.data();
        let options = ["--username=postgres", "--auth=trust", "--encoding=UTF8"];
        let options = [&options[..], &["--locale=C.UTF-8", "-D", &data]].concat();
        cluster.run("initdb", &options)?;
        let settings = Path::new(&data).join("postgresql.conf");
        let mut settings = OpenOptions::new().append(true).open(settings)?;
        writeln!(settings, "{SETTINGS}port = {port}")?;
        let log = cluster.path("log");
        cluster.run("pg_ctl", &["-D", &data, "-l", &log, "-w", "start"])?;
        Ok(Some(cluster))
    }

    /// Where the book is.
    pub(crate) fn url(&self) -> String {
        let path = "options=-c%20search_path%3Dbook";
        format!(
            "postgres://postgres@127.0.0.1:{}/postgres?{path}",
            self.port
        )
    }

    /// Fills the book, and the table beside it.
    pub(crate) fn fill(&self, contacts: u64) -> Outcome<()> {
        let file = self.path("fill.sql");
        let count = format!("contacts={contacts}");
        // Statement by statement: VACUUM wants no transaction around it.
        fs::write(&file, FILL)?;
        self.ask(
            "psql",
            &["-q", "-v", "ON_ERROR_STOP=1", "-v", &count, "-f", &file],
        )?;
        Ok(())
    }

    /// Transactions a second of a script, by prepared statements on 64 connections.
    pub(crate) fn pgbench(&self, script: &str, connections: u32, seconds: u64) -> Outcome<f64> {
        let file = self.path("script.sql");
        fs::write(&file, script)?;
        let (connections, seconds) = (connections.to_string(), seconds.to_string());
        let load = ["-c", &connections, "-j", "2", "-T", &seconds, "-f", &file];
        let told = self.ask("pgbench", &[&["-n", "-M", "prepared"], &load[..]].concat())?;
        let rate = told
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        Ok(rate.ok_or_else(|| format!("no rate: {told}"))?.parse()?)
    }

    /// Runs a client, and answers what it says.
    fn ask(&self, program: &str, arguments: &[&str]) -> Outcome<String> {
        let place = [("PGHOST", "127.0.0.1"), ("PGUSER", "postgres")];
        let output = Command::new(self.programs.join(program))
            .args(arguments)
            .arg(if program == "psql" {
                "-dpostgres"
            } else {
                "postgres"
            })
            .envs(place)
            .env("PGPORT", self.port.to_string())
            .output()?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{program} failed: {told}{said}").into());
        }
        Ok(told)
    }

    fn data(&self) -> String {
        self.path("data")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// Runs a program of the server's side, which refuses to run as root.
    fn run(&self, program: &str, arguments: &[&str]) -> Outcome<()> {
        let program = self.programs.join(program);
        let is_root = self.folder.path().metadata()?.uid() == 0;
        let mut command = match is_root {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        // Not a pipe: what it starts would keep it open.
        let told = File::create(self.path("told"))?;
        command.stdout(told.try_clone()?).stderr(told);
        let folder = self.folder.path();
        if !command
            .args(arguments)
            .current_dir(folder)
            .status()?
            .success()
        {
            return Err(fs::read_to_string(self.path("told"))?.into());
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What does not stop is left, and said by its own log.
        let _ = self.run(
            "pg_ctl",
            &["-D", &self.data(), "-m", "immediate", "-w", "stop"],
        );
    }
}

/// Where Debian has the programs of the newest PostgreSQL.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.flatten().map(|version| version.path().join("bin"));
    programs.filter(|path| path.join("initdb").exists()).max()
}
