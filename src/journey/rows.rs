//! The rows that walking reads and writes. Everything is asked for with its workspace, which the session gives.

use super::source::{JOURNEY_ROW, STATE_ROW, WAY_ROW};
use super::variables::About;
use crate::conversation::{Place, walk_directly};
use crate::direct::may_write;
use crate::error::internal;
use crate::find::{Finder, Key, Rows, Snapshot, Source};
use crate::json::{Jsonb, JsonbDatum};
use crate::statement::{kept, refuse_on_standby};
use parlant_core::jsonb::Document;
use pgrx::Uuid;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::BuiltinOid::{self, INT4OID, JSONBOID, TEXTOID, UUIDOID};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;
use serde_json::Value;
use std::cmp::Reverse;

const SESSION: &str = "
    SELECT id, workspace_id, agent_id, status::text, current_journey_id, current_state_id, event_count
    FROM parlant.parlant_session WHERE id = $1";

const LOCKED_SESSION: &str = "
    SELECT id, workspace_id, agent_id, status::text, current_journey_id, current_state_id, event_count
    FROM parlant.parlant_session WHERE id = $1 FOR NO KEY UPDATE";

const HOP_SINCE: &str = "
    SELECT FROM parlant.parlant_event
    WHERE workspace_id = $1 AND session_id = $2 AND \"offset\" >= $3 AND event_type = 'journey_transition'";

const JOURNEY: &str = "
    SELECT id, agent_id, title, enabled, allow_skipping, allow_revisiting
    FROM parlant.parlant_journey WHERE workspace_id = $1 AND id = $2";

const FAULTS: &str = "
    SELECT code, message FROM parlant.validate_journey($1) WHERE severity = 'error'";

const STATE: &str = "
    SELECT id, name, state_type::text, chat_prompt, tool_id, allow_skip
    FROM parlant.parlant_journey_state WHERE workspace_id = $1 AND journey_id = $2 AND id = $3";

const INITIAL_STATE: &str = "
    SELECT id, name, state_type::text, chat_prompt, tool_id, allow_skip
    FROM parlant.parlant_journey_state WHERE workspace_id = $1 AND journey_id = $2 AND is_initial";

/// In the order of an index, best first.
const WAYS: &str = "
    SELECT to_state_id, id, condition, condition_kind FROM parlant.parlant_journey_transition
    WHERE workspace_id = $1 AND journey_id = $2 AND from_state_id = $3
    ORDER BY priority DESC, created_at, id";

/// In the walk that the session is on: since it last entered a journey.
const VISITED: &str = "
    SELECT FROM parlant.parlant_event
    WHERE workspace_id = $1 AND session_id = $2 AND event_type = 'journey_transition'
      AND journey_id = $3 AND state_id = $4
      AND \"offset\" >= (SELECT \"offset\" FROM parlant.parlant_event
                       WHERE workspace_id = $1 AND session_id = $2 AND event_type = 'journey_transition'
                         AND content @> '{\"kind\": \"enter\"}'
                       ORDER BY \"offset\" DESC LIMIT 1)
    LIMIT 1";

const VARIABLES: &str = "SELECT parlant.condition_variables($1, $2)::text";

const MOVE: &str = "
    UPDATE parlant.parlant_session SET current_journey_id = $3, current_state_id = $4
    WHERE workspace_id = $1 AND id = $2";

const APPEND: &str = "
    INSERT INTO parlant.parlant_event (workspace_id, session_id, event_type, content, journey_id, state_id)
    VALUES ($1, $2, 'journey_transition', $3::jsonb, $4, $5)";

// The same rows where no query is needed to find them.

static SESSION_ROW: Source = Source {
    table: "parlant_session",
    index: c"parlant_session_pkey",
    columns: &[
        ("id", pg_sys::UUIDOID),
        ("workspace_id", pg_sys::TEXTOID),
        ("agent_id", pg_sys::UUIDOID),
        ("status", pg_sys::TEXTOID),
        ("current_journey_id", pg_sys::UUIDOID),
        ("current_state_id", pg_sys::UUIDOID),
        ("event_count", pg_sys::INT4OID),
        ("customer_id", pg_sys::TEXTOID),
        ("variables", pg_sys::JSONBOID),
    ],
    keys: 1,
};

pub(super) struct Session {
    pub(super) id: Uuid,
    pub(super) workspace_id: String,
    pub(super) agent_id: Uuid,
    pub(super) status: String,
    pub(super) journey_id: Option<Uuid>,
    pub(super) state_id: Option<Uuid>,
    event_count: i32,
    /// Where no query was needed to find it.
    pub(super) own: Option<Own>,
}

/// What conditions may ask for of a session itself.
pub(super) struct Own {
    pub(super) customer_id: Option<String>,
    pub(super) variables: Option<Vec<u8>>,
}

pub(super) struct Journey {
    pub(super) id: Uuid,
    pub(super) agent_id: Uuid,
    pub(super) title: String,
    pub(super) enabled: bool,
    pub(super) allow_skipping: bool,
    pub(super) allow_revisiting: bool,
}

#[derive(Clone)]
pub(super) struct State {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) state_type: String,
    pub(super) prompt: Option<String>,
    pub(super) tool_id: Option<String>,
    pub(super) allow_skip: bool,
}

impl State {
    pub(super) fn is_final(&self) -> bool {
        self.state_type == "final"
    }
}

/// A transition, seen from the state that it leaves.
pub(super) struct Way {
    pub(super) to: Uuid,
    pub(super) id: Uuid,
    pub(super) condition: Option<String>,
    pub(super) is_expression: bool,
}

impl Session {
    /// The session as it is before its row is locked, and after; none of the first that the caller cannot see, none of
    /// the second that the caller may not change. The lock is the one of walking, and of all that happens in a session.
    pub(super) fn locked(id: Uuid) -> Result<Option<(Session, Option<Session>)>, ErrorReport> {
        refuse_on_standby();
        if let Some(finder) = Finder::of(&SESSION_ROW)?.filter(|finder| is_plain() && finder.may_update()) {
            let _snapshot = Snapshot::taken();
            let mut rows = finder.rows(&[Key::Uuid(id)], pg_sys::ScanDirection::ForwardScanDirection);
            let Some(before) = rows.advance().then(|| found_session(&rows)).flatten() else { return Ok(None) };
            match rows.lock() {
                Some(true) => {
                    let session = found_session(&rows).filter(|session| session.id == id);
                    return Ok(Some((before, session)));
                }
                Some(false) => return Ok(Some((before, None))),
                None => {}
            }
        }
        let Some(before) = one(SESSION, &[UUIDOID], &[id.into()], session)? else { return Ok(None) };
        Ok(Some((before, one(LOCKED_SESSION, &[UUIDOID], &[id.into()], session)?)))
    }

    /// Whether it has moved on from what `before` shows, be it to where it was.
    pub(super) fn has_moved_since(&self, before: &Session) -> Result<bool, ErrorReport> {
        if (self.journey_id, self.state_id) != (before.journey_id, before.state_id) {
            return Ok(true);
        }
        if self.event_count == before.event_count {
            return Ok(false);
        }
        let values = [self.workspace_id.as_str().into(), self.id.into(), before.event_count.into()];
        exists(HOP_SINCE, &[TEXTOID, UUIDOID, INT4OID], &values)
    }

    pub(super) fn about(&self) -> About<'_> {
        About { workspace_id: &self.workspace_id, session_id: self.id, agent_id: self.agent_id }
    }

    pub(super) fn journey(&self, id: Uuid) -> Result<Option<Journey>, ErrorReport> {
        if let Some(finder) = Finder::of(&JOURNEY_ROW)? {
            let _snapshot = Snapshot::taken();
            return Ok(finder.first(&self.journey_keys(id), found_journey).flatten());
        }
        one(JOURNEY, &[TEXTOID, UUIDOID], &[self.workspace_id.as_str().into(), id.into()], |row| {
            Ok(Journey {
                id: get(row, 1)?,
                agent_id: get(row, 2)?,
                title: get(row, 3)?,
                enabled: get(row, 4)?,
                allow_skipping: get(row, 5)?,
                allow_revisiting: get(row, 6)?,
            })
        })
    }

    pub(super) fn state(&self, journey: Uuid, id: Uuid) -> Result<Option<State>, ErrorReport> {
        if let Some(finder) = Finder::of(&STATE_ROW)? {
            let _snapshot = Snapshot::taken();
            return Ok(finder.first(&self.state_keys(journey, id), found_state).flatten());
        }
        let values = [self.workspace_id.as_str().into(), journey.into(), id.into()];
        one(STATE, &[TEXTOID, UUIDOID, UUIDOID], &values, state)
    }

    pub(super) fn initial_state(&self, journey: Uuid) -> Result<Option<State>, ErrorReport> {
        one(INITIAL_STATE, &[TEXTOID, UUIDOID], &[self.workspace_id.as_str().into(), journey.into()], state)
    }

    pub(super) fn ways(&self, journey: Uuid, from: Uuid) -> Result<Vec<Way>, ErrorReport> {
        if let Some(finder) = Finder::of(&WAY_ROW)? {
            let _snapshot = Snapshot::taken();
            return Ok(self.found_ways(&finder, journey, from));
        }
        let values = [self.workspace_id.as_str().into(), journey.into(), from.into()];
        all(WAYS, &[TEXTOID, UUIDOID, UUIDOID], &values, |row| {
            Ok(Way {
                to: get(row, 1)?,
                id: get(row, 2)?,
                condition: maybe(row, 3)?,
                is_expression: get::<String>(row, 4)? == "expression",
            })
        })
    }

    pub(super) fn has_visited(&self, journey: Uuid, state: Uuid) -> Result<bool, ErrorReport> {
        let values = [self.workspace_id.as_str().into(), self.id.into(), journey.into(), state.into()];
        exists(VISITED, &[TEXTOID, UUIDOID, UUIDOID, UUIDOID], &values)
    }

    /// The JSON text of what conditions can ask for.
    pub(super) fn variables(&self, given: Option<JsonbDatum>) -> Result<String, ErrorReport> {
        let text = one(VARIABLES, &[UUIDOID, JSONBOID], &[self.id.into(), given.into()], |row| maybe(row, 1))?;
        Ok(text.flatten().unwrap_or_else(|| "{}".to_owned()))
    }

    /// Writes where the session is now, then what happened on the way there: each hop with the state to which it led.
    pub(super) fn walk(&self, to: Place, hops: &[(&Value, Place)]) -> Result<(), ErrorReport> {
        if self.is_kept(to)? && walk_directly(self.id, to, hops)? {
            return Ok(());
        }
        let values = [self.workspace_id.as_str().into(), self.id.into(), to.journey_id.into(), to.state_id.into()];
        run(MOVE, &[TEXTOID, UUIDOID, UUIDOID, UUIDOID], &values)?;
        for (content, place) in hops {
            let values = [
                self.workspace_id.as_str().into(),
                self.id.into(),
                content.to_string().into(),
                place.journey_id.into(),
                place.state_id.into(),
            ];
            run(APPEND, &[TEXTOID, UUIDOID, TEXTOID, UUIDOID, UUIDOID], &values)?;
        }
        Ok(())
    }

    /// Whether a place is sure to be there until the transaction ends. Its keys are locked for that as foreign keys do
    /// it; where that is not plain, they do it themselves.
    fn is_kept(&self, place: Place) -> Result<bool, ErrorReport> {
        if !is_plain() {
            return Ok(false);
        }
        let (Some(journey), Some(state)) = (place.journey_id, place.state_id) else { return Ok(true) };
        if (self.journey_id, self.state_id) == (place.journey_id, place.state_id) {
            return Ok(true);
        }
        let (Some(journeys), Some(states)) = (Finder::of(&JOURNEY_ROW)?, Finder::of(&STATE_ROW)?) else {
            return Ok(false);
        };
        let _snapshot = Snapshot::taken();
        let journey_is_kept = self.journey_id == Some(journey) || journeys.lock_key(&self.journey_keys(journey));
        Ok(journey_is_kept && states.lock_key(&self.state_keys(journey, state)))
    }

    fn journey_keys(&self, id: Uuid) -> [Key<'_>; 2] {
        [Key::Text(&self.workspace_id), Key::Uuid(id)]
    }

    fn state_keys(&self, journey: Uuid, id: Uuid) -> [Key<'_>; 3] {
        [Key::Text(&self.workspace_id), Key::Uuid(journey), Key::Uuid(id)]
    }

    fn found_ways(&self, finder: &Finder, journey: Uuid, from: Uuid) -> Vec<Way> {
        let mut ways = Vec::new();
        let mut rows = finder.rows(&self.state_keys(journey, from), pg_sys::ScanDirection::ForwardScanDirection);
        while rows.advance() {
            let (Some(to), Some(id)) = (rows.get(3), rows.get::<Uuid>(5)) else { continue };
            let order = (Reverse(rows.get::<i32>(8)), rows.get::<i64>(4), *id.as_bytes());
            let is_expression = rows.get::<String>(7).is_some_and(|kind| kind == "expression");
            ways.push((order, Way { to, id, condition: rows.get(6), is_expression }));
        }
        ways.sort_by_key(|(order, _)| *order);
        ways.into_iter().map(|(_, way)| way).collect()
    }
}

/// Whether the transaction may write, and sees what others commit meanwhile: where one snapshot is for all of it, SQL
/// tells what comes too late.
fn is_plain() -> bool {
    // SAFETY: reads a number of the transaction that runs.
    may_write() && unsafe { pg_sys::XactIsoLevel } < pg_sys::XACT_REPEATABLE_READ.cast_signed()
}

fn found_session(row: &Rows<'_>) -> Option<Session> {
    Some(Session {
        id: row.get(0)?,
        workspace_id: row.get(1)?,
        agent_id: row.get(2)?,
        status: row.get(3)?,
        journey_id: row.get(4),
        state_id: row.get(5),
        event_count: row.get(6)?,
        own: Some(Own {
            customer_id: row.get(7),
            variables: row.get::<Jsonb>(8).map(|variables| variables.source().to_vec()),
        }),
    })
}

fn found_journey(row: &Rows<'_>) -> Option<Journey> {
    Some(Journey {
        id: row.get(1)?,
        agent_id: row.get(7)?,
        title: row.get(3)?,
        enabled: row.get(8)?,
        allow_skipping: row.get(5)?,
        allow_revisiting: row.get(6)?,
    })
}

fn found_state(row: &Rows<'_>) -> Option<State> {
    Some(State {
        id: row.get(2)?,
        name: row.get(4)?,
        state_type: row.get(5)?,
        prompt: row.get(6),
        tool_id: row.get(7),
        allow_skip: row.get(11)?,
    })
}

impl Journey {
    /// What keeps sessions from entering it, as code and message.
    pub(super) fn faults(&self) -> Result<Vec<(String, String)>, ErrorReport> {
        all(FAULTS, &[UUIDOID], &[self.id.into()], |row| Ok((get(row, 1)?, get(row, 2)?)))
    }
}

fn session(row: &SpiHeapTupleData<'_>) -> Result<Session, ErrorReport> {
    Ok(Session {
        id: get(row, 1)?,
        workspace_id: get(row, 2)?,
        agent_id: get(row, 3)?,
        status: get(row, 4)?,
        journey_id: maybe(row, 5)?,
        state_id: maybe(row, 6)?,
        event_count: get(row, 7)?,
        own: None,
    })
}

fn state(row: &SpiHeapTupleData<'_>) -> Result<State, ErrorReport> {
    Ok(State {
        id: get(row, 1)?,
        name: get(row, 2)?,
        state_type: get(row, 3)?,
        prompt: maybe(row, 4)?,
        tool_id: maybe(row, 5)?,
        allow_skip: get(row, 6)?,
    })
}

fn maybe<T: FromDatum + IntoDatum>(row: &SpiHeapTupleData<'_>, column: usize) -> Result<Option<T>, ErrorReport> {
    row.get(column).map_err(internal)
}

fn get<T: FromDatum + IntoDatum>(row: &SpiHeapTupleData<'_>, column: usize) -> Result<T, ErrorReport> {
    maybe(row, column)?.ok_or_else(|| internal(format!("column {column} is NULL")))
}

fn all<T>(
    sql: &str,
    types: &[BuiltinOid],
    values: &[DatumWithOid<'_>],
    mut read: impl FnMut(&SpiHeapTupleData<'_>) -> Result<T, ErrorReport>,
) -> Result<Vec<T>, ErrorReport> {
    refuse_on_standby();
    Spi::connect_mut(|client| {
        let plan = kept(client, sql, types)?;
        let mut found = Vec::new();
        // `update`, not `select`: each statement sees what was committed, and what this call has done, before it.
        for row in client.update(plan, None, values).map_err(internal)? {
            found.push(read(&row)?);
        }
        Ok(found)
    })
}

fn one<T>(
    sql: &str,
    types: &[BuiltinOid],
    values: &[DatumWithOid<'_>],
    read: impl FnMut(&SpiHeapTupleData<'_>) -> Result<T, ErrorReport>,
) -> Result<Option<T>, ErrorReport> {
    Ok(all(sql, types, values, read)?.into_iter().next())
}

fn exists(sql: &str, types: &[BuiltinOid], values: &[DatumWithOid<'_>]) -> Result<bool, ErrorReport> {
    Ok(!all(sql, types, values, |_| Ok(()))?.is_empty())
}

fn run(sql: &str, types: &[BuiltinOid], values: &[DatumWithOid<'_>]) -> Result<(), ErrorReport> {
    exists(sql, types, values).map(drop)
}
