//! PgBouncer in transaction mode with a single server connection, which all tenants take turns on.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::thread;

use parlant_tests::{Cluster, Connection, Database, eventually, load_two_workspaces};

const PORT: u16 = 6432;

/// A running PgBouncer. The shell stops it at the end of its input, which is the end of the test, however that comes.
struct Pooler {
    database: Database<'static>,
    role: String,
    process: Child,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

impl Pooler {
    fn start() -> Pooler {
        let cluster = Cluster::shared();
        let database = cluster.database();
        let role = database.create_role("app");
        let mut owner = database.connect();
        load_two_workspaces(&mut owner);
        owner.run(
            "SELECT parlant.grant_workspace('acme', 'ann', 'admin'), parlant.grant_workspace('rival', 'raul', 'admin')",
        );
        owner.run(&format!("SELECT parlant.grant_app_role('{role}')"));
        let dir = cluster.path("");
        let dir = dir.display();
        fs::write(
            cluster.path("pgbouncer.ini"),
            format!(
                "[databases]\n* = host={dir}\n\
                 [pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {dir}\nauth_type = trust\n\
                 auth_file = {dir}/users\npool_mode = transaction\ndefault_pool_size = 1\nlogfile = {dir}/pgbouncer.log\n\
                 max_client_conn = 50\n"
            ),
        )
        .unwrap();
        fs::write(cluster.path("users"), format!("\"{role}\" \"\"\n")).unwrap();
        let mut shell = cluster.foreign_command("sh");
        let path = std::env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
        shell.args([
            "-c",
            "command -v pgbouncer >/dev/null || exit 7; pgbouncer -q pgbouncer.ini & read -r _; kill $!; wait $!",
        ]);
        let mut process = shell.stdin(Stdio::piped()).spawn().expect("sh");
        let socket = cluster.path(&format!(".s.PGSQL.{PORT}"));
        eventually("PgBouncer listens", || {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "PgBouncer (Debian package pgbouncer) does not run: {ended:?}");
            UnixStream::connect(&socket).ok().map(drop)
        });
        Pooler { database, role, process }
    }

    fn connect(&self) -> Connection {
        self.database.cluster.connect_through(PORT, &self.database.name, &self.role)
    }
}

fn rows(client: &mut Connection, sql: &str) -> Vec<String> {
    client.outcome(sql).unwrap_or_else(|error| panic!("{sql}\n{error:?}")).1
}

const SEEN: &str = "SELECT DISTINCT workspace_id FROM parlant.parlant_session ORDER BY 1";

#[test]
fn tenants_who_share_a_server_connection_see_their_own_rows_only() {
    let pooler = Pooler::start();
    let (mut acme, mut rival, mut nobody) = (pooler.connect(), pooler.connect(), pooler.connect());
    let mut backends = Vec::new();
    for _ in 0..20 {
        for (client, workspace, user) in [(&mut acme, "acme", "ann"), (&mut rival, "rival", "raul")] {
            rows(client, &format!("BEGIN; SELECT parlant.enter_workspace('{workspace}', '{user}')"));
            assert_eq!(rows(client, SEEN), [workspace]);
            backends.extend(rows(client, "SELECT pg_backend_pid()"));
            rows(client, "COMMIT");
        }
        assert_eq!(rows(&mut nobody, SEEN), [] as [&str; 0]);
        assert_eq!(rows(&mut nobody, "SELECT parlant.current_workspace_id()"), [""]);
    }
    backends.dedup();
    assert_eq!(backends.len(), 1, "they share one server connection");

    // After an error, a rollback, an entry outside a transaction block, a setting of the session.
    rows(&mut acme, "BEGIN; SELECT parlant.enter_workspace('acme', 'ann')");
    acme.assert_refused("SELECT 1 / 0", "22012");
    rows(&mut acme, "ROLLBACK");
    assert_eq!(rows(&mut nobody, SEEN), [] as [&str; 0]);
    rows(&mut acme, "SELECT parlant.enter_workspace('acme', 'ann')");
    assert_eq!(rows(&mut nobody, SEEN), [] as [&str; 0]);
    acme.assert_refused("SET parlant.workspace_id = 'acme'", "42501");
    rows(&mut acme, "SET plan_cache_mode = force_generic_plan");
    rows(&mut rival, "BEGIN; SELECT parlant.enter_workspace('rival', 'raul')");
    assert_eq!(rows(&mut rival, SEEN), ["rival"]);
    rows(&mut rival, "COMMIT");

    // A plan that one prepared on the connection, and the other finds there.
    rows(
        &mut acme,
        &format!("BEGIN; SELECT parlant.enter_workspace('acme', 'ann'); PREPARE seen AS {SEEN}; EXECUTE seen; COMMIT"),
    );
    assert_eq!(rows(&mut rival, "BEGIN; SELECT parlant.enter_workspace('rival', 'raul'); EXECUTE seen"), ["rival"]);
    rows(&mut rival, "COMMIT");
    assert_eq!(rows(&mut nobody, "EXECUTE seen"), [] as [&str; 0]);

    // A cursor that would be there for whoever comes next.
    rows(
        &mut acme,
        "BEGIN; SELECT parlant.enter_workspace('acme', 'ann');
         DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM parlant.parlant_agent; FETCH 1 FROM kept; COMMIT",
    );
    nobody.assert_refused("FETCH ALL FROM kept", "34000");
    nobody.run("BEGIN; DECLARE own CURSOR WITH HOLD FOR SELECT 1; COMMIT");
    assert_eq!(rows(&mut nobody, "FETCH ALL FROM own"), ["1"], "others stay");

    // Both at once, for a while, with errors in between.
    let race = |mut client: Connection, workspace: &'static str, user: &'static str| {
        thread::spawn(move || {
            for turn in 0..200 {
                rows(&mut client, &format!("BEGIN; SELECT parlant.enter_workspace('{workspace}', '{user}')"));
                assert_eq!(rows(&mut client, SEEN), [workspace]);
                if turn % 3 == 0 {
                    client.assert_refused("SELECT 1 / 0", "22012");
                }
                rows(&mut client, if turn % 2 == 0 { "ROLLBACK" } else { "COMMIT" });
                assert_eq!(rows(&mut client, SEEN), [] as [&str; 0]);
            }
        })
    };
    let racing = [race(acme, "acme", "ann"), race(rival, "rival", "raul")];
    for thread in racing {
        thread.join().expect("nothing leaked");
    }
}
