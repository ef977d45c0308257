//! Dropping the extension costs no data, and creating it again puts back what it had on the tables.

use parlant_tests::{
    Cluster, Connection, Database, assert_same, assert_works, fingerprint, load_fixture, load_users_own, row_hashes,
};

struct Installed {
    database: Database<'static>,
    connection: Connection,
}

/// A database with the fixture and its owner's own objects, but for what goes with the extension by nature:
/// grants on its functions.
fn installed() -> Installed {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    let role = database.create_role("app");
    load_fixture(&mut connection);
    load_users_own(&mut connection, &role);
    connection.run(&format!("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA parlant FROM {role}"));
    Installed { database, connection }
}

#[test]
fn the_extension_cannot_be_dropped_while_tables_use_it() {
    let Installed { mut connection, .. } = installed();
    let before = (fingerprint(&mut connection), row_hashes(&mut connection));
    connection
        .assert_refused("DROP EXTENSION parlant", "2BP01")
        .message("cannot drop extension parlant because other objects depend on it")
        .detail("on table parlant.parlant_");
    assert_same(&before.0, &fingerprint(&mut connection), "after the refusal");
    assert_eq!(before.1, row_hashes(&mut connection));
}

#[test]
fn a_cascade_keeps_all_rows_and_whatever_calls_no_function_of_the_extension() {
    let Installed { mut connection, .. } = installed();
    let before = (fingerprint(&mut connection), row_hashes(&mut connection));
    connection.run("DROP EXTENSION parlant CASCADE");

    assert_eq!(before.1, row_hashes(&mut connection));
    let kept = |lines: Vec<String>| -> Vec<String> {
        let kinds =
            ["schema", "relation", "constraint", "index", "policy", "rule", "statistics", "type", "object", "grant on"];
        lines.into_iter().filter(|line| kinds.iter().any(|kind| line.starts_with(kind))).collect()
    };
    let of_the_extension = |line: &String| {
        line.starts_with("grant on function parlant.")
            || line.starts_with("grant on new function parlant.")
            || line.contains("parlant.json_schema_error(")
            || (line.starts_with("policy") && line.contains("= parlant."))
    };
    let mut expected = kept(before.0);
    expected.retain(|line| !of_the_extension(line));
    assert!(expected.len() > 500, "there is a lot to keep, not {} lines", expected.len());
    assert_same(&expected, &kept(fingerprint(&mut connection)), "after DROP EXTENSION … CASCADE");
}

#[test]
fn creating_the_extension_again_puts_everything_back() {
    let Installed { mut connection, .. } = installed();
    let before = (fingerprint(&mut connection), row_hashes(&mut connection));
    connection.run("DROP EXTENSION parlant CASCADE");
    connection.run("CREATE EXTENSION parlant");
    assert_same(&before.0, &fingerprint(&mut connection), "after CREATE EXTENSION");
    assert_eq!(before.1, row_hashes(&mut connection));
    assert_works(&mut connection);
    assert_eq!(install_tables(&mut connection), [] as [String; 0]);
}

#[test]
fn a_dump_taken_without_the_extension_is_completed_by_creating_it() {
    let Installed { database, mut connection } = installed();
    let before = (fingerprint(&mut connection), row_hashes(&mut connection));
    connection.run("DROP EXTENSION parlant CASCADE");
    database.dump("without.sql", &[]);
    let copy = Cluster::shared().empty_database();
    copy.run_file("without.sql", &[]);
    let mut connection = copy.connect();
    connection.run("CREATE EXTENSION parlant");
    assert_same(&before.0, &fingerprint(&mut connection), "after restore and CREATE EXTENSION");
    assert_eq!(before.1, row_hashes(&mut connection));
    assert_works(&mut connection);
}

#[test]
fn a_rule_that_rows_broke_meanwhile_must_be_obeyed_first() {
    let Installed { mut connection, .. } = installed();
    connection.run("DROP EXTENSION parlant CASCADE");
    connection.run(r#"UPDATE parlant.parlant_tool SET parameters = '{"type": "nonsense"}' WHERE name = 'find_order'"#);
    let before = fingerprint(&mut connection);
    connection.assert_refused("CREATE EXTENSION parlant", "23514").message("\"parameters_is_a_json_schema\"");
    assert_same(&before, &fingerprint(&mut connection), "after the refusal");
    connection.run(r#"UPDATE parlant.parlant_tool SET parameters = '{"type": "object"}' WHERE name = 'find_order'"#);
    connection.run("CREATE EXTENSION parlant");
    assert_works(&mut connection);
}

/// What the call made, as "kind name", sorted.
fn install_tables(connection: &mut Connection) -> Vec<String> {
    let mut made = connection.column("SELECT kind || ' ' || name FROM parlant.install_tables()");
    made.sort();
    made
}

/// Drops what the query names, all in one, and lets install_tables() make it again. The query gives the command that
/// drops an object, and the object as install_tables() reports it.
fn assert_put_back(objects: &str, at_least: usize) {
    let mut connection = Cluster::shared().database().connect();
    load_fixture(&mut connection);
    let before = (fingerprint(&mut connection), row_hashes(&mut connection));
    let mut dropped = Vec::new();
    for object in connection.rows(objects) {
        connection.run(object.get(0));
        dropped.push(object.get::<_, String>(1));
    }
    assert!(dropped.len() >= at_least, "dropped only {dropped:?}");
    dropped.sort();
    assert_same(&dropped, &install_tables(&mut connection), "made by install_tables()");
    assert_same(&before.0, &fingerprint(&mut connection), "after install_tables()");
    assert_eq!(before.1, row_hashes(&mut connection));
    assert_eq!(install_tables(&mut connection), [] as [String; 0]);
}

const TABLES: &str = "FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'parlant'";

#[test]
fn triggers_that_were_dropped_are_put_back() {
    assert_put_back(
        &format!(
            "SELECT format('DROP TRIGGER %I ON parlant.%I', tgname, relname), format('trigger %s.%s', relname, tgname)
             {TABLES} JOIN pg_trigger ON tgrelid = t.oid AND NOT tgisinternal AND tgenabled <> 'A'
             UNION ALL
             SELECT command, made
             {TABLES} JOIN pg_trigger ON tgrelid = t.oid AND tgenabled = 'A',
             LATERAL (VALUES (format('DROP TRIGGER %I ON parlant.%I', tgname, relname), format('trigger %s.%s', relname, tgname)),
                             ('SELECT', format('always trigger %s.%s', relname, tgname))) AS dropped (command, made)"
        ),
        35,
    );
}

#[test]
fn indexes_that_were_dropped_are_put_back() {
    assert_put_back(
        &format!(
            "SELECT format('DROP INDEX parlant.%I', relname), format('index %s', relname)
             {TABLES} JOIN pg_index i ON indexrelid = t.oid
             WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u'))"
        ),
        25,
    );
}

#[test]
fn policies_that_were_dropped_are_put_back() {
    assert_put_back(
        &format!(
            "SELECT format('DROP POLICY %I ON parlant.%I', polname, relname), format('policy %s.%s', relname, polname)
             {TABLES} JOIN pg_policy ON polrelid = t.oid"
        ),
        80,
    );
}

#[test]
fn row_level_security_that_was_switched_off_is_switched_on_again() {
    for (change, kind) in [("DISABLE", "row security"), ("NO FORCE", "forced row security")] {
        assert_put_back(
            &format!(
                "SELECT format('ALTER TABLE parlant.%I {change} ROW LEVEL SECURITY', relname), format('{kind} %s', relname)
                 {TABLES} WHERE relkind = 'r'"
            ),
            22,
        );
    }
}

#[test]
fn defaults_that_call_the_extension_are_put_back() {
    assert_put_back(
        &format!(
            "SELECT format('ALTER TABLE parlant.%I ALTER id DROP DEFAULT', relname), format('default %s.id', relname)
             {TABLES} WHERE relkind = 'r'"
        ),
        21,
    );
}

#[test]
fn checks_that_call_the_extension_are_put_back() {
    assert_put_back(
        &format!(
            "SELECT format('ALTER TABLE parlant.%I DROP CONSTRAINT %I', relname, conname), format('constraint %s.%s', relname, conname)
             {TABLES} JOIN pg_constraint ON conrelid = t.oid
             WHERE contype = 'c' AND pg_get_constraintdef(pg_constraint.oid) ~ 'parlant\\.'"
        ),
        2,
    );
}

/// Constraints of these types, foreign keys first because they need the keys.
fn constraints(types: &str) -> String {
    format!(
        "SELECT format('ALTER TABLE parlant.%I DROP CONSTRAINT %I', relname, conname), format('constraint %s.%s', relname, conname)
         {TABLES} JOIN pg_constraint ON conrelid = t.oid
         WHERE contype IN ({types})
         ORDER BY contype = 'f' DESC"
    )
}

#[test]
fn foreign_keys_that_were_dropped_are_put_back() {
    assert_put_back(&constraints("'f'"), 25);
}

#[test]
fn keys_that_were_dropped_are_put_back() {
    assert_put_back(&constraints("'p', 'u', 'f'"), 60);
}

#[test]
fn checks_that_were_dropped_are_put_back() {
    assert_put_back(&constraints("'c'"), 150);
}

#[test]
fn tables_that_were_dropped_are_made_again() {
    let mut connection = Cluster::shared().database().connect();
    let before = fingerprint(&mut connection);
    connection.run("DROP TABLE parlant.parlant_event, parlant.parlant_session, parlant.parlant_tool CASCADE");
    let made = install_tables(&mut connection);
    for object in ["table parlant_event", "table parlant_session", "table parlant_tool", "index parlant_session_start"]
    {
        assert!(made.iter().any(|line| line == object), "{object} is not among {made:?}");
    }
    assert_same(&before, &fingerprint(&mut connection), "after install_tables()");
    assert_works(&mut connection);
}

#[test]
fn what_the_owner_added_is_left_alone() {
    let Installed { mut connection, .. } = installed();
    connection.run("COMMENT ON TABLE parlant.parlant_agent IS 'Our own words'");
    connection.run("ALTER TABLE parlant.parlant_agent DISABLE TRIGGER set_updated_at");
    let before = fingerprint(&mut connection);
    assert_eq!(install_tables(&mut connection), [] as [String; 0]);
    assert_same(&before, &fingerprint(&mut connection), "after install_tables()");
}

#[test]
fn two_installations_at_once_make_everything_once() {
    let database = Cluster::shared().database();
    let mut first = database.connect();
    let before = fingerprint(&mut first);
    first.run("DROP INDEX parlant.parlant_session_start; BEGIN");
    assert_eq!(install_tables(&mut first), ["index parlant_session_start"]);
    let mut second = database.connect().start("CREATE TEMP TABLE made AS SELECT * FROM parlant.install_tables()");
    assert!(second.blocks(), "the second installation waits for the first");
    first.run("COMMIT");
    assert_eq!(second.succeed().value::<i64>("SELECT count(*) FROM made"), 0);
    assert_same(&before, &fingerprint(&mut first), "after both installations");
}
