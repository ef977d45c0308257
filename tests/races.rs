//! Two transactions at once cannot do together what neither could do alone. Every case plays like this: both take
//! their snapshots, the first writes, the second has to wait for it, and finds out what became of it.

use parlant_tests::{
    Cluster, Connection, Database, NEW, OnDelete, REFERENCES, Reference, Values, load_two_workspaces, violations,
    with_ids,
};

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

const ACCEPTED: &str = "accepted";

/// What tells a client to try again with a newer snapshot.
const SERIALIZATION_FAILURE: &str = "40001";

fn world(prepared_by: &str) -> Database<'static> {
    let database = Cluster::shared().database();
    let mut connection = database.connect();
    load_two_workspaces(&mut connection);
    connection.run(&with_ids(&format!("SET search_path = parlant; {prepared_by}")));
    database
}

fn begin(database: &Database, level: &str) -> Connection {
    let mut connection = database.connect();
    connection.run(&format!("SET search_path = parlant; BEGIN ISOLATION LEVEL {level}; SELECT FROM parlant_agent"));
    connection
}

/// What became of the second: accepted, or its SQLSTATE and the constraint that refused it.
fn play(database: &Database, level: &str, first: &str, first_ends: &str, second: &str) -> String {
    let mut one = begin(database, level);
    let two = begin(database, level);
    one.run(&with_ids(first));
    let mut two = two.start(&with_ids(&format!("{second}; COMMIT")));
    assert!(two.blocks(), "{level}: this does not wait:\n{second}\nfor this:\n{first}");
    one.run(first_ends);
    let (_, result) = two.finish();
    let Err(error) = result else { return ACCEPTED.to_owned() };
    let error = error.as_db_error().unwrap_or_else(|| panic!("{second}: {error:?}"));
    match (error.code().code(), error.constraint()) {
        (code, Some(constraint)) => format!("{code} {constraint}"),
        (code, None) => code.to_owned(),
    }
}

fn assert_outcome(level: &str, outcome: &str, expected: &str, first: &str, second: &str) {
    let told_to_try_again = level != LEVELS[0] && outcome == SERIALIZATION_FAILURE;
    assert!(
        outcome == expected || told_to_try_again,
        "{level}: {outcome}, where {expected} was expected:\n{second}\nafter\n{first}"
    );
}

/// The second is refused when the first commits, and accepted when it does not.
fn assert_second_refused(prepared_by: &str, first: &str, second: &str, refusal: &str) {
    for level in LEVELS {
        let outcome = play(&world(prepared_by), level, first, "COMMIT", second);
        assert_outcome(level, &outcome, refusal, first, second);
    }
    let outcome = play(&world(prepared_by), LEVELS[0], first, "ROLLBACK", second);
    assert_outcome(LEVELS[0], &outcome, ACCEPTED, first, second);
}

/// The same in both orders.
fn assert_exclusive(prepared_by: &str, a: &str, b: &str, refusal: &str) {
    assert_second_refused(prepared_by, a, b, refusal);
    assert_second_refused(prepared_by, b, a, refusal);
}

/// The second is accepted, and then the query, which asks for what would be wrong, finds nothing.
fn assert_second_accepted(first: &str, second: &str, wrong: &str) {
    for level in LEVELS {
        let database = world("");
        let outcome = play(&database, level, first, "COMMIT", second);
        assert_outcome(level, &outcome, ACCEPTED, first, second);
        let mut connection = database.connect();
        assert_eq!(violations(&mut connection), [] as [String; 0]);
        let found: bool = connection.value(&with_ids(&format!("SELECT EXISTS (SELECT FROM parlant.{wrong})")));
        assert!(!found || outcome != ACCEPTED, "{level}: there is a {wrong} after\n{first}\nand\n{second}");
    }
}

#[test]
fn two_rows_of_one_name_are_not_made_at_once() {
    let initial_state = "INSERT INTO parlant_journey_state (journey_id, name, state_type, chat_prompt, is_initial)
                         VALUES (:journey2, clock_timestamp()::text, 'chat', 'p', true)";
    for (prepared_by, sql, constraint) in [
        ("", "INSERT INTO parlant_agent (workspace_id, name) VALUES ('acme', 'Same')", "parlant_agent_name_key"),
        (
            "",
            "INSERT INTO parlant_journey (agent_id, title, conditions) VALUES (:agent1, 'same', '[]')",
            "parlant_journey_title_key",
        ),
        (
            "",
            "INSERT INTO parlant_journey_state (journey_id, name, state_type) VALUES (:journey1, 'same', 'final')",
            "parlant_journey_state_journey_name_key",
        ),
        ("UPDATE parlant_journey_state SET is_initial = false", initial_state, "parlant_journey_state_initial_key"),
        ("", LEAVE, "parlant_journey_transition_key"),
        (
            "",
            "INSERT INTO parlant_variable (workspace_id, scope, key, value) VALUES ('acme', 'global', 'same', '1')",
            "parlant_variable_key",
        ),
        (
            "",
            "INSERT INTO parlant_variable (agent_id, scope, customer_id, key, value)
             VALUES (:agent1, 'customer', 'ada', 'same', '1')",
            "parlant_variable_key",
        ),
    ] {
        assert_second_refused(prepared_by, sql, sql, &format!("23505 {constraint}"));
    }
}

#[test]
fn a_deleted_agent_does_not_come_back_while_another_takes_its_name() {
    assert_exclusive(
        "UPDATE parlant_agent SET deleted_at = timezone('utc', now()) WHERE id = :agent2",
        "UPDATE parlant_agent SET deleted_at = NULL WHERE id = :agent2",
        "INSERT INTO parlant_agent (workspace_id, name) VALUES ('acme', 'TWO')",
        "23505 parlant_agent_name_key",
    );
}

const LEAVE: &str = "INSERT INTO parlant_journey_transition (journey_id, from_state_id, to_state_id)
                     VALUES (:journey2, :ask2, :ask2)";
const END: &str = "UPDATE parlant_journey_state SET is_final = true WHERE id = :ask2";

#[test]
fn a_state_becomes_final_or_is_left() {
    assert_exclusive("", LEAVE, END, "23503 from_state_is_in_the_journey_and_not_final");
}

#[test]
fn a_second_state_becomes_initial_or_is_made_so() {
    assert_exclusive(
        "UPDATE parlant_journey_state SET is_initial = false WHERE id = :ask2",
        "UPDATE parlant_journey_state SET is_initial = true WHERE id = :ask2",
        "INSERT INTO parlant_journey_state (journey_id, name, state_type, chat_prompt, is_initial)
         VALUES (:journey2, 'other', 'chat', 'p', true)",
        "23505 parlant_journey_state_initial_key",
    );
}

const ANOTHER_STATE: &str = "INSERT INTO parlant_journey_state (journey_id, name, state_type, chat_prompt)
                             VALUES (:journey2, 'other', 'chat', 'p')";
const NOT_ALONE: &str = "23514 initial_and_final_state_is_alone";

#[test]
fn a_lone_state_becomes_final_or_another_comes() {
    assert_exclusive("", END, ANOTHER_STATE, NOT_ALONE);
}

#[test]
fn a_lone_state_becomes_final_or_another_moves_in() {
    let move_in = "UPDATE parlant_journey_state SET journey_id = :journey2 WHERE id = :done1";
    assert_exclusive("DELETE FROM parlant_journey_transition", END, move_in, NOT_ALONE);
}

#[test]
fn an_empty_journey_gets_a_lone_state_or_others() {
    let lone_state = "INSERT INTO parlant_journey_state (journey_id, name, state_type, is_initial)
                      VALUES (:journey2, 'lone', 'final', true)";
    assert_exclusive("DELETE FROM parlant_journey_state WHERE id = :ask2", lone_state, ANOTHER_STATE, NOT_ALONE);
}

#[test]
fn states_of_two_journeys_are_made_in_any_order_without_deadlock() {
    let states = |journeys: &str| {
        format!(
            "INSERT INTO parlant_journey_state (journey_id, name, state_type, chat_prompt)
             SELECT id::uuid, clock_timestamp()::text, 'chat', 'p' FROM unnest(ARRAY[{journeys}]) AS id"
        )
    };
    let outcome =
        play(&world(""), LEVELS[0], &states(":journey1, :journey2"), "COMMIT", &states(":journey2, :journey1"));
    assert_eq!(outcome, ACCEPTED);
}

#[test]
fn a_transition_is_made_or_its_journey_is_deleted() {
    let delete = "DELETE FROM parlant_journey WHERE id = :journey2";
    assert_second_refused("", delete, LEAVE, "23503 journey_is_in_the_workspace");
    assert_second_accepted(LEAVE, delete, "parlant_journey_transition WHERE journey_id = :journey2");
}

#[test]
fn a_session_that_enters_a_deleted_journey_or_state_is_refused_or_leaves_it() {
    let enter = "UPDATE parlant_session SET current_journey_id = :journey2, current_state_id = :ask2
                 WHERE id = :session2";
    let delete_journey = "DELETE FROM parlant_journey WHERE id = :journey2";
    let delete_state = "DELETE FROM parlant_journey_state WHERE id = :ask2";
    assert_second_refused("", delete_journey, enter, "23503 journey_belongs_to_the_agent");
    assert_second_refused("", delete_state, enter, "23503 state_belongs_to_the_journey");
    let in_journey = "parlant_session WHERE current_journey_id = :journey2 OR current_state_id = :ask2";
    let in_state = "parlant_session WHERE current_journey_id IS DISTINCT FROM :journey2 AND id = :session2
                    OR current_state_id = :ask2";
    assert_second_accepted(enter, delete_journey, in_journey);
    assert_second_accepted(enter, delete_state, in_state);
}

/// Moves of a row away from what may refer to it: to another workspace, and with it to another parent.
const MOVES: &[(&str, &str)] = &[
    ("parlant_agent", "workspace_id = 'rival'"),
    ("parlant_tool", "workspace_id = 'rival'"),
    ("parlant_workflow_template", "workspace_id = 'rival'"),
    ("parlant_guideline", "workspace_id = 'rival', agent_id = :rival_agent"),
    ("parlant_journey", "workspace_id = 'rival', agent_id = :rival_agent"),
    ("parlant_journey_state", "workspace_id = 'rival', journey_id = :rival_journey"),
    (
        "parlant_session",
        "workspace_id = 'rival', agent_id = :rival_agent, current_journey_id = NULL, current_state_id = NULL",
    ),
];

/// A parent without children, which nothing keeps where it is.
const FREE: &str = "'ffffffff-0000-4000-8000-000000000000'";

/// The changes that let a row refer to the free parent in place of the one it refers to.
fn free_parent(reference: &Reference) -> String {
    let change = reference.strangers[0];
    let rival = change.split([' ', ',']).find(|word| word.starts_with(":rival")).unwrap();
    change.replace(rival, FREE)
}

#[test]
fn every_reference_is_made_or_its_parent_goes() {
    let database = world("");
    let mut owner = database.connect();
    owner.run("SET search_path = parlant");
    for reference @ Reference { table, constraint, column, on_delete, .. } in REFERENCES {
        // The states of a transition hold its journey where it is, so this has a test of its own.
        if (*table, *constraint) == ("parlant_journey_transition", "journey_is_in_the_workspace") {
            continue;
        }
        let parent: String = owner.value(&format!(
            "SELECT relname::text FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid
             WHERE conname = '{constraint}' AND conrelid = 'parlant.{table}'::regclass"
        ));
        let row = Values::of(table);
        let make_free_parent = with_ids(&format!(
            r#"INSERT INTO {parent}
               SELECT (jsonb_populate_record(parent, '{{"name": "free", "title": "free", "is_initial": false}}'
                       || jsonb_build_object('id', {FREE}))).*
               FROM {parent} AS parent WHERE id = {}"#,
            row.get(column)
        ));
        let insert = row.with("workspace_id = 'acme'").with(&free_parent(reference)).insert(table);
        let change = MOVES.iter().find(|(name, _)| *name == parent).unwrap_or_else(|| panic!("no move of {parent}")).1;
        let move_away = format!("UPDATE {parent} SET {change} WHERE id = {FREE}");
        let delete = format!("DELETE FROM {parent} WHERE id = {FREE}");

        // What the declared key does alone.
        owner.run(&format!("ALTER TABLE {table} DISABLE TRIGGER USER"));
        let refusal = format!("23503 {constraint}");
        // SERIALIZABLE has the same locks and snapshots as REPEATABLE READ.
        for level in &LEVELS[..2] {
            for (first, second, expected) in [
                (&move_away, &insert, refusal.as_str()),
                (&insert, &move_away, refusal.as_str()),
                (&delete, &insert, refusal.as_str()),
                (&insert, &delete, ACCEPTED),
            ] {
                owner.run(&make_free_parent);
                let outcome = play(&database, level, first, "COMMIT", second);
                assert_outcome(level, &outcome, expected, first, second);
                if outcome == ACCEPTED {
                    let left: Vec<Option<String>> =
                        owner.column(&format!("SELECT {column}::text FROM {table} WHERE id = {NEW}"));
                    let expected: &[Option<String>] = if *on_delete == OnDelete::Cascade { &[] } else { &[None] };
                    assert_eq!(left, expected, "{column} in what is left in {table}");
                }
                owner.run(&format!("DELETE FROM {table} WHERE id = {NEW}; DELETE FROM {parent} WHERE id = {FREE}"));
            }
        }
        owner.run(&format!("ALTER TABLE {table} ENABLE TRIGGER USER"));
    }
    assert_eq!(violations(&mut owner), [] as [String; 0]);
}
