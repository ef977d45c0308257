//! A private PostgreSQL server: its own data directory, a Unix socket, nothing on the network.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use postgres::{Config, NoTls};

use crate::{Connection, Database, Tree, eventually};

/// The time zone is one that bare `now()` in a column that must hold UTC cannot hide in. Messages are English,
/// because tests read them. Nothing runs on its own time: no autovacuum. `fsync` matters only to a machine that crashes.
const SETTINGS: &str = "
listen_addresses = ''
timezone = 'Asia/Kathmandu'
lc_messages = 'C'
autovacuum = off
fsync = off
shared_buffers = 16MB
max_connections = 60
max_prepared_transactions = 4
";

/// Outlives the test process, however that ends: the end of its input is the end of the test, and then it stops
/// the server and removes the directory, unless that is to be kept. A line on its input sends it away.
const GUARD: &str = r#"
read -r leave && exit
kill -s QUIT "$1"
tries=100
while [ -e "$2/data/postmaster.pid" ] && [ $tries -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
done
[ -e "$2/keep" ] || rm -rf "$2"
"#;

pub struct Cluster {
    pub tree: Tree,
    dir: PathBuf,
    server: Mutex<Option<Server>>,
    databases: AtomicU32,
    template: OnceLock<String>,
}

/// A running server.
struct Server {
    postmaster: Child,
    guard: Child,
}

impl Cluster {
    /// The server that the tests of one file share.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Cluster::start(Tree::under_test()))
    }

    pub fn start(tree: Tree) -> Cluster {
        let cluster = Cluster::init(tree);
        cluster.start_server();
        cluster
    }

    /// A cluster whose server does not run yet.
    pub fn init(tree: Tree) -> Cluster {
        let cluster = Cluster::in_new_dir(tree);
        cluster.initdb();
        cluster.add_settings(SETTINGS);
        cluster.add_setting("unix_socket_directories", &cluster.dir.display().to_string());
        cluster
    }

    fn in_new_dir(tree: Tree) -> Cluster {
        Cluster {
            tree,
            dir: create_dir(),
            server: Mutex::new(None),
            databases: AtomicU32::new(0),
            template: OnceLock::new(),
        }
    }

    fn add_setting(&self, name: &str, value: &str) {
        self.add_settings(&format!("{name} = '{value}'\n"));
    }

    fn add_settings(&self, settings: &str) {
        let mut file = fs::OpenOptions::new().append(true).open(self.data().join("postgresql.conf")).unwrap();
        file.write_all(settings.as_bytes()).unwrap();
    }

    /// Checksums are on in every version, because pg_upgrade wants both clusters alike and 18 changed the default.
    fn initdb(&self) {
        let initdb = |locale: &str| {
            let mut initdb = self.command("initdb");
            initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--data-checksums", "--no-sync"]);
            initdb.arg(locale).arg("--pgdata").arg(self.data());
            initdb
        };
        if !initdb("--locale=C.UTF-8").output().expect("initdb").status.success() {
            run(&mut initdb("--locale=C"));
        }
    }

    /// A hot standby of this server, which follows it as long as both run.
    pub fn standby(&self) -> Cluster {
        let standby = Cluster::in_new_dir(self.tree.clone());
        let mut backup = self.command("pg_basebackup");
        run(backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"]).arg(standby.data()));
        standby.add_setting("unix_socket_directories", &standby.dir.display().to_string());
        standby.start_server();
        standby
    }

    /// Waits until a standby shows what this server has committed.
    pub fn wait_for(&self, standby: &Cluster) {
        let written: String = self.connect("postgres", "postgres").value("SELECT pg_current_wal_insert_lsn()::text");
        let mut standby = standby.connect("postgres", "postgres");
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        eventually("the standby replays what was written", || standby.value::<bool>(&replayed).then_some(()));
    }

    pub fn start_server(&self) {
        let server = eventually("the processes of the killed server are gone", || {
            let log_before = self.log().len();
            match self.try_to_start() {
                Ok(server) => Some(server),
                Err(()) if self.log()[log_before..].contains("pre-existing shared memory block") => None,
                Err(()) => panic!("the server did not start:\n{}", self.log()),
            }
        });
        *self.server.lock().unwrap() = Some(server);
    }

    fn try_to_start(&self) -> Result<Server, ()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log")).unwrap();
        let mut postmaster = self.command("postgres");
        postmaster.arg("-D").arg(self.data()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut postmaster = postmaster.process_group(0).spawn().expect("postgres"); // its own group: Ctrl-C is for the test
        let mut guard = self.as_server("sh".into());
        guard.args(["-c", GUARD, "guard", &postmaster.id().to_string()]).arg(&self.dir);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guard = guard.process_group(0).spawn().expect("sh");
        let up = eventually("the server answers", || {
            let stopped = postmaster.try_wait().unwrap().is_some();
            (stopped || self.config("postgres").connect(NoTls).is_ok()).then_some(!stopped)
        });
        let server = Server { postmaster, guard };
        if up {
            return Ok(server);
        }
        server.dismiss_guard();
        Err(())
    }

    /// As an administrator stops it.
    pub fn stop_server(&self) {
        self.stop("INT", Vec::new());
    }

    /// As a power cut does, but for the machine's memory: all of its processes at once.
    pub fn kill_server(&self) {
        let processes = "SELECT pid::text FROM pg_stat_activity";
        self.stop("KILL", self.connect("postgres", "postgres").column(processes));
    }

    fn stop(&self, signal: &str, other_processes: Vec<String>) {
        let mut server = self.server.lock().unwrap().take().expect("the server runs");
        let mut kill = Command::new("kill");
        // Of the others some may have ended by themselves, so that it complains.
        kill.args(["-s", signal, &server.postmaster.id().to_string()]).args(other_processes).output().expect("kill");
        server.postmaster.wait().unwrap();
        server.dismiss_guard();
    }

    /// A database with the extension.
    pub fn database(&self) -> Database<'_> {
        let template = self.template.get_or_init(|| {
            let template = self.empty_database();
            template.connect().run("CREATE EXTENSION parlant");
            template.name.clone()
        });
        self.create_database(&format!("TEMPLATE {template}"))
    }

    pub fn empty_database(&self) -> Database<'_> {
        self.create_database("TEMPLATE template0")
    }

    pub fn empty_database_in(&self, encoding: &str) -> Database<'_> {
        self.create_database(&format!("TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"))
    }

    fn create_database(&self, options: &str) -> Database<'_> {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres", "postgres").run(&format!("CREATE DATABASE {name} {options}"));
        Database { cluster: self, name }
    }

    pub fn connect(&self, database: &str, role: &str) -> Connection {
        Connection::open(self.config(database).user(role).clone())
    }

    pub(crate) fn connect_with_options(&self, database: &str, role: &str, options: &str) -> Connection {
        Connection::open(self.config(database).user(role).options(options).clone())
    }

    /// A connection through something that listens on another socket in the server's directory.
    pub fn connect_through(&self, port: u16, database: &str, role: &str) -> Connection {
        Connection::open(self.config(database).user(role).port(port).clone())
    }

    /// A program that is none of the server's, run as the server is.
    pub fn foreign_command(&self, program: &str) -> Command {
        self.as_server(program.into())
    }

    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.dir).user("postgres").dbname(database);
        config
    }

    /// A file or folder that the server's programs can write.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// One of the server's programs, run as the server is, with this server as the one to talk to.
    pub fn command(&self, program: &str) -> Command {
        self.as_server(self.tree.programs.join(program))
    }

    fn as_server(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir);
        for (variable, _) in env::vars_os() {
            if variable.to_string_lossy().starts_with("PG") {
                command.env_remove(variable);
            }
        }
        command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE"); // clients would see the backtraces
        command.env("PGHOST", &self.dir).env("PGUSER", "postgres");
        if let Some(user) = os_user() {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Leaves everything for whoever looks into a failed test.
    pub(crate) fn keep(&self) {
        if fs::write(self.dir.join("keep"), "").is_ok() {
            eprintln!("kept: data directory and log in {}", self.dir.display());
        }
    }
}

impl Server {
    fn dismiss_guard(mut self) {
        let _ = self.guard.stdin.take().expect("piped").write_all(b"leave\n");
        self.guard.wait().unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            self.keep();
        }
        if let Some(mut server) = self.server.get_mut().unwrap().take() {
            drop(server.guard.stdin.take());
            let _ = server.postmaster.wait();
            let _ = server.guard.wait();
        } else if !self.path("keep").exists() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Runs a program to its end and returns what it said; panics with all of it when it failed.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// PostgreSQL refuses to run as root.
struct OsUser {
    uid: u32,
    gid: u32,
}

fn os_user() -> Option<&'static OsUser> {
    static USER: OnceLock<Option<OsUser>> = OnceLock::new();
    let id = |arguments: &[&str]| -> u32 {
        let output = run(Command::new("id").args(arguments));
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
    };
    USER.get_or_init(|| {
        (id(&["-u"]) == 0).then(|| {
            let name = env::var("PARLANT_OS_USER").expect(
                "As root, set PARLANT_OS_USER to the user that servers shall run as: PostgreSQL refuses to run as root",
            );
            OsUser { uid: id(&["-u", &name]), gid: id(&["-g", &name]) }
        })
    })
    .as_ref()
}

/// A new directory for one server. Its path is short, because a socket's has at most 107 bytes.
fn create_dir() -> PathBuf {
    static CREATED: AtomicU32 = AtomicU32::new(0);
    let parent = Some(env::temp_dir()).filter(|path| path.as_os_str().len() < 60).unwrap_or_else(|| "/tmp".into());
    loop {
        let name = format!("parlant-{}-{}", process::id(), CREATED.fetch_add(1, Ordering::Relaxed));
        let dir = parent.join(name);
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            // Kept from a failed test of an earlier process that had the same number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            created => created.unwrap_or_else(|error| panic!("{}: {error}", dir.display())),
        }
        if let Some(user) = os_user() {
            chown(&dir, Some(user.uid), Some(user.gid)).unwrap();
        }
        return dir;
    }
}
