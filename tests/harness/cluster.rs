//! A PostgreSQL of a test's own, from Debian's package, in a temporary folder.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::book::execute;
use super::{signal, until};

/// A running PostgreSQL; ended when dropped.
pub struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Cluster {
    /// Makes and starts one, or says that the test is skipped where there is none to start.
    pub fn start() -> Option<Self> {
        let cluster = Self::in_new_folder()?;
        let data = cluster.data();
        let options = ["--username=postgres", "--auth=trust", "--encoding=UTF8"];
        let arguments = [&["-D", &data], &options[..], &["--locale=C.UTF-8"]].concat();
        cluster.run("initdb", &arguments);
        cluster.go_on();
        Some(cluster)
    }

    /// One that has this certificate and its key, and speaks TLS to whoever asks for it.
    pub fn start_with_tls(certificate: &Path, key: &Path) -> Option<Self> {
        let cluster = Self::start()?;
        let data = cluster.data();
        let (certificate, key) = (certificate.display(), key.display());
        // Its key has to be its own.
        let copied = format!(
            "umask 077; cat {certificate} > {data}/server.crt; cat {key} > {data}/server.key"
        );
        cluster.run("/bin/sh", &["-c", &copied]);
        execute(&cluster.url(), "ALTER SYSTEM SET ssl = on");
        execute(&cluster.url(), "SELECT pg_reload_conf()");
        let is_on = "SELECT 1 FROM pg_stat_ssl WHERE current_setting('ssl') = 'on'";
        until(|| (execute(&cluster.url(), is_on) > 0).then_some(()));
        Some(cluster)
    }

    /// A synchronous standby of this one: from now on, each commit waits for it.
    pub fn with_standby(&self) -> Self {
        let standby = Self::in_new_folder().unwrap();
        let (data, port) = (standby.data(), self.port.to_string());
        let of = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        standby.run(
            "pg_basebackup",
            &[&of[..], &["-D", &data, "-R", "-c", "fast"]].concat(),
        );
        standby.go_on();
        let url = self.url();
        execute(&url, "ALTER SYSTEM SET synchronous_standby_names = '*'");
        execute(&url, "SELECT pg_reload_conf()");
        standby
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-w", "promote"]);
        // It has no standby of its own.
        execute(&self.url(), "ALTER SYSTEM RESET synchronous_standby_names");
        execute(&self.url(), "SELECT pg_reload_conf()");
    }

    /// Ends the connection of one transaction that is committed here, and waits for a
    /// standby; whether there was one.
    pub fn end_a_commit_that_waits(&self) -> bool {
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE wait_event = 'SyncRep' LIMIT 1";
        execute(&self.url(), ended) > 0
    }

    fn in_new_folder() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: needs the package postgresql");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        // Taken by somebody else in between, it does not start, and the test fails.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        Some(Self {
            programs,
            folder,
            port,
        })
    }

    /// Starts it, or starts it again.
    pub fn go_on(&self) {
        let folder = self.folder.path().to_str().unwrap();
        let options = format!("-p {} -h 127.0.0.1 -k ''", self.port);
        let log = format!("{folder}/log");
        let data = self.data();
        let arguments = ["-D", &data, "-l", &log, "-o", &options, "-w", "start"];
        self.run("pg_ctl", &arguments);
    }

    /// `kill -9` of all its processes.
    pub fn kill(&self) {
        kill_all_of(Path::new(&self.data()));
    }

    /// A book in it.
    pub fn url(&self) -> PathBuf {
        PathBuf::from(format!("postgres://postgres@{}/postgres", self.host()))
    }

    /// A book in whichever of both takes writes.
    pub fn url_of_both(&self, other: &Self) -> PathBuf {
        let (one, other) = (self.host(), other.host());
        let url = format!("postgres://postgres@{one},{other}/postgres");
        PathBuf::from(format!("{url}?target_session_attrs=read-write"))
    }

    /// The same by the name of this machine, with more parameters.
    pub fn url_by_name(&self, parameters: &str) -> String {
        let port = self.port;
        format!("postgres://postgres@localhost:{port}/postgres?{parameters}")
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn data(&self) -> String {
        format!("{}/data", self.folder.path().to_str().unwrap())
    }

    /// Runs one of its programs, which refuse to run as root.
    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = match rustix::process::getuid().is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        // What it starts would keep a pipe open.
        let log = std::fs::File::create(self.folder.path().join("told")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let done = command.args(arguments).current_dir("/").status().unwrap();
        let told = std::fs::read_to_string(self.folder.path().join("told")).unwrap();
        let log = std::fs::read_to_string(self.folder.path().join("log"));
        assert!(done.success(), "{told}{}", log.unwrap_or_default());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            self.kill();
        }
    }
}

/// `kill -9` of all processes of the PostgreSQL that has this directory.
pub(super) fn kill_all_of(data: &Path) {
    let file = data.join("postmaster.pid");
    let held = std::fs::read_to_string(&file).unwrap();
    let first: u32 = held.lines().next().unwrap().parse().unwrap();
    // It would start the others again.
    signal(first, "STOP");
    let children = children_of(first);
    for process in children.iter().copied().chain([first]) {
        // Some end by themselves.
        let kill = ["-c", &format!("kill -9 {process} 2>/dev/null")];
        Command::new("sh").args(kill).status().unwrap();
    }
    let are_gone = || !children.iter().any(|child| is_alive(*child)) && !is_alive(first);
    until(|| are_gone().then_some(()));
    // Where nobody waits for the dead, its lock seems to be held.
    std::fs::remove_file(file).unwrap();
}

fn children_of(process: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap();
    let ids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let is_child = |id: &u32| {
        // The parent is the second field behind the name (proc(5)).
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let behind = stat.rsplit_once(") ").map(|(_, behind)| behind);
        let parent = behind.and_then(|fields| fields.split(' ').nth(1));
        parent == Some(&*process.to_string())
    };
    ids.filter(is_child).collect()
}

/// Whether it still has anything of its own.
fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, behind)| behind);
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// Where Debian has the programs of the newest PostgreSQL.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.map(|version| version.unwrap().path().join("bin"));
    programs.filter(|path| path.join("initdb").exists()).max()
}
