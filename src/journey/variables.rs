//! What conditions ask for, read name by name: each is what `parlant.condition_variables` has under that name.

use super::condition::refusal;
use super::rows::Session;
use super::source::VARIABLE_ROW;
use crate::context::CUSTOMER_ID;
use crate::find::{Key, Rows, Snapshot, Source, Unfound};
use crate::json::{Jsonb, JsonbDatum};
use parlant_core::condition::{Condition, ConditionError, Variables};
use parlant_core::jsonb::{self, Document, Node};
use pgrx::Uuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;

static SESSION_ROW: Source = Source {
    table: "parlant_session",
    index: c"parlant_session_workspace_key",
    columns: &[
        ("workspace_id", pg_sys::TEXTOID),
        ("id", pg_sys::UUIDOID),
        ("agent_id", pg_sys::UUIDOID),
        ("user_id", pg_sys::TEXTOID),
        ("customer_id", pg_sys::TEXTOID),
        ("mode", pg_sys::TEXTOID),
        ("title", pg_sys::TEXTOID),
        ("session_type", pg_sys::TEXTOID),
        ("locale", pg_sys::TEXTOID),
        ("timezone", pg_sys::TEXTOID),
        ("event_count", pg_sys::INT4OID),
        ("message_count", pg_sys::INT4OID),
        ("metadata", pg_sys::JSONBOID),
        ("tags", pg_sys::JSONBOID),
    ],
    keys: 2,
};

static EVENT_ROWS: Source = Source {
    table: "parlant_event",
    index: c"parlant_event_offset_key",
    columns: &[
        ("workspace_id", pg_sys::TEXTOID),
        ("session_id", pg_sys::UUIDOID),
        ("offset", pg_sys::INT4OID),
        ("event_type", pg_sys::TEXTOID),
        ("content", pg_sys::JSONBOID),
    ],
    keys: 3,
};

/// What the conditions of a walk have asked for so far.
pub(super) struct Asked {
    given: Option<JsonbDatum>,
    variables: Variables,
    names: HashSet<String>,
    /// All variables are there, whether they were asked for or not.
    is_all: bool,
    /// They are all as they were when the first was asked for.
    snapshot: Option<Snapshot>,
}

/// A session of which conditions may ask for itself and for what was said in it.
pub(crate) struct About<'a> {
    pub(crate) workspace_id: &'a str,
    pub(crate) session_id: Uuid,
    pub(crate) agent_id: Uuid,
}

/// Why a variable was not found out.
pub(super) enum Fault {
    Unfound(Unfound),
    Condition(ConditionError),
}

impl From<Unfound> for Fault {
    fn from(unfound: Unfound) -> Self {
        Fault::Unfound(unfound)
    }
}

impl From<ErrorReport> for Fault {
    fn from(error: ErrorReport) -> Self {
        Fault::Unfound(error.into())
    }
}

impl From<ConditionError> for Fault {
    fn from(error: ConditionError) -> Self {
        Fault::Condition(error)
    }
}

impl Asked {
    /// With variables that are given over those of the session.
    pub(super) fn with(given: Option<JsonbDatum>) -> Self {
        Asked { given, variables: Variables::default(), names: HashSet::new(), is_all: false, snapshot: None }
    }

    /// The variables of a session, among them all that an expression asks for.
    pub(super) fn by(
        &mut self,
        expression: &str,
        condition: &Condition,
        session: &Session,
    ) -> Result<&Variables, ErrorReport> {
        let new: Vec<_> = condition.names().filter(|name| !self.is_all && !self.names.contains(*name)).collect();
        // What is given is looked at in any case.
        if !new.is_empty() || (self.snapshot.is_none() && !self.is_all) {
            match self.find(&new, session) {
                Ok(()) => self.names.extend(new.into_iter().map(str::to_owned)),
                Err(Fault::Unfound(Unfound::Error(error))) => return Err(*error),
                Err(Fault::Condition(fault)) => return Err(refusal(expression, &fault)),
                Err(Fault::Unfound(Unfound::Query)) => {
                    let text = session.variables(self.given)?;
                    self.variables = Variables::read(&text).map_err(|fault| refusal(expression, &fault))?;
                    self.is_all = true;
                }
            }
        }
        Ok(&self.variables)
    }

    fn find(&mut self, names: &[&str], session: &Session) -> Result<(), Fault> {
        let rows = VARIABLE_ROW.finder()?;
        // SAFETY: the datum is that of an argument, which is a jsonb and not null.
        let given = self.given.and_then(|given| unsafe { Jsonb::from_datum(given.into_datum()?, false) });
        let own = session.own.as_ref().ok_or(Unfound::Query)?;
        let own_variables = own.variables.as_deref().map(|own| jsonb::Jsonb(own).root());
        let objects = [given.as_ref().map(Jsonb::root), own_variables];
        if objects.iter().flatten().any(|variables| variables.members().is_none()) {
            return Err(Unfound::Query.into());
        }
        self.snapshot.get_or_insert_with(Snapshot::taken);
        for name in names {
            let is_reserved = match *name {
                "session" => session.about().add_session(&mut self.variables)?,
                "journey" => self.add_journey(session)?,
                "message" => session.about().add_message(&mut self.variables)?,
                _ => false,
            };
            let in_given = given.as_ref().and_then(|given| given.root().get(name));
            if is_reserved {
                continue;
            } else if let Some(value) = in_given {
                self.variables.add(name, value)?;
                continue;
            }
            let row = |agent: Option<Uuid>, session_id: Option<Uuid>, customer: Option<&str>| {
                let workspace_id = Key::Text(&session.workspace_id);
                let id = |id: Option<Uuid>| id.map_or(Key::Null, Key::Uuid);
                let keys =
                    [workspace_id, id(agent), id(session_id), customer.map_or(Key::Null, Key::Text), Key::Text(name)];
                rows.first(&keys, |row| {
                    let is_known = !row.get::<bool>(6).unwrap_or(true) || !CUSTOMER_ID.is_set();
                    row.get::<Jsonb>(5).filter(|_| is_known).map(|value| value.source().to_vec())
                })
            };
            // The nearest value decides, also whether it is private: see `parlant.variables_of`.
            let agent = Some(session.agent_id);
            let nearest = row(agent, Some(session.id), None);
            if let Some(Some(value)) = &nearest {
                self.variables.add(name, jsonb::Jsonb(value).root())?;
            } else if let Some(value) = own_variables.and_then(|own| own.get(name)) {
                self.variables.add(name, value)?;
            } else if nearest.is_none() {
                let of_customer = own.customer_id.as_deref().and_then(|customer| row(agent, None, Some(customer)));
                let value = of_customer.or_else(|| row(agent, None, None)).or_else(|| row(None, None, None));
                if let Some(Some(value)) = value {
                    self.variables.add(name, jsonb::Jsonb(&value).root())?;
                }
            }
        }
        Ok(())
    }

    fn add_journey(&mut self, session: &Session) -> Result<bool, Fault> {
        let Some(journey) = session.journey_id.map(|id| session.journey(id)).transpose()?.flatten() else {
            return Ok(false);
        };
        let document = json!({"id": journey.id.to_string(), "title": journey.title});
        self.variables.add("journey", Node::Parsed(&document))?;
        Ok(true)
    }
}

impl About<'_> {
    pub(super) fn add_session(&self, variables: &mut Variables) -> Result<bool, Fault> {
        let finder = SESSION_ROW.finder()?;
        let keys = [Key::Text(self.workspace_id), Key::Uuid(self.session_id)];
        let text = |row: &Rows<'_>, column| row.get::<String>(column);
        let document = finder.first(&keys, |row| {
            let part = |column, absent: Value| row.get::<Jsonb>(column).map_or(Ok(absent), |part| part.value());
            Ok::<_, String>(json!({
                "id": self.session_id.to_string(), "agent_id": self.agent_id.to_string(), "user_id": text(row, 3),
                "customer_id": text(row, 4), "mode": text(row, 5), "title": text(row, 6),
                "metadata": part(12, json!({}))?, "session_type": text(row, 7), "tags": part(13, json!([]))?,
                "locale": text(row, 8), "timezone": text(row, 9), "event_count": row.get::<i32>(10),
                "message_count": row.get::<i32>(11),
            }))
        });
        let Some(Ok(document)) = document else { return Err(Unfound::Query.into()) };
        variables.add("session", Node::Parsed(&document))?;
        Ok(true)
    }

    /// The text of the last message of the customer.
    pub(super) fn add_message(&self, variables: &mut Variables) -> Result<bool, Fault> {
        let finder = EVENT_ROWS.finder()?;
        let keys = [Key::Text(self.workspace_id), Key::Uuid(self.session_id)];
        let mut rows = finder.rows(&keys, pg_sys::ScanDirection::BackwardScanDirection);
        while rows.advance() {
            if rows.get::<&str>(3) != Some("customer_message") {
                continue;
            }
            let content: Option<Jsonb> = rows.get(4);
            let text = content
                .as_ref()
                .and_then(|content| ["message", "text", "content"].iter().find_map(|name| content.root().get(name)));
            variables.add("message", text.unwrap_or(Node::Parsed(&Value::Null)))?;
            return Ok(true);
        }
        Ok(false)
    }
}
