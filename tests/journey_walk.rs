//! Walking: each rule with a call that obeys it and one that breaks it, walkers at the same time, and a plain model of
//! a journey that random walks are compared with.

use parlant_tests::{Cluster, Connection, Database, Refusal, load_two_workspaces, with_ids};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::cell::RefCell;

const NOBODY: &str = "'00000000-0000-4000-8000-00000000dead'";

fn refund() -> Value {
    json!({
        "title": "Refund",
        "states": [
            {"name": "ask", "type": "chat", "is_initial": true, "prompt": "Which order?"},
            {"name": "look up", "type": "tool", "tool_id": "tool"},
            {"name": "decide", "type": "decision", "condition": "Is the order young enough?"},
            {"name": "judge", "type": "decision", "condition": "Is the customer honest?"},
            {"name": "paid", "type": "final", "prompt": "Done."},
            {"name": "refused", "type": "final"}
        ],
        "transitions": [
            {"from": "ask", "to": "look up", "condition": "the customer names an order"},
            {"from": "ask", "to": "look up", "condition": "order.id != ''", "condition_kind": "expression", "priority": 50},
            {"from": "look up", "to": "decide"},
            {"from": "look up", "to": "ask", "condition": "the order is unknown"},
            {"from": "decide", "to": "paid", "condition": "order.days <= 30", "condition_kind": "expression", "priority": 200},
            {"from": "decide", "to": "judge", "condition": "order.days <= 60", "condition_kind": "expression"},
            {"from": "decide", "to": "refused", "priority": 1},
            {"from": "judge", "to": "paid", "condition": "the customer is honest"},
            {"from": "judge", "to": "refused", "condition": "the customer lies"}
        ]
    })
}

/// A journey of agent1, and session1, which is in none.
struct Walk {
    connection: Connection,
    journey: String,
}

impl Walk {
    fn through(document: &Value) -> Walk {
        Walk::in_database(&Cluster::shared().database(), document)
    }

    fn in_database(database: &Database<'_>, document: &Value) -> Walk {
        let mut connection = database.connect();
        load_two_workspaces(&mut connection);
        connection.run(&with_ids(
            "UPDATE parlant.parlant_session SET current_journey_id = NULL, current_state_id = NULL WHERE id = :session1",
        ));
        let journey = create(&mut connection, document);
        Walk { connection, journey }
    }

    fn another(&self) -> Walk {
        Walk { connection: self.connection.another(), journey: self.journey.clone() }
    }

    /// A call with ids: `:session1` and the like, `:journey`, and states of the journey as `{name}`.
    fn sql(&mut self, call: &str) -> String {
        let mut sql = call.replace(":journey)", &format!("'{}')", self.journey));
        while let (Some(start), Some(end)) = (sql.find('{'), sql.find('}')) {
            let id = self.state(&sql[start + 1..end]);
            sql.replace_range(start..=end, &format!("'{id}'"));
        }
        with_ids(&format!("SELECT concat_ws(' ', state_name, jsonb_array_length(path), is_final) FROM parlant.{sql}"))
    }

    fn state(&mut self, name: &str) -> String {
        self.connection.value(&format!(
            "SELECT id::text FROM parlant.parlant_journey_state WHERE journey_id = '{}' AND name = '{name}'",
            self.journey
        ))
    }

    /// State, hops, and whether it is final.
    fn call(&mut self, call: &str) -> String {
        let sql = self.sql(call);
        self.connection.value(&sql)
    }

    fn refused(&mut self, call: &str, sqlstate: &str) -> Refusal {
        let sql = self.sql(call);
        let before = self.everything();
        let refusal = self.connection.assert_refused(&sql, sqlstate);
        assert_eq!(self.everything(), before, "{sql} was refused and changed something");
        refusal
    }

    fn everything(&mut self) -> String {
        self.connection.value(
            "SELECT string_agg(s::text, ' ' ORDER BY id) || (SELECT coalesce(string_agg(e::text, ' ' ORDER BY e.id), '')
                                                             FROM parlant.parlant_event AS e)
             FROM parlant.parlant_session AS s",
        )
    }

    fn hops(&mut self) -> Vec<String> {
        self.connection.column(&with_ids(
            "SELECT concat_ws(' ', content ->> 'kind', coalesce(content ->> 'from', '-'), coalesce(content ->> 'to', '-'))
             FROM parlant.parlant_event WHERE session_id = :session1 AND event_type = 'journey_transition' ORDER BY \"offset\"",
        ))
    }
}

fn create(connection: &mut Connection, document: &Value) -> String {
    let quoted = document.to_string().replace('\'', "''");
    connection.value(&with_ids(&format!("SELECT parlant.create_journey(:agent1, '{quoted}')::text")))
}

#[test]
fn a_walk_moves_the_session_and_logs_every_hop() {
    let mut walk = Walk::through(&refund());
    walk.connection.run("SET search_path = ''");
    assert_eq!(walk.call("enter_journey(:session1, :journey)"), "ask 1 f");
    assert_eq!(walk.call("advance_journey(:session1, {look up})"), "look up 1 f");
    assert_eq!(
        walk.call(
            "advance_journey(:session1, variables => jsonb_build_object('order', jsonb_build_object('days', 10)))"
        ),
        "paid 2 t"
    );
    assert_eq!(walk.hops(), ["enter - ask", "advance ask look up", "advance look up decide", "advance decide paid"]);
    let position: String = walk.connection.value(&with_ids(
        "SELECT name FROM parlant.parlant_session AS s JOIN parlant.parlant_journey_state AS t ON t.id = current_state_id
         WHERE s.id = :session1",
    ));
    assert_eq!(position, "paid");
    let ids: bool = walk.connection.value(&with_ids(
        "SELECT bool_and(event.journey_id::text = event.content ->> 'journey_id' AND event.state_id::text = event.content ->> 'to_state_id'
                         AND (event.content ->> 'completes')::boolean = (event.content ->> 'to' = 'paid')
                         AND (transition.id IS NULL) = (event.content ->> 'kind' = 'enter'))
         FROM parlant.parlant_event AS event
         LEFT JOIN parlant.parlant_journey_transition AS transition
           ON transition.id = (event.content ->> 'transition_id')::uuid
          AND transition.from_state_id = (event.content ->> 'from_state_id')::uuid
          AND transition.to_state_id = (event.content ->> 'to_state_id')::uuid
         WHERE event.session_id = :session1 AND event.event_type = 'journey_transition'",
    ));
    assert!(ids);
}

#[test]
fn a_session_enters_only_what_it_may() {
    let mut walk = Walk::through(&refund());
    walk.refused(&format!("enter_journey({NOBODY}, :journey)"), "P0002").message("session");
    walk.refused(&format!("enter_journey(:session1, {NOBODY})"), "P0002").message("journey");
    walk.refused("enter_journey(:session1, :rival_journey)", "P0002").message("journey");
    walk.refused("enter_journey(:session1, :journey2)", "22023").message("not of the session's agent");
    walk.refused("enter_journey(:session2, :journey)", "22023").detail("of agent");
    let rows = "SELECT count(*) FROM parlant.parlant_journey_state";
    assert_ne!(walk.connection.value::<i64>(rows), 0);

    walk.connection.run("UPDATE parlant.parlant_tool SET enabled = false");
    walk.refused("enter_journey(:session1, :journey)", "55000").message("has errors").detail("disabled_tool: ");
    walk.connection.run("UPDATE parlant.parlant_tool SET enabled = true");
    walk.connection.run("UPDATE parlant.parlant_journey_state SET is_initial = false WHERE name = 'ask'");
    walk.refused("enter_journey(:session1, :journey)", "55000").detail("no_initial_state: ").hint("validate_journey");
    walk.connection.run("UPDATE parlant.parlant_journey_state SET is_initial = true WHERE name = 'ask'");
    walk.connection.run("UPDATE parlant.parlant_journey SET enabled = false");
    walk.refused("enter_journey(:session1, :journey)", "55000").message("is disabled");
    walk.connection.run("UPDATE parlant.parlant_journey SET enabled = true");

    assert_eq!(walk.call("enter_journey(:session1, :journey)"), "ask 1 f");
    walk.refused("enter_journey(:session1, :journey1)", "55000")
        .message("in a journey already")
        .detail("state \"ask\"");
    walk.connection.run(&with_ids("UPDATE parlant.parlant_session SET status = 'completed' WHERE id = :session1"));
    for call in [
        "enter_journey(:session1, :journey)",
        "advance_journey(:session1)",
        "skip_state(:session1)",
        "exit_journey(:session1)",
    ] {
        walk.refused(call, "55000").message("has ended").detail("completed");
    }
}

#[test]
fn the_best_way_that_holds_is_taken_and_natural_language_never_without_being_named() {
    let mut walk = Walk::through(&refund());
    walk.refused("advance_journey(:session1)", "55000").message("in no journey").hint("enter_journey");
    walk.call("enter_journey(:session1, :journey)");
    walk.refused("advance_journey(:session1)", "55000")
        .message("no way leads on from state \"ask\" now")
        .detail("to be named when: the customer names an order")
        .detail("if order.id != ''")
        .hint("next_states");
    assert_eq!(
        walk.call("advance_journey(:session1, NULL, jsonb_build_object('order', jsonb_build_object('id', 'A')))"),
        "look up 1 f"
    );
    // The unconditional one and the one in natural language have the same priority; the latter must be named.
    assert_eq!(walk.call("advance_journey(:session1, {ask})"), "ask 1 f");
    walk.refused("advance_journey(:session1, {paid})", "55000")
        .message("no transition leads from state \"ask\" to state");
    walk.refused(&format!("advance_journey(:session1, {NOBODY})"), "55000").message("no transition leads");
    walk.call("advance_journey(:session1, {look up})");
    walk.refused(
        "advance_journey(:session1, NULL, jsonb_build_object('order', jsonb_build_object('days', 'many')))",
        "22023",
    )
    .message("condition \"order.days <= 30\" cannot be judged");
    assert_eq!(walk.call("advance_journey(:session1)"), "refused 2 t");
    walk.refused("advance_journey(:session1)", "55000")
        .message("has completed its journey")
        .detail("state \"refused\"");
    assert_eq!(walk.call("enter_journey(:session1, :journey)"), "ask 1 f");
}

#[test]
fn a_named_way_whose_expression_does_not_hold_is_not_taken() {
    let mut document = refund();
    document["transitions"][0]["condition"] = json!("order.id == 'A'");
    document["transitions"][0]["condition_kind"] = json!("expression");
    let mut walk = Walk::through(&document);
    walk.call("enter_journey(:session1, :journey)");
    walk.refused("advance_journey(:session1, {look up})", "55000")
        .message("no way leads on")
        .detail("if order.id == 'A'");
    walk.connection.run(&with_ids(
        r#"UPDATE parlant.parlant_session SET variables = '{"order": {"id": "A"}}' WHERE id = :session1"#,
    ));
    assert_eq!(walk.call("advance_journey(:session1, {look up})"), "look up 1 f");
}

#[test]
fn a_session_rests_on_a_decision_that_only_the_application_can_take() {
    let mut walk = Walk::through(&refund());
    walk.call("enter_journey(:session1, :journey)");
    walk.call("advance_journey(:session1, {look up})");
    assert_eq!(
        walk.call("advance_journey(:session1, NULL, jsonb_build_object('order', jsonb_build_object('days', 45)))"),
        "judge 2 f"
    );
    walk.refused("advance_journey(:session1)", "55000").detail("the customer lies");
    assert_eq!(walk.call("advance_journey(:session1, {refused})"), "refused 1 t");
}

#[test]
fn a_walk_does_not_go_round_and_round_in_decisions() {
    let mut document = refund();
    document["transitions"].as_array_mut().unwrap().extend([
        json!({"from": "decide", "to": "judge", "condition": "again", "condition_kind": "expression", "priority": 900}),
        json!({"from": "judge", "to": "decide", "condition": "again", "condition_kind": "expression", "priority": 900}),
    ]);
    let mut walk = Walk::through(&document);
    walk.call("enter_journey(:session1, :journey)");
    walk.call("advance_journey(:session1, {look up})");
    walk.refused("advance_journey(:session1, NULL, jsonb_build_object('again', true))", "54000")
        .message("round and round");
    assert_eq!(walk.call("advance_journey(:session1, NULL, jsonb_build_object('again', false))"), "refused 2 t");
}

#[test]
fn a_state_is_skipped_only_where_journey_and_state_allow_it() {
    let mut walk = Walk::through(&refund());
    walk.call("enter_journey(:session1, :journey)");
    walk.connection.run("UPDATE parlant.parlant_journey SET allow_skipping = false");
    walk.refused("skip_state(:session1)", "55000").message("\"ask\" cannot be skipped").detail("journey \"Refund\"");
    walk.connection.run("UPDATE parlant.parlant_journey SET allow_skipping = true");
    walk.connection.run("UPDATE parlant.parlant_journey_state SET allow_skip = false");
    walk.refused("skip_state(:session1)", "55000").detail("state \"ask\" does not allow it");
    walk.connection.run("UPDATE parlant.parlant_journey_state SET allow_skip = true");
    assert_eq!(walk.call("skip_state(:session1)"), "look up 1 f");
    assert_eq!(walk.call("skip_state(:session1)"), "refused 2 t");
    assert_eq!(walk.hops()[1..], ["skip ask look up", "skip look up decide", "advance decide refused"]);
}

#[test]
fn a_state_is_revisited_only_if_the_session_has_been_there_on_this_walk() {
    let mut walk = Walk::through(&refund());
    walk.call("enter_journey(:session1, :journey)");
    walk.call("advance_journey(:session1, {look up})");
    walk.call("exit_journey(:session1)");
    walk.call("enter_journey(:session1, :journey)");
    walk.refused("revisit_state(:session1, {look up})", "55000")
        .message("cannot be revisited")
        .detail("has not been in it");
    walk.refused("revisit_state(:session1, :ask1)", "P0002").message("has no state");
    walk.call("advance_journey(:session1, {look up})");
    walk.connection.run("UPDATE parlant.parlant_journey SET allow_revisiting = false");
    walk.refused("revisit_state(:session1, {ask})", "55000").detail("journey \"Refund\" does not allow it");
    walk.connection.run("UPDATE parlant.parlant_journey SET allow_revisiting = true");
    assert_eq!(walk.call("revisit_state(:session1, {ask})"), "ask 1 f");
    assert_eq!(walk.call("revisit_state(:session1, {look up})"), "look up 1 f");
}

#[test]
fn a_session_leaves_with_a_reason() {
    let mut walk = Walk::through(&refund());
    walk.refused("exit_journey(:session1)", "55000").message("in no journey");
    walk.call("enter_journey(:session1, :journey)");
    walk.refused("exit_journey(:session1, repeat('x', 2001))", "54000").detail("2000 characters");
    assert_eq!(walk.call("exit_journey(:session1, 'changed their mind')"), "ask 1 f");
    let left: bool = walk.connection.value(&with_ids(
        "SELECT current_journey_id IS NULL AND current_state_id IS NULL
                AND (SELECT content ->> 'reason' FROM parlant.parlant_event WHERE session_id = :session1
                     ORDER BY \"offset\" DESC LIMIT 1) = 'changed their mind'
         FROM parlant.parlant_session WHERE id = :session1",
    ));
    assert!(left);
}

#[test]
fn a_disabled_journey_is_walked_to_its_end() {
    let mut walk = Walk::through(&refund());
    walk.call("enter_journey(:session1, :journey)");
    walk.connection.run("UPDATE parlant.parlant_journey SET enabled = false");
    walk.call("advance_journey(:session1, {look up})");
    assert_eq!(walk.call("advance_journey(:session1)"), "refused 2 t");
    walk.refused("enter_journey(:session1, :journey)", "55000").message("is disabled");
}

#[test]
fn an_expected_state_makes_sure_where_the_session_is() {
    let mut walk = Walk::through(&refund());
    walk.call("enter_journey(:session1, :journey)");
    walk.refused("advance_journey(:session1, {look up}, NULL, {paid})", "55000")
        .message("is not in state")
        .detail("state \"ask\"");
    assert_eq!(walk.call("advance_journey(:session1, {look up}, NULL, {ask})"), "look up 1 f");
}

#[test]
fn of_two_that_move_a_session_at_once_one_wins_and_the_other_learns_where_it_is() {
    let mut document = refund();
    document["transitions"].as_array_mut().unwrap().push(json!({"from": "ask", "to": "ask", "condition": "again"}));
    for (first, second) in [
        ("advance_journey(:session1, {look up})", "advance_journey(:session1, {look up})"),
        ("advance_journey(:session1, {look up})", "skip_state(:session1)"),
        ("advance_journey(:session1, {ask})", "advance_journey(:session1, {ask})"),
        ("exit_journey(:session1)", "advance_journey(:session1, {look up})"),
        ("revisit_state(:session1, {ask})", "exit_journey(:session1)"),
    ] {
        let mut walk = Walk::through(&document);
        walk.call("enter_journey(:session1, :journey)");
        let mut other = walk.another();
        let sql = other.sql(second);
        walk.connection.run("BEGIN");
        walk.call(first);
        let mut running = other.connection.start(&sql);
        assert!(running.blocks(), "{second} does not wait for {first}");
        walk.connection.run("COMMIT");
        let (_, refusal) = running.refused("55000");
        refusal.message("was moved by another call at the same time").detail(match first {
            "exit_journey(:session1)" => "It is in no journey now.",
            _ if first.contains("{ask}") => "state \"ask\"",
            _ => "state \"look up\"",
        });
        // When the first fails, the second goes its way.
        let mut walk = Walk::through(&document);
        walk.call("enter_journey(:session1, :journey)");
        let mut other = walk.another();
        let sql = other.sql(second);
        walk.connection.run("BEGIN");
        walk.call(first);
        let running = other.connection.start(&sql);
        walk.connection.run("ROLLBACK");
        running.succeed();
    }
}

#[test]
fn two_sessions_never_wait_for_each_other() {
    let mut walk = Walk::through(&refund());
    walk.connection.run(&with_ids(
        "INSERT INTO parlant.parlant_session (id, agent_id) VALUES ('00000000-0000-4000-8000-0000000000aa', :agent1)",
    ));
    let mut other = walk.another();
    walk.connection.run("BEGIN");
    other.connection.run("BEGIN");
    let mut calls = 0;
    for call in [
        "enter_journey(ID, :journey)",
        "advance_journey(ID, {look up})",
        "revisit_state(ID, {ask})",
        "skip_state(ID)",
        "advance_journey(ID)",
    ] {
        for (walker, id) in [(&mut walk, ":session1"), (&mut other, "'00000000-0000-4000-8000-0000000000aa'")] {
            // Waiting would end here: the other's transaction goes on only after this call.
            walker.connection.run("SET LOCAL lock_timeout = '1s'");
            walker.call(&call.replace("ID", id));
            calls += 1;
        }
    }
    walk.connection.run("COMMIT");
    other.connection.run("COMMIT");
    assert_eq!(calls, 10);
}

#[test]
fn totals_follow_from_the_log_also_of_sessions_that_are_deleted() {
    let mut walk = Walk::through(&refund());
    walk.connection.run(&with_ids(
        "INSERT INTO parlant.parlant_session (id, agent_id) VALUES ('00000000-0000-4000-8000-0000000000aa', :agent1)",
    ));
    let totals = |walk: &mut Walk| -> String {
        walk.connection.run("SELECT parlant.refresh_totals()");
        let journey = walk.journey.clone();
        walk.connection.value(&format!(
            "SELECT concat_ws(' ', total_sessions, completion_rate, last_used_at IS NOT NULL,
                    (SELECT string_agg(use_count::text, ',' ORDER BY priority DESC, created_at, id)
                     FROM parlant.parlant_journey_transition WHERE journey_id = journey.id))
             FROM parlant.parlant_journey AS journey WHERE id = '{journey}'"
        ))
    };
    assert_eq!(totals(&mut walk), "0 0 f 0,0,0,0,0,0,0,0,0");
    walk.call("enter_journey(:session1, :journey)");
    walk.call("enter_journey('00000000-0000-4000-8000-0000000000aa', :journey)");
    walk.call("advance_journey(:session1, {look up})");
    walk.call("advance_journey(:session1)");
    assert_eq!(totals(&mut walk), "2 50 t 0,1,1,0,0,0,0,0,1");
    assert_eq!(
        walk.connection.value::<i64>("SELECT changed FROM parlant.refresh_totals() WHERE totals = 'journeys'"),
        0
    );
    walk.connection.run(&with_ids("DELETE FROM parlant.parlant_session WHERE id = :session1"));
    assert_eq!(totals(&mut walk), "2 50 t 0,1,1,0,0,0,0,0,1");
    walk.call("exit_journey('00000000-0000-4000-8000-0000000000aa')");
    walk.call("enter_journey('00000000-0000-4000-8000-0000000000aa', :journey)");
    walk.call("advance_journey('00000000-0000-4000-8000-0000000000aa', {look up})");
    assert_eq!(totals(&mut walk), "2 50 t 0,2,1,0,0,0,0,0,1");
}

// The model: a journey as plain data, and what each call comes to.

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Chat,
    Tool,
    Decision,
    Final,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Guard {
    None,
    Natural,
    /// `v == n`
    Equals(i64),
}

#[derive(Debug, Clone)]
struct Way {
    from: usize,
    to: usize,
    guard: Guard,
    priority: i64,
}

#[derive(Debug, Clone)]
struct Model {
    states: Vec<(Kind, bool)>,
    ways: Vec<Way>,
    allow_skipping: bool,
    allow_revisiting: bool,
    at: Option<usize>,
    visited: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Call {
    Enter,
    Advance(Option<usize>, i64),
    Skip,
    Revisit(usize),
    Exit,
}

const WRONG_STATE: &str = "55000";
const LOOP: &str = "54000";
/// Of the session itself.
const OWN_VALUE: i64 = 1;

impl Model {
    fn document(&self, title: &str) -> Value {
        let states: Vec<_> = self
            .states
            .iter()
            .enumerate()
            .map(|(n, (kind, allow_skip))| {
                let mut state = match kind {
                    Kind::Chat => json!({"type": "chat", "prompt": "?"}),
                    Kind::Tool => json!({"type": "tool", "tool_id": "tool"}),
                    Kind::Decision => json!({"type": "decision", "condition": "?"}),
                    Kind::Final => json!({"type": "final"}),
                };
                state["name"] = json!(format!("s{n}"));
                state["is_initial"] = json!(n == 0);
                state["allow_skip"] = json!(allow_skip);
                state
            })
            .collect();
        let ways: Vec<_> = self
            .ways
            .iter()
            .map(|way| {
                let mut transition =
                    json!({"from": format!("s{}", way.from), "to": format!("s{}", way.to), "priority": way.priority});
                match way.guard {
                    Guard::None => {}
                    Guard::Natural => transition["condition"] = json!("someone says so"),
                    Guard::Equals(n) => {
                        transition["condition"] = json!(format!("v == {n}"));
                        transition["condition_kind"] = json!("expression");
                    }
                }
                transition
            })
            .collect();
        json!({"title": title, "states": states, "transitions": ways,
               "allow_skipping": self.allow_skipping, "allow_revisiting": self.allow_revisiting})
    }

    /// Best first; of the same priority the first in the document.
    fn ways_from(&self, state: usize) -> Vec<&Way> {
        let mut ways: Vec<_> = self.ways.iter().filter(|way| way.from == state).collect();
        ways.sort_by_key(|way| -way.priority);
        ways
    }

    fn best(&self, state: usize, v: i64) -> Option<usize> {
        let holds = |way: &&Way| way.guard == Guard::None || way.guard == Guard::Equals(v);
        self.ways_from(state).into_iter().find(holds).map(|way| way.to)
    }

    /// The states passed and the one rested in, from one that was just come to.
    fn pass(&self, mut state: usize, v: i64) -> Result<Vec<usize>, &'static str> {
        let mut path = vec![state];
        while self.states[state].0 == Kind::Decision {
            if path[..path.len() - 1].contains(&state) {
                return Err(LOOP);
            }
            match self.best(state, v) {
                Some(next) => state = next,
                None if self.ways_from(state).iter().any(|way| way.guard == Guard::Natural) => break,
                None => return Err(WRONG_STATE),
            }
            path.push(state);
        }
        Ok(path)
    }

    /// The states that the session came to, the last of which it rests in.
    fn call(&mut self, call: &Call) -> Result<Vec<usize>, &'static str> {
        let resting = self.at.filter(|at| self.states[*at].0 != Kind::Final);
        let path = match call {
            Call::Enter if resting.is_some() => return Err(WRONG_STATE),
            Call::Enter => {
                let path = self.pass(0, OWN_VALUE)?;
                self.visited.clear();
                path
            }
            Call::Exit => return self.at.take().map(|at| vec![at]).ok_or(WRONG_STATE),
            Call::Advance(to, v) => {
                let at = resting.ok_or(WRONG_STATE)?;
                let next = match to {
                    None => self.best(at, *v),
                    Some(to) => {
                        let taken = |way: &&Way| {
                            way.to == *to && (way.guard == Guard::Equals(*v) || !matches!(way.guard, Guard::Equals(_)))
                        };
                        self.ways_from(at).into_iter().find(taken).map(|way| way.to)
                    }
                };
                self.pass(next.ok_or(WRONG_STATE)?, *v)?
            }
            Call::Skip => {
                let at = resting.filter(|at| self.allow_skipping && self.states[*at].1).ok_or(WRONG_STATE)?;
                let natural =
                    || self.ways_from(at).into_iter().find(|way| way.guard == Guard::Natural).map(|way| way.to);
                self.pass(self.best(at, OWN_VALUE).or_else(natural).ok_or(WRONG_STATE)?, OWN_VALUE)?
            }
            Call::Revisit(to) => {
                resting.filter(|_| self.allow_revisiting && self.visited.contains(to)).ok_or(WRONG_STATE)?;
                self.pass(*to, OWN_VALUE)?
            }
        };
        self.visited.extend(&path);
        self.at = path.last().copied();
        Ok(path)
    }
}

fn model() -> impl Strategy<Value = Model> {
    let kind = prop_oneof![Just(Kind::Chat), Just(Kind::Tool), Just(Kind::Decision)];
    let guard = prop_oneof![Just(Guard::None), Just(Guard::Natural), (0..3_i64).prop_map(Guard::Equals)];
    let ways = prop::collection::vec((0..6_usize, 0..7_usize, guard, prop_oneof![Just(100), 1..=3_i64]), 4..16);
    (prop::collection::vec((kind, any::<bool>()), 1..6), ways, any::<[bool; 3]>()).prop_map(
        |(mut states, ends, flags)| {
            states.push((Kind::Final, true));
            let last = states.len() - 1;
            let mut ways: Vec<Way> = Vec::new();
            for (from, to, guard, priority) in ends {
                let way = Way { from: from % last, to: to % states.len(), guard, priority };
                if !ways.iter().any(|other| (other.from, other.to, other.guard) == (way.from, way.to, way.guard)) {
                    ways.push(way);
                }
            }
            Model {
                states,
                ways,
                allow_skipping: flags[0],
                allow_revisiting: flags[1] || flags[2],
                at: None,
                visited: Vec::new(),
            }
        },
    )
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        3 => Just(Call::Enter),
        6 => (prop::option::of(0..7_usize), 0..4_i64).prop_map(|(to, v)| Call::Advance(to, v)),
        2 => Just(Call::Skip),
        2 => (0..7_usize).prop_map(Call::Revisit),
        1 => Just(Call::Exit),
    ];
    prop::collection::vec(call, 6..24)
}

/// A journey in the database, and a session that walks it.
struct Place {
    journey: String,
    session: String,
    ids: Vec<String>,
}

impl Place {
    /// None where the graph has errors.
    fn of(connection: &mut Connection, model: &Model, title: &str) -> Option<Place> {
        let document = model.document(title).to_string();
        let faults: i64 = connection.value(&format!(
            "SELECT count(*) FROM parlant.validate_journey_definition('{document}') WHERE severity = 'error'"
        ));
        if faults > 0 {
            return None;
        }
        let journey = create(connection, &model.document(title));
        let session = connection.value(&with_ids(&format!(
            "INSERT INTO parlant.parlant_session (agent_id, variables) VALUES (:agent1, '{{\"v\": {OWN_VALUE}}}') RETURNING id::text"
        )));
        let ids = connection.column(&format!(
            "SELECT id::text FROM parlant.parlant_journey_state WHERE journey_id = '{journey}' ORDER BY substr(name, 2)::int"
        ));
        Some(Place { journey, session, ids })
    }

    fn sql(&self, call: &Call) -> String {
        let session = &self.session;
        let id = |n: usize| self.ids.get(n).map_or_else(|| NOBODY.to_owned(), |id| format!("'{id}'"));
        let call = match call {
            Call::Enter => format!("enter_journey('{session}', '{}')", self.journey),
            Call::Advance(to, v) => {
                let to = to.map_or_else(|| "NULL".to_owned(), id);
                format!("advance_journey('{session}', {to}, '{{\"v\": {v}}}')")
            }
            Call::Skip => format!("skip_state('{session}')"),
            Call::Revisit(to) => format!("revisit_state('{session}', {})", id(*to)),
            Call::Exit => format!("exit_journey('{session}')"),
        };
        format!(
            "SELECT string_agg(coalesce(hop ->> 'to', hop ->> 'from'), ' ' ORDER BY n)
             FROM parlant.{call}, jsonb_array_elements(path) WITH ORDINALITY AS hops (hop, n)"
        )
    }
}

#[test]
fn no_sequence_of_calls_comes_to_anything_else_than_the_model() {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    let (connection, cases, moved) = (RefCell::new(connection), RefCell::new(0), RefCell::new(0));
    let config = ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&(model(), calls()), |(mut model, calls)| {
            let mut connection = connection.borrow_mut();
            *cases.borrow_mut() += 1;
            let Some(place) = Place::of(&mut connection, &model, &format!("j{}", cases.borrow())) else {
                return Ok(());
            };
            for call in &calls {
                // A state that the journey does not have is another error than one that was not visited.
                if matches!(call, Call::Revisit(to) if *to >= place.ids.len()) {
                    continue;
                }
                let sql = place.sql(call);
                match model.call(call) {
                    Ok(path) => {
                        let names: Vec<_> = path.iter().map(|n| format!("s{n}")).collect();
                        prop_assert_eq!(connection.value::<String>(&sql), names.join(" "), "{:?} in {:?}", call, model);
                        *moved.borrow_mut() += 1;
                    }
                    Err(sqlstate) => drop(connection.assert_refused(&sql, sqlstate)),
                }
                let at: Option<String> = connection
                    .column(&format!(
                        "SELECT coalesce(name, '-') FROM parlant.parlant_session AS session
                         LEFT JOIN parlant.parlant_journey_state AS state ON state.id = current_state_id
                         WHERE session.id = '{}'",
                        place.session
                    ))
                    .pop();
                prop_assert_eq!(at, Some(model.at.map_or_else(|| "-".to_owned(), |at| format!("s{at}"))));
            }
            Ok(())
        })
        .unwrap();
    assert!(*moved.borrow() > 150, "only {} calls moved a session", moved.borrow());
}

#[test]
fn two_walkers_at_once_leave_a_log_that_one_could_have_written() {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    let (connection, cases, hops) = (RefCell::new(connection), RefCell::new(0), RefCell::new(0));
    let config = ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&(model(), calls(), calls()), |(model, ours, theirs)| {
            let mut connection = connection.borrow_mut();
            *cases.borrow_mut() += 1;
            let Some(place) = Place::of(&mut connection, &model, &format!("j{}", cases.borrow())) else { return Ok(()) };
            std::thread::scope(|scope| {
                for calls in [ours, theirs] {
                    let (mut walker, place) = (connection.another(), &place);
                    scope.spawn(move || {
                        for sql in calls.iter().map(|call| place.sql(call)) {
                            if let Err(error) = walker.try_to_run(&sql) {
                                let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
                                assert!(["55000", "54000", "P0002"].contains(&code.as_str()), "{code} {sql}");
                            }
                        }
                    });
                }
            });
            let log = connection.rows(&format!(
                "SELECT content ->> 'kind', substr(content ->> 'from', 2)::int, substr(content ->> 'to', 2)::int
                 FROM parlant.parlant_event WHERE session_id = '{}' ORDER BY \"offset\"",
                place.session
            ));
            let (mut at, mut visited): (Option<usize>, Vec<usize>) = (None, Vec::new());
            for event in &log {
                let kind: String = event.get(0);
                let end = |column: usize| event.get::<_, Option<i32>>(column).map(|n| usize::try_from(n).unwrap());
                let (from, to) = (end(1), end(2));
                let inside = at.filter(|at| model.states[*at].0 != Kind::Final);
                match (kind.as_str(), from, to) {
                    ("enter", None, Some(0)) if inside.is_none() => visited.clear(),
                    ("advance" | "skip", Some(from), Some(to)) if inside == Some(from) => {
                        prop_assert!(model.ways.iter().any(|way| (way.from, way.to) == (from, to)), "{} {}", from, to);
                    }
                    ("revisit", Some(from), Some(to)) if inside == Some(from) => {
                        prop_assert!(model.allow_revisiting && visited.contains(&to));
                    }
                    ("exit", Some(from), None) if at == Some(from) => {}
                    _ => prop_assert!(false, "{} {:?} {:?} from {:?}", kind, from, to, at),
                }
                visited.extend(to);
                at = to;
                *hops.borrow_mut() += 1;
            }
            let position: Option<i32> = connection.rows(&format!(
                "SELECT substr(name, 2)::int FROM parlant.parlant_session AS session
                 LEFT JOIN parlant.parlant_journey_state AS state ON state.id = current_state_id WHERE session.id = '{}'",
                place.session
            ))[0]
                .get(0);
            prop_assert_eq!(position.map(|n| usize::try_from(n).unwrap()), at);
            Ok(())
        })
        .unwrap();
    assert!(*hops.borrow() > 50, "only {} hops", hops.borrow());
}
