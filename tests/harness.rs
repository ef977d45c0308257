//! The eyes of the other tests: they see what is there to see.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use parlant_tests::{
    Cluster, assert_works, eventually, fingerprint, load_fixture, load_users_own, row_hashes, violations,
};

/// Changes to a database of the fixture, each of one fact.
const CHANGES: &[&str] = &[
    "ALTER EXTENSION parlant ADD VIEW public.open_session",
    "ALTER EXTENSION parlant DROP FUNCTION parlant.uuidv7()",
    "ALTER EXTENSION parlant ADD TABLE parlant.parlant_term",
    "ALTER SCHEMA parlant OWNER TO APP_ROLE",
    "COMMENT ON SCHEMA parlant IS 'changed'",
    "GRANT CREATE ON SCHEMA parlant TO APP_ROLE",
    "ALTER TABLE parlant.parlant_event OWNER TO APP_ROLE",
    "ALTER TABLE parlant.parlant_event SET (fillfactor = 50)",
    "ALTER TABLE parlant.parlant_term SET UNLOGGED",
    "ALTER TABLE parlant.parlant_event REPLICA IDENTITY FULL",
    "COMMENT ON TABLE parlant.parlant_event IS 'changed'",
    "REVOKE SELECT ON parlant.parlant_event FROM APP_ROLE",
    "GRANT SELECT ON parlant.parlant_event TO public",
    "GRANT SELECT ON parlant.parlant_event TO APP_ROLE WITH GRANT OPTION",
    "GRANT SELECT (content) ON parlant.parlant_event TO APP_ROLE",
    "CREATE TABLE parlant.another ()",
    "DROP TABLE parlant.parlant_event",
    "ALTER TABLE parlant.parlant_event ADD another integer",
    "ALTER TABLE parlant.parlant_event RENAME content TO payload",
    "ALTER TABLE parlant.parlant_session ALTER ip_address TYPE varchar(50)",
    "ALTER TABLE parlant.parlant_event ALTER content DROP NOT NULL",
    "ALTER TABLE parlant.parlant_event ALTER content SET DEFAULT '{}'",
    "ALTER TABLE parlant.parlant_event ALTER id SET DEFAULT gen_random_uuid()",
    "ALTER TABLE parlant.parlant_session ALTER title TYPE text COLLATE \"C\"",
    "ALTER TABLE parlant.parlant_event ALTER content SET STORAGE EXTERNAL",
    "ALTER TABLE parlant.parlant_event ALTER content SET STATISTICS 7",
    "ALTER TABLE parlant.parlant_event ALTER content SET (n_distinct = 7)",
    "ALTER TABLE parlant.parlant_journey_transition ALTER from_state_is_final DROP EXPRESSION",
    "COMMENT ON COLUMN parlant.parlant_event.content IS 'changed'",
    "ALTER TABLE parlant.parlant_event DROP CONSTRAINT offset_is_not_negative",
    "ALTER TABLE parlant.parlant_event RENAME CONSTRAINT offset_is_not_negative TO changed",
    "ALTER TABLE parlant.parlant_event ADD CHECK (\"offset\" < 1000) NOT VALID",
    "ALTER TABLE parlant.parlant_agent VALIDATE CONSTRAINT team_is_positive",
    "ALTER TABLE parlant.parlant_event ALTER CONSTRAINT session_is_in_the_workspace DEFERRABLE",
    "ALTER TABLE parlant.parlant_event DISABLE TRIGGER ALL",
    "COMMENT ON CONSTRAINT offset_is_not_negative ON parlant.parlant_event IS 'changed'",
    "DROP INDEX parlant.session_by_locale",
    "ALTER INDEX parlant.session_by_locale SET (fillfactor = 50)",
    "ALTER TABLE parlant.parlant_session CLUSTER ON parlant_session_pkey",
    "COMMENT ON INDEX parlant.session_by_locale IS 'changed'",
    "DROP TRIGGER shout ON parlant.parlant_term",
    "ALTER TABLE parlant.parlant_term DISABLE TRIGGER shout",
    "ALTER TABLE parlant.parlant_term ENABLE ALWAYS TRIGGER shout",
    "COMMENT ON TRIGGER shout ON parlant.parlant_term IS 'changed'",
    "CREATE TRIGGER another AFTER TRUNCATE ON parlant.parlant_term EXECUTE FUNCTION public.shout()",
    "DROP POLICY own_terms ON parlant.parlant_term",
    "ALTER POLICY own_terms ON parlant.parlant_term TO public",
    "ALTER POLICY own_terms ON parlant.parlant_term USING (true)",
    "COMMENT ON POLICY own_terms ON parlant.parlant_term IS 'changed'",
    "CREATE POLICY another ON parlant.parlant_term WITH CHECK (true)",
    "ALTER TABLE parlant.parlant_term DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE parlant.parlant_term NO FORCE ROW LEVEL SECURITY",
    "CREATE RULE another AS ON DELETE TO parlant.parlant_term DO INSTEAD NOTHING",
    "DROP STATISTICS parlant.session_places",
    "ALTER DOMAIN parlant.event_type OWNER TO APP_ROLE",
    "ALTER DOMAIN parlant.event_type SET DEFAULT 'tool_call'",
    "ALTER DOMAIN parlant.event_type SET NOT NULL",
    "ALTER DOMAIN parlant.event_type DROP CONSTRAINT event_type_is_known",
    "ALTER DOMAIN parlant.event_type ADD CHECK (VALUE <> '')",
    "COMMENT ON DOMAIN parlant.event_type IS 'changed'",
    "REVOKE USAGE ON DOMAIN parlant.event_type FROM public",
    "CREATE TYPE parlant.another AS ENUM ('a')",
    "ALTER FUNCTION parlant.uuidv7() STABLE",
    "ALTER FUNCTION parlant.uuidv7() PARALLEL UNSAFE",
    "ALTER FUNCTION parlant.uuidv7() CALLED ON NULL INPUT",
    "ALTER FUNCTION parlant.uuidv7() LEAKPROOF",
    "ALTER FUNCTION parlant.uuidv7() SECURITY DEFINER",
    "ALTER FUNCTION parlant.uuidv7() COST 7",
    "ALTER FUNCTION parlant.install_tables() ROWS 7",
    "ALTER FUNCTION parlant.uuidv7() SET work_mem = '1MB'",
    "ALTER FUNCTION parlant.uuidv7() OWNER TO APP_ROLE",
    "COMMENT ON FUNCTION parlant.uuidv7() IS 'changed'",
    "GRANT EXECUTE ON FUNCTION parlant.uuidv7() TO public",
    "CREATE OR REPLACE FUNCTION parlant.set_updated_at() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE FUNCTION parlant.another() RETURNS integer LANGUAGE sql RETURN 1",
    "CREATE CAST (uuid AS parlant.event_type) WITH INOUT",
    "ALTER PUBLICATION events DROP TABLE parlant.parlant_event",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA parlant GRANT INSERT ON TABLES TO APP_ROLE",
    "CREATE OR REPLACE VIEW public.open_session AS SELECT NULL::uuid AS id, NULL::text AS name",
];

#[test]
fn the_fingerprint_sees_every_change() {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    let role = database.create_role("app");
    load_fixture(&mut connection);
    load_users_own(&mut connection, &role);
    let before = fingerprint(&mut connection);
    assert_eq!(before, fingerprint(&mut connection), "nothing changed");
    let mut unseen = CHANGES.to_vec();
    unseen.retain(|change| {
        connection.run("BEGIN");
        connection.run(&change.replace("APP_ROLE", &role));
        let seen = fingerprint(&mut connection) != before;
        connection.run("ROLLBACK");
        !seen
    });
    assert_eq!(unseen, [] as [&str; 0]);
}

#[test]
fn the_hashes_see_every_change() {
    let mut connection = Cluster::shared().database().connect();
    load_fixture(&mut connection);
    let before = row_hashes(&mut connection);
    assert_eq!(before, row_hashes(&mut connection), "nothing changed");
    for (table, change) in [
        ("parlant_event", "DELETE FROM parlant.parlant_session WHERE customer_id = 'cust-2'"),
        ("parlant_agent", "UPDATE parlant.parlant_agent SET description = NULL WHERE description = ''"),
        ("parlant_term", "ALTER TABLE parlant.parlant_term ADD another integer"),
        ("parlant_tool", "UPDATE parlant.parlant_tool SET updated_at = updated_at WHERE name = 'find_order'"),
        ("parlant_guideline", "TRUNCATE parlant.parlant_guideline CASCADE"),
        (
            "parlant_variable",
            "UPDATE parlant.parlant_variable SET value = '12345678901234567890.120' WHERE key = 'order_total'",
        ),
    ] {
        connection.run("BEGIN; ALTER TABLE parlant.parlant_variable DISABLE TRIGGER set_updated_at");
        connection.run(change);
        let after = row_hashes(&mut connection);
        connection.run("ROLLBACK");
        assert!(before.iter().zip(&after).any(|(b, a)| b.table == table && b != a), "unseen: {change}");
    }
}

#[test]
fn broken_rows_are_seen() {
    let mut connection = Cluster::shared().database().connect();
    load_fixture(&mut connection);
    assert_eq!(violations(&mut connection), [] as [String; 0]);
    connection.run(
        "SET session_replication_role = replica; -- no foreign keys
         DELETE FROM parlant.parlant_workflow_template WHERE workspace_id = 'acme';
         RESET session_replication_role;
         ALTER TABLE parlant.parlant_term DROP CONSTRAINT importance_is_1_to_1000;
         UPDATE parlant.parlant_term SET importance = 0;
         ALTER TABLE parlant.parlant_term
             ADD CONSTRAINT importance_is_1_to_1000 CHECK (importance BETWEEN 1 AND 1000) NOT VALID",
    );
    let mut seen = violations(&mut connection);
    seen.sort();
    assert_eq!(
        seen,
        [
            "importance_is_1_to_1000 on parlant.parlant_term: 2",
            "template_is_in_the_workspace on parlant.parlant_conversion_history: 1",
            "template_is_in_the_workspace on parlant.parlant_template_parameter: 2",
        ]
    );
}

#[test]
fn a_database_that_does_not_work_is_seen() {
    for breakage in [
        "ALTER TABLE parlant.parlant_event ALTER id SET DEFAULT gen_random_uuid()",
        "ALTER TABLE parlant.parlant_event ALTER created_at SET DEFAULT now()",
        "DROP TRIGGER begin_session ON parlant.parlant_session",
        "DROP TRIGGER number_event ON parlant.parlant_event",
        "DROP TRIGGER fill_agent_and_workspace ON parlant.parlant_journey_guideline",
        "DROP TRIGGER match_final_flag ON parlant.parlant_journey_state",
        "ALTER TABLE parlant.parlant_agent DISABLE TRIGGER set_updated_at",
        "DROP INDEX parlant.parlant_agent_name_key",
        "ALTER DOMAIN parlant.agent_status DROP CONSTRAINT agent_status_is_known",
        "ALTER TABLE parlant.parlant_agent DROP CONSTRAINT temperature_is_0_to_100",
        "ALTER TABLE parlant.parlant_session DISABLE TRIGGER ALL",
        "ALTER TABLE parlant.parlant_journey_transition DROP CONSTRAINT from_state_is_in_the_journey_and_not_final",
        "ALTER TABLE parlant.parlant_tool DROP CONSTRAINT parameters_is_a_json_schema",
    ] {
        let mut connection = Cluster::shared().database().connect();
        connection.run(breakage);
        let seen = catch_unwind(AssertUnwindSafe(|| assert_works(&mut connection))).is_err();
        assert!(seen, "unseen: {breakage}");
    }
    assert_works(&mut Cluster::shared().database().connect());
}

#[test]
fn a_wait_for_a_lock_is_seen() {
    let database = Cluster::shared().database();
    let mut first = database.connect();
    let lock = "SELECT pg_advisory_xact_lock(1)";
    first.run(&format!("BEGIN; {lock}"));
    let mut waiting = database.connect().start(lock);
    assert!(waiting.blocks());
    first.run("COMMIT");
    waiting.succeed();
    let mut free = database.connect().start(lock);
    assert!(!free.blocks());
    free.succeed();
}

/// Names the file in which the test below, run once more in a process of its own, tells where its server is.
const REPORT: &str = "PARLANT_TEST_REPORT";

#[test]
fn a_server_does_not_outlive_a_killed_test() {
    if let Some(report) = env::var_os(REPORT) {
        fs::write(report, Cluster::shared().path("").to_str().unwrap()).unwrap();
        loop {
            thread::park();
        }
    }
    let report = Cluster::shared().path("report");
    let mut test = Command::new(env::current_exe().unwrap());
    test.args(["--exact", "a_server_does_not_outlive_a_killed_test"]).env(REPORT, &report).stdout(Stdio::null());
    let mut test = test.spawn().unwrap();
    let dir = eventually("the server runs", || fs::read_to_string(&report).ok().filter(|dir| !dir.is_empty()));
    let pid = fs::read_to_string(format!("{dir}/data/postmaster.pid")).unwrap();
    let command_line = format!("/proc/{}/cmdline", pid.lines().next().unwrap()); // empty when nobody has reaped it yet
    let runs = || fs::read_to_string(&command_line).is_ok_and(|line| line.contains("postgres"));
    assert!(runs());
    test.kill().unwrap();
    test.wait().unwrap();
    eventually("its directory is gone", || (!Path::new(&dir).exists()).then_some(()));
    eventually("the server is gone", || (!runs()).then_some(()));
}

#[test]
fn what_an_earlier_process_of_this_number_kept_is_passed_by() {
    let shared = Cluster::shared();
    let parent = shared.data().ancestors().nth(2).unwrap().to_owned();
    let kept = (0..64).map(|n| parent.join(format!("parlant-{}-{n}", std::process::id())));
    let kept: Vec<_> = kept.filter(|dir| fs::create_dir(dir).is_ok()).collect();
    assert!(!kept.is_empty());

    let another = Cluster::init(shared.tree.clone());
    assert!(another.data().join("PG_VERSION").exists());
    for dir in kept {
        assert!(!another.data().starts_with(&dir));
        fs::remove_dir(dir).unwrap(); // refuses if anybody has put anything in it
    }
}
