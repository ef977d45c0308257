//! Walking: how a session enters a journey, moves through it and leaves it.
//!
//! Each call locks the session's row first and holds it until its transaction ends, so the calls of one session go one
//! after another, and those of two sessions never wait for each other: journeys, states and transitions are only read.
//! A call that had to wait for another, and finds the session moved, fails instead of moving it on from there.

use super::condition::{compiled, refusal};
use super::rows::{Journey, Session, State, Way};
use super::variables::Asked;
use crate::conversation::Place;
use crate::error::error;
use crate::identifier::text;
use crate::json::{JsonbDatum, JsonbMade};
use parlant_core::condition::Outcome;
use parlant_core::jsonb::Tree;
use pgrx::PgSqlErrorCode::{
    ERRCODE_INSUFFICIENT_PRIVILEGE, ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_NO_DATA_FOUND,
    ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
};
use pgrx::Uuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Most decision states that one call passes through.
const MAX_HOPS: usize = 1000;
/// Most candidates or faults that an error shows.
const MAX_SHOWN: usize = 20;

type Position = TableIterator<
    'static,
    (
        name!(journey_id, Uuid),
        name!(state_id, Uuid),
        name!(state_name, String),
        name!(state_type, String),
        name!(prompt, Option<String>),
        name!(tool_id, Option<String>),
        name!(is_final, bool),
        name!(path, JsonbMade),
    ),
>;

/// Begins a walk at the initial state of a journey.
///
/// # Errors
/// P0002 if session or journey is not there; 22023 if the journey is another agent's; 55000 if the session has ended
/// or walks a journey, or if the journey is disabled or has errors.
#[pg_extern(volatile, parallel_unsafe)]
fn enter_journey(
    session_id: Uuid,
    journey_id: Uuid,
) -> Result<
    TableIterator<
        'static,
        (
            name!(journey_id, Uuid),
            name!(state_id, Uuid),
            name!(state_name, String),
            name!(state_type, String),
            name!(prompt, Option<String>),
            name!(tool_id, Option<String>),
            name!(is_final, bool),
            name!(path, JsonbMade),
        ),
    >,
    ErrorReport,
> {
    let session = locked(session_id)?;
    if let (Some(journey), Some(state)) = (session.journey_id, session.state_id) {
        let here = session.state(journey, state)?;
        if here.as_ref().is_some_and(|state| !state.is_final()) {
            return Err(wrong_state(
                format!("session {session_id} is in a journey already"),
                place(&session, here.as_ref())?,
                "Let it walk to the end, or call parlant.exit_journey.",
            ));
        }
    }
    let journey = session.journey(journey_id)?.ok_or_else(|| journey_not_found(journey_id))?;
    if journey.agent_id != session.agent_id {
        return Err(error(
            ERRCODE_INVALID_PARAMETER_VALUE,
            format!("journey \"{}\" is not of the session's agent", journey.title),
            format!("It is of agent {}, the session of agent {}.", journey.agent_id, session.agent_id),
            "Name a journey of the session's agent.",
        ));
    }
    if !journey.enabled {
        return Err(wrong_state(
            format!("journey \"{}\" is disabled", journey.title),
            "Sessions inside it go on; no other may enter.".to_owned(),
            "Enable the journey, or name another.",
        ));
    }
    let faults = journey.faults()?;
    if !faults.is_empty() {
        return Err(wrong_state(
            format!("journey \"{}\" has errors", journey.title),
            listed(faults.iter().take(MAX_SHOWN).map(|(code, message)| format!("{code}: {message}")), faults.len()),
            "parlant.validate_journey shows them with hints.",
        ));
    }
    let initial = session.initial_state(journey.id)?.ok_or_else(|| journey_not_found(journey_id))?;
    let mut walk = Walk::new(session, journey, None);
    walk.hop("enter", None, initial, None);
    walk.pass_decisions()?;
    walk.finish()
}

/// Moves a session along a transition of its state: to the state that is named, or to the best one that the database
/// can tell, and on through decisions.
///
/// # Errors
/// P0002 if the session is not there; 55000 if it walks no journey, if no way leads on, if it is not in the state that
/// is expected, or if another call has moved it meanwhile.
#[pg_extern(volatile, parallel_unsafe)]
fn advance_journey(
    session_id: Uuid,
    to_state_id: default!(Option<Uuid>, "NULL"),
    variables: default!(Option<JsonbDatum>, "NULL"),
    expected_state_id: default!(Option<Uuid>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(journey_id, Uuid),
            name!(state_id, Uuid),
            name!(state_name, String),
            name!(state_type, String),
            name!(prompt, Option<String>),
            name!(tool_id, Option<String>),
            name!(is_final, bool),
            name!(path, JsonbMade),
        ),
    >,
    ErrorReport,
> {
    let (session, journey, state) = walking(session_id)?;
    if let Some(expected) = expected_state_id.filter(|expected| *expected != state.id) {
        return Err(wrong_state(
            format!("session {session_id} is not in state {expected}"),
            place(&session, Some(&state))?,
            "Look at where it is now, and decide again.",
        ));
    }
    let mut walk = Walk::new(session, journey, variables);
    let ways = walk.session.ways(walk.journey.id, state.id)?;
    let taken = match to_state_id {
        None => walk.best(&ways)?,
        // Naming a state is the application's judgement of what is in natural language.
        Some(to) => walk.first(ways.iter().filter(|way| way.to == to), |way| !way.is_expression)?,
    };
    let Some((to, transition)) = taken else {
        return Err(walk.no_way(&state, &ways, to_state_id)?);
    };
    walk.hop("advance", Some(&state), to, Some(transition));
    walk.pass_decisions()?;
    walk.finish()
}

/// Moves a session on although what its state waits for has not come.
///
/// # Errors
/// As `advance_journey`; 55000 also if the journey or the state does not allow it.
#[pg_extern(volatile, parallel_unsafe)]
fn skip_state(
    session_id: Uuid,
) -> Result<
    TableIterator<
        'static,
        (
            name!(journey_id, Uuid),
            name!(state_id, Uuid),
            name!(state_name, String),
            name!(state_type, String),
            name!(prompt, Option<String>),
            name!(tool_id, Option<String>),
            name!(is_final, bool),
            name!(path, JsonbMade),
        ),
    >,
    ErrorReport,
> {
    let (session, journey, state) = walking(session_id)?;
    if !journey.allow_skipping || !state.allow_skip {
        let (what, name) = if journey.allow_skipping { ("state", &state.name) } else { ("journey", &journey.title) };
        return Err(wrong_state(
            format!("state \"{}\" cannot be skipped", state.name),
            format!("{what} \"{name}\" does not allow it."),
            "Set allow_skipping of the journey and allow_skip of the state.",
        ));
    }
    let mut walk = Walk::new(session, journey, None);
    let ways = walk.session.ways(walk.journey.id, state.id)?;
    // What would wait for the application's judgement is what is skipped.
    let taken = match walk.best(&ways)? {
        None => walk.first(ways.iter().filter(|way| !way.is_expression), |_| true)?,
        taken => taken,
    };
    let Some((to, transition)) = taken else {
        return Err(walk.no_way(&state, &ways, None)?);
    };
    walk.hop("skip", Some(&state), to, Some(transition));
    walk.pass_decisions()?;
    walk.finish()
}

/// Moves a session back to a state that it has been in on this walk.
///
/// # Errors
/// P0002 if session or state is not there; 55000 if the session walks no journey, or the journey does not allow it, or
/// the session has not been there.
#[pg_extern(volatile, parallel_unsafe)]
fn revisit_state(
    session_id: Uuid,
    state_id: Uuid,
) -> Result<
    TableIterator<
        'static,
        (
            name!(journey_id, Uuid),
            name!(state_id, Uuid),
            name!(state_name, String),
            name!(state_type, String),
            name!(prompt, Option<String>),
            name!(tool_id, Option<String>),
            name!(is_final, bool),
            name!(path, JsonbMade),
        ),
    >,
    ErrorReport,
> {
    let (session, journey, state) = walking(session_id)?;
    let Some(target) = session.state(journey.id, state_id)? else {
        return Err(error(
            ERRCODE_NO_DATA_FOUND,
            format!("journey \"{}\" has no state {state_id}", journey.title),
            place(&session, Some(&state))?,
            "Check the id.",
        ));
    };
    if !journey.allow_revisiting {
        return Err(wrong_state(
            format!("state \"{}\" cannot be revisited", target.name),
            format!("journey \"{}\" does not allow it.", journey.title),
            "Set allow_revisiting of the journey.",
        ));
    }
    if !session.has_visited(journey.id, target.id)? {
        return Err(wrong_state(
            format!("state \"{}\" cannot be revisited", target.name),
            format!("Session {session_id} has not been in it since it entered journey \"{}\".", journey.title),
            "Call parlant.advance_journey to go to a state for the first time.",
        ));
    }
    let mut walk = Walk::new(session, journey, None);
    walk.hop("revisit", Some(&state), target, None);
    walk.pass_decisions()?;
    walk.finish()
}

/// Takes a session out of its journey, and tells the state that it leaves.
///
/// # Errors
/// P0002 if the session is not there; 55000 if it has ended or is in no journey.
#[pg_extern(volatile, parallel_unsafe)]
fn exit_journey(
    session_id: Uuid,
    reason: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(journey_id, Uuid),
            name!(state_id, Uuid),
            name!(state_name, String),
            name!(state_type, String),
            name!(prompt, Option<String>),
            name!(tool_id, Option<String>),
            name!(is_final, bool),
            name!(path, JsonbMade),
        ),
    >,
    ErrorReport,
> {
    if reason.is_some_and(|reason| reason.chars().nth(2000).is_some()) {
        return Err(error(
            ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "the reason is too long".to_owned(),
            "A reason has at most 2000 characters.".to_owned(),
            "Shorten it.",
        ));
    }
    let (session, journey, state) = inside(session_id)?;
    let content = json!({
        "kind": "exit", "journey_id": journey.id.to_string(),
        "from": state.name, "from_state_id": state.id.to_string(), "to": Value::Null, "reason": reason,
    });
    let left = Place { journey_id: Some(journey.id), state_id: Some(state.id) };
    session.walk(Place { journey_id: None, state_id: None }, &[(&content, left)])?;
    Ok(row(&journey, state, &[content]))
}

/// A call that moves a session, from its lock to its last event.
struct Walk {
    session: Session,
    journey: Journey,
    asked: Asked,
    here: Option<State>,
    events: Vec<(Value, Uuid)>,
}

impl Walk {
    fn new(session: Session, journey: Journey, given: Option<JsonbDatum>) -> Self {
        Walk { session, journey, asked: Asked::with(given), here: None, events: Vec::new() }
    }

    fn hop(&mut self, kind: &str, from: Option<&State>, to: State, transition: Option<Uuid>) {
        let content = json!({
            "kind": kind,
            "journey_id": text(self.journey.id),
            "transition_id": transition.map(text),
            "from": from.map(|state| &state.name),
            "from_state_id": from.map(|state| text(state.id)),
            "to": to.name,
            "to_state_id": text(to.id),
            "completes": to.is_final(),
        });
        self.events.push((content, to.id));
        self.here = Some(to);
    }

    /// Goes on while the session stands on a decision that the database can take. It rests on one that is the
    /// application's to take: whose ways on are in natural language.
    fn pass_decisions(&mut self) -> Result<(), ErrorReport> {
        let mut passed = HashSet::new();
        while let Some(state) = self.here.clone().filter(|state| state.state_type == "decision") {
            pgrx::check_for_interrupts!();
            // What conditions ask for does not change meanwhile, so whoever comes back comes back for ever.
            if !passed.insert(*state.id.as_bytes()) || passed.len() > MAX_HOPS {
                return Err(error(
                    ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                    format!("the decisions of journey \"{}\" lead round and round", self.journey.title),
                    format!("State \"{}\" was passed after {} hops already.", state.name, self.events.len()),
                    "Let a chat or tool state be on the way, where the session can wait.",
                ));
            }
            let ways = self.session.ways(self.journey.id, state.id)?;
            match self.best(&ways)? {
                Some((to, transition)) => self.hop("advance", Some(&state), to, Some(transition)),
                None if ways.iter().any(|way| way.condition.is_some() && !way.is_expression) => break,
                None => return Err(self.no_way(&state, &ways, None)?),
            }
        }
        Ok(())
    }

    /// Where the first way leads that the database may take by itself, and the way.
    fn best(&mut self, ways: &[Way]) -> Result<Option<(State, Uuid)>, ErrorReport> {
        let judged = ways.iter().filter(|way| way.condition.is_none() || way.is_expression);
        self.first(judged, |way| way.condition.is_none())
    }

    /// The same of the first way that is open or whose condition holds.
    fn first<'w>(
        &mut self,
        ways: impl Iterator<Item = &'w Way>,
        is_open: impl Fn(&Way) -> bool,
    ) -> Result<Option<(State, Uuid)>, ErrorReport> {
        for way in ways {
            if (is_open(way) || self.holds(way)?)
                && let Some(to) = self.session.state(self.journey.id, way.to)?
            {
                return Ok(Some((to, way.id)));
            }
        }
        Ok(None)
    }

    fn holds(&mut self, way: &Way) -> Result<bool, ErrorReport> {
        let Some(expression) = way.condition.as_deref() else { return Ok(true) };
        let fail = |fault| refusal(expression, &fault);
        let condition = compiled(expression).map_err(fail)?;
        let variables = self.asked.by(expression, &condition, &self.session)?;
        Ok(condition.evaluate(variables).map_err(fail)? == Outcome::Holds)
    }

    fn no_way(&self, from: &State, ways: &[Way], to: Option<Uuid>) -> Result<ErrorReport, ErrorReport> {
        let mut candidates = Vec::new();
        for way in ways.iter().take(MAX_SHOWN) {
            let name = self.session.state(self.journey.id, way.to)?.map(|state| state.name).unwrap_or_default();
            let state = format!("\"{name}\" ({})", way.to);
            candidates.push(match &way.condition {
                None => state,
                Some(condition) if way.is_expression => format!("{state} if {condition}"),
                Some(condition) => format!("{state} to be named when: {condition}"),
            });
        }
        let ways_on = if ways.is_empty() { "Nothing leaves it.".to_owned() } else { listed(candidates, ways.len()) };
        let message = match to {
            Some(to) if ways.iter().all(|way| way.to != to) => {
                format!("no transition leads from state \"{}\" to state {to}", from.name)
            }
            _ => format!("no way leads on from state \"{}\" now", from.name),
        };
        let detail =
            format!("Journey \"{}\", state \"{}\" ({}). Ways on: {ways_on}", self.journey.title, from.name, from.id);
        let hint = "parlant.next_states shows what each waits for. Name one, or give the variables.";
        Ok(wrong_state(message, detail, hint))
    }

    /// Writes where the session is now, then what happened.
    fn finish(self) -> Result<Position, ErrorReport> {
        let Some(state) = self.here else {
            return Err(crate::error::internal("a walk without a hop"));
        };
        let place = |state| Place { journey_id: Some(self.journey.id), state_id: Some(state) };
        let hops: Vec<_> = self.events.iter().map(|(content, to)| (content, place(*to))).collect();
        self.session.walk(place(state.id), &hops)?;
        let path: Vec<_> = self.events.into_iter().map(|(content, _)| content).collect();
        Ok(row(&self.journey, state, &path))
    }
}

fn row(journey: &Journey, state: State, path: &[Value]) -> Position {
    let is_final = state.is_final();
    let path = JsonbMade::of(Tree::array(path, Tree::Value));
    let State { id, name, state_type, prompt, tool_id, .. } = state;
    TableIterator::once((journey.id, id, name, state_type, prompt, tool_id, is_final, path))
}

/// The session with its row locked, and in the place where the caller can have seen it.
fn locked(id: Uuid) -> Result<Session, ErrorReport> {
    let (before, session) = Session::locked(id)?.ok_or_else(|| session_not_found(id))?;
    // Row-level security lets some read a session who may not change it.
    let session = session.ok_or_else(|| {
        error(
            ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("session {id} cannot be moved"),
            "It takes permission to write in its workspace.".to_owned(),
            "Enter the workspace as a user who may write.",
        )
    })?;
    if session.has_moved_since(&before)? {
        return Err(wrong_state(
            format!("session {id} was moved by another call at the same time"),
            place(&session, None)?,
            "Look at where it is now, and decide again.",
        ));
    }
    if session.status != "active" {
        return Err(wrong_state(
            format!("session {id} has ended"),
            format!("Its status is {}.", session.status),
            "Start a new session.",
        ));
    }
    Ok(session)
}

/// The locked session with its journey and the state that it is in.
fn inside(id: Uuid) -> Result<(Session, Journey, State), ErrorReport> {
    let session = locked(id)?;
    let journey = session.journey_id.map(|journey| session.journey(journey)).transpose()?.flatten();
    let state = match (session.journey_id, session.state_id) {
        (Some(journey), Some(state)) => session.state(journey, state)?,
        _ => None,
    };
    match (journey, state) {
        (Some(journey), Some(state)) => Ok((session, journey, state)),
        _ => Err(wrong_state(
            format!("session {id} is in no journey"),
            "It has no state to move from.".to_owned(),
            "Call parlant.enter_journey first.",
        )),
    }
}

/// As `inside`, of a walk that has not come to its end.
fn walking(id: Uuid) -> Result<(Session, Journey, State), ErrorReport> {
    let (session, journey, state) = inside(id)?;
    if state.is_final() {
        return Err(wrong_state(
            format!("session {id} has completed its journey"),
            place(&session, Some(&state))?,
            "Call parlant.enter_journey for another walk.",
        ));
    }
    Ok((session, journey, state))
}

/// Where the session is, for DETAIL.
fn place(session: &Session, known: Option<&State>) -> Result<String, ErrorReport> {
    let (Some(journey), Some(state)) = (session.journey_id, session.state_id) else {
        return Ok("It is in no journey now.".to_owned());
    };
    let name = match known {
        Some(state) => Some(state.name.clone()),
        None => session.state(journey, state)?.map(|state| state.name),
    };
    let title = session.journey(journey)?.map(|journey| journey.title).unwrap_or_default();
    Ok(format!("It is in state \"{}\" ({state}) of journey \"{title}\" ({journey}).", name.unwrap_or_default()))
}

/// The first of so many lines.
fn listed(first: impl IntoIterator<Item = String>, count: usize) -> String {
    let mut list = first.into_iter().collect::<Vec<_>>().join("; ");
    if count > MAX_SHOWN {
        list += &format!("; and {} more", count - MAX_SHOWN);
    }
    list + "."
}

fn wrong_state(message: String, detail: String, hint: &str) -> ErrorReport {
    error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message, detail, hint)
}

fn session_not_found(id: Uuid) -> ErrorReport {
    error(
        ERRCODE_NO_DATA_FOUND,
        format!("session {id} does not exist"),
        "No such session is visible to you.".to_owned(),
        "Check the id. It may also belong to a workspace that you cannot see.",
    )
}

pub(super) fn journey_not_found(id: Uuid) -> ErrorReport {
    error(
        ERRCODE_NO_DATA_FOUND,
        format!("journey {id} does not exist"),
        "No such journey is visible to you.".to_owned(),
        "Check the id. It may also belong to a workspace that you cannot see.",
    )
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    const WORLD: &str = r#"
        INSERT INTO parlant.parlant_agent (id, workspace_id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'w', 'a');
        INSERT INTO parlant.parlant_session (id, agent_id)
        VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001');
        CREATE TEMP TABLE journey AS SELECT parlant.create_journey('00000000-0000-4000-8000-000000000001', '{"title": "t",
            "states": [{"name": "ask", "type": "chat", "is_initial": true, "prompt": "?"}, {"name": "end", "type": "final"}],
            "transitions": [{"from": "ask", "to": "end", "condition": "age >= 18", "condition_kind": "expression"}]}') AS id;
        SELECT parlant.enter_journey('00000000-0000-4000-8000-000000000002', id) FROM journey"#;

    fn state(call: &str) -> Option<String> {
        Spi::get_one(&format!("SELECT state_name FROM parlant.{call}")).unwrap()
    }

    #[pg_test]
    fn a_session_advances_when_the_condition_holds() {
        Spi::run(WORLD).unwrap();
        let advanced = state(r#"advance_journey('00000000-0000-4000-8000-000000000002', variables => '{"age": 20}')"#);
        assert_eq!(advanced.as_deref(), Some("end"));
    }

    #[pg_test(error = "no way leads on from state \"ask\" now")]
    fn a_session_does_not_advance_when_nothing_holds() {
        Spi::run(WORLD).unwrap();
        state(r#"advance_journey('00000000-0000-4000-8000-000000000002', variables => '{"age": 2}')"#);
    }

    #[pg_test]
    fn a_state_is_skipped_and_revisited_and_left() {
        Spi::run(WORLD).unwrap();
        Spi::run(r#"UPDATE parlant.parlant_session SET variables = '{"age": 20}'"#).unwrap();
        let ask = "(SELECT id FROM parlant.parlant_journey_state WHERE name = 'ask')";
        let revisited = state(&format!("revisit_state('00000000-0000-4000-8000-000000000002', {ask})"));
        assert_eq!(revisited.as_deref(), Some("ask"));
        assert_eq!(state("skip_state('00000000-0000-4000-8000-000000000002')").as_deref(), Some("end"));
        assert_eq!(state("exit_journey('00000000-0000-4000-8000-000000000002')").as_deref(), Some("end"));
    }
}
