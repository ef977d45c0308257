//! Where a session is in a journey and where it can go: what `parlant.states_from` gives, without a query.

use super::condition::{Judged, compiled, judged};
use super::source::{JOURNEY_ROW, STATE_ROW, WAY_ROW};
use super::variables::{About, Fault};
use crate::find::{Key, Unfound};
use crate::record::{Record, Shape};
use parlant_core::condition::Variables;
use parlant_core::jsonb::{Node, Tree};
use pgrx::Uuid;
use pgrx::prelude::*;
use serde_json::json;
use std::borrow::Cow;
use std::cmp::Reverse;

static JOURNEY: Shape = Shape {
    source: &JOURNEY_ROW,
    from: 2,
    members: &["journey_id", "title", "description", "allow_skipping", "allow_revisiting"],
};

static STATE: Shape = Shape {
    source: &STATE_ROW,
    from: 3,
    members: &[
        "state_id",
        "state_name",
        "state_type",
        "prompt",
        "tool_id",
        "tool_config",
        "condition",
        "is_final",
        "allow_skip",
    ],
};

/// A state to which a transition leads.
static GOAL: Shape = Shape { source: &STATE_ROW, from: 3, members: &["to_state_id", "state_name", "state_type"] };

static WAY: Shape =
    Shape { source: &WAY_ROW, from: 5, members: &["transition_id", "condition", "condition_kind", "priority"] };

pub(crate) struct Position {
    journey: Record,
    state: Record,
    next: Vec<Next>,
}

struct Next {
    way: Record,
    goal: Record,
    /// None where the database does not judge.
    judged: Option<Judged>,
}

impl Position {
    /// None if there is no such journey. What conditions can ask for is what the transaction knows, and the session.
    pub(crate) fn of<'v>(
        session: &About<'_>,
        journey_id: Uuid,
        state_id: Option<Uuid>,
        known: impl Iterator<Item = (&'v Cow<'v, str>, &'v Node<'v>)>,
    ) -> Result<Option<Position>, Unfound> {
        let (workspace, journey_key) = (Key::Text(session.workspace_id), Key::Uuid(journey_id));
        let Some(journey) = JOURNEY.first(&[workspace, journey_key])? else { return Ok(None) };
        let keys = |state_id| [workspace, journey_key, Key::Uuid(state_id)];
        let states = STATE_ROW.finder()?;
        let state = state_id.and_then(|id| states.first(&keys(id), |row| STATE.record(row)));
        let ways = state_id.map_or(Ok(Vec::new()), |id| ways(&keys(id)))?;
        let variables = variables(session, &journey, known, &ways)?;
        let mut next = Vec::with_capacity(ways.len());
        for (to, way) in ways {
            let Some(goal) = states.first(&keys(to), |row| GOAL.record(row)) else { continue };
            let judged = expression(&way).map(|expression| judged(expression, || Ok(&variables)));
            next.push(Next { way, goal, judged });
        }
        Ok(Some(Position { journey, state: state.unwrap_or_else(|| STATE.nothing()), next }))
    }

    pub(crate) fn tree(&self) -> Tree<'_> {
        let mut members = self.journey.members();
        members.extend(self.state.members());
        members.push(("next_states", Tree::array(&self.next, Next::tree)));
        Tree::Object(members)
    }
}

impl Next {
    fn tree(&self) -> Tree<'_> {
        let (missing, problem) = match &self.judged {
            Some(judged) => (judged.missing.as_slice(), judged.problem.as_deref()),
            None => (&[][..], None),
        };
        let holds = match (&self.judged, self.way.text("condition")) {
            (_, None) => Tree::Bool(true),
            (Some(judged), _) => Tree::Bool(judged.holds),
            (None, _) => Tree::NULL,
        };
        let mut members = self.way.members();
        members.extend(self.goal.members());
        members.push(("holds", holds));
        members.push(("missing", Tree::array(missing, |name| Tree::Text(name))));
        members.push(("problem", Tree::optional_text(problem)));
        Tree::Object(members)
    }
}

/// The transitions that leave a state in their order, each with the state to which it leads.
fn ways(keys: &[Key<'_>]) -> Result<Vec<(Uuid, Record)>, Unfound> {
    let finder = WAY.source.finder()?;
    let mut rows = finder.rows(keys, pg_sys::ScanDirection::ForwardScanDirection);
    let mut ways = Vec::new();
    while rows.advance() {
        let (Some(to), Some(id)) = (rows.get(3), rows.get::<Uuid>(5)) else { continue };
        let order = (Reverse(rows.get::<i32>(8)), rows.get::<i64>(4), *id.as_bytes());
        ways.push((order, (to, WAY.record(&rows))));
    }
    ways.sort_by_key(|(order, _)| *order);
    Ok(ways.into_iter().map(|(_, way)| way).collect())
}

/// The condition of a transition, if the database judges it.
fn expression(way: &Record) -> Option<&str> {
    way.text("condition").filter(|_| way.text("condition_kind") == Some("expression"))
}

fn variables<'v>(
    session: &About<'_>,
    journey: &Record,
    known: impl Iterator<Item = (&'v Cow<'v, str>, &'v Node<'v>)>,
    ways: &[(Uuid, Record)],
) -> Result<Variables, Unfound> {
    let mut variables = Variables::default();
    let conditions: Vec<_> =
        ways.iter().filter_map(|(_, way)| expression(way)).filter_map(|expression| compiled(expression).ok()).collect();
    if conditions.is_empty() {
        return Ok(variables);
    }
    let asks_for = |name: &str| conditions.iter().any(|condition| condition.names().any(|asked| asked == name));
    let add = || -> Result<(), Fault> {
        for (name, value) in known {
            variables.add(name, *value)?;
        }
        if asks_for("session") {
            session.add_session(&mut variables)?;
        }
        if asks_for("journey") {
            let document = json!({"id": journey.text("journey_id"), "title": journey.text("title")});
            variables.add("journey", Node::Parsed(&document))?;
        }
        if asks_for("message") {
            session.add_message(&mut variables)?;
        }
        Ok(())
    };
    match add() {
        Ok(()) => Ok(variables),
        // A query tells of each condition that they cannot be read.
        Err(Fault::Condition(_)) => Err(Unfound::Query),
        Err(Fault::Unfound(unfound)) => Err(unfound),
    }
}
