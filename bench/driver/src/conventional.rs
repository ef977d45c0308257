//! What applications do in the client today, on the tables of `bench/conventional/schema.sql`.

use crate::database::{Connection, Text};
use crate::random::Random;
use crate::{Result, Task};
use parlant_core::condition::{Condition, Outcome, Variables};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Statement};

const ENTER: &str = "SELECT set_config('role', 'application', true), set_config('app.user_id', 'user_1', true)";

/// A connection with the statements that a task prepared on it.
struct Prepared {
    connection: Connection,
    statements: HashMap<&'static str, Statement>,
    random: Random,
}

impl Prepared {
    fn new(client: u64, statements: &[&'static str]) -> Result<Prepared> {
        let connection = Connection::open()?;
        let mut prepared = HashMap::new();
        for sql in statements.iter().chain(&["BEGIN", ENTER, "COMMIT"]) {
            prepared.insert(*sql, connection.prepare(sql)?);
        }
        Ok(Prepared { connection, statements: prepared, random: Random::of(client) })
    }

    fn begin(&mut self) -> Result<()> {
        self.rows("BEGIN", &[])?;
        self.rows(ENTER, &[]).map(drop)
    }

    fn commit(&mut self) -> Result<()> {
        self.rows("COMMIT", &[]).map(drop)
    }

    fn rows(&mut self, sql: &'static str, values: &[&str]) -> Result<Vec<Row>> {
        let values: Vec<Text> = values.iter().map(|value| Text((*value).to_owned())).collect();
        Ok(self.connection.query(&self.statements[sql], &values)?)
    }

    fn row(&mut self, sql: &'static str, values: &[&str]) -> Result<Row> {
        Ok(self.rows(sql, values)?.pop().ok_or("a row is missing")?)
    }

    fn objects(&mut self, sql: &'static str, values: &[&str]) -> Result<Vec<Value>> {
        self.rows(sql, values)?.iter().map(object).collect()
    }

    /// One of the hundred sessions that `bench/setup/behaviour.sql` leads into a journey.
    fn session(&mut self) -> String {
        format!("00000000-0000-4000-8000-0001{:08}", 10 * self.random.between(1, 100))
    }
}

fn object(row: &Row) -> Result<Value> {
    let mut members = Map::new();
    for (place, column) in row.columns().iter().enumerate() {
        let value = match *column.type_() {
            Type::BOOL => json!(row.try_get::<_, Option<bool>>(place)?),
            Type::INT4 => json!(row.try_get::<_, Option<i32>>(place)?),
            Type::JSONB => row.try_get::<_, Option<Value>>(place)?.unwrap_or_default(),
            _ => json!(row.try_get::<_, Option<&str>>(place)?),
        };
        members.insert(column.name().to_owned(), value);
    }
    Ok(Value::Object(members))
}

/// Makes the transaction one that writes, as far as others can tell.
const WRITE: &str = "SELECT pg_current_xact_id()::text";
const SESSION: &str = "SELECT id::text, agent_id::text, customer_id, status, variables, current_journey_id::text,
    current_state_id::text, event_count, message_count, started_at::text, last_activity_at::text
    FROM conventional.session WHERE id = $1";
const AGENT: &str = "SELECT id::text, name, system_prompt FROM conventional.agent WHERE id = $1";
const JOURNEY: &str = "SELECT id::text, title FROM conventional.journey WHERE id = $1";
const STATE: &str = "SELECT id::text, name, state_type, prompt, is_final FROM conventional.journey_state WHERE id = $1";
const WAYS: &str =
    "SELECT transition.id::text AS transition_id, state.id::text AS to_state_id, state.name, state.state_type,
    state.prompt, state.is_final, transition.condition, transition.condition_kind, transition.priority
    FROM conventional.journey_transition AS transition
    JOIN conventional.journey_state AS state ON state.id = transition.to_state_id
    WHERE transition.from_state_id = $1 ORDER BY transition.priority DESC, transition.id";
const GUIDELINES: &str = "SELECT guideline.id::text, guideline.condition, guideline.action,
    coalesce(link.priority_override, guideline.priority) AS priority, guideline.tool_ids
    FROM conventional.guideline AS guideline
    LEFT JOIN conventional.journey_guideline AS link ON link.guideline_id = guideline.id AND link.journey_id = $2
    WHERE guideline.agent_id = $1 AND guideline.enabled ORDER BY 4 DESC, guideline.id";
const TOOLS: &str = "SELECT tool.id::text, tool.name, tool.description, tool.parameters, assignment.priority
    FROM conventional.agent_tool AS assignment JOIN conventional.tool AS tool ON tool.id = assignment.tool_id
    WHERE assignment.agent_id = $1 AND tool.enabled ORDER BY assignment.priority DESC, tool.id";
const VARIABLES: &str = "SELECT key, value FROM conventional.variable
    WHERE agent_id = $1 AND (session_id IS NULL OR session_id = $2)";
const EVENTS: &str = "SELECT \"offset\", id::text, event_type, content, metadata, tool_call_id, created_at::text
    FROM conventional.event WHERE session_id = $1 ORDER BY \"offset\" DESC LIMIT 20";
const TERMS: &str = "SELECT id::text, name, description, importance FROM conventional.term
    WHERE agent_id = $1 AND (strpos($2, lower(name)) > 0 OR EXISTS (
        SELECT FROM jsonb_array_elements_text(synonyms) AS synonym WHERE strpos($2, lower(synonym)) > 0))
    ORDER BY importance DESC, name LIMIT 100";
const CANNED_RESPONSES: &str = "SELECT response.id::text, response.template, response.category
    FROM conventional.canned_response AS response,
         CAST(replace(plainto_tsquery('english', $2)::text, '&', '|') AS tsquery) AS query
    WHERE response.agent_id = $1 AND response.enabled AND response.search @@ query
    ORDER BY ts_rank(response.search, query) DESC, response.priority DESC LIMIT 10";

/// The context of a session's next turn: a query for each part, and one document of them all.
pub(crate) struct Context {
    database: Prepared,
    writes_before: bool,
}

impl Context {
    pub(crate) fn new(client: u64, writes_before: bool) -> Result<Context> {
        let statements = [
            WRITE,
            SESSION,
            AGENT,
            JOURNEY,
            STATE,
            WAYS,
            GUIDELINES,
            TOOLS,
            VARIABLES,
            EVENTS,
            TERMS,
            CANNED_RESPONSES,
        ];
        Ok(Context { database: Prepared::new(client, &statements)?, writes_before })
    }

    fn document(&mut self) -> Result<String> {
        let database = &mut self.database;
        let id = database.session();
        database.begin()?;
        if self.writes_before {
            database.rows(WRITE, &[])?;
        }
        let session = object(&database.row(SESSION, &[&id])?)?;
        let part = |name: &str| session[name].as_str().unwrap_or_default();
        let (agent, journey, state) = (part("agent_id"), part("current_journey_id"), part("current_state_id"));
        let agent_document = object(&database.row(AGENT, &[agent])?)?;
        let mut journey_document = object(&database.row(JOURNEY, &[journey])?)?;
        journey_document["state"] = object(&database.row(STATE, &[state])?)?;
        journey_document["next_states"] = database.objects(WAYS, &[state])?.into();
        let guidelines = database.objects(GUIDELINES, &[agent, journey])?;
        let tools = database.objects(TOOLS, &[agent])?;
        let variables = database.objects(VARIABLES, &[agent, &id])?;
        let mut events = database.objects(EVENTS, &[&id])?;
        let messages: Vec<String> =
            events.iter().filter_map(|event| event["content"]["message"].as_str()).map(str::to_lowercase).collect();
        let last = messages.first().cloned().unwrap_or_default();
        events.reverse();
        let terms = database.objects(TERMS, &[agent, &messages.join("\n")])?;
        let canned_responses = database.objects(CANNED_RESPONSES, &[agent, &last])?;
        database.commit()?;
        let document = json!({
            "agent": agent_document, "journey": journey_document, "guidelines": guidelines, "tools": tools,
            "variables": variables, "terms": terms, "canned_responses": canned_responses, "events": events,
            "session": session,
        });
        Ok(document.to_string())
    }
}

impl Task for Context {
    fn perform(&mut self) -> Result<u64> {
        self.document().map(|_| 0)
    }
}

const POSITION: &str =
    "SELECT current_state_id::text, variables::text FROM conventional.session WHERE id = $1 FOR UPDATE";
const MOVE: &str = "UPDATE conventional.session SET current_state_id = $2 WHERE id = $1";
const NEXT_OFFSET: &str =
    "SELECT (coalesce(max(\"offset\"), -1) + 1)::text FROM conventional.event WHERE session_id = $1";
const LOG: &str = "INSERT INTO conventional.event (workspace_id, session_id, \"offset\", event_type, content)
    VALUES ('workspace_1', $1, $2, 'journey_transition', $3) RETURNING id::text";

/// A session's step in its journey: the client reads where it is and what leads on, judges the conditions, and writes.
pub(crate) struct Walk {
    database: Prepared,
    conditions: HashMap<String, Condition>,
}

impl Walk {
    pub(crate) fn new(client: u64) -> Result<Walk> {
        let statements = [POSITION, WAYS, MOVE, NEXT_OFFSET, LOG];
        Ok(Walk { database: Prepared::new(client, &statements)?, conditions: HashMap::new() })
    }

    fn holds(&mut self, text: &str, variables: &Variables) -> Result<bool> {
        if !self.conditions.contains_key(text) {
            let condition = Condition::compile(text).map_err(|error| error.to_string())?;
            self.conditions.insert(text.to_owned(), condition);
        }
        let outcome = self.conditions[text].evaluate(variables).map_err(|error| error.to_string())?;
        Ok(outcome == Outcome::Holds)
    }
}

impl Task for Walk {
    fn perform(&mut self) -> Result<u64> {
        let session = self.database.session();
        self.database.begin()?;
        let position = self.database.row(POSITION, &[&session])?;
        let (state, variables): (&str, &str) = (position.try_get(0)?, position.try_get(1)?);
        let variables = Variables::read(variables).map_err(|error| error.to_string())?;
        let mut taken = None;
        for way in self.database.rows(WAYS, &[state])? {
            if self.holds(way.try_get("condition")?, &variables)? {
                taken = Some(way);
                break;
            }
        }
        let way = taken.ok_or("no condition holds")?;
        let (goal, name): (&str, &str) = (way.try_get("to_state_id")?, way.try_get("name")?);
        let offset = self.database.row(NEXT_OFFSET, &[&session])?;
        let content = json!({"kind": "advance", "to": name, "transition_id": way.try_get::<_, &str>("transition_id")?});
        self.database.row(LOG, &[&session, offset.try_get(0)?, &content.to_string()])?;
        self.database.rows(MOVE, &[&session, goal])?;
        self.database.commit()?;
        Ok(0)
    }
}
