//! `append_event`, the sequencer and the steps of a journey read and write rows without queries. Whatever a database
//! administrator puts on the tables must take part all the same, also in a connection that has done so before.

use parlant_tests::{Cluster, Connection, Database, load_two_workspaces, with_ids};

fn world() -> Connection {
    world_in(&Cluster::shared().database())
}

fn world_in(database: &Database) -> Connection {
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    append(&mut connection, "before");
    connection
}

fn statement(message: &str) -> String {
    with_ids(&format!(
        r#"SELECT "offset" FROM parlant.append_event(:session1, 'customer_message', '{{"message": "{message}"}}')"#
    ))
}

fn append(connection: &mut Connection, message: &str) -> i32 {
    connection.value(&statement(message))
}

/// The session's counters are what its log says.
fn assert_counted(connection: &mut Connection) {
    let wrong: i64 = connection.value(
        "SELECT count(*) FROM parlant.parlant_session AS session
         WHERE event_count <> (SELECT count(*) FROM parlant.parlant_event WHERE session_id = session.id)
            OR message_count <> (SELECT count(*) FROM parlant.parlant_event WHERE session_id = session.id
                                 AND event_type IN ('customer_message', 'agent_message'))",
    );
    assert_eq!(wrong, 0);
}

#[test]
fn triggers_of_others_fire_on_events_and_on_sessions() {
    let mut connection = world();
    connection.run(
        "CREATE TABLE seen (what text);
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.seen VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NULL; END $$;
         CREATE TRIGGER see AFTER INSERT ON parlant.parlant_event FOR EACH ROW EXECUTE FUNCTION see()",
    );
    append(&mut connection, "seen on the event");
    assert_eq!(connection.column::<String>("SELECT what FROM seen"), ["parlant_event INSERT"]);
    connection.run(
        "DROP TRIGGER see ON parlant.parlant_event; TRUNCATE seen;
         CREATE TRIGGER see AFTER UPDATE ON parlant.parlant_session FOR EACH ROW EXECUTE FUNCTION see()",
    );
    append(&mut connection, "seen on the session");
    assert_eq!(connection.column::<String>("SELECT what FROM seen"), ["parlant_session UPDATE"]);
    connection.run("DROP TRIGGER see ON parlant.parlant_session; TRUNCATE seen");
    append(&mut connection, "seen by nobody");
    assert_eq!(connection.column::<String>("SELECT what FROM seen"), [""; 0]);
    assert_counted(&mut connection);
}

#[test]
fn checks_of_others_hold() {
    let mut connection = world();
    connection.run(
        r#"ALTER TABLE parlant.parlant_event ADD CONSTRAINT no_shouting CHECK (content ->> 'message' <> 'HELP');
           ALTER TABLE parlant.parlant_session ADD CONSTRAINT short CHECK (event_count < 100)"#,
    );
    append(&mut connection, "help");
    connection.assert_refused(&statement("HELP"), "23514").constraint("no_shouting");
    connection.run("ALTER TABLE parlant.parlant_event DROP CONSTRAINT no_shouting");
    append(&mut connection, "HELP");
    connection.run(&with_ids(
        "BEGIN; SET LOCAL session_replication_role = replica;
         UPDATE parlant.parlant_session SET event_count = 99 WHERE id = :session1; COMMIT",
    ));
    connection.assert_refused(&statement("one too many"), "23514").message("short");
}

/// Checks of columns that stay as they are need not be asked again, but of rows that nobody has shown to fulfil them.
#[test]
fn checks_hold_that_were_not_validated_or_give_other_answers_later() {
    for (table, check, is_fulfilled) in [
        ("parlant_session", "status <> 'active'", false),
        ("parlant_session", "now() < '2000-01-01'", false),
        ("parlant_session", "(parlant_session.*)::text = ''", false),
        ("parlant_session", "status = 'active' AND (parlant_session.*)::text <> ''", true),
        ("parlant_event", "workspace_id <> 'acme'", false),
        ("parlant_event", "\"offset\" = 0", false),
        ("parlant_event", "(parlant_event.*)::text NOT LIKE '%acme%'", false),
        ("parlant_event", "workspace_id = 'acme' AND \"offset\" > 0", true),
    ] {
        let mut connection = world();
        connection.run(&format!("ALTER TABLE parlant.{table} ADD CONSTRAINT of_others CHECK ({check}) NOT VALID"));
        if is_fulfilled {
            append(&mut connection, "allowed");
        } else {
            connection.assert_refused(&statement("refused"), "23514").message("of_others");
        }
        connection.run(&format!("ALTER TABLE parlant.{table} DROP CONSTRAINT of_others"));
        append(&mut connection, "after");
        assert_counted(&mut connection);
    }
}

#[test]
fn a_function_in_a_check_that_is_replaced_counts_as_it_is_now() {
    let mut connection = world();
    let says = |answer: bool| {
        format!("CREATE OR REPLACE FUNCTION public.allowed(jsonb) RETURNS bool LANGUAGE sql IMMUTABLE RETURN {answer}")
    };
    connection.run(&says(true));
    connection
        .run("ALTER TABLE parlant.parlant_event ADD CONSTRAINT allowed CHECK (public.allowed(content)) NOT VALID");
    append(&mut connection, "allowed");
    connection.another().run(&says(false));
    connection.assert_refused(&statement("no more"), "23514").constraint("allowed");
}

#[test]
fn checks_of_ours_name_themselves() {
    let mut connection = world();
    let mut refused = |arguments: &str, constraint: &str| {
        let sql =
            format!(r#"SELECT parlant.append_event(:session1, 'customer_message', '{{"message": "x"}}', {arguments})"#);
        connection.assert_refused(&with_ids(&sql), "23514").constraint(constraint);
    };
    refused("metadata => '[]'", "metadata_is_an_object");
    refused("idempotency_key => repeat('k', 256)", "idempotency_key_has_1_to_255_characters");
    assert_counted(&mut connection);
}

#[test]
fn a_sum_that_is_out_of_range_is_refused() {
    let mut connection = world();
    let sql = with_ids(
        r#"SELECT parlant.append_event(:session1, 'customer_message', '{"message": "x"}', tokens => 2147483647)"#,
    );
    connection.run(&sql);
    connection.assert_refused(&sql, "22003");
    assert_counted(&mut connection);
}

#[test]
fn columns_and_indexes_of_others_are_filled() {
    let mut connection = world();
    connection.run(
        "ALTER TABLE parlant.parlant_event ADD COLUMN region text NOT NULL DEFAULT 'eu',
             ADD COLUMN length integer GENERATED ALWAYS AS (length(content ->> 'message')) STORED;
         CREATE INDEX by_region ON parlant.parlant_event (region) WHERE tokens IS NULL;
         CREATE INDEX by_count ON parlant.parlant_session (event_count)",
    );
    append(&mut connection, "four");
    connection.run("SET enable_seqscan = off");
    let row: String = connection.value(
        "SELECT concat_ws(' ', region, length) FROM parlant.parlant_event WHERE region = 'eu' AND tokens IS NULL
         ORDER BY created_at DESC LIMIT 1",
    );
    assert_eq!(row, "eu 4");
    let count: i32 =
        connection.value(&with_ids("SELECT event_count FROM parlant.parlant_session WHERE id = :session1"));
    let found: i64 = connection.value(&format!(
        "SELECT count(*) FROM parlant.parlant_session WHERE event_count = {count} AND id IN (SELECT id FROM parlant.parlant_session)"
    ));
    assert!(found >= 1, "the index on event_count has the new version");
    connection.run("CREATE INDEX by_text ON parlant.parlant_event USING gin (content)");
    append(&mut connection, "an index of another kind");
    connection
        .run("DROP INDEX parlant.by_text; CREATE UNIQUE INDEX once ON parlant.parlant_event ((content ->> 'message'))");
    append(&mut connection, "once");
    connection.assert_refused(&statement("once"), "23505").constraint("once");
    assert_counted(&mut connection);
}

#[test]
fn every_index_has_every_version_of_a_session() {
    let mut connection = world();
    // Far apart in time, so that last_activity_at, which is in an index, moves each time.
    for n in 0..50 {
        connection.run(&with_ids(
            "BEGIN; SET LOCAL session_replication_role = replica;
             UPDATE parlant.parlant_session SET started_at = started_at - interval '1 hour',
                    last_activity_at = last_activity_at - interval '1 hour' WHERE id = :session1; COMMIT",
        ));
        append(&mut connection, &n.to_string());
    }
    connection.run("SET enable_seqscan = off; SET enable_sort = off");
    let latest: String = connection.value(
        "SELECT id::text FROM parlant.parlant_session WHERE workspace_id = 'acme' AND status = 'active'
         ORDER BY last_activity_at DESC LIMIT 1",
    );
    assert_eq!(latest, with_ids(":session1").trim_matches('\''), "by the index on last_activity_at");
    if connection.value("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'amcheck')") {
        connection.run("CREATE EXTENSION amcheck");
        let checked: i64 = connection.value(
            "SELECT count(bt_index_check(indexrelid, true)::text) FROM pg_index
             WHERE indrelid IN ('parlant.parlant_session'::regclass, 'parlant.parlant_event'::regclass)",
        );
        assert!(checked >= 10, "{checked} indexes");
    } else {
        eprintln!("skipped: this server has no amcheck");
    }
    assert_counted(&mut connection);
}

#[test]
fn policies_of_others_hold() {
    let database = Cluster::shared().database();
    let role = database.create_role("app");
    let mut connection = world_in(&database);
    connection.run(&format!("SELECT parlant.grant_app_role('{role}')"));
    connection.run(
        "SELECT parlant.grant_workspace('acme', 'olga', 'write'), parlant.grant_workspace('acme', 'rita', 'read')",
    );
    let mut app = connection.another_as(&role);
    let as_user =
        |user: &str, sql: &str| format!("BEGIN; SELECT parlant.enter_workspace('acme', '{user}'); {sql}; COMMIT");
    app.run(&as_user("olga", &statement("by a writer")));
    app.assert_refused(&as_user("rita", &statement("by a reader")), "42501").message("row-level security");
    app.run("ROLLBACK");
    app.assert_refused(&statement("by nobody"), "P0002");
    connection.run(
        "CREATE POLICY quiet ON parlant.parlant_event AS RESTRICTIVE FOR INSERT
         WITH CHECK (content ->> 'message' <> 'secret')",
    );
    app.run(&as_user("olga", &statement("not secret")));
    app.assert_refused(&as_user("olga", &statement("secret")), "42501").message("quiet");
    app.run("ROLLBACK");
    connection.run(&format!(
        "DROP POLICY quiet ON parlant.parlant_event; REVOKE INSERT ON parlant.parlant_event FROM {role}"
    ));
    app.assert_refused(&as_user("olga", &statement("without the privilege")), "42501").message("permission denied");
    app.run("ROLLBACK");
    assert_counted(&mut connection);
}

#[test]
fn rights_go_with_what_they_came_from() {
    let database = Cluster::shared().database();
    let (app, group) = (database.create_role("app"), database.create_role("writers"));
    let mut owner = world_in(&database);
    owner.run(&format!(
        "SELECT parlant.grant_app_role('{group}'), parlant.grant_workspace('acme', 'ann', 'admin');
         GRANT {group} TO {app}"
    ));
    let mut connection = database.connect_as(&app);
    let try_to_append = |connection: &mut Connection| {
        connection.run("BEGIN");
        let appended = connection
            .try_to_run("SELECT parlant.enter_workspace('acme', 'ann')")
            .and_then(|()| connection.try_column::<i32>(&statement("who may")));
        connection.run("ROLLBACK");
        appended.map_err(|error| error.code().map(|code| code.code().to_owned()))
    };
    assert!(try_to_append(&mut connection).is_ok());
    for (taken, given) in [
        (
            format!("REVOKE INSERT ON parlant.parlant_event FROM {group}"),
            format!("GRANT INSERT ON parlant.parlant_event TO {group}"),
        ),
        (
            format!("REVOKE SELECT ON parlant.parlant_event FROM {group}"),
            format!("GRANT SELECT ON parlant.parlant_event TO {group}"),
        ),
        (format!("REVOKE {group} FROM {app}"), format!("GRANT {group} TO {app}")),
    ] {
        owner.run(&taken);
        assert_eq!(try_to_append(&mut connection), Err(Some("42501".to_owned())), "{taken}");
        owner.run(&given);
        assert!(try_to_append(&mut connection).is_ok(), "{given}");
    }
    connection.assert_refused(&statement("outside a workspace"), "P0002");
    owner.run(&format!("ALTER ROLE {app} BYPASSRLS"));
    assert!(connection.try_column::<i32>(&statement("past all policies")).is_ok());
    owner.run(&format!("ALTER ROLE {app} NOBYPASSRLS"));
    connection.assert_refused(&statement("bound again"), "P0002");
}

#[test]
fn what_forbids_writing_forbids_it() {
    let mut connection = world();
    connection.assert_refused(&format!("BEGIN READ ONLY; {}", statement("read only")), "25006");
    connection.run("ROLLBACK; ALTER TABLE parlant.parlant_event DISABLE TRIGGER number_event");
    connection.assert_refused(&statement("nobody numbers it"), "23502");
    connection.run("ALTER TABLE parlant.parlant_event ENABLE TRIGGER number_event");
    append(&mut connection, "numbered");
    assert_counted(&mut connection);
}

#[test]
fn a_snapshot_that_is_too_old_is_told() {
    let mut connection = world();
    let mut other = connection.another();
    connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM parlant.parlant_session");
    append(&mut other, "meanwhile");
    connection.assert_refused(&statement("too late"), "40001");
    connection.run("ROLLBACK");
    append(&mut connection, "again");
    assert_counted(&mut connection);
}

#[test]
fn a_savepoint_takes_back_what_was_appended_after_it() {
    let mut connection = world();
    let first = append(&mut connection, "one");
    connection.run("BEGIN");
    assert_eq!(append(&mut connection, "two"), first + 1);
    connection.run("SAVEPOINT here");
    assert_eq!(append(&mut connection, "three"), first + 2);
    connection.run("ROLLBACK TO here");
    assert_eq!(append(&mut connection, "three again"), first + 2);
    connection.run("COMMIT");
    assert_counted(&mut connection);
}

#[test]
fn many_events_of_one_transaction_and_one_statement_are_numbered_in_a_row() {
    let mut connection = world();
    let offsets: Vec<i32> = connection.column(&with_ids(
        r#"SELECT (parlant.append_event(:session1, 'status_update', '{}'))."offset" FROM generate_series(1, 200)"#,
    ));
    let first = offsets[0];
    assert_eq!(offsets, (first..first + 200).collect::<Vec<_>>());
    assert_counted(&mut connection);
}

#[test]
fn tables_that_are_used_stay_locked_until_the_transaction_ends() {
    let mut connection = world();
    let mut other = connection.another();
    other.run("SET lock_timeout = '50ms'");
    let mut is_locked = |table: &str| {
        let sql = format!("ALTER TABLE parlant.{table} ADD CONSTRAINT never CHECK (false) NOT VALID");
        other.assert_refused(&sql, "55P03");
    };
    connection.run("BEGIN");
    append(&mut connection, "not committed");
    is_locked("parlant_event");
    is_locked("parlant_session");
    connection.run("COMMIT");
    enter(&mut connection);
    connection.run("BEGIN");
    step(&mut connection);
    is_locked("parlant_event");
    is_locked("parlant_session");
    is_locked("parlant_journey");
    is_locked("parlant_journey_state");
    is_locked("parlant_journey_transition");
    connection.run("COMMIT");
}

/// Brings session1 into a journey that goes round and round, and makes a step, so that the steps after it find
/// everything compiled.
fn enter(connection: &mut Connection) {
    connection.run(&with_ids(
        r#"UPDATE parlant.parlant_session SET current_journey_id = NULL, current_state_id = NULL WHERE id = :session1;
           SELECT parlant.enter_journey(:session1, parlant.create_journey(:agent1, '{"title": "round", "states": [
                      {"name": "one", "type": "chat", "is_initial": true, "prompt": "?"},
                      {"name": "two", "type": "chat", "prompt": "!"}, {"name": "end", "type": "final"}],
                  "transitions": [{"from": "one", "to": "two"}, {"from": "two", "to": "one"},
                                  {"from": "two", "to": "end", "condition": "enough"}]}'))"#,
    ));
    assert_eq!(step(connection), "two");
}

const STEP: &str = "SELECT state_name FROM parlant.advance_journey(:session1)";

fn step(connection: &mut Connection) -> String {
    connection.value(&with_ids(STEP))
}

/// The session is where its last hop led, and its counters are what its log says.
fn assert_walked(connection: &mut Connection) {
    let is_there: bool = connection.value(&with_ids(
        r#"SELECT (current_journey_id, current_state_id) = (
                      SELECT journey_id, state_id FROM parlant.parlant_event AS event
                      WHERE session_id = session.id AND event_type = 'journey_transition'
                      ORDER BY "offset" DESC LIMIT 1)
           FROM parlant.parlant_session AS session WHERE id = :session1"#,
    ));
    assert!(is_there);
    assert_counted(connection);
}

#[test]
fn a_step_writes_the_row_of_its_session_once() {
    let mut connection = world();
    enter(&mut connection);
    let updated =
        "SELECT pg_stat_get_xact_tuples_updated(oid) FROM pg_class WHERE oid = 'parlant.parlant_session'::regclass";
    connection.run("BEGIN");
    let before: i64 = connection.value(updated);
    step(&mut connection);
    let written = connection.value::<i64>(updated) - before;
    connection.run("COMMIT");
    assert_eq!(written, 1);
    assert_walked(&mut connection);
}

#[test]
fn triggers_and_checks_of_others_see_a_step() {
    let mut connection = world();
    enter(&mut connection);
    connection.run(
        "CREATE TABLE seen (what text);
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.seen VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NULL; END $$;
         CREATE TRIGGER see AFTER UPDATE OF current_state_id ON parlant.parlant_session
             FOR EACH ROW EXECUTE FUNCTION see()",
    );
    step(&mut connection);
    assert_eq!(connection.column::<String>("SELECT what FROM seen"), ["parlant_session UPDATE"]);
    connection.run(
        "DROP TRIGGER see ON parlant.parlant_session; TRUNCATE seen;
         CREATE TRIGGER see AFTER INSERT ON parlant.parlant_event FOR EACH ROW EXECUTE FUNCTION see()",
    );
    step(&mut connection);
    assert_eq!(connection.column::<String>("SELECT what FROM seen"), ["parlant_event INSERT"]);
    connection.run(
        "DROP TRIGGER see ON parlant.parlant_event;
         ALTER TABLE parlant.parlant_event ADD CONSTRAINT no_way_back CHECK (content ->> 'to' <> 'one')
             NOT VALID",
    );
    connection.assert_refused(&with_ids(STEP), "23514").message("no_way_back");
    connection.run(
        "ALTER TABLE parlant.parlant_event DROP CONSTRAINT no_way_back;
         ALTER TABLE parlant.parlant_session ADD CONSTRAINT at_home CHECK (current_journey_id IS NULL) NOT VALID",
    );
    connection.assert_refused(&with_ids(STEP), "23514").message("at_home");
    connection.run("ALTER TABLE parlant.parlant_session DROP CONSTRAINT at_home");
    step(&mut connection);
    assert_walked(&mut connection);
}

#[test]
fn keys_of_others_hold_for_a_step() {
    let mut connection = world();
    enter(&mut connection);
    connection.run(&with_ids(
        "CREATE TABLE places (id uuid PRIMARY KEY);
         INSERT INTO places SELECT current_state_id FROM parlant.parlant_session WHERE current_state_id IS NOT NULL;
         ALTER TABLE parlant.parlant_session ADD CONSTRAINT place_is_known
             FOREIGN KEY (current_state_id) REFERENCES places",
    ));
    connection.assert_refused(&with_ids(STEP), "23503").message("place_is_known");
    connection.run(
        "ALTER TABLE parlant.parlant_session DROP CONSTRAINT place_is_known;
         ALTER TABLE parlant.parlant_session ADD CONSTRAINT one_a_state UNIQUE (current_state_id)",
    );
    step(&mut connection);
    connection.run(&with_ids(
        "CREATE TABLE watchers (state_id uuid CONSTRAINT watched REFERENCES parlant.parlant_session (current_state_id));
         INSERT INTO watchers SELECT current_state_id FROM parlant.parlant_session WHERE id = :session1",
    ));
    connection.assert_refused(&with_ids(STEP), "23503").message("watched");
    connection.run("DROP TABLE watchers");
    step(&mut connection);
    assert_walked(&mut connection);
}

#[test]
fn policies_of_others_hold_for_a_step() {
    let database = Cluster::shared().database();
    let role = database.create_role("app");
    let mut connection = world_in(&database);
    enter(&mut connection);
    connection.run(&format!("SELECT parlant.grant_app_role('{role}')"));
    connection.run(
        "SELECT parlant.grant_workspace('acme', 'olga', 'write'), parlant.grant_workspace('acme', 'rita', 'read')",
    );
    let mut app = connection.another_as(&role);
    let as_user =
        |user: &str| format!("BEGIN; SELECT parlant.enter_workspace('acme', '{user}'); {}; COMMIT", with_ids(STEP));
    let refused = |app: &mut Connection, user: &str, sqlstate: &str, message: &str| {
        app.assert_refused(&as_user(user), sqlstate).message(message);
        app.run("ROLLBACK");
    };
    app.run(&as_user("olga"));
    refused(&mut app, "rita", "42501", "cannot be moved");
    let mut with_policy = |table: &str, policy: &str, sqlstate: &str, message: &str| {
        connection.run(&format!("CREATE POLICY others ON parlant.{table} AS RESTRICTIVE {policy}"));
        refused(&mut app, "olga", sqlstate, message);
        connection.run(&format!("DROP POLICY others ON parlant.{table}"));
        app.run(&as_user("olga"));
    };
    with_policy("parlant_session", "FOR SELECT USING (false)", "P0002", "does not exist");
    with_policy("parlant_session", "FOR UPDATE USING (false)", "42501", "cannot be moved");
    with_policy("parlant_session", "FOR UPDATE USING (true) WITH CHECK (false)", "42501", "others");
    with_policy("parlant_event", "FOR INSERT WITH CHECK (false)", "42501", "others");
    with_policy("parlant_journey", "FOR SELECT USING (false)", "55000", "is in no journey");
    with_policy("parlant_journey_state", "FOR SELECT USING (false)", "55000", "is in no journey");
    with_policy("parlant_journey_transition", "FOR SELECT USING (false)", "55000", "no way leads on");
    for table in ["session", "event", "journey", "journey_state", "journey_transition"] {
        let privilege = if table == "event" { "INSERT" } else { "SELECT" };
        connection.run(&format!("REVOKE {privilege} ON parlant.parlant_{table} FROM {role}"));
        refused(&mut app, "olga", "42501", "permission denied");
        connection.run(&format!("GRANT {privilege} ON parlant.parlant_{table} TO {role}"));
        app.run(&as_user("olga"));
    }
    connection.run(&format!("REVOKE UPDATE ON parlant.parlant_session FROM {role}"));
    refused(&mut app, "olga", "42501", "permission denied");
    assert_walked(&mut connection);
}

#[test]
fn an_index_of_another_shape_under_the_name_of_ours_is_not_taken_for_it() {
    let mut connection = world();
    enter(&mut connection);
    connection.run(
        "DROP INDEX parlant.parlant_journey_transition_from;
         CREATE INDEX parlant_journey_transition_from ON parlant.parlant_journey_transition (priority)",
    );
    step(&mut connection);
    connection.run(
        "DROP INDEX parlant.parlant_journey_transition_from;
         CREATE INDEX parlant_journey_transition_from ON parlant.parlant_journey_transition
             (workspace_id, journey_id, from_state_id) WHERE condition IS NOT NULL",
    );
    step(&mut connection);
    connection.run("DROP INDEX parlant.parlant_journey_transition_from");
    step(&mut connection);
    assert_walked(&mut connection);
}

#[test]
fn a_state_that_is_deleted_meanwhile_is_not_walked_into() {
    let mut connection = world();
    enter(&mut connection);
    let mut other = connection.another();
    let delete = "DELETE FROM parlant.parlant_journey_state WHERE name = 'one'";
    // Who deletes first has the walker wait, and then refused.
    other.run(&format!("BEGIN; {delete}"));
    let mut running = connection.another().start(&with_ids(STEP));
    assert!(running.blocks());
    other.run("COMMIT");
    let (mut walker, _) = running.refused("23503");
    assert_walked(&mut walker);

    // Who walks first has the deletion wait, which then takes the session out of the state.
    connection.run(&with_ids(
        "UPDATE parlant.parlant_session SET current_journey_id = NULL, current_state_id = NULL WHERE id = :session1;
         DELETE FROM parlant.parlant_journey WHERE title = 'round'",
    ));
    enter(&mut connection);
    connection.run("BEGIN");
    assert_eq!(step(&mut connection), "one");
    let mut running = other.start(delete);
    assert!(running.blocks());
    connection.run("COMMIT");
    running.succeed();
    let rests: i64 = connection.value(&with_ids(
        "SELECT count(*) FROM parlant.parlant_session WHERE id = :session1 AND current_state_id IS NOT NULL",
    ));
    assert_eq!(rests, 0);
}

#[test]
fn a_savepoint_takes_back_a_step() {
    let mut connection = world();
    enter(&mut connection);
    connection.run("BEGIN; SAVEPOINT here");
    assert_eq!(step(&mut connection), "one");
    connection.run("ROLLBACK TO here");
    assert_eq!(step(&mut connection), "one");
    assert_eq!(step(&mut connection), "two");
    connection.run("COMMIT");
    assert_walked(&mut connection);
    connection.run("BEGIN ISOLATION LEVEL SERIALIZABLE");
    assert_eq!(step(&mut connection), "one");
    connection.run("COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM parlant.parlant_session");
    step(&mut connection.another());
    connection.assert_refused(&with_ids(STEP), "40001");
    connection.run("ROLLBACK");
    assert_walked(&mut connection);
}

#[test]
fn conditions_are_judged_by_what_condition_variables_tells() {
    let database = Cluster::shared().database();
    let role = database.create_role("app");
    let mut connection = world_in(&database);
    connection.run(&with_ids(
        r#"UPDATE parlant.parlant_session SET current_journey_id = NULL, current_state_id = NULL, customer_id = 'ada',
               user_id = 'ann', title = 'A "title"', tags = '["t", 1]', metadata = '{"m": {"n": [1.5, null]}}',
               variables = '{"column": 1, "over": "column", "every": "column", "hidden": "column", "message": "mine",
                             "journey": "mine", "session": "mine", "nothing": null, "é": "ü"}' WHERE id = :session1;
           DELETE FROM parlant.parlant_variable;
           INSERT INTO parlant.parlant_variable (workspace_id, agent_id, session_id, customer_id, key, scope, value, is_private)
           SELECT 'acme', CASE WHEN scope <> 'global' THEN :agent1::uuid END,
                  CASE scope WHEN 'session' THEN :session1::uuid END,
                  CASE scope WHEN 'customer' THEN 'ada' WHEN 'stranger' THEN 'bob' END,
                  key, CASE scope WHEN 'stranger' THEN 'customer' ELSE scope END, to_jsonb(scope || ' value'), coalesce(scope = private, false)
           FROM (VALUES ('every', '{session,customer,agent,global}', NULL), ('over', '{customer,agent,global}', NULL),
                        ('near', '{customer,agent,global}', NULL), ('middle', '{agent,global,stranger}', NULL),
                        ('far', '{global,stranger}', NULL), ('strange', '{stranger}', NULL),
                        ('hidden', '{session,agent}', 'session'), ('veiled', '{customer,global}', 'customer'),
                        ('int', '{agent}', NULL)) AS sample (key, scopes, private), unnest(scopes::text[]) AS scope;
           INSERT INTO parlant.parlant_variable (workspace_id, agent_id, key, scope, value) VALUES
               ('acme', :agent1, 'tree', 'agent', '{"a": [1, 2.5, {"b": null}], "c": true}'),
               ('acme', :agent1, 'absence', 'agent', 'null');
           SELECT parlant.enter_journey(:session1, parlant.create_journey(:agent1, '{"title": "A round", "states": [
                      {"name": "one", "type": "chat", "is_initial": true, "prompt": "?"}, {"name": "end", "type": "final"}],
                  "transitions": [{"from": "one", "to": "one", "condition": "x", "condition_kind": "expression"},
                                  {"from": "one", "to": "end", "condition": "enough"}]}'))"#,
    ));
    let names = [
        "every", "over", "near", "middle", "far", "strange", "hidden", "veiled", "int", "tree", "absence", "column",
        "nothing", "session", "journey", "message", "nowhere",
    ];
    let compare = |connection: &mut Connection, given: &str| {
        let mut known = 0;
        for name in names {
            let value: Option<String> = connection.value(&with_ids(&format!(
                "SELECT (parlant.condition_variables(:session1, {given}) -> '{name}')::text"
            )));
            // JSON is CEL, but for the type of a whole number, which is the same.
            let condition = format!("{name} == {}", value.as_deref().unwrap_or(name));
            connection.run(&format!(
                "UPDATE parlant.parlant_journey_transition SET condition = $${condition}$$ WHERE condition_kind = 'expression'"
            ));
            let step =
                with_ids(&format!("SELECT state_name FROM parlant.advance_journey(:session1, variables => {given})"));
            if value.is_some() {
                assert_eq!(connection.value::<String>(&step), "one", "{condition}");
                known += 1;
            } else {
                connection.run("SAVEPOINT before");
                connection.assert_refused(&step, "55000").message("no way leads on");
                connection.run("ROLLBACK TO before");
            }
        }
        known
    };
    connection.run("BEGIN");
    assert_eq!(compare(&mut connection, "NULL"), 15, "all but strange and nowhere");
    for message in [r#"{"text": "a text"}"#, r#"{"message": "a message", "text": "a text"}"#] {
        connection.run(&with_ids(&format!(
            "SELECT parlant.append_event(:session1, 'customer_message', '{message}'),
                    parlant.append_event(:session1, 'agent_message', '{{\"message\": \"an answer\"}}')"
        )));
        compare(&mut connection, "NULL");
    }
    let given = r#"'{"every": {"given": [true]}, "session": 1, "message": 2, "nowhere": null, "far": 3}'"#;
    assert_eq!(compare(&mut connection, given), 16);
    // Nor does it matter whether queries are needed to find them.
    connection.run("CREATE POLICY others ON parlant.parlant_variable AS RESTRICTIVE USING (key <> 'near')");
    compare(&mut connection, "NULL");
    connection.run(&format!(
        "COMMIT; DROP POLICY others ON parlant.parlant_variable;
         SELECT parlant.grant_app_role('{role}'), parlant.grant_workspace('acme', 'olga', 'admin')"
    ));
    let mut app = connection.another_as(&role);
    for hide_messages in ["", HIDE_MESSAGES] {
        connection.run(hide_messages);
        app.run("BEGIN; SELECT parlant.enter_workspace('acme', 'olga')");
        compare(&mut app, given);
        app.run("ROLLBACK");
    }
}

const HIDE_MESSAGES: &str =
    "CREATE POLICY others ON parlant.parlant_event AS RESTRICTIVE FOR SELECT USING (event_type <> 'customer_message')";

#[test]
fn variables_that_are_no_object_are_refused() {
    let mut connection = world();
    enter(&mut connection);
    connection.run(
        "UPDATE parlant.parlant_journey_transition SET condition = 'true', condition_kind = 'expression'
         WHERE condition IS NULL",
    );
    let step = with_ids("SELECT parlant.advance_journey(:session1, variables => '[]')");
    connection.assert_refused(&step, "22023").detail("no JSON object");
}

fn batch(events: &str) -> String {
    with_ids(&format!(
        r#"SELECT string_agg(concat_ws(' ', "offset", duplicate), ', ' ORDER BY "offset")
           FROM parlant.append_events(:session1, '{events}')"#
    ))
}

const THREE: &str = r#"[{"event_type": "customer_message", "content": {"message": "x", "deep": {"l": [1, {"m": 1.50}]}}},
    {"event_type": "agent_message", "content": {"text": "y"}, "metadata": {"k": [1]}, "tokens": 3, "cost": null},
    {"event_type": "status_update", "content": {}, "tool_call_id": null, "tokens": 0, "cost": 4}]"#;

#[test]
fn a_batch_is_what_its_events_are_one_by_one() {
    let mut connection = world();
    let log = with_ids(
        r#"SELECT concat_ws(' ', event_type, content, metadata, tool_call_id, idempotency_key, tokens, cost, journey_id, state_id)
           FROM parlant.parlant_event WHERE session_id = :session1 ORDER BY "offset" DESC LIMIT 3"#,
    );
    let sums = with_ids(
        "SELECT concat_ws(' ', event_count, message_count, tokens_used, cost) FROM parlant.parlant_session WHERE id = :session1",
    );
    let first: i32 =
        connection.value(&with_ids("SELECT event_count FROM parlant.parlant_session WHERE id = :session1"));
    connection.run("BEGIN");
    let returned: String = connection.value(&batch(THREE));
    let rows = |first: i32| (first..first + 3).map(|n| format!("{n} f")).collect::<Vec<_>>().join(", ");
    assert_eq!(returned, rows(first));
    let (directly, counted) = (connection.column::<String>(&log), connection.value::<String>(&sums));
    // As another trigger has them written by SQL.
    connection.run(
        "ROLLBACK; CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER nothing AFTER INSERT ON parlant.parlant_event EXECUTE FUNCTION nothing()",
    );
    assert_eq!(connection.value::<String>(&batch(THREE)), rows(first));
    assert_eq!((connection.column::<String>(&log), connection.value::<String>(&sums)), (directly, counted));
    assert_counted(&mut connection);
}

#[test]
fn a_batch_tells_ids_offsets_and_times_of_what_it_has_appended() {
    let mut connection = world();
    connection
        .run(&with_ids(&format!("CREATE TABLE told AS SELECT * FROM parlant.append_events(:session1, '{THREE}')")));
    let found: i64 = connection.value(
        r#"SELECT count(*) FROM told JOIN parlant.parlant_event AS event ON event.id = event_id
           WHERE event."offset" = told."offset" AND event.created_at = timezone('utc', told.created_at) AND NOT duplicate"#,
    );
    assert_eq!(found, 3);
}

#[test]
fn a_batch_writes_the_row_of_its_session_once() {
    let mut connection = world();
    let updated =
        "SELECT pg_stat_get_xact_tuples_updated(oid) FROM pg_class WHERE oid = 'parlant.parlant_session'::regclass";
    connection.run("BEGIN");
    let before: i64 = connection.value(updated);
    connection.run(&batch(THREE));
    assert_eq!(connection.value::<i64>(updated) - before, 1);
    connection.run("COMMIT");
    assert_counted(&mut connection);
}

#[test]
fn what_refuses_an_event_refuses_its_batch() {
    let mut connection = world();
    let refused = |connection: &mut Connection, event: &str, sqlstate: &str| {
        let three = THREE.trim_end_matches(']');
        let refusal = connection.assert_refused(&batch(&format!("{three}, {event}]")), sqlstate);
        assert_counted(connection);
        refusal
    };
    let message = |rest: &str| format!(r#"{{"event_type": "customer_message", "content": {{"message": "x"}}{rest}}}"#);
    refused(&mut connection, r#"{"event_type": "guess", "content": {}}"#, "22P02").message("guess");
    refused(&mut connection, r#"{"event_type": "status_update"}"#, "22023").message("/3/content");
    refused(&mut connection, r#"{"event_type": "agent_message", "content": {}}"#, "23514").message("agent_message");
    refused(
        &mut connection,
        r#"{"event_type": "tool_result", "content": {"tool_call_id": "c", "result": 1}}"#,
        "23503",
    );
    refused(&mut connection, &message(r#", "tokens": 1.5"#), "22P02");
    refused(&mut connection, &message(r#", "tokens": -1"#), "23514").constraint("tokens_is_not_negative");
    refused(&mut connection, &message(r#", "metadata": null"#), "23514").constraint("metadata_is_an_object");
    refused(&mut connection, &message(&format!(r#", "idempotency_key": "{}""#, "k".repeat(256))), "23514")
        .constraint("idempotency_key_has_1_to_255_characters");
    connection.run("ALTER TABLE parlant.parlant_event ADD CONSTRAINT no_x CHECK (content ->> 'message' <> 'HELP')");
    let help = r#"{"event_type": "customer_message", "content": {"message": "HELP"}}"#;
    refused(&mut connection, help, "23514").constraint("no_x");
    connection.run(&with_ids("UPDATE parlant.parlant_session SET mode = 'paused' WHERE id = :session1"));
    refused(&mut connection, &message(""), "55000").message("is paused");
    connection
        .run(&with_ids("UPDATE parlant.parlant_session SET mode = 'auto', status = 'completed' WHERE id = :session1"));
    refused(&mut connection, &message(""), "55000").message("has ended");
    connection.assert_refused(&batch(THREE).replace("016'", "0ff'"), "P0002").message("does not exist");
}

#[test]
fn keys_of_a_batch_are_used_once() {
    let mut connection = world();
    let keyed = |n: i32| {
        format!(r#"{{"event_type": "customer_message", "content": {{"message": "{n}"}}, "idempotency_key": "k{n}"}}"#)
    };
    let first: i32 =
        connection.value(&with_ids("SELECT event_count FROM parlant.parlant_session WHERE id = :session1"));
    let sent: String = connection.value(&batch(&format!("[{}, {}]", keyed(1), keyed(2))));
    assert_eq!(sent, format!("{first} f, {} f", first + 1));
    let again: String = connection.value(&batch(&format!("[{}, {}]", keyed(2), keyed(3))));
    assert_eq!(again, format!("{} t, {} f", first + 1, first + 2));
    connection.assert_refused(&batch(&format!("[{}, {}]", keyed(4), keyed(4))), "22023").message("used twice");
    let other = keyed(1).replace("\"1\"", "\"another\"");
    connection.assert_refused(&batch(&format!("[{other}, {}]", keyed(5))), "22023").message("belongs to another event");
    assert_counted(&mut connection);
}

#[test]
fn a_call_appends_wherever_it_stands_and_whatever_the_one_before_needed() {
    let mut connection = world();
    let rows: Vec<String> = connection.column(&with_ids(
        r#"SELECT concat_ws(' ', made."offset", made.duplicate, made.created_at = now())
           FROM (VALUES (1, 'customer_message', '{"message": "a"}', NULL::text, NULL::text), (2, 'tool_call', '{"tool_name": "t", "parameters": {}}', 'another call', NULL),
                        (3, 'customer_message', '{"message": "b"}', NULL, 'key'), (4, 'customer_message', '{"message": "b"}', NULL, 'key'),
                        (5, 'agent_message', '{"message": "c"}', NULL, NULL)) AS sent (n, event_type, content, call, key)
           CROSS JOIN LATERAL parlant.append_event(:session1, sent.event_type, sent.content::jsonb, tool_call_id => sent.call,
                                                   idempotency_key => sent.key) AS made
           ORDER BY n"#,
    ));
    let first: i32 = rows[0].split(' ').next().unwrap().parse().unwrap();
    let expected =
        [(0, "f"), (1, "f"), (2, "f"), (2, "t"), (3, "f")].map(|(n, duplicate)| format!("{} {duplicate} t", first + n));
    assert_eq!(rows, expected);

    let offset: i32 = connection.value(&with_ids(
        r#"SELECT (parlant.append_event(:session1, 'customer_message', '{"message": "in a list"}'))."offset""#,
    ));
    assert_eq!(offset, first + 4);
    let row: String = connection.value(&with_ids(
        r#"SELECT parlant.append_event(:session1, 'customer_message', '{"message": "as a row"}')::text"#,
    ));
    assert!(row.contains(&format!(",{},", first + 5)), "{row}");
    connection.run(&with_ids(
        r#"DO $$
           DECLARE refused integer := 0;
           BEGIN
               FOR n IN 1..4 LOOP
                   BEGIN
                       PERFORM FROM parlant.append_event(:session1, CASE n % 2 WHEN 1 THEN 'shout' ELSE 'status_update' END,
                                                         '{"status": "typing"}');
                   EXCEPTION WHEN invalid_text_representation THEN
                       refused := refused + 1;
                   END;
               END LOOP;
               ASSERT refused = 2;
           END $$"#,
    ));
    assert_eq!(append(&mut connection, "last"), first + 8);
    assert_counted(&mut connection);
}
