//! Attempts on another workspace, as an ordinary role over real connections, grouped by way in. Each says exactly what
//! the attacker gets.
//!
//! The attacker is wes, who may write in acme, or somebody else where it says so. Everything in the workspace rival
//! has SECRET in its texts: whatever an attempt gets, rows or errors, must not.

use std::collections::HashSet;

use parlant_tests::{Cluster, Connection, Database, load_two_workspaces, with_ids};

/// What an attempt gets.
#[derive(Clone, Copy)]
enum Gets {
    /// An error with this SQLSTATE.
    Error(&'static str),
    /// An error with this SQLSTATE and text in its message.
    Message(&'static str, &'static str),
    /// Just these rows of the last statement, with their columns joined by `|`.
    Rows(&'static [&'static str]),
    /// That the last statement touched so many rows.
    Touched(u64),
}
use Gets::{Error, Message, Rows, Touched};

/// Who tries.
#[derive(Clone, Copy)]
enum Who {
    /// The application's role in no workspace.
    Nobody,
    /// A user of acme who may write.
    Writer,
    Reader,
    Admin,
    /// Customer ada of acme.
    Customer,
}
use Who::{Admin, Customer, Nobody, Reader, Writer};

type Attempt = (Who, &'static str, Gets);

struct World {
    database: Database<'static>,
    role: String,
}

fn world() -> World {
    let database = Cluster::shared().database();
    let role = database.create_role("app");
    let mut owner = database.connect();
    load_two_workspaces(&mut owner);
    owner.run(&with_ids(
        "SELECT parlant.grant_workspace('acme', 'ann', 'admin'), parlant.grant_workspace('acme', 'wes', 'write'),
                parlant.grant_workspace('acme', 'rita', 'read'), parlant.grant_workspace('rival', 'raul', 'admin');
         UPDATE parlant.parlant_agent SET name = 'SECRET agent', description = 'SECRET' WHERE workspace_id = 'rival';
         UPDATE parlant.parlant_guideline SET condition = 'SECRET', action = 'SECRET' WHERE workspace_id = 'rival';
         UPDATE parlant.parlant_tool SET name = 'SECRET_tool', display_name = 'SECRET' WHERE workspace_id = 'rival';
         UPDATE parlant.parlant_journey SET title = 'SECRET' WHERE workspace_id = 'rival';
         UPDATE parlant.parlant_session SET title = 'SECRET', customer_id = 'SECRET' WHERE workspace_id = 'rival';
         INSERT INTO parlant.parlant_session (id, agent_id, customer_id, title)
             VALUES ('00000000-0000-4000-8000-000000000099', :agent1, 'bea', 'SECRET from ada');
         INSERT INTO parlant.parlant_event (session_id, \"offset\", event_type, content)
             VALUES (:rival_session, 0, 'customer_message', '{\"message\": \"SECRET\"}'),
                    ('00000000-0000-4000-8000-000000000099', 0, 'customer_message', '{\"message\": \"SECRET from ada\"}');
         INSERT INTO parlant.parlant_variable (agent_id, key, scope, value, is_private)
             VALUES (:rival_agent, 'v', 'agent', '\"SECRET\"', true);
         INSERT INTO parlant.parlant_conversion_history (workspace_id, conversion_id, workflow_id, status)
             VALUES ('rival', 'SECRET', 'w', 'completed')",
    ));
    // An attacker may well own a schema, and use temporary tables.
    owner.run(&format!("SELECT parlant.grant_app_role('{role}'); CREATE SCHEMA evil AUTHORIZATION {role}; ANALYZE"));
    World { database, role }
}

impl World {
    fn connect(&self, who: Who) -> Connection {
        let mut app = self.database.connect_as(&self.role);
        let enter = match who {
            Nobody => return app,
            Writer => "parlant.enter_workspace('acme', 'wes')",
            Reader => "parlant.enter_workspace('acme', 'rita')",
            Admin => "parlant.enter_workspace('acme', 'ann')",
            Customer => "parlant.enter_workspace_as_customer('acme', 'ada')",
        };
        app.run(&format!("BEGIN; SELECT {enter}"));
        app
    }

    fn owner(&self) -> Connection {
        self.database.connect()
    }
}

fn assert_get(world: &World, attempts: &[Attempt]) {
    for (who, sql, gets) in attempts {
        let sql = with_ids(sql).replace("APP_ROLE", &world.role).replace("DATABASE_NAME", &world.database.name);
        assert_gets(&mut world.connect(*who), &sql, *gets);
    }
}

fn assert_gets(connection: &mut Connection, sql: &str, gets: Gets) {
    match (connection.outcome(sql), gets) {
        (Ok((_, rows)), Rows(expected)) => assert_eq!(rows, expected, "{sql}"),
        (Ok((touched, _)), Touched(expected)) => assert_eq!(touched, expected, "{sql}"),
        (Ok((touched, rows)), Error(code) | Message(code, _)) => {
            panic!("{sql}\nwas accepted, where {code} was expected: {touched} rows, {rows:?}")
        }
        (Err(error), gets) => {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}\n{error:?}"));
            let told = format!("{} {:?} {:?} {:?}", error.message(), error.detail(), error.hint(), error.where_());
            let (code, part) = match gets {
                Error(code) => (code, ""),
                Message(code, part) => (code, part),
                Rows(_) | Touched(_) => panic!("{sql}\n{} {told}", error.code().code()),
            };
            assert_eq!(error.code().code(), code, "{sql}\n{told}");
            assert!(error.message().contains(part), "{sql}\n{told}");
            assert!(!told.contains("SECRET"), "{sql}\n{told}");
        }
    }
}

const ALL_OF_THEM: &[&[Attempt]] = &[
    SETTINGS,
    FUNCTIONS,
    READING,
    WRITING,
    CONSTRAINTS,
    CATALOGS,
    OWNERSHIP,
    BECOMING,
    SHADOWS,
    LEAKY,
    FILES,
    CUSTOMERS,
    READERS,
];

#[test]
fn there_are_enough_attempts_and_no_two_alike() {
    let all: Vec<_> = ALL_OF_THEM.iter().flat_map(|group| group.iter()).collect();
    let distinct: HashSet<_> = all.iter().map(|(who, sql, _)| (*who as u8, sql)).collect();
    assert_eq!(distinct.len(), all.len());
    assert!(all.len() >= 60, "{} attempts", all.len());
}

const OWN_AGENTS: Gets = Rows(&["One", "Two"]);

/// Forging the context.
const SETTINGS: &[Attempt] = &[
    (Writer, "SET parlant.workspace_id = 'rival'", Error("42501")),
    (Writer, "SET LOCAL parlant.user_id = 'raul'", Error("42501")),
    (Writer, "SELECT set_config('parlant.workspace_id', 'rival', true)", Error("42501")),
    (Writer, "SET LOCAL parlant.permission = 'admin'", Error("42501")),
    (Customer, "SET LOCAL parlant.customer_id = 'bea'", Error("42501")),
    (Writer, "SET LOCAL parlant.entered = ''", Error("42501")),
    (Writer, "SET LOCAL parlant.hides_agents = ''", Error("42501")),
    (Writer, "RESET parlant.entered", Error("42501")),
    (Writer, "RESET ALL; SELECT name FROM parlant.parlant_agent ORDER BY 1", OWN_AGENTS),
    (Writer, "RESET ALL; SELECT parlant.enter_workspace('rival', 'raul')", Error("55000")),
    (Writer, "DISCARD ALL", Error("25001")),
    (Writer, "UPDATE pg_settings SET setting = 'rival' WHERE name = 'parlant.workspace_id'", Error("42501")),
    (Writer, "ALTER ROLE APP_ROLE SET parlant.workspace_id = 'rival'", Error("42501")),
    (Writer, "ALTER DATABASE DATABASE_NAME SET parlant.workspace_id = 'rival'", Error("42501")),
    (
        Writer,
        "CREATE FUNCTION pg_temp.f() RETURNS bigint LANGUAGE sql SET parlant.workspace_id = 'rival' AS 'SELECT 1'",
        Error("42501"),
    ),
    (Writer, "DO $$ BEGIN PERFORM set_config('parlant.workspace_id', 'rival', false); END $$", Error("42501")),
    // The library is not loaded yet, so the names mean nothing, and what they were set to does not count.
    (
        Nobody,
        "SET parlant.workspace_id = 'rival'; SET parlant.permission = 'admin'; SET parlant.user_id = 'raul';
         SELECT name FROM parlant.parlant_agent",
        Rows(&[]),
    ),
    (
        Nobody,
        "SET parlant.permission = 'admin'; BEGIN; SELECT parlant.enter_workspace('acme', 'rita');
         SELECT parlant.current_permission()",
        Rows(&["read"]),
    ),
    (
        Nobody,
        "SET parlant.token_keys = '{\"keys\": []}'; SELECT parlant.current_user_id(); SHOW parlant.token_keys",
        Error("42501"),
    ),
    (Writer, "SHOW parlant.token_keys", Error("42501")),
    (Writer, "SET row_security = off; SELECT * FROM parlant.parlant_agent", Error("42501")),
    (Writer, "SET parlant.anything = 'x'", Error("42602")),
];

#[test]
fn settings() {
    assert_get(&world(), SETTINGS);
}

/// Calling functions of ours.
const FUNCTIONS: &[Attempt] = &[
    (Writer, "SELECT parlant.enter_workspace('rival', 'wes')", Error("55000")),
    (Writer, "SELECT parlant.enter_workspace('rival', 'raul')", Error("55000")),
    (Writer, "SELECT parlant.enter_workspace('acme', 'ann')", Error("55000")),
    (Writer, "SELECT parlant.leave_workspace(); SELECT parlant.enter_workspace('rival', 'raul')", Error("55000")),
    (Writer, "SELECT parlant.leave_workspace(); SELECT name FROM parlant.parlant_agent", Rows(&[])),
    (
        Nobody,
        "BEGIN; SAVEPOINT s; SELECT parlant.enter_workspace('acme', 'wes'); ROLLBACK TO s;
         SELECT name FROM parlant.parlant_agent",
        Rows(&[]),
    ),
    (Customer, "SELECT parlant.enter_workspace('acme', 'ada')", Error("55000")),
    (Nobody, "SELECT parlant.enter_workspace('rival', 'wes')", Message("42501", "entry into the workspace is refused")),
    (
        Nobody,
        "SELECT parlant.enter_workspace('nowhere', 'wes')",
        Message("42501", "entry into the workspace is refused"),
    ),
    (Nobody, "SELECT parlant.enter_workspace(' rival', 'raul')", Error("42501")),
    (Nobody, "SELECT parlant.enter_workspace('RIVAL', 'raul')", Error("42501")),
    (Nobody, "SELECT parlant.enter_workspace('rival', 'raul'' OR true --')", Error("42501")),
    (Nobody, "SELECT parlant.enter_workspace_with_token('eyJhbGciOiJub25lIn0.e30.')", Error("55000")),
    (Writer, "SELECT parlant.workspace_permission('raul', 'rival')", Error("42501")),
    (Writer, "SELECT parlant.workspace_permission('wes', 'rival')", Rows(&[""])),
    (Writer, "SELECT parlant.grant_workspace('acme', 'wes', 'admin')", Error("42501")),
    (Admin, "SELECT parlant.grant_workspace('rival', 'ann', 'admin')", Error("42501")),
    (Admin, "SELECT parlant.revoke_workspace('rival', 'raul')", Error("42501")),
    (Admin, "SELECT parlant.grant_app_role('APP_ROLE')", Message("42501", "permission denied for function")),
    (Admin, "SELECT parlant.install_tables()", Message("42501", "permission denied for function")),
    (Admin, "SELECT parlant.link_host('evil')", Message("42501", "permission denied for function")),
    (Admin, "SELECT parlant.unlink_host()", Message("42501", "permission denied for function")),
    (Writer, "SELECT parlant.fill_from_parent()", Error("42501")),
    (Writer, "SELECT parlant.readable_workspace_id()", Rows(&["acme"])),
    (Reader, "SELECT parlant.writable_workspace_id()", Rows(&[""])),
    // A session that is there answers like one that is not.
    (
        Writer,
        "SELECT parlant.shows_session('rival', :rival_session), parlant.shows_session('rival', :agent1)",
        Rows(&["t|t"]),
    ),
    (
        Customer,
        "SELECT parlant.shows_session('rival', :rival_session), parlant.shows_session('acme', :agent1)",
        Rows(&["f|f"]),
    ),
];

#[test]
fn functions() {
    let world = world();
    assert_get(&world, FUNCTIONS);
    // No SQL can write a value of type internal; versions of PostgreSQL say so in different ways.
    let refused = world.connect(Writer).outcome("SELECT parlant.expect_all(NULL)").expect_err("a refusal");
    let code = refused.code().map(|state| state.code().to_owned()).unwrap_or_default();
    assert!(["0A000", "42883"].contains(&code.as_str()), "{refused:?}");
}

/// Statements that read.
const READING: &[Attempt] = &[
    (Nobody, "SELECT name FROM parlant.parlant_agent", Rows(&[])),
    (Writer, "SELECT name FROM parlant.parlant_agent ORDER BY 1", OWN_AGENTS),
    (Writer, "SELECT name FROM parlant.parlant_agent WHERE workspace_id = 'rival'", Rows(&[])),
    (Writer, "SELECT name FROM parlant.parlant_agent WHERE id = :rival_agent", Rows(&[])),
    (Writer, "SELECT name FROM parlant.parlant_agent WHERE id = :rival_agent FOR UPDATE", Rows(&[])),
    (Writer, "TABLE parlant.parlant_tool", Touched(1)),
    (
        Writer,
        "SELECT name FROM parlant.parlant_agent WHERE ctid IN ('(0,1)', '(0,2)', '(0,3)', '(0,4)', '(0,5)') ORDER BY 1",
        OWN_AGENTS,
    ),
    (Writer, "SELECT count(*) FROM parlant.parlant_event TABLESAMPLE SYSTEM (100)", Rows(&["3"])),
    (Writer, "SELECT count(DISTINCT workspace_id), count(*) FROM parlant.parlant_session", Rows(&["1|3"])),
    (
        Writer,
        "WITH everything AS MATERIALIZED (SELECT * FROM parlant.parlant_agent)
         SELECT name FROM everything UNION ALL SELECT title FROM parlant.parlant_journey WHERE workspace_id = 'rival' ORDER BY 1",
        OWN_AGENTS,
    ),
    (
        Writer,
        "SELECT a.name FROM parlant.parlant_session AS s RIGHT JOIN parlant.parlant_agent AS a ON a.workspace_id <> 'acme'",
        Rows(&["One", "Two"]),
    ),
    (Writer, "SELECT (SELECT name FROM parlant.parlant_agent AS a WHERE a.id = :rival_agent)", Rows(&[""])),
    (Writer, "COPY parlant.parlant_agent TO '/tmp/agents'", Error("42501")),
    (Writer, "COPY parlant.parlant_agent TO PROGRAM 'cat'", Error("42501")),
    (Writer, "DECLARE c CURSOR FOR SELECT name FROM parlant.parlant_agent ORDER BY 1; FETCH ALL FROM c", OWN_AGENTS),
    (
        Writer,
        "DECLARE c CURSOR FOR SELECT name FROM parlant.parlant_agent; SELECT parlant.leave_workspace(); FETCH ALL FROM c",
        Rows(&[]),
    ),
    (
        Writer,
        "CREATE TEMP VIEW all_agents AS SELECT * FROM parlant.parlant_agent; SELECT name FROM all_agents ORDER BY 1",
        OWN_AGENTS,
    ),
    (
        Writer,
        "CREATE MATERIALIZED VIEW evil.agents AS SELECT name FROM parlant.parlant_agent; SELECT name FROM evil.agents ORDER BY 1",
        OWN_AGENTS,
    ),
    (
        Writer,
        "CREATE TEMP TABLE copied AS SELECT name FROM parlant.parlant_agent; SELECT name FROM copied ORDER BY 1",
        OWN_AGENTS,
    ),
    (Writer, "SELECT name FROM ONLY parlant.parlant_agent WHERE to_jsonb(parlant_agent)::text LIKE '%SECRET%'", Rows(&[])),
    (
        Writer,
        "SELECT * FROM query_to_xml('SELECT name FROM parlant.parlant_agent WHERE workspace_id = ''rival''', true, true, '')",
        Rows(&[""]),
    ),
    (
        Writer,
        "DO $$ DECLARE found text; BEGIN
             EXECUTE 'SELECT name FROM parlant.parlant_agent WHERE workspace_id = ''rival''' INTO found;
             IF found IS NOT NULL THEN RAISE EXCEPTION '%', found; END IF;
         END $$; SELECT 'nothing'",
        Rows(&["nothing"]),
    ),
];

#[test]
fn reading() {
    assert_get(&world(), READING);
}

/// Statements that write.
const WRITING: &[Attempt] = &[
    (Nobody, "INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('acme', 'x')", Error("42501")),
    (Writer, "INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('rival', 'x')", Error("42501")),
    (
        Writer,
        "INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('rival', 'x') RETURNING *",
        Error("42501"),
    ),
    (Writer, "UPDATE parlant.parlant_agent SET name = 'x' WHERE workspace_id = 'rival'", Touched(0)),
    (
        Writer,
        "UPDATE parlant.parlant_agent SET workspace_id = 'acme' WHERE id = :rival_agent RETURNING name",
        Touched(0),
    ),
    (Writer, "UPDATE parlant.parlant_agent SET workspace_id = 'rival' WHERE id = :agent1", Error("42501")),
    (Writer, "UPDATE parlant.parlant_session SET title = title RETURNING title", Touched(3)),
    (Writer, "DELETE FROM parlant.parlant_guideline WHERE workspace_id <> 'acme' RETURNING *", Touched(0)),
    (
        Writer,
        "DELETE FROM parlant.parlant_guideline AS g USING parlant.parlant_agent AS a
         WHERE a.id = g.agent_id AND a.workspace_id = 'rival' RETURNING a.name",
        Touched(0),
    ),
    (
        Writer,
        "UPDATE parlant.parlant_term AS t SET description = a.name FROM parlant.parlant_agent AS a WHERE a.id = :rival_agent",
        Touched(0),
    ),
    (
        Writer,
        "INSERT INTO parlant.parlant_agent (id, workspace_id, name) VALUES (:rival_agent, 'acme', 'x')
         ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING parlant_agent.*",
        Error("42501"),
    ),
    (
        Writer,
        "INSERT INTO parlant.parlant_agent (id, workspace_id, name) VALUES (:rival_agent, 'acme', 'x')
         ON CONFLICT DO NOTHING RETURNING name",
        Rows(&[]),
    ),
    (
        Writer,
        "MERGE INTO parlant.parlant_agent AS a USING (SELECT :rival_agent::uuid AS id) AS s ON a.id = s.id
         WHEN MATCHED THEN UPDATE SET name = 'x'",
        Touched(0),
    ),
    (
        Writer,
        "MERGE INTO parlant.parlant_agent AS a USING (SELECT 'x' AS name) AS s ON a.name = s.name
         WHEN NOT MATCHED THEN INSERT (workspace_id, name) VALUES ('rival', 'x')",
        Error("42501"),
    ),
    (Writer, "TRUNCATE parlant.parlant_agent CASCADE", Error("42501")),
    (Writer, "COPY parlant.parlant_agent (workspace_id, name) FROM '/etc/passwd'", Error("42501")),
    (Writer, "UPDATE parlant.parlant_event SET content = '{}'", Error("42501")),
    (Writer, "DELETE FROM parlant.parlant_event", Error("42501")),
    (Writer, "DELETE FROM parlant.parlant_agent", Touched(0)),
    (Writer, "UPDATE parlant.parlant_agent SET deleted_at = now()", Error("42501")),
    (
        Admin,
        "INSERT INTO parlant.parlant_workspace_member (workspace_id, user_id, permission) VALUES ('acme', 'x', 'admin')",
        Error("42501"),
    ),
    (Admin, "UPDATE parlant.parlant_workspace_member SET workspace_id = 'rival'", Error("42501")),
    (Admin, "DELETE FROM parlant.parlant_agent", Touched(2)),
];

#[test]
fn writing() {
    assert_get(&world(), WRITING);
}

/// What constraints tell.
const CONSTRAINTS: &[Attempt] = &[
    // Names are unique in a workspace only, so nothing is told about another's.
    (Writer, "INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('acme', 'SECRET agent')", Touched(1)),
    (
        Writer,
        "INSERT INTO parlant.parlant_tool (workspace_id, name, display_name, description, tool_type, parameters)
         VALUES ('acme', 'SECRET_tool', 'x', 'x', 'custom', '{}')",
        Touched(1),
    ),
    (
        Writer,
        "INSERT INTO parlant.parlant_conversion_history (workspace_id, conversion_id, workflow_id, status)
         VALUES ('acme', 'SECRET', 'w', 'completed')",
        Touched(1),
    ),
    // An id tells whether it is taken, but one has to be known: it has 74 random bits.
    (
        Writer,
        "INSERT INTO parlant.parlant_agent (id, workspace_id, name) VALUES (:rival_agent, 'acme', 'x')",
        Error("23505"),
    ),
    (
        Writer,
        "INSERT INTO parlant.parlant_term (workspace_id, agent_id, name, description) VALUES ('acme', :rival_agent, 'x', 'x')",
        Message("23503", "agent_is_in_the_workspace"),
    ),
    (
        Writer,
        "INSERT INTO parlant.parlant_term (agent_id, name, description) VALUES (:rival_agent, 'x', 'x')",
        Message("23503", "agent_is_in_the_workspace"),
    ),
    (
        Writer,
        "INSERT INTO parlant.parlant_term (workspace_id, agent_id, name, description) VALUES ('rival', :rival_agent, 'x', 'x')",
        Error("42501"),
    ),
    (Writer, "UPDATE parlant.parlant_session SET agent_id = :rival_agent WHERE id = :session2", Error("23503")),
    (
        Writer,
        "INSERT INTO parlant.parlant_agent_tool (agent_id, tool_id) VALUES (:agent1, :rival_tool)",
        Message("23503", "tool_is_in_the_workspace"),
    ),
    (Writer, "UPDATE parlant.parlant_agent SET id = :rival_agent WHERE id = :agent2", Error("23505")),
    (Writer, "UPDATE parlant.parlant_agent SET temperature = 101", Error("23514")),
];

#[test]
fn constraints() {
    let world = world();
    assert_get(&world, CONSTRAINTS);
    // The foreign key says the same of a row that is there as of one that is not.
    let told = |agent: &str| {
        let sql = format!("INSERT INTO parlant.parlant_session (agent_id, customer_id) VALUES ({agent}, 'ada')");
        let error = world.connect(Customer).outcome(&with_ids(&sql)).expect_err("it is another's");
        let error = error.as_db_error().expect("an error of the server").clone();
        let told = format!("{} {} {:?} {:?}", error.code().code(), error.message(), error.detail(), error.hint());
        told.replace(&with_ids(agent).replace('\'', ""), "the agent")
    };
    assert_eq!(told(":rival_agent"), told("'00000000-0000-4000-8000-00000000dead'"));
}

/// Catalogs, statistics and what other connections do.
const CATALOGS: &[Attempt] = &[
    (Writer, "SELECT * FROM pg_stats WHERE schemaname = 'parlant'", Rows(&[])),
    (Writer, "SELECT stavalues1 FROM pg_statistic", Error("42501")),
    (Writer, "SELECT * FROM pg_stats_ext WHERE schemaname = 'parlant'", Rows(&[])),
    (Writer, "SELECT * FROM pg_authid", Error("42501")),
    (Writer, "SELECT * FROM pg_file_settings", Error("42501")),
    (Writer, "SELECT setting FROM pg_settings WHERE name = 'parlant.token_keys'", Rows(&[])),
    (Writer, "SELECT * FROM pg_sequences WHERE schemaname = 'parlant'", Rows(&[])),
    (Writer, "SELECT * FROM pg_prepared_statements", Rows(&[])),
    (Writer, "SELECT * FROM pg_cursors WHERE name <> ''", Rows(&[])),
    (Writer, "SELECT pg_create_logical_replication_slot('spy', 'test_decoding')", Error("42501")),
    (Writer, "ALTER EXTENSION parlant UPDATE", Error("42501")),
    (Writer, "SELECT pg_relation_filepath('parlant.parlant_agent') IS NULL", Rows(&["f"])),
];

#[test]
fn catalogs() {
    let world = world();
    assert_get(&world, CATALOGS);
    // Connections of one role see each other's statements: what is sent as a parameter is not part of them.
    let mut victim = world.connect(Nobody);
    let enter: String = victim.value_of("SELECT parlant.enter_workspace($1, $2)", &[&"rival", &"raul"]);
    assert_eq!(enter, "admin");
    let seen: Vec<String> =
        world.connect(Writer).column("SELECT query FROM pg_stat_activity WHERE query ~ 'enter_workspace.*rival'");
    assert_eq!(seen.iter().filter(|query| !query.contains("pg_stat_activity")).count(), 0, "{seen:?}");
}

/// Changing what guards the tables.
const OWNERSHIP: &[Attempt] = &[
    (Admin, "ALTER TABLE parlant.parlant_agent DISABLE ROW LEVEL SECURITY", Error("42501")),
    (Admin, "ALTER TABLE parlant.parlant_agent NO FORCE ROW LEVEL SECURITY", Error("42501")),
    (Admin, "CREATE POLICY mine ON parlant.parlant_agent USING (true)", Error("42501")),
    (Admin, "DROP POLICY reading_needs_read ON parlant.parlant_agent", Error("42501")),
    (
        Admin,
        "CREATE TRIGGER spy BEFORE INSERT ON parlant.parlant_agent EXECUTE FUNCTION parlant.set_updated_at()",
        Error("42501"),
    ),
    (Admin, "ALTER TABLE parlant.parlant_agent DISABLE TRIGGER ALL", Error("42501")),
    (Admin, "CREATE RULE spy AS ON INSERT TO parlant.parlant_agent DO ALSO NOTHING", Error("42501")),
    (Admin, "CREATE INDEX ON parlant.parlant_agent (name)", Error("42501")),
    (Admin, "CREATE TEMP TABLE probe (id uuid REFERENCES parlant.parlant_agent)", Error("42P16")),
    (Admin, "CREATE TABLE evil.probe (id uuid REFERENCES parlant.parlant_agent)", Error("42501")),
    (Admin, "CREATE TEMP TABLE heir () INHERITS (parlant.parlant_agent)", Error("42501")),
    (Admin, "CREATE PUBLICATION spy FOR TABLE parlant.parlant_agent", Error("42501")),
    (Admin, "CREATE STATISTICS evil.spy ON name, workspace_id FROM parlant.parlant_agent", Error("42501")),
    (Admin, "CREATE FUNCTION parlant.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'", Error("42501")),
    (
        Admin,
        "CREATE OR REPLACE FUNCTION parlant.readable_workspace_id() RETURNS text LANGUAGE sql AS 'SELECT ''rival'''",
        Error("42501"),
    ),
    (Admin, "ALTER FUNCTION parlant.readable_workspace_id() RENAME TO harmless", Error("42501")),
    (Admin, "CREATE EVENT TRIGGER spy ON ddl_command_start EXECUTE FUNCTION parlant.set_updated_at()", Error("42501")),
    (Admin, "DROP EXTENSION parlant CASCADE", Error("42501")),
    (Admin, "REINDEX TABLE parlant.parlant_agent", Error("42501")),
    (Admin, "ALTER TABLE parlant.parlant_agent OWNER TO APP_ROLE", Error("42501")),
    (Admin, "ALTER DOMAIN parlant.event_type DROP CONSTRAINT event_type_is_known", Error("42501")),
    (Admin, "COMMENT ON TABLE parlant.parlant_agent IS 'x'", Error("42501")),
    // The right to write includes the right to lock. What others lose is time: `lock_timeout` is for them.
    (
        Writer,
        "LOCK TABLE parlant.parlant_agent IN ACCESS EXCLUSIVE MODE; SELECT name FROM parlant.parlant_agent ORDER BY 1",
        OWN_AGENTS,
    ),
];

#[test]
fn ownership() {
    assert_get(&world(), OWNERSHIP);
}

/// Becoming another role.
const BECOMING: &[Attempt] = &[
    (Writer, "SET ROLE postgres", Error("42501")),
    (Writer, "SET SESSION AUTHORIZATION postgres", Error("42501")),
    (Writer, "SET session_replication_role = replica", Error("42501")),
    (Writer, "ALTER ROLE APP_ROLE BYPASSRLS", Error("42501")),
    (Writer, "GRANT postgres TO APP_ROLE", Error("42501")),
    (Writer, "CREATE ROLE evil SUPERUSER", Error("42501")),
    (Writer, "RESET ROLE; RESET SESSION AUTHORIZATION; SELECT name FROM parlant.parlant_agent ORDER BY 1", OWN_AGENTS),
    (Writer, "SET ROLE APP_ROLE; SELECT name FROM parlant.parlant_agent ORDER BY 1", OWN_AGENTS),
];

#[test]
fn becoming_another_role() {
    assert_get(&world(), BECOMING);
}

/// Things with the names of ours, or of PostgreSQL's, that are looked up in place of them.
const SHADOWS: &[Attempt] = &[
    (
        Nobody,
        "CREATE TEMP TABLE parlant_workspace_member (workspace_id text, user_id text, permission text);
         INSERT INTO parlant_workspace_member VALUES ('rival', 'wes', 'admin'); SET search_path = pg_temp, evil;
         SELECT parlant.enter_workspace('rival', 'wes')",
        Error("42501"),
    ),
    (
        Nobody,
        "CREATE TABLE evil.parlant_workspace_member (workspace_id text, user_id text, permission text);
         INSERT INTO evil.parlant_workspace_member VALUES ('rival', 'wes', 'admin'); SET search_path = evil;
         SELECT parlant.enter_workspace('rival', 'wes')",
        Error("42501"),
    ),
    (
        Nobody,
        "CREATE DOMAIN pg_temp.text AS varchar; CREATE DOMAIN pg_temp.uuid AS varchar; SET search_path = pg_temp, pg_catalog;
         SELECT parlant.enter_workspace('rival'::pg_catalog.text, 'wes'::pg_catalog.text)",
        Error("42501"),
    ),
    (
        Nobody,
        "CREATE FUNCTION evil.readable_workspace_id() RETURNS text LANGUAGE sql AS 'SELECT ''rival''';
         CREATE FUNCTION evil.current_workspace_id() RETURNS text LANGUAGE sql AS 'SELECT ''rival''';
         SET search_path = evil, parlant; SELECT name FROM parlant_agent",
        Rows(&[]),
    ),
    // Whatever text equals whatever: had we looked up the operator, wes would be an admin of rival.
    (
        Nobody,
        "CREATE FUNCTION evil.yes(text, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
         CREATE OPERATOR evil.= (FUNCTION = evil.yes, LEFTARG = text, RIGHTARG = text);
         SET search_path = evil, pg_catalog; SELECT parlant.enter_workspace('rival', 'wes')",
        Error("42501"),
    ),
    (
        Writer,
        "CREATE FUNCTION evil.yes(text, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
         CREATE OPERATOR evil.= (FUNCTION = evil.yes, LEFTARG = text, RIGHTARG = text);
         SET search_path = evil, pg_catalog; SELECT name FROM parlant.parlant_agent ORDER BY 1",
        OWN_AGENTS,
    ),
];

#[test]
fn shadows() {
    assert_get(&world(), SHADOWS);
}

/// Whatever of ours looks past row-level security does so with the operators of PostgreSQL: a client's own are never
/// called by another role than the client's.
#[test]
fn no_code_of_a_client_runs_as_another_role() {
    let world = world();
    world.owner().run(&with_ids("UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent2"));
    let mut app = world.connect(Nobody);
    let types = ["text", "uuid", "int4", "bool", "timestamp", "jsonb"];
    app.run("CREATE TABLE evil.ran_as (role text); GRANT INSERT ON evil.ran_as TO PUBLIC; GRANT USAGE ON SCHEMA evil TO PUBLIC");
    for name in types {
        for (operator, word) in [("=", "eq"), ("<>", "ne"), ("<", "lt"), (">", "gt"), (">=", "ge"), ("<=", "le")] {
            app.run(&format!(
                "CREATE FUNCTION evil.{name}_{word}(pg_catalog.{name}, pg_catalog.{name}) RETURNS pg_catalog.bool LANGUAGE plpgsql AS $$
                 BEGIN
                     IF current_user <> '{role}' THEN RAISE EXCEPTION 'ran as %', current_user; END IF;
                     RETURN $1 OPERATOR(pg_catalog.{operator}) $2;
                 END $$;
                 CREATE OPERATOR evil.{operator} (FUNCTION = evil.{name}_{word}, LEFTARG = pg_catalog.{name}, RIGHTARG = pg_catalog.{name})",
                role = world.role,
            ));
        }
    }
    for function in ["now()", "timezone(text, timestamptz)", "coalesce(text)", "count(*)"] {
        // Functions of these names cannot all be made; those that matter are called with their schema.
        let _ = app.try_to_run(&format!("CREATE FUNCTION evil.{function} RETURNS text LANGUAGE sql AS 'SELECT 1/0'"));
    }
    app.run("SET search_path = evil, pg_catalog");
    app.run(&with_ids(
        "BEGIN; SELECT parlant.enter_workspace('acme', 'ann');
         SELECT parlant.grant_workspace('acme', 'new', 'admin'); SELECT parlant.grant_workspace('acme', 'new', 'read');
         SELECT parlant.revoke_workspace('acme', 'new'); SELECT parlant.workspace_permission('rita', 'acme');
         SELECT name FROM parlant.parlant_agent; SELECT * FROM parlant.parlant_event; SELECT * FROM parlant.parlant_journey_state;
         INSERT INTO parlant.parlant_journey_guideline (journey_id, guideline_id) VALUES (:journey1, :guideline1)
             ON CONFLICT DO NOTHING;
         INSERT INTO parlant.parlant_session (id, agent_id, customer_id)
             VALUES ('00000000-0000-4000-8000-000000000098', :agent1, 'ada');
         INSERT INTO parlant.parlant_event (session_id, \"offset\", event_type, content)
             VALUES ('00000000-0000-4000-8000-000000000098', 0, 'customer_message', '{\"message\": \"Hello\"}');
         UPDATE parlant.parlant_agent SET deleted_at = pg_catalog.now() WHERE name = 'One';
         DELETE FROM parlant.parlant_session; COMMIT;
         BEGIN; SELECT parlant.enter_workspace_as_customer('acme', 'ada'); SELECT * FROM parlant.parlant_event; COMMIT",
    ));
}

/// Conditions that tell what they are asked about before the policy has decided.
const LEAKY: &[Attempt] = &[
    (
        Writer,
        "CREATE FUNCTION pg_temp.tell(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS
             $$ BEGIN IF $1 ~ 'SECRET' THEN RAISE EXCEPTION '%', $1; END IF; RETURN true; END $$;
         SELECT name FROM parlant.parlant_agent WHERE pg_temp.tell(name) ORDER BY 1",
        OWN_AGENTS,
    ),
    (
        Writer,
        "CREATE FUNCTION evil.tell(text, text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS
             $$ BEGIN IF $1 ~ 'SECRET' THEN RAISE EXCEPTION '%', $1; END IF; RETURN true; END $$;
         CREATE OPERATOR evil.~~~ (FUNCTION = evil.tell, LEFTARG = text, RIGHTARG = text);
         SELECT name FROM parlant.parlant_agent WHERE name OPERATOR(evil.~~~) 'x' ORDER BY 1",
        OWN_AGENTS,
    ),
    (
        Writer,
        "CREATE FUNCTION evil.leakproof(text) RETURNS bool LANGUAGE sql LEAKPROOF AS 'SELECT true'",
        Error("42501"),
    ),
    (Writer, "SELECT name FROM parlant.parlant_agent WHERE 1 / (CASE WHEN name ~ 'SECRET' THEN 0 ELSE 1 END) = 1 ORDER BY 1", OWN_AGENTS),
    (Writer, "SELECT name FROM parlant.parlant_agent WHERE name::integer = 1", Error("22P02")),
    (
        Writer,
        "SELECT title FROM parlant.parlant_session WHERE 1 / (CASE WHEN title ~ 'rival|from raul' THEN 0 ELSE 1 END) = 1
           AND workspace_id = 'rival'",
        Rows(&[]),
    ),
    (
        Writer,
        "SELECT a.name FROM parlant.parlant_agent AS a JOIN parlant.parlant_guideline AS g
             ON g.agent_id = a.id AND 1 / (CASE WHEN g.action ~ 'SECRET' THEN 0 ELSE 1 END) = 1 ORDER BY 1",
        OWN_AGENTS,
    ),
    (
        Writer,
        "UPDATE parlant.parlant_agent SET name = name WHERE 1 / (CASE WHEN name ~ 'SECRET' THEN 0 ELSE 1 END) = 1",
        Touched(2),
    ),
];

#[test]
fn leaky_conditions() {
    assert_get(&world(), LEAKY);
}

/// Files, programs, large objects, other languages.
const FILES: &[Attempt] = &[
    (Writer, "SELECT pg_read_file('postgresql.conf')", Error("42501")),
    (Writer, "SELECT pg_ls_dir('.')", Error("42501")),
    (Writer, "SELECT lo_import('/etc/passwd')", Error("42501")),
    (Writer, "SELECT lo_export(1, '/tmp/x')", Error("42501")),
    (Writer, "SELECT count(*) FROM pg_largeobject_metadata", Rows(&["0"])),
    (Writer, "SELECT * FROM pg_largeobject", Error("42501")),
    (Writer, "LOAD 'pg_prewarm'", Error("42501")),
    (Writer, "CREATE FUNCTION evil.c() RETURNS int LANGUAGE c AS 'parlant', 'c'", Error("42501")),
    (
        Writer,
        "CREATE FUNCTION evil.fake() RETURNS text LANGUAGE c AS '$libdir/parlant', 'current_user_id_wrapper'",
        Error("42501"),
    ),
    (Writer, "CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw", Error("42704")),
];

#[test]
fn files_and_languages() {
    assert_get(&world(), FILES);
}

/// A customer of acme on what is not theirs.
const CUSTOMERS: &[Attempt] = &[
    (Customer, "SELECT title FROM parlant.parlant_session WHERE customer_id = 'bea'", Rows(&[])),
    (
        Customer,
        "SELECT content FROM parlant.parlant_event WHERE session_id = '00000000-0000-4000-8000-000000000099'",
        Rows(&[]),
    ),
    (Customer, "SELECT count(*) FROM parlant.parlant_event", Rows(&["2"])),
    (Customer, "SELECT * FROM parlant.parlant_agent", Rows(&[])),
    (Customer, "SELECT * FROM parlant.parlant_variable", Rows(&[])),
    (Customer, "SELECT * FROM parlant.parlant_workspace_member", Rows(&[])),
    (Customer, "UPDATE parlant.parlant_session SET customer_id = 'ada'", Touched(0)),
    (Customer, "DELETE FROM parlant.parlant_session", Touched(0)),
    (Customer, "INSERT INTO parlant.parlant_session (agent_id, customer_id) VALUES (:agent1, 'bea')", Error("42501")),
    (
        Customer,
        "INSERT INTO parlant.parlant_session (agent_id, customer_id, user_id) VALUES (:agent1, 'ada', 'ann')",
        Error("42501"),
    ),
    (
        Customer,
        "INSERT INTO parlant.parlant_session (agent_id, customer_id) VALUES (:rival_agent, 'ada')",
        Error("23503"),
    ),
    (
        Customer,
        "INSERT INTO parlant.parlant_event (session_id, \"offset\", event_type, content)
         VALUES (:session1, 2, 'agent_message', '{\"message\": \"Hello\"}')",
        Error("42501"),
    ),
    (
        Customer,
        "INSERT INTO parlant.parlant_variable (agent_id, key, scope, value) VALUES (:agent1, 'x', 'agent', '1')",
        Error("42501"),
    ),
    (
        Customer,
        "INSERT INTO parlant.parlant_guideline (agent_id, condition, action) VALUES (:agent1, 'c', 'a')",
        Error("42501"),
    ),
];

#[test]
fn customers() {
    assert_get(&world(), CUSTOMERS);
}

/// A user who may only read.
const READERS: &[Attempt] = &[
    (Reader, "UPDATE parlant.parlant_agent SET name = 'x'", Touched(0)),
    (Reader, "DELETE FROM parlant.parlant_session", Touched(0)),
    (Reader, "INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('acme', 'x')", Error("42501")),
    (Reader, "SELECT name FROM parlant.parlant_agent WHERE id = :agent1 FOR UPDATE", Rows(&[])),
    (Reader, "SELECT user_id FROM parlant.parlant_workspace_member", Rows(&["rita"])),
];

#[test]
fn readers() {
    assert_get(&world(), READERS);
}

/// Poolers hand a connection on after commits, rollbacks and errors.
#[test]
fn nothing_of_a_context_outlives_its_transaction() {
    let world = world();
    let mut app = world.connect(Nobody);
    let nothing = |app: &mut Connection| {
        assert_eq!(app.value::<i64>("SELECT count(*) FROM parlant.parlant_agent"), 0);
        assert_eq!(app.value::<Option<String>>("SELECT parlant.current_workspace_id()"), None);
    };
    let enter = "BEGIN; SELECT parlant.enter_workspace('rival', 'raul')";
    for end in ["COMMIT", "ROLLBACK", "SAVEPOINT s; SELECT parlant.leave_workspace(); ROLLBACK TO s; COMMIT"] {
        app.run(&format!("{enter}; {end}"));
        nothing(&mut app);
    }
    app.run(enter);
    app.assert_refused("SELECT 1 / 0", "22012");
    app.run("ROLLBACK");
    nothing(&mut app);
    app.assert_refused(&format!("{enter}; COMMIT; BEGIN; SELECT parlant.enter_workspace('acme', 'nobody')"), "42501");
    app.run("ROLLBACK");
    nothing(&mut app);
    app.assert_refused("SELECT parlant.enter_workspace('rival', 'raul'), 1 / 0", "22012");
    nothing(&mut app);
    app.run("SELECT parlant.enter_workspace('rival', 'raul')");
    nothing(&mut app);
}

/// Plans are kept, but what they were made for is not.
#[test]
fn a_plan_made_in_one_context_gives_in_another_what_that_may_see() {
    let world = world();
    for mode in ["force_generic_plan", "force_custom_plan", "auto"] {
        let mut app = world.connect(Nobody);
        app.run(&format!("SET plan_cache_mode = {mode}"));
        app.run("PREPARE agents AS SELECT name FROM parlant.parlant_agent WHERE workspace_id = $1 ORDER BY 1");
        app.run(
            "CREATE FUNCTION pg_temp.agents() RETURNS SETOF text LANGUAGE plpgsql AS
             $$ BEGIN RETURN QUERY SELECT name FROM parlant.parlant_agent ORDER BY 1; END $$",
        );
        for _ in 0..7 {
            for (workspace, user, names) in
                [("acme", "wes", Rows(&["One", "Two"])), ("rival", "raul", Rows(&["SECRET agent"]))]
            {
                let enter = format!("BEGIN; SELECT parlant.enter_workspace('{workspace}', '{user}')");
                for read in [&format!("EXECUTE agents('{workspace}')"), "SELECT pg_temp.agents()"] {
                    assert_gets(&mut app, &format!("{enter}; {read}"), names);
                    app.run("COMMIT");
                }
                let other = if workspace == "acme" { "rival" } else { "acme" };
                assert_gets(&mut app, &format!("{enter}; EXECUTE agents('{other}')"), Rows(&[]));
                app.run("COMMIT");
            }
            assert_gets(&mut app, "EXECUTE agents('rival')", Rows(&[]));
            assert_gets(&mut app, "SELECT pg_temp.agents()", Rows(&[]));
        }
        app.run("BEGIN; SELECT parlant.enter_workspace_as_customer('rival', 'SECRET')");
        assert_gets(&mut app, "EXECUTE agents('rival')", Rows(&[]));
    }
}

#[test]
fn parallel_workers_see_what_their_leader_sees() {
    let world = world();
    let mut owner = world.owner();
    owner.run(&with_ids(
        "SET session_replication_role = replica;
         INSERT INTO parlant.parlant_event (id, workspace_id, session_id, \"offset\", event_type, content)
         SELECT gen_random_uuid(), w, s, n, 'status_update', '{}' FROM generate_series(100, 20000) n,
                (VALUES ('acme', :session1::uuid), ('acme', :session2::uuid), ('rival', :rival_session::uuid)) AS session (w, s);
         RESET session_replication_role; ANALYZE parlant.parlant_event;
         UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent2",
    ));
    let parallel = "SET LOCAL max_parallel_workers_per_gather = 4; SET LOCAL parallel_setup_cost = 0;
                    SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
                    SET LOCAL min_parallel_index_scan_size = 0; SET LOCAL parallel_leader_participation = off";
    let count =
        "SELECT count(*), count(DISTINCT workspace_id) FROM parlant.parlant_event WHERE event_type = 'status_update'";
    for (who, expected) in [(Reader, Rows(&["19901|1"])), (Customer, Rows(&["19901|1"]))] {
        let mut app = world.connect(who);
        app.run(parallel);
        let plan: Vec<String> = app.column(&format!("EXPLAIN (ANALYZE, COSTS off) {count}"));
        assert!(plan.iter().any(|line| line.contains("Workers Launched: ") && !line.contains(": 0")), "{plan:#?}");
        assert_gets(&mut app, count, expected);
    }
    let mut nobody = world.connect(Nobody);
    nobody.run(&format!("BEGIN; {parallel}"));
    assert_gets(&mut nobody, count, Rows(&["0|0"]));
}

#[test]
fn a_listener_hears_nothing_unless_the_administrator_wants_it() {
    let world = world();
    let mut spy = world.connect(Nobody);
    spy.run("LISTEN parlant_events");
    let mut victim = world.connect(Nobody);
    victim.run(&with_ids(
        "BEGIN; SELECT parlant.enter_workspace('rival', 'raul');
         INSERT INTO parlant.parlant_event (session_id, \"offset\", event_type, content)
             VALUES (:rival_session, 1, 'customer_message', '{\"message\": \"SECRET\"}'); COMMIT",
    ));
    assert_eq!(spy.heard(), [] as [String; 0]);
    // Nor can one tenant switch it on for all: a role may set its own defaults, but not this one.
    spy.run("SELECT parlant.current_user_id()");
    spy.assert_refused("SET parlant.notify = on", "42501");
    spy.assert_refused(&format!("ALTER ROLE {} SET parlant.notify = on", world.role), "42501");
    victim.run("NOTIFY parlant_events, 'anybody can'");
    assert_eq!(spy.heard(), ["anybody can"], "it would hear");
}

/// What `COPY` reads is what the policies show, and it cannot write past them.
#[test]
fn copy_reads_what_a_query_reads_and_writes_nothing() {
    let world = world();
    let mut app = world.connect(Writer);
    assert_eq!(app.copied("COPY parlant.parlant_agent (name) TO STDOUT"), "One\nTwo\n");
    app.assert_refused("COPY parlant.parlant_agent (workspace_id, name) FROM STDIN", "0A000");
}

/// `options` of a connection, as a client sends them before it can be asked anything.
#[test]
fn settings_of_the_connection_itself() {
    let world = world();
    let options = "-c parlant.workspace_id=rival -c parlant.permission=admin -c parlant.user_id=raul";
    let mut app = world.database.connect_with_options(&world.role, options);
    assert_gets(&mut app, "SELECT name FROM parlant.parlant_agent", Rows(&[]));
    assert_gets(&mut app, "SELECT parlant.current_workspace_id()", Rows(&[""]));
}
