//! A row refers only to rows of its own workspace, and of its own parent where it has one: the foreign keys refuse
//! anything else by themselves, whoever asks. The tests ask as superuser, and without our triggers.

use parlant_tests::{Cluster, Connection, load_two_workspaces, with_ids};

fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    connection
}

/// For each table that refers to another a row that could be added to workspace acme, but for `workspace_id`.
const ROWS: &[(&str, &str)] = &[
    ("parlant_agent_api_key", "agent_id = :agent1, api_key_id = 'other', purpose = 'llm'"),
    ("parlant_agent_knowledge_base", "agent_id = :agent1, knowledge_base_id = 'other'"),
    ("parlant_agent_tool", "agent_id = :agent2, tool_id = :tool1"),
    ("parlant_agent_workflow", "agent_id = :agent1, workflow_id = 'other', integration_type = 'both'"),
    ("parlant_canned_response", "agent_id = :agent1, template = 't'"),
    (
        "parlant_conversion_history",
        "conversion_id = 'other', workflow_id = 'w', status = 'queued', agent_id = :agent1, template_id = :template1",
    ),
    ("parlant_event", r#"session_id = :session2, "offset" = 0, event_type = 'customer_message', content = '{}'"#),
    ("parlant_guideline", "agent_id = :agent1, condition = 'c', action = 'a'"),
    ("parlant_journey", "agent_id = :agent1, title = 'other', conditions = '[]'"),
    ("parlant_journey_guideline", "agent_id = :agent2, journey_id = :journey2, guideline_id = :guideline2"),
    ("parlant_journey_state", "journey_id = :journey1, name = 'other', state_type = 'final', is_final = true"),
    ("parlant_journey_transition", "journey_id = :journey1, from_state_id = :ask1, to_state_id = :ask1"),
    ("parlant_session", "agent_id = :agent1, current_journey_id = :journey1, current_state_id = :ask1"),
    ("parlant_session_workflow", "session_id = :session1, workflow_id = 'w', trigger_reason = 'r'"),
    ("parlant_template_parameter", "template_id = :template1, name = 'other', type = 'json', description = 'd'"),
    ("parlant_term", "agent_id = :agent1, name = 'other', description = 'd'"),
    ("parlant_tool_integration", "parlant_tool_id = :tool1, integration_type = 'mcp_server', target_id = 't'"),
    (
        "parlant_variable",
        "agent_id = :agent1, session_id = :session1, key = 'other', value = '1', value_type = 'number'",
    ),
];

struct Reference {
    table: &'static str,
    constraint: &'static str,
    column: &'static str,
    on_delete: OnDelete,
    /// Changes to the row of `ROWS` that make it refer to a row it must not refer to: of another workspace, then, where
    /// the rows have more in common than that, of another parent.
    strangers: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq)]
enum OnDelete {
    Cascade,
    SetNull,
}

use OnDelete::{Cascade, SetNull};

const fn reference(
    table: &'static str,
    constraint: &'static str,
    column: &'static str,
    on_delete: OnDelete,
    strangers: &'static [&'static str],
) -> Reference {
    Reference { table, constraint, column, on_delete, strangers }
}

const RIVAL_AGENT: &[&str] = &["agent_id = :rival_agent"];
const RIVAL_SESSION: &[&str] = &["session_id = :rival_session"];

#[rustfmt::skip]
const REFERENCES: &[Reference] = &[
    reference("parlant_agent_api_key", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_agent_knowledge_base", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_agent_tool", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_agent_tool", "tool_is_in_the_workspace", "tool_id", Cascade, &["tool_id = :rival_tool"]),
    reference("parlant_agent_workflow", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_canned_response", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_conversion_history", "agent_is_in_the_workspace", "agent_id", SetNull, RIVAL_AGENT),
    reference("parlant_conversion_history", "template_is_in_the_workspace", "template_id", SetNull,
        &["template_id = :rival_template"]),
    reference("parlant_event", "session_is_in_the_workspace", "session_id", Cascade, RIVAL_SESSION),
    reference("parlant_guideline", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_journey", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_journey_guideline", "journey_belongs_to_the_agent", "journey_id", Cascade,
        &["journey_id = :rival_journey", "journey_id = :journey1"]),
    reference("parlant_journey_guideline", "guideline_belongs_to_the_agent", "guideline_id", Cascade,
        &["guideline_id = :rival_guideline", "guideline_id = :guideline1"]),
    reference("parlant_journey_state", "journey_is_in_the_workspace", "journey_id", Cascade,
        &["journey_id = :rival_journey"]),
    reference("parlant_journey_transition", "journey_is_in_the_workspace", "journey_id", Cascade,
        &["journey_id = :rival_journey"]),
    reference("parlant_journey_transition", "from_state_is_in_the_journey_and_not_final", "from_state_id", Cascade,
        &["from_state_id = :rival_ask", "from_state_id = :ask2", "from_state_id = :done1"]),
    reference("parlant_journey_transition", "to_state_is_in_the_journey", "to_state_id", Cascade,
        &["to_state_id = :rival_ask", "to_state_id = :ask2"]),
    reference("parlant_session", "agent_is_in_the_workspace", "agent_id", Cascade,
        &["agent_id = :rival_agent, current_journey_id = NULL, current_state_id = NULL"]),
    reference("parlant_session", "journey_belongs_to_the_agent", "current_journey_id", SetNull,
        &["current_journey_id = :rival_journey, current_state_id = NULL",
          "current_journey_id = :journey2, current_state_id = NULL"]),
    reference("parlant_session", "state_belongs_to_the_journey", "current_state_id", SetNull,
        &["current_state_id = :rival_ask", "current_state_id = :ask2"]),
    reference("parlant_session_workflow", "session_is_in_the_workspace", "session_id", Cascade, RIVAL_SESSION),
    reference("parlant_template_parameter", "template_is_in_the_workspace", "template_id", Cascade,
        &["template_id = :rival_template"]),
    reference("parlant_term", "agent_is_in_the_workspace", "agent_id", Cascade, RIVAL_AGENT),
    reference("parlant_tool_integration", "tool_is_in_the_workspace", "parlant_tool_id", Cascade,
        &["parlant_tool_id = :rival_tool"]),
    reference("parlant_variable", "agent_is_in_the_workspace", "agent_id", Cascade,
        &["agent_id = :rival_agent, session_id = NULL, scope = 'agent'"]),
    reference("parlant_variable", "session_belongs_to_the_agent", "session_id", Cascade,
        &["session_id = :rival_session", "session_id = :session2"]),
];

/// The id of the row that a test adds.
const NEW: &str = "'eeeeeeee-0000-4000-8000-000000000000'";

/// Columns with their values.
#[derive(Clone)]
struct Values(Vec<(&'static str, &'static str)>);

impl Values {
    fn of(table: &str) -> Values {
        let row = ROWS.iter().find(|(name, _)| *name == table).unwrap_or_else(|| panic!("ROWS has none for {table}"));
        let mut values = Values::parse(row.1);
        values.set("id", NEW);
        values
    }

    fn parse(assignments: &'static str) -> Values {
        Values(assignments.split(", ").map(|assignment| assignment.split_once(" = ").unwrap()).collect())
    }

    fn get(&self, column: &str) -> &'static str {
        self.0.iter().find(|(name, _)| *name == column).unwrap().1
    }

    fn set(&mut self, column: &'static str, value: &'static str) {
        self.0.retain(|(name, _)| *name != column);
        self.0.push((column, value));
    }

    fn without(mut self, column: &str) -> Values {
        self.0.retain(|(name, _)| *name != column);
        self
    }

    fn insert(&self, table: &str) -> String {
        let columns: Vec<_> = self.0.iter().map(|(column, _)| *column).collect();
        let values: Vec<_> = self.0.iter().map(|(_, value)| *value).collect();
        with_ids(&format!("INSERT INTO parlant.{table} ({}) VALUES ({})", columns.join(", "), values.join(", ")))
    }
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
const NO_FOREIGN_KEY: &[&str] = &["parlant_event.journey_id", "parlant_event.state_id"];

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
        let mut row = Values::of(table);
        row.set("workspace_id", "'acme'");
        connection.run(&format!("BEGIN; ALTER TABLE parlant.{table} DISABLE TRIGGER USER; SAVEPOINT start"));
        let mut refused = |sql: &str| {
            connection.assert_refused(sql, "23503").constraint(constraint).table(table);
            connection.run("ROLLBACK TO start");
        };
        for stranger in *strangers {
            let mut changed = row.clone();
            Values::parse(stranger).0.iter().for_each(|(column, value)| changed.set(column, value));
            refused(&changed.insert(table));
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
        let mut row = Values::of(table);
        row.set("workspace_id", "'acme'");
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
const WITHOUT_PARENT: &[&str] = &["parlant_agent", "parlant_tool", "parlant_workflow_template"];

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
        let mut row = Values::of(table);
        let parent = REFERENCES.iter().find(|reference| reference.table == *table).unwrap().column;
        row.set(parent, "'ffffffff-0000-4000-8000-000000000000'");
        connection
            .assert_refused(&row.insert(table), "23503")
            .message("ffffffff-0000-4000-8000-000000000000 does not exist")
            .detail(&format!("{table}.{parent} refers to it"))
            .hint("Check the id");
    }
}
