//! A row refers only to rows of its own workspace, and of its own parent where it has one: the foreign keys refuse
//! anything else by themselves, whoever asks. The tests ask as superuser, and without our triggers.

use parlant_tests::OnDelete::Cascade;
use parlant_tests::{Cluster, Connection, NEW, REFERENCES, ROWS, Reference, Values, load_two_workspaces, with_ids};

fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    connection
}

#[test]
fn every_foreign_key_has_a_case_here() {
    let mut connection = world();
    let mut declared: Vec<String> = connection.column(
        "SELECT format('%s %s on delete %s', relname, conname, CASE confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null' END)
         FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
         WHERE contype = 'f' AND connamespace = 'parlant'::regnamespace",
    );
    let mut cases: Vec<_> = REFERENCES
        .iter()
        .map(|r| {
            let action = if r.on_delete == Cascade { "cascade" } else { "set null" };
            format!("{} {} on delete {action}", r.table, r.constraint)
        })
        .collect();
    declared.sort();
    cases.sort();
    assert_eq!(declared, cases, "foreign keys of the catalog, and those of REFERENCES");
    assert!(declared.len() >= 25, "{} foreign keys", declared.len());
}

#[test]
fn every_foreign_key_includes_the_workspace_of_both_tables() {
    let without: Vec<String> = world().column(
        "SELECT conrelid::regclass || ' ' || conname FROM pg_constraint
         WHERE contype = 'f' AND connamespace = 'parlant'::regnamespace
           AND NOT EXISTS (
               SELECT FROM unnest(conkey, confkey) AS key (child, parent)
               JOIN pg_attribute c ON (c.attrelid, c.attnum, c.attname) = (conrelid, child, 'workspace_id')
               JOIN pg_attribute p ON (p.attrelid, p.attnum, p.attname) = (confrelid, parent, 'workspace_id'))",
    );
    assert_eq!(without, [] as [String; 0]);
}

/// Where one column of a foreign key is NULL, the others are not looked at. So only the column that refers may be, or
/// a check says what else.
#[test]
fn no_null_switches_a_foreign_key_off() {
    let mut connection = world();
    let nullable: Vec<String> = connection.column(
        "SELECT format('%s %s %s', conrelid::regclass, conname, attname)
         FROM pg_constraint
         CROSS JOIN unnest(conkey[:cardinality(conkey) - 1]) AS key (number)
         JOIN pg_attribute ON (attrelid, attnum) = (conrelid, number)
         WHERE contype = 'f' AND connamespace = 'parlant'::regnamespace AND NOT attnotnull
         ORDER BY 1",
    );
    assert_eq!(
        nullable,
        [
            "parlant.parlant_session state_belongs_to_the_journey current_journey_id",
            "parlant.parlant_variable session_belongs_to_the_agent agent_id",
        ]
    );
    connection
        .assert_refused(
            &with_ids("INSERT INTO parlant.parlant_session (agent_id, current_state_id) VALUES (:agent1, :rival_ask)"),
            "23514",
        )
        .constraint("current_state_needs_a_journey");
    connection
        .assert_refused(
            &with_ids(
                "INSERT INTO parlant.parlant_variable (workspace_id, session_id, key, value)
                 VALUES ('acme', :rival_session, 'k', '1')",
            ),
            "23514",
        )
        .constraint("owner_fits_the_scope");
}

/// References that are history, or that name a row only if it is there.
const NO_FOREIGN_KEY: &[&str] = &["parlant_event.journey_id", "parlant_event.state_id", "parlant_audit_log.row_id"];

#[test]
fn every_uuid_that_names_a_row_of_ours_is_in_a_foreign_key() {
    let mut free: Vec<String> = world().column(
        "SELECT relname || '.' || attname
         FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
         WHERE relnamespace = 'parlant'::regnamespace AND relkind = 'r' AND atttypid = 'uuid'::regtype AND attname <> 'id'
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = attrelid AND attnum = ANY (conkey))",
    );
    free.retain(|column| !NO_FOREIGN_KEY.contains(&column.as_str()));
    assert_eq!(free, [] as [String; 0], "NO_FOREIGN_KEY lists those that need none");
}

#[test]
fn no_row_refers_to_a_row_of_another_workspace_or_parent() {
    let mut connection = world();
    for Reference { table, constraint, strangers, .. } in REFERENCES {
        let row = Values::of(table).with("workspace_id = 'acme'");
        connection.run(&format!("BEGIN; ALTER TABLE parlant.{table} DISABLE TRIGGER USER; SAVEPOINT start"));
        let mut refused = |sql: &str| {
            connection.assert_refused(sql, "23503").constraint(constraint).table(table);
            connection.run("ROLLBACK TO start");
        };
        for stranger in *strangers {
            refused(&row.with(stranger).insert(table));
            let update = format!("UPDATE parlant.{table} SET {} WHERE id = {NEW}", with_ids(stranger));
            refused(&format!("{}; {update}", row.insert(table)));
        }
        connection.run(&format!("{}; ROLLBACK", row.insert(table)));
    }
}

#[test]
fn no_row_leaves_the_workspace_of_what_it_refers_to() {
    let mut connection = world();
    for (table, _) in ROWS {
        let row = Values::of(table).with("workspace_id = 'acme'");
        connection.run(&format!("BEGIN; ALTER TABLE parlant.{table} DISABLE TRIGGER USER; {}", row.insert(table)));
        for workspace in ["rival", "nowhere"] {
            connection.run("SAVEPOINT start");
            let update = format!("UPDATE parlant.{table} SET workspace_id = '{workspace}' WHERE id = {NEW}");
            connection.assert_refused(&update, "23503").table(table);
            connection.run("ROLLBACK TO start");
        }
        connection.run("ROLLBACK");
    }
}

#[test]
fn no_row_leaves_its_workspace_or_parent_while_another_refers_to_it() {
    let mut connection = world();
    for (update, constraint) in [
        ("parlant_agent SET workspace_id = 'rival', name = 'moved' WHERE id = :agent2", "agent_is_in_the_workspace"),
        ("parlant_tool SET workspace_id = 'nowhere' WHERE id = :tool1", "tool_is_in_the_workspace"),
        (
            "parlant_workflow_template SET workspace_id = 'nowhere' WHERE id = :template1",
            "template_is_in_the_workspace",
        ),
        (
            "parlant_journey SET agent_id = :agent1, title = 'moved' WHERE id = :journey2",
            "journey_belongs_to_the_agent",
        ),
        ("parlant_guideline SET agent_id = :agent2 WHERE id = :guideline1", "guideline_belongs_to_the_agent"),
        ("parlant_journey_state SET journey_id = :journey2 WHERE id = :done1", "to_state_is_in_the_journey"),
        (
            "parlant_journey_state SET state_type = 'final', is_initial = false WHERE id = :ask1",
            "from_state_is_in_the_journey_and_not_final",
        ),
        (
            "parlant_session SET agent_id = :agent2, current_journey_id = NULL, current_state_id = NULL WHERE id = :session1",
            "session_belongs_to_the_agent",
        ),
    ] {
        connection.run("BEGIN");
        connection.run(&with_ids(
            "INSERT INTO parlant.parlant_journey_guideline (journey_id, guideline_id) VALUES (:journey2, :guideline2)",
        ));
        connection.assert_refused(&with_ids(&format!("UPDATE parlant.{update}")), "23503").constraint(constraint);
        connection.run("ROLLBACK");
    }
}

#[test]
fn deleting_a_row_deletes_what_belongs_to_it_and_leaves_what_only_mentions_it() {
    let mut connection = world();
    for Reference { table, constraint, column, on_delete, .. } in REFERENCES {
        let row = Values::of(table);
        let parent: String = connection.value(&format!(
            "SELECT confrelid::regclass::text FROM pg_constraint
             WHERE conname = '{constraint}' AND conrelid = 'parlant.{table}'::regclass"
        ));
        connection.run(&format!("BEGIN; {}", row.insert(table)));
        connection.run(&with_ids(&format!("DELETE FROM {parent} WHERE id = {}", row.get(column))));
        let left: Vec<Option<String>> =
            connection.column(&format!("SELECT {column}::text FROM parlant.{table} WHERE id = {NEW}"));
        let expected: &[Option<String>] = if *on_delete == Cascade { &[] } else { &[None] };
        assert_eq!(left, expected, "{column} in what is left in {table}");
        connection.run("ROLLBACK");
    }
}

#[test]
fn a_session_without_a_journey_is_in_no_state() {
    let mut connection = world();
    connection.run(&with_ids("DELETE FROM parlant.parlant_journey WHERE id = :journey1"));
    let left: i64 = connection.value(&with_ids(
        "SELECT count(*) FROM parlant.parlant_session
         WHERE id = :session1 AND current_journey_id IS NULL AND current_state_id IS NULL",
    ));
    assert_eq!(left, 1);
}

#[test]
fn the_workspace_comes_from_the_parent_where_a_client_leaves_it_out() {
    let mut connection = world();
    for (table, _) in ROWS {
        // The agent of a journey guideline is its journey's.
        let row = Values::of(table);
        let row = if *table == "parlant_journey_guideline" { row.without("agent_id") } else { row };
        connection.run("BEGIN");
        let filled: String = connection
            .value(&format!("WITH made AS ({} RETURNING *) SELECT workspace_id FROM made", row.insert(table)));
        assert_eq!(filled, "acme", "{table}");
        connection.run("ROLLBACK");
    }
}

/// Tables whose rows have no parent: a client says which workspace.
const WITHOUT_PARENT: &[&str] =
    &["parlant_agent", "parlant_tool", "parlant_workflow_template", "parlant_workspace_member", "parlant_audit_log"];

#[test]
fn every_table_with_a_parent_fills_the_workspace() {
    let filling: Vec<String> =
        ROWS.iter().map(|(table, _)| *table).chain(WITHOUT_PARENT.iter().copied()).map(str::to_owned).collect();
    let mut tables: Vec<String> = world().column(
        "SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
         WHERE relnamespace = 'parlant'::regnamespace AND relkind = 'r' AND attname = 'workspace_id'",
    );
    tables.retain(|table| !filling.contains(table));
    assert_eq!(tables, [] as [String; 0], "tables in neither ROWS nor WITHOUT_PARENT");
}

#[test]
fn a_row_without_parent_needs_a_workspace() {
    let mut connection = world();
    connection.run("SET search_path = parlant");
    for (sql, table) in [
        ("INSERT INTO parlant_agent (name) VALUES ('n')", "parlant_agent"),
        (
            "INSERT INTO parlant_tool (name, display_name, description, tool_type, parameters)
             VALUES ('n', 'n', 'd', 'custom', '{}')",
            "parlant_tool",
        ),
        ("INSERT INTO parlant_workflow_template (name, workflow_id) VALUES ('n', 'w')", "parlant_workflow_template"),
        ("INSERT INTO parlant_variable (scope, key, value) VALUES ('global', 'k', '1')", "parlant_variable"),
        (
            "INSERT INTO parlant_conversion_history (conversion_id, workflow_id, status) VALUES ('c2', 'w', 'queued')",
            "parlant_conversion_history",
        ),
    ] {
        connection.assert_refused(sql, "23502").table(table);
    }
}

#[test]
fn a_row_whose_parent_does_not_exist_is_refused() {
    let mut connection = world();
    for (table, _) in ROWS {
        let parent = REFERENCES.iter().find(|reference| reference.table == *table).unwrap().column;
        let row = Values::of(table).with(&format!("{parent} = 'ffffffff-0000-4000-8000-000000000000'"));
        connection
            .assert_refused(&row.insert(table), "23503")
            .message("ffffffff-0000-4000-8000-000000000000 does not exist")
            .detail(&format!("{table}.{parent} refers to it"))
            .hint("Check the id");
    }
}
