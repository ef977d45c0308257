//! Linking to the host application: what it adds, what it refuses, and what happens when the host deletes or changes.

use parlant_tests::{
    Cluster, Connection, Database, assert_same, fingerprint, load_two_workspaces, row_hashes, with_ids,
};
use std::path::{Path, PathBuf};

/// A schema name that must be quoted everywhere.
const SCHEMA: &str = r#""Sim's ""host""""#;

struct World {
    database: Database<'static>,
    connection: Connection,
}

#[derive(Clone, Copy, PartialEq)]
enum Version {
    Old,
    Newest,
}

/// Two workspaces of ours, and a host that has them too.
fn world(version: Version, schema: &str) -> World {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    add_host(&mut connection, version, schema);
    World { database, connection }
}

fn add_host(connection: &mut Connection, version: Version, schema: &str) {
    connection.run(&include_str!("fixture/host_as_linked.sql").replace("HOST", schema));
    if version == Version::Newest {
        connection.run(&include_str!("fixture/host_as_linked_newest.sql").replace("HOST", schema));
    }
}

fn link(connection: &mut Connection, schema: &str) -> Vec<String> {
    report(connection, &format!("parlant.link_host({})", literal(schema)))
}

/// What one of the three functions reports, a line each.
fn report(connection: &mut Connection, call: &str) -> Vec<String> {
    connection.column(&format!("SELECT concat_ws(' | ', table_name, status, detail) FROM {call}"))
}

/// The name that a quoted identifier stands for, as a string.
fn literal(identifier: &str) -> String {
    let name = identifier
        .strip_prefix('"')
        .map_or(identifier.to_owned(), |quoted| quoted.strip_suffix('"').unwrap().replace("\"\"", "\""));
    format!("'{}'", name.replace('\'', "''"))
}

/// Every foreign key that leaves schema parlant, as it is declared.
fn host_keys(connection: &mut Connection) -> Vec<String> {
    connection.column(
        "SELECT format('%s %s%s', conrelid::regclass, pg_get_constraintdef(pg_constraint.oid),
                       CASE WHEN NOT convalidated THEN ' (new rows only)' END)
         FROM pg_constraint JOIN pg_class AS host ON host.oid = confrelid
         WHERE contype = 'f' AND connamespace = 'parlant'::regnamespace AND host.relnamespace <> 'parlant'::regnamespace
         ORDER BY 1",
    )
}

#[test]
fn both_versions_of_the_host_are_linked_in_any_schema() {
    for version in [Version::Old, Version::Newest] {
        let World { mut connection, .. } = world(version, SCHEMA);
        let status = link(&mut connection, SCHEMA);
        assert_eq!(status, report(&mut connection, "parlant.host_status()"));
        assert!(status[0].ends_with("permissions | read | Permissions come from here."), "{status:?}");
        let keys = host_keys(&mut connection);
        for (table, column, host, action) in [
            ("agent", "created_by", r#""user""#, "SET NULL"),
            ("agent", "workspace_id", "workspace", "CASCADE"),
            ("agent_api_key", "api_key_id", "api_key", "CASCADE"),
            ("agent_knowledge_base", "knowledge_base_id", "knowledge_base", "CASCADE"),
            ("agent_workflow", "workflow_id", "workflow", "CASCADE"),
            ("conversion_history", "user_id", r#""user""#, "SET NULL"),
            ("conversion_history", "workspace_id", "workspace", "CASCADE"),
            ("session", "user_id", r#""user""#, "SET NULL"),
            ("session_workflow", "workflow_id", "workflow", "CASCADE"),
            ("tool", "workspace_id", "workspace", "CASCADE"),
            ("variable", "workspace_id", "workspace", "CASCADE"),
            ("workflow_template", "created_by", r#""user""#, "SET NULL"),
            ("workflow_template", "workspace_id", "workspace", "CASCADE"),
            ("workspace_member", "user_id", r#""user""#, "CASCADE"),
            ("workspace_member", "workspace_id", "workspace", "CASCADE"),
        ] {
            let key = format!(
                "parlant.parlant_{table} FOREIGN KEY ({column}) REFERENCES {SCHEMA}.{host}(id) ON DELETE {action}"
            );
            assert!(keys.contains(&key), "{key} is not among {keys:#?}");
            let line = format!("{SCHEMA}.{host} | linked | parlant.parlant_{table} ({column}), ON DELETE {action}");
            assert!(status.contains(&line), "{line} is not among {status:#?}");
        }
        let never = ["workflow_blocks", "workflow_edges", "workflow_subflows", "embedding", "NO ACTION", "RESTRICT"];
        assert!(!keys.iter().any(|key| never.iter().any(|word| key.contains(word))), "{keys:#?}");
        assert_eq!(status.iter().filter(|line| line.contains("| no foreign key |")).count(), 2, "{status:#?}");
    }
}

#[test]
fn linking_again_is_harmless_and_unlinking_leaves_no_trace() {
    let World { mut connection, .. } = world(Version::Newest, SCHEMA);
    let before = fingerprint(&mut connection);
    assert_eq!(report(&mut connection, "parlant.unlink_host()"), [] as [String; 0]);
    link(&mut connection, SCHEMA);
    let (linked, row) = (fingerprint(&mut connection), row_hashes(&mut connection));
    link(&mut connection, SCHEMA);
    assert_same(&linked, &fingerprint(&mut connection), "after linking again");
    assert_eq!(row, row_hashes(&mut connection));

    let unlinked = report(&mut connection, "parlant.unlink_host()");
    assert_eq!(unlinked.iter().filter(|line| line.contains("| unlinked | parlant.")).count(), unlinked.len());
    assert!(unlinked.len() >= 13, "{unlinked:#?}");
    assert_same(&before, &fingerprint(&mut connection), "after unlinking");
    assert_eq!(connection.value::<String>("SELECT status FROM parlant.host_status()"), "not linked");
}

#[test]
fn one_host_is_linked_at_a_time() {
    let World { mut connection, .. } = world(Version::Old, "first");
    add_host(&mut connection, Version::Newest, "second");
    link(&mut connection, "first");
    let before = fingerprint(&mut connection);
    connection
        .assert_refused("SELECT parlant.link_host('second')", "55000")
        .message("parlant is linked to the host in schema \"first\"")
        .hint("parlant.unlink_host()");
    assert_same(&before, &fingerprint(&mut connection), "after the refusal");
    connection.run("SELECT parlant.unlink_host(); SELECT parlant.link_host('second')");
    assert!(host_keys(&mut connection).iter().all(|key| key.contains("REFERENCES second.")));
}

#[test]
fn rows_that_would_break_the_link_are_told_one_by_one_and_nothing_is_linked() {
    let World { mut connection, .. } = world(Version::Newest, SCHEMA);
    connection.run(&with_ids(
        "UPDATE parlant.parlant_agent SET created_by = 'nobody' WHERE id = :agent1;
         INSERT INTO parlant.parlant_tool (workspace_id, name, display_name, description, tool_type, parameters)
         SELECT 'lost', 'tool' || n, 'T', 'd', 'custom', '{}' FROM generate_series(1, 25) AS n",
    ));
    let before = (fingerprint(&mut connection), row_hashes(&mut connection));
    let told = link(&mut connection, SCHEMA);
    let nobody = with_ids(&format!(
        r#"{SCHEMA}."user" | violation | parlant.parlant_agent :agent1: created_by "nobody" is not in {SCHEMA}."user""#
    ))
    .replace("'00000000-0000-4000-8000-000000000001'", "00000000-0000-4000-8000-000000000001");
    assert_eq!(told[0], nobody);
    assert_eq!(told.len(), 1 + 20 + 1, "{told:#?}");
    let each = format!("workspace_id \"lost\" is not in {SCHEMA}.workspace");
    assert_eq!(told.iter().filter(|line| line.ends_with(&each)).count(), 20, "{told:#?}");
    assert!(told[21].ends_with(&format!(
        "violation | parlant.parlant_tool: 25 rows in all have a workspace_id that is not in {SCHEMA}.workspace"
    )));
    assert_same(&before.0, &fingerprint(&mut connection), "after the report");
    assert_eq!(before.1, row_hashes(&mut connection));

    connection.run("DELETE FROM parlant.parlant_tool WHERE workspace_id = 'lost'; UPDATE parlant.parlant_agent SET created_by = NULL");
    assert!(link(&mut connection, SCHEMA).iter().all(|line| !line.contains("violation")));
}

#[test]
fn what_the_host_has_not_is_linked_when_it_comes() {
    let World { mut connection, .. } = world(Version::Old, "host");
    connection.run("DROP TABLE host.api_key, host.custom_tools, host.mcp_servers, host.member");
    let status = link(&mut connection, "host");
    assert!(!status.iter().any(|line| line.contains("api_key") || line.contains("no foreign key")), "{status:#?}");
    connection.run("CREATE TABLE host.api_key (id varchar(40) UNIQUE); INSERT INTO host.api_key VALUES ('k')");
    let missing = "host.api_key | missing | parlant.parlant_agent_api_key (api_key_id), ON DELETE CASCADE".to_owned();
    assert!(report(&mut connection, "parlant.host_status()").contains(&missing));
    assert!(link(&mut connection, "host").contains(&missing.replace("missing", "linked")));
}

#[test]
fn a_schema_without_a_fitting_host_is_refused() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    let before = fingerprint(&mut connection);
    let mut refused = |change: &str, call: &str, detail: &str| {
        connection.run(&format!("BEGIN; {change}; SAVEPOINT changed"));
        connection
            .assert_refused(call, "22023")
            .message("does not hold the tables of a host")
            .detail(detail)
            .hint("workspace and permissions");
        connection.run("ROLLBACK");
    };
    refused("SELECT", "SELECT parlant.link_host('nowhere')", "There is no schema \"nowhere\".");
    refused("SELECT", "SELECT parlant.link_host()", "There is no table \"workspace\" in schema \"public\".");
    let call = "SELECT parlant.link_host('host')";
    refused(
        "ALTER TABLE host.permissions RENAME entity_id TO e",
        call,
        "There is no column \"entity_id\" in table \"permissions\".",
    );
    refused("DROP TABLE host.member", call, "There is no table \"member\" in schema \"host\".");
    refused(
        "ALTER TABLE host.api_key ALTER id TYPE uuid USING gen_random_uuid()",
        call,
        "host.api_key has no column \"id\" of type text.",
    );
    refused(
        "ALTER TABLE host.api_key DROP CONSTRAINT api_key_pkey",
        call,
        "host.api_key has no primary or unique key (id).",
    );
    assert_same(&before, &fingerprint(&mut connection), "after the refusals");
}

/// Tables of ours with the rows they have of a workspace, where they have any.
fn rows_of(connection: &mut Connection, workspace: &str) -> Vec<String> {
    let tables: Vec<String> = connection.column(
        "SELECT table_name::text FROM information_schema.columns
         WHERE table_schema = 'parlant' AND column_name = 'workspace_id' AND table_name <> 'parlant_audit_log' ORDER BY 1",
    );
    assert!(tables.len() > 20);
    tables
        .into_iter()
        .filter_map(|table| {
            let count: i64 =
                connection.value(&format!("SELECT count(*) FROM parlant.{table} WHERE workspace_id = '{workspace}'"));
            (count > 0).then(|| format!("{table} {count}"))
        })
        .collect()
}

#[test]
fn deleting_a_workspace_deletes_all_its_rows_and_no_other() {
    let World { mut connection, .. } = world(Version::Newest, SCHEMA);
    connection.run(
        "INSERT INTO parlant.parlant_variable (workspace_id, scope, key, value) VALUES ('acme', 'global', 'g', '1')",
    );
    link(&mut connection, SCHEMA);
    let rival = rows_of(&mut connection, "rival");
    assert!(rows_of(&mut connection, "acme").len() >= 21 && rival.len() >= 5);
    connection.run(&format!("DELETE FROM {SCHEMA}.workspace WHERE id = 'acme'"));
    assert_eq!(rows_of(&mut connection, "acme"), [] as [String; 0]);
    assert_eq!(rows_of(&mut connection, "rival"), rival);
}

#[test]
fn deleting_a_user_keeps_agents_and_conversations() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    connection.run(&with_ids(
        "UPDATE parlant.parlant_agent SET created_by = 'ann';
         UPDATE parlant.parlant_session SET user_id = 'ann', status = 'completed' WHERE id = :session2;
         UPDATE parlant.parlant_session SET user_id = 'ann' WHERE id = :session1;
         UPDATE parlant.parlant_workflow_template SET created_by = 'ann';
         UPDATE parlant.parlant_conversion_history SET user_id = 'ann'",
    ));
    link(&mut connection, "host");
    let mut expected = (rows_of(&mut connection, "acme"), rows_of(&mut connection, "rival"));
    expected.0.retain(|line| line != "parlant_workspace_member 1"); // it was Ann's
    connection.run("DELETE FROM host.\"user\" WHERE id = 'ann'");
    assert_eq!(expected, (rows_of(&mut connection, "acme"), rows_of(&mut connection, "rival")));
    let named: i64 = connection.value(
        "SELECT (SELECT count(created_by) FROM parlant.parlant_agent) + (SELECT count(user_id) FROM parlant.parlant_session)
              + (SELECT count(created_by) FROM parlant.parlant_workflow_template)
              + (SELECT count(user_id) FROM parlant.parlant_conversion_history)",
    );
    assert_eq!(named, 0);
}

#[test]
fn deleting_the_owner_of_a_workspace_deletes_it() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    connection.run("UPDATE parlant.parlant_agent SET created_by = 'olga'");
    link(&mut connection, "host");
    connection.run("DELETE FROM host.\"user\" WHERE id = 'olga'");
    assert_eq!(rows_of(&mut connection, "acme"), [] as [String; 0]);
    assert_eq!(rows_of(&mut connection, "rival"), [] as [String; 0]);
}

#[test]
fn deleting_a_workflow_a_knowledge_base_or_a_key_deletes_the_links_to_it() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    link(&mut connection, "host");
    for (host, gone) in [
        ("workflow", &["agent_workflow", "session_workflow"][..]),
        ("knowledge_base", &["agent_knowledge_base"]),
        ("api_key", &["agent_api_key"]),
    ] {
        let mut expected = rows_of(&mut connection, "acme");
        let count = expected.len();
        expected.retain(|line| !gone.iter().any(|table| line.starts_with(&format!("parlant_{table} "))));
        assert_eq!(expected.len() + gone.len(), count, "{expected:#?}");
        connection.run(&format!("DELETE FROM host.{host}"));
        assert_eq!(rows_of(&mut connection, "acme"), expected);
    }
}

#[test]
fn a_row_of_ours_cannot_name_what_the_host_has_not() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    link(&mut connection, "host");
    connection
        .assert_refused("INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('lost', 'x')", "23503")
        .constraint("workspace_is_in_the_host");
    connection
        .assert_refused("UPDATE parlant.parlant_agent SET created_by = 'nobody'", "23503")
        .constraint("creator_is_a_user_of_the_host");
    connection
        .assert_refused("UPDATE parlant.parlant_agent_workflow SET workflow_id = 'none'", "23503")
        .constraint("workflow_is_in_the_host");
}

#[test]
fn saving_a_workflow_anew_costs_no_row() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    connection.run(&with_ids(
        "INSERT INTO parlant.parlant_tool_integration (parlant_tool_id, integration_type, target_id)
         VALUES (:tool1, 'workflow_block', 'b')",
    ));
    link(&mut connection, "host");
    let before = row_hashes(&mut connection);
    connection
        .run("BEGIN; DELETE FROM host.workflow_blocks; INSERT INTO host.workflow_blocks VALUES ('b', 'w'); COMMIT");
    assert_eq!(before, row_hashes(&mut connection));
}

#[test]
fn the_link_survives_a_dump_and_its_restore() {
    let World { database, mut connection } = world(Version::Newest, SCHEMA);
    link(&mut connection, SCHEMA);
    let before = (fingerprint(&mut connection), row_hashes(&mut connection), host_keys(&mut connection));
    database.dump("linked.dump", &["--format=custom"]);
    let copy = Cluster::shared().empty_database();
    copy.restore("linked.dump", &["--jobs=2"]);
    let mut connection = copy.connect();
    assert_same(&before.0, &fingerprint(&mut connection), "after the restore");
    assert_eq!(before.1, row_hashes(&mut connection));
    assert_eq!(before.2, host_keys(&mut connection));
    assert_eq!(connection.rows("SELECT * FROM parlant.install_tables()").len(), 0);
    assert!(report(&mut connection, "parlant.host_status()").iter().all(|line| !line.contains("missing")));
    connection.run(&format!("DELETE FROM {SCHEMA}.workspace WHERE id = 'acme'"));
    assert_eq!(rows_of(&mut connection, "acme"), [] as [String; 0]);
}

#[test]
fn the_link_survives_dropping_the_extension() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    link(&mut connection, "host");
    let before = (fingerprint(&mut connection), row_hashes(&mut connection));
    connection.run("DROP EXTENSION parlant CASCADE; CREATE EXTENSION parlant");
    assert_same(&before.0, &fingerprint(&mut connection), "after CREATE EXTENSION");
    assert_eq!(before.1, row_hashes(&mut connection));
}

#[test]
fn a_host_that_went_away_with_its_tables_can_be_unlinked() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    let before = fingerprint(&mut connection);
    link(&mut connection, "host");
    connection.run("DROP SCHEMA host CASCADE");
    let status = report(&mut connection, "parlant.host_status()");
    assert!(status.len() == 1 && status[0].starts_with("changed | There is no schema \"host\"."), "{status:?}");
    connection.run("SELECT parlant.unlink_host()");
    let without_host = |lines: Vec<String>| -> Vec<String> {
        lines
            .into_iter()
            .filter(|line| !line.contains("host.") && !line.contains("schema host") && !line.contains(" host"))
            .collect()
    };
    assert_same(&without_host(before), &without_host(fingerprint(&mut connection)), "after unlinking");
}

/// The modes in which the current transaction has locked a table.
fn lock_modes(connection: &mut Connection, table: &str) -> Vec<String> {
    connection.column(&format!(
        "SELECT DISTINCT mode FROM pg_locks WHERE relation = '{table}'::regclass AND pid = pg_backend_pid() ORDER BY 1"
    ))
}

#[test]
fn validating_later_lets_the_host_write_meanwhile() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    let status = report(&mut connection, "parlant.link_host('host', validate => false)");
    assert_eq!(
        status.iter().filter(|line| line.contains("| not validated |")).count(),
        host_keys(&mut connection).len()
    );
    assert!(host_keys(&mut connection).iter().all(|key| key.ends_with("NOT VALID (new rows only)")));
    connection
        .assert_refused("INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('lost', 'x')", "23503")
        .constraint("workspace_is_in_the_host");

    connection.run("BEGIN");
    link(&mut connection, "host");
    for table in ["host.workspace", "host.\"user\"", "host.workflow"] {
        assert_eq!(lock_modes(&mut connection, table), ["AccessShareLock", "RowShareLock"], "{table}");
    }
    connection.run("COMMIT");
    assert!(host_keys(&mut connection).iter().all(|key| !key.contains("NOT VALID")));
}

#[test]
fn rows_that_broke_the_rule_before_are_told_when_validating() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    connection.run("SELECT parlant.link_host('host', validate => false)");
    connection.run("SET session_replication_role = replica; UPDATE parlant.parlant_agent SET created_by = 'nobody'; RESET session_replication_role");
    let told = link(&mut connection, "host");
    assert_eq!(told.iter().filter(|line| line.contains("created_by \"nobody\"")).count(), told.len());
    assert_eq!(told.len(), 3);
}

#[test]
fn an_impatient_call_that_has_to_wait_leaves_nothing_behind() {
    let World { database, mut connection } = world(Version::Newest, "host");
    let before = (fingerprint(&mut connection), row_hashes(&mut connection));
    let mut host = database.connect();
    host.run("BEGIN; UPDATE host.workspace SET name = 'New'");
    connection.assert_refused("SET lock_timeout = '50ms'; SELECT parlant.link_host('host')", "55P03");
    host.run("ROLLBACK");
    assert_same(&before.0, &fingerprint(&mut connection), "after the refusal");
    assert_eq!(before.1, row_hashes(&mut connection));
}

#[test]
fn two_calls_at_once_link_once() {
    let World { database, mut connection } = world(Version::Newest, "host");
    connection.run("BEGIN; SELECT parlant.link_host('host')");
    let mut second = database.connect().start("SELECT parlant.link_host('host')");
    assert!(second.blocks());
    connection.run("COMMIT");
    let mut second = second.succeed();
    assert_eq!(second.value::<i64>("SELECT count(*) FROM parlant.parlant_host_link"), 1);
}

#[test]
fn linking_is_for_the_owner_of_the_tables_who_may_refer_to_the_hosts() {
    let World { database, mut connection } = world(Version::Newest, "host");
    let (nobody, owner) = (database.create_role("nobody"), database.create_role("owner"));
    connection.run(&format!(
        "GRANT USAGE ON SCHEMA parlant TO {nobody}, {owner};
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA parlant TO {nobody}, {owner}; GRANT USAGE ON SCHEMA host TO {owner}"
    ));
    let mut stranger = database.connect_as(&nobody);
    stranger.assert_refused("SELECT parlant.link_host('host')", "42501").message("must be owner of table parlant_");
    stranger.assert_refused("SELECT parlant.unlink_host()", "42501").message("must be owner of table parlant_");

    let tables: Vec<String> =
        connection.column("SELECT format('parlant.%I', tablename) FROM pg_tables WHERE schemaname = 'parlant'");
    for table in tables {
        connection.run(&format!("ALTER TABLE {table} OWNER TO {owner}"));
    }
    connection.run(&format!(
        "GRANT CREATE ON SCHEMA parlant TO {owner}; UPDATE parlant.parlant_agent SET created_by = 'nobody'"
    ));
    let mut owning = database.connect_as(&owner);
    owning
        .assert_refused("SELECT parlant.link_host('host')", "42501")
        .message("permission denied for table host.")
        .hint("grant REFERENCES");
    connection.run(&format!(
        "GRANT REFERENCES ON ALL TABLES IN SCHEMA host TO {owner};
         GRANT SELECT (id) ON host.\"user\", host.api_key, host.workflow, host.knowledge_base TO {owner}"
    ));
    owning
        .assert_refused("SELECT parlant.link_host('host')", "42501")
        .message("cannot read the host's tables in schema \"host\"")
        .hint("SELECT on the three tables");
    connection.run(&format!("GRANT SELECT ON host.workspace, host.permissions, host.member TO {owner}"));
    // Row-level security is forced on its owner, who must see the rows that break the link all the same.
    connection.run(
        "ALTER TABLE parlant.parlant_agent ENABLE ROW LEVEL SECURITY;
         ALTER TABLE parlant.parlant_agent FORCE ROW LEVEL SECURITY",
    );
    let told = report(&mut owning, "parlant.link_host('host')");
    assert_eq!(told.iter().filter(|line| line.contains("created_by \"nobody\"")).count(), 3, "{told:#?}");
    connection.run("UPDATE parlant.parlant_agent SET created_by = NULL");
    let status = report(&mut owning, "parlant.link_host('host')");
    assert!(status.iter().all(|line| !line.contains("violation")), "{status:#?}");
    assert!(!report(&mut owning, "parlant.unlink_host()").is_empty());
}

#[test]
fn the_host_may_change_its_tables_as_it_likes() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    link(&mut connection, "host");
    let columns = connection.rows(
        "SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'host' AND column_name <> 'id' ORDER BY 1, 2",
    );
    assert!(columns.len() > 20);
    let looked_up = [
        "workspace archived_at",
        "workspace organization_id",
        "permissions user_id",
        "permissions entity_type",
        "permissions entity_id",
        "permissions permission_type",
        "member user_id",
        "member organization_id",
        "member role",
    ];
    let mut tried = 0;
    for column in columns {
        let (table, column): (String, String) = (column.get(0), column.get(1));
        let quoted = format!("host.\"{table}\"");
        for (change, leaves) in [
            (format!("ALTER {column} TYPE varchar(40) USING {column}::text"), true),
            (format!("RENAME {column} TO moved"), false),
            (format!("DROP COLUMN {column} CASCADE"), false),
        ] {
            connection.run(&format!("BEGIN; ALTER TABLE {quoted} DISABLE TRIGGER USER"));
            // The host's own foreign keys and indexes are its own affair.
            connection.run(&format!(
                "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname FROM pg_constraint
                 WHERE conrelid = '{quoted}'::regclass AND contype IN ('f', 'u') LOOP
                 EXECUTE format('ALTER TABLE {quoted} DROP CONSTRAINT %I', c.conname); END LOOP; END $$"
            ));
            connection.run(&format!("ALTER TABLE {quoted} {change}"));
            let status = report(&mut connection, "parlant.host_status()");
            let needed = looked_up.contains(&format!("{table} {column}").as_str());
            let expected = if needed && !leaves {
                format!("host.permissions | changed | There is no column \"{column}\" in table \"{table}\".")
            } else {
                "host.permissions | read | Permissions come from here.".to_owned()
            };
            assert_eq!(status[0], expected, "{table}: {change}");
            assert!(!status.iter().any(|line| line.contains("missing")), "{table}: {change}: {status:#?}");
            connection.run("ROLLBACK");
            tried += usize::from(needed);
        }
    }
    assert_eq!(tried, 3 * looked_up.len());
    connection
        .run("ALTER TABLE host.workspace RENAME id TO identifier; ALTER TABLE host.workspace RENAME identifier TO id");
}

#[test]
fn permissions_come_from_the_host_and_one_that_changed_lets_nobody_in() {
    let World { database, mut connection } = world(Version::Newest, SCHEMA);
    let role = database.create_role("app");
    connection.run(&format!(
        "SELECT parlant.grant_app_role('{role}'); SELECT parlant.grant_workspace('acme', 'olga', 'admin')"
    ));
    connection.run("DELETE FROM parlant.parlant_workspace_member WHERE user_id <> 'olga'");
    link(&mut connection, SCHEMA);
    let mut client = database.connect_as(&role);
    assert_eq!(client.value::<String>("SELECT parlant.enter_workspace('acme', 'ann')"), "write");
    client.assert_refused("SELECT parlant.enter_workspace('acme', 'olga')", "42501");
    client.run("SELECT parlant.enter_workspace_as_customer('acme', 'ada')");

    connection.run(&format!("UPDATE {SCHEMA}.workspace SET archived_at = now()"));
    client.assert_refused("SELECT parlant.enter_workspace('acme', 'ann')", "42501");
    client.assert_refused("SELECT parlant.enter_workspace_as_customer('acme', 'ada')", "42501");

    connection.run(&format!("ALTER TABLE {SCHEMA}.workspace RENAME archived_at TO hidden_at"));
    for enter in ["enter_workspace('acme', 'ann')", "enter_workspace_as_customer('acme', 'ada')"] {
        client
            .assert_refused(&format!("SELECT parlant.{enter}"), "55000")
            .message("are not what parlant needs to look up permissions")
            .detail("There is no column \"archived_at\" in table \"workspace\".")
            .hint("parlant.host_status()");
    }
    connection.run("SELECT parlant.unlink_host()");
    assert_eq!(client.value::<String>("SELECT parlant.enter_workspace('acme', 'olga')"), "admin");
}

#[test]
fn a_host_that_gave_up_archiving_on_purpose_is_linked_again() {
    let World { mut connection, .. } = world(Version::Newest, "host");
    link(&mut connection, "host");
    connection.run("ALTER TABLE host.workspace DROP COLUMN archived_at");
    assert!(report(&mut connection, "parlant.host_status()")[0].contains("| changed |"));
    assert!(link(&mut connection, "host")[0].contains("| read |"));
}

/// The host's real tables, where they are at hand beside this project.
fn real_hosts() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/host");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("SKIPPED: {} is not there", dir.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    files
}

#[test]
fn the_hosts_real_tables_are_linked() {
    for file in real_hosts() {
        let database = Cluster::shared().database();
        let mut connection = database.connect();
        let has_vector: bool =
            connection.value("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')");
        if !has_vector {
            eprintln!("SKIPPED: table embedding of {}, as this server has no extension vector", file.display());
        }
        let vector = format!("--set=vector={}", if has_vector { "on" } else { "off" });
        database.run_file(file.to_str().unwrap(), &[&vector]);
        let status: Vec<String> = connection.column("SELECT status FROM parlant.link_host()");
        assert_eq!(status.iter().filter(|status| *status == "linked").count(), host_keys(&mut connection).len());
        assert!(status.len() >= 16 && status[0] == "read", "{}: {status:?}", file.display());

        let columns: Vec<String> = connection.column(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public'
             AND table_name = 'workspace' AND is_nullable = 'NO' AND column_default IS NULL ORDER BY ordinal_position",
        );
        assert!(columns.contains(&"owner_id".to_owned()));
        let billed =
            if columns.contains(&"billed_account_user_id".to_owned()) { ", billed_account_user_id" } else { "" };
        let billed_value = if billed.is_empty() { "" } else { ", 'u'" };
        connection.run(&format!(
            "INSERT INTO public.\"user\" (id, name, email, email_verified, created_at, updated_at)
             VALUES ('u', 'U', 'u@example.com', true, now(), now()), ('ann', 'Ann', 'ann@example.com', true, now(), now());
             INSERT INTO public.workspace (id, name, owner_id{billed}) VALUES ('acme', 'Acme', 'u'{billed_value}), ('rival', 'Rival', 'u'{billed_value});
             INSERT INTO public.workflow (id, user_id, name, last_synced, created_at, updated_at, workspace_id)
             VALUES ('w', 'u', 'W', now(), now(), now(), 'acme');
             INSERT INTO public.knowledge_base (id, user_id, name, workspace_id) VALUES ('k', 'u', 'K', NULL);
             INSERT INTO public.api_key (id, user_id, name, key) VALUES ('k', 'u', 'K', 'x')"
        ));
        load_two_workspaces(&mut connection);
        connection.run("DELETE FROM public.workspace WHERE id = 'acme'");
        assert_eq!(rows_of(&mut connection, "acme"), [] as [String; 0], "{}", file.display());
    }
}
