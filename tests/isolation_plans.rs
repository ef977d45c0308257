//! Row-level security costs no plan: what the planner does for an application's role in a workspace is what it does
//! for the owner who writes `WHERE workspace_id = …`, with the same estimates.

use std::fmt::Write as _;
use std::sync::OnceLock;

use parlant_tests::{Cluster, Connection, Database, LARGE, Question, SMALL, filled_in, questions};

/// A step of a plan: what it does with what, and how many rows the planner expects of it.
type Step = (String, u64);

/// The steps without the one that compares the context with a workspace that the query names.
fn steps(connection: &mut Connection, sql: &str) -> Vec<Step> {
    let plan: Vec<String> = connection.column(&format!("EXPLAIN {sql}"));
    plan.iter()
        .filter_map(|line| {
            let (step, numbers) = line.split_once("  (cost=")?;
            let step = step.trim().trim_start_matches("->").trim().to_owned();
            let rows = numbers.split("rows=").nth(1)?.split(' ').next()?.parse().ok()?;
            (step != "Result").then_some((step, rows))
        })
        .collect()
}

/// Panics with all queries that the planner sees in different ways.
fn assert_alike(owner: &mut Connection, app: &mut Connection, workspace: &str, queries: &[(String, String)]) {
    let mut different = String::new();
    for (explicit, sql) in queries {
        let (expected, found) = (steps(owner, explicit), steps(app, sql));
        assert!(!expected.is_empty(), "{explicit}");
        if expected != found {
            writeln!(different, "{workspace}: {sql}\n  owner: {expected:?}\n  app:   {found:?}").unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
}

/// A million events in 1,000 workspaces: workspace n has an n-th of what the first has, 133,600.
fn million() -> &'static (Database<'static>, String) {
    static LOADED: OnceLock<(Database<'static>, String)> = OnceLock::new();
    LOADED.get_or_init(|| {
        let database = Cluster::shared().database();
        let role = database.create_role("app");
        let mut owner = database.connect();
        // Indexes are built at once, after the rows.
        owner.run(
            "SET session_replication_role = replica; SET maintenance_work_mem = '256MB'; SET work_mem = '64MB';
             ALTER TABLE parlant.parlant_event DROP CONSTRAINT parlant_event_offset_key, DROP CONSTRAINT parlant_event_pkey;
             INSERT INTO parlant.parlant_agent (id, workspace_id, name)
                 SELECT md5('agent ' || n)::uuid, 'workspace ' || n, 'Agent' FROM generate_series(1, 1000) n;
             INSERT INTO parlant.parlant_session (id, workspace_id, agent_id, customer_id, started_at, last_activity_at)
                 SELECT md5('session ' || n || '.' || i)::uuid, 'workspace ' || n, md5('agent ' || n)::uuid,
                        'customer ' || i % 1000, start, start
                 FROM generate_series(1, 1000) n, generate_series(1, 6680 / n) i,
                      LATERAL (SELECT timestamp '2026-01-01' + (n + i) * interval '1 minute') AS time (start);
             INSERT INTO parlant.parlant_event (id, workspace_id, session_id, \"offset\", event_type, content, created_at)
                 SELECT parlant.uuidv7(), s.workspace_id, s.id, n,
                        CASE WHEN n % 2 = 0 THEN 'customer_message' ELSE 'agent_message' END, '{\"text\": \"hello\"}',
                        s.started_at + n * interval '1 second'
                 FROM parlant.parlant_session s, generate_series(0, 19) n;
             INSERT INTO parlant.parlant_workspace_member (workspace_id, user_id, permission)
                 SELECT 'workspace ' || n, 'user', 'admin' FROM generate_series(1, 1000) n;
             RESET session_replication_role",
        );
        owner.run("SELECT parlant.install_tables()");
        owner.run("VACUUM ANALYZE");
        owner.run(&format!("SELECT parlant.grant_app_role('{role}')"));
        let events: i64 = owner.value("SELECT count(*) FROM parlant.parlant_event");
        assert!(events > 950_000, "{events} events");
        (database, role)
    })
}

fn enter(database: &Database<'_>, role: &str, workspace: &str) -> Connection {
    let mut app = database.connect_as(role);
    app.run(&format!("BEGIN; SELECT parlant.enter_workspace('{workspace}', 'user')"));
    app
}

/// What is asked of events and sessions, with `AND true` where the owner names the workspace.
const QUERIES: &[&str] = &[
    "SELECT * FROM parlant.parlant_event WHERE true",
    "SELECT count(*) FROM parlant.parlant_event WHERE true",
    "SELECT * FROM parlant.parlant_event WHERE session_id = md5('session 1.1')::uuid AND true",
    "SELECT * FROM parlant.parlant_event WHERE session_id = md5('session 1.1')::uuid AND \"offset\" >= 5 AND true ORDER BY \"offset\" LIMIT 100",
    "SELECT max(\"offset\") FROM parlant.parlant_event WHERE session_id = md5('session 1.1')::uuid AND true",
    "SELECT event_type, count(*) FROM parlant.parlant_event WHERE true GROUP BY event_type",
    "SELECT session_id, count(*) FROM parlant.parlant_event WHERE event_type = 'agent_message' AND true GROUP BY session_id ORDER BY 2 DESC LIMIT 10",
    "SELECT * FROM parlant.parlant_event WHERE event_type = 'journey_transition' AND created_at > '2026-01-02' AND true",
    "SELECT * FROM parlant.parlant_session WHERE true",
    "SELECT * FROM parlant.parlant_session WHERE agent_id = md5('agent 10')::uuid AND true ORDER BY started_at DESC LIMIT 20",
    "SELECT * FROM parlant.parlant_session WHERE customer_id = 'customer 7' AND true ORDER BY started_at DESC LIMIT 20",
    "SELECT * FROM parlant.parlant_session WHERE status = 'active' AND true ORDER BY last_activity_at DESC LIMIT 20",
    "SELECT s.id, count(*) FROM parlant.parlant_session AS s JOIN parlant.parlant_event AS e
         ON e.workspace_id = s.workspace_id AND e.session_id = s.id WHERE s.customer_id = 'customer 7' AND s.true GROUP BY s.id",
];

#[test]
fn a_million_events_are_read_as_by_their_owner_who_names_the_workspace() {
    let (database, role) = million();
    let mut owner = database.connect();
    for (n, parallel) in [(1, false), (1, true), (3, false), (10, false), (100, false), (1000, false)] {
        let workspace = format!("workspace {n}");
        let mut app = enter(database, role, &workspace);
        let workers = format!("SET max_parallel_workers_per_gather = {}", if parallel { 4 } else { 0 });
        owner.run(&workers);
        app.run(&workers);
        let queries: Vec<_> = QUERIES
            .iter()
            .map(|sql| {
                let explicit = sql.replace("s.true", &format!("s.workspace_id = '{workspace}'"));
                let explicit = explicit.replacen("true", &format!("workspace_id = '{workspace}'"), 1);
                (explicit, sql.replace("s.true", "true"))
            })
            .collect();
        if parallel {
            let plan = steps(&mut app, &queries[1].1);
            assert!(plan.iter().any(|(step, _)| step.starts_with("Parallel ")), "{plan:?}");
        }
        assert_alike(&mut owner, &mut app, &workspace, &queries);
        // Naming the workspace as well changes nothing.
        let named: Vec<_> = queries.into_iter().map(|(explicit, _)| (explicit.clone(), explicit)).collect();
        assert_alike(&mut owner, &mut app, &workspace, &named);
    }
}

/// Questions that another index answers for an application's role, with as many rows expected in the end.
const OTHERWISE_ANSWERED: &[(&str, &str)] = &[
    ("An agent: ", "By its id alone or with its workspace: both find the one row."),
    (
        "A living agent by its name",
        "`lower` is not leakproof, so the names of a workspace's agents are compared one by one.",
    ),
    ("The journeys of a guideline", "The policy reads the agent, which is not in the index."),
];

#[test]
fn every_documented_question_is_answered_as_for_the_owner_who_names_the_workspace() {
    let database = Cluster::shared().database();
    let role = database.create_role("app");
    let mut owner = database.connect();
    owner.run("SET search_path = parlant; SET session_replication_role = replica; SET work_mem = '64MB'");
    owner.run(include_str!("fixture/many_rows.sql"));
    owner.run("VACUUM ANALYZE");
    owner.run(&format!("SELECT grant_app_role('{role}')"));
    let mut different = String::new();
    for sample in [LARGE, SMALL] {
        let mut app = database.connect_as(&role);
        app.run(&format!("SET search_path = parlant; BEGIN; SELECT enter_workspace('{}', 'user 1')", sample.0));
        for Question { asks, sql, .. } in questions() {
            let sql = filled_in(&sql, sample);
            let table =
                sql.split("parlant_").nth(1).expect("a table of ours").split(char::is_whitespace).next().unwrap();
            // Who asks these sees their own row, or nothing.
            if ["workspace_member", "audit_log", "host_link"].contains(&table) {
                continue;
            }
            let explicit = if sql.contains("workspace_id =") {
                sql.clone()
            } else {
                sql.replacen("WHERE ", &format!("WHERE workspace_id = '{}' AND ", sample.0), 1)
            };
            let (mut expected, mut found) = (steps(&mut owner, &explicit), steps(&mut app, &sql));
            if OTHERWISE_ANSWERED.iter().any(|(question, _)| asks.contains(question)) {
                for steps in [&mut expected, &mut found] {
                    *steps = vec![(String::new(), steps[0].1)];
                }
            }
            if expected != found {
                writeln!(different, "{asks}\n{sql}  owner: {expected:?}\n  app:   {found:?}\n").unwrap();
            }
        }
    }
    assert!(different.is_empty(), "{different}");
}
