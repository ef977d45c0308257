//! Every question of docs/access-paths.md is answered by the index that the page names, at realistic sizes; every
//! foreign key can be followed both ways; and no index is there without a question or a rule.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use parlant_tests::{Cluster, Connection, Database, LARGE, Question, SMALL, filled_in, questions};

/// A database with many rows, and a role for an application.
struct Loaded {
    database: Database<'static>,
    role: String,
}

fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| {
        let database = Cluster::shared().database();
        let role = database.create_role("app");
        let mut connection = database.connect();
        connection.run("SET search_path = parlant; SET session_replication_role = replica; SET work_mem = '64MB'");
        connection.run(include_str!("fixture/many_rows.sql"));
        connection.run("VACUUM ANALYZE");
        connection.run(&format!("RESET session_replication_role; SELECT grant_app_role('{role}')"));
        for (workspace, _) in [LARGE, SMALL] {
            connection.run(&format!("SELECT grant_workspace('{workspace}', 'ann', 'admin')"));
        }
        Loaded { database, role }
    })
}

impl Loaded {
    fn owner(&self) -> Connection {
        let mut connection = self.database.connect();
        connection.run("SET search_path = parlant");
        connection
    }

    /// The application, in a transaction that acts in the workspace.
    fn app(&self, workspace: &str) -> Connection {
        let mut connection = self.database.connect_as(&self.role);
        connection.run("SET search_path = parlant; BEGIN");
        connection.run(&format!("SELECT enter_workspace('{workspace}', 'ann')"));
        connection
    }
}

fn plan(connection: &mut Connection, sql: &str) -> String {
    connection.column::<String>(&format!("EXPLAIN (COSTS OFF) {sql}")).join("\n")
}

fn reads_whole_table(plan: &str) -> bool {
    plan.contains("Seq Scan")
}

/// The names that a plan mentions.
fn words(plan: &str) -> BTreeSet<&str> {
    plan.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect()
}

#[test]
fn every_question_is_answered_by_the_index_that_is_named() {
    let questions = questions();
    assert!(questions.len() > 50, "{} questions", questions.len());
    let mut wrong = String::new();
    for sample in [LARGE, SMALL] {
        for (who, mut connection) in [("owner", loaded().owner()), ("application", loaded().app(sample.0))] {
            for Question { asks, indexes, sql } in &questions {
                let sql = filled_in(sql, sample);
                let plan = plan(&mut connection, &sql);
                let used = words(&plan);
                // In a small workspace the rows can be as near by another index.
                let by_named = sample == SMALL || indexes.iter().any(|index| used.contains(index.as_str()));
                if reads_whole_table(&plan) || !by_named {
                    wrong += &format!("{asks} ({who})\n{sql}{plan}\n\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_index_is_there_for_a_question_or_a_rule() {
    let named: BTreeSet<String> = questions().into_iter().flat_map(|question| question.indexes).collect();
    let mut indexes: Vec<String> = loaded().owner().column(
        "SELECT relname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE relnamespace = 'parlant'::regnamespace AND NOT indisunique",
    );
    indexes.retain(|index| !named.contains(index));
    assert!(indexes.is_empty(), "docs/access-paths.md has no question for {indexes:?}");
}

#[test]
fn the_page_names_only_indexes_that_are_there() {
    let indexes: Vec<String> = loaded()
        .owner()
        .column("SELECT relname::text FROM pg_class WHERE relnamespace = 'parlant'::regnamespace AND relkind = 'i'");
    for question in questions() {
        for index in question.indexes {
            assert!(indexes.contains(&index), "{index} of: {}", question.asks);
        }
    }
}

/// As PostgreSQL follows them itself: prepared, with a plan for any value.
#[test]
fn every_foreign_key_is_followed_both_ways_by_an_index() {
    let mut connection = loaded().owner();
    connection.run("SET plan_cache_mode = force_generic_plan");
    let references = connection.rows(
        "SELECT conname::text, conrelid::regclass::text, confrelid::regclass::text,
                string_agg(format('%s = $%s', child.attname, n), ' AND '),
                string_agg(format('%s = $%s', parent.attname, n), ' AND '),
                string_agg(child.atttypid::regtype::text, ', ' ORDER BY n),
                string_agg(format('%I', child.attname), ', ' ORDER BY n)
         FROM pg_constraint
         CROSS JOIN unnest(conkey, confkey) WITH ORDINALITY AS key (child_number, parent_number, n)
         JOIN pg_attribute AS child ON (child.attrelid, child.attnum) = (conrelid, child_number)
         JOIN pg_attribute AS parent ON (parent.attrelid, parent.attnum) = (confrelid, parent_number)
         WHERE contype = 'f' AND connamespace = 'parlant'::regnamespace
         GROUP BY pg_constraint.oid",
    );
    assert!(references.len() >= 25, "{} foreign keys", references.len());
    for reference in references {
        let [constraint, child, parent, child_keys, parent_keys, types, columns]: [String; 7] =
            std::array::from_fn(|n| reference.get(n));
        let values: String = connection.value(&format!(
            "SELECT concat_ws(', ', {}) FROM {child} WHERE {columns_set} LIMIT 1",
            columns.split(", ").map(|column| format!("quote_literal({column})")).collect::<Vec<_>>().join(", "),
            columns_set = columns.split(", ").map(|c| format!("{c} IS NOT NULL")).collect::<Vec<_>>().join(" AND "),
        ));
        for (table, keys) in [(&child, &child_keys), (&parent, &parent_keys)] {
            connection.run(&format!("PREPARE follow ({types}) AS SELECT * FROM ONLY {table} WHERE {keys}"));
            let plan = plan(&mut connection, &format!("EXECUTE follow ({values})"));
            assert!(!reads_whole_table(&plan), "{constraint} of {child}, in {table}:\n{plan}");
            connection.run("DEALLOCATE follow");
        }
    }
}

#[test]
fn counting_on_a_session_touches_no_index() {
    let mut connection = loaded().owner();
    connection
        .run("ALTER TABLE parlant_session DISABLE TRIGGER USER; UPDATE parlant_session SET title = 'warm' WHERE false");
    connection.run("SELECT pg_stat_force_next_flush()");
    let updates = |connection: &mut Connection| -> (i64, i64) {
        connection.run("SELECT pg_stat_force_next_flush()");
        let row = &connection.rows(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'parlant.parlant_session'::regclass",
        )[0];
        (row.get(0), row.get(1))
    };
    let before = updates(&mut connection);
    // In each of five pages as many as it keeps room for, however old the snapshots are that others hold.
    for _ in 0..4 {
        connection.run(
            "UPDATE parlant_session
             SET event_count = event_count + 1, message_count = message_count + 1, tokens_used = tokens_used + 7, cost = cost + 1
             WHERE id IN (SELECT DISTINCT ON ((ctid::text::point)[0]) id FROM parlant_session
                          WHERE (ctid::text::point)[0] < 5 ORDER BY (ctid::text::point)[0], id)",
        );
    }
    let after = updates(&mut connection);
    assert_eq!((after.0 - before.0, after.1 - before.1), (20, 20), "updates, and those that were heap-only");
}
