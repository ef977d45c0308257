//! The row of a session: the only lock of a conversation. It is written as the owner of its table, because customers
//! may append events and may not update sessions.

use crate::context::{CUSTOMER_ID, WORKSPACE_ID};
use crate::error::{error, internal};
use crate::owner::as_owner_of;
use crate::privilege::is_restricted;
use crate::statement::kept;
use crate::table::our_table_to_write;
use pgrx::PgSqlErrorCode::ERRCODE_NO_DATA_FOUND;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::BuiltinOid::{INT4OID, INT8OID, TEXTOID, UUIDOID};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiTupleTable;
use pgrx::{PgRelation, Uuid};
use std::cell::Cell;

use super::counter::{self, Counted, Place, Restrictions};
use super::ledger::{Numbered, Tally};

/// `last_activity_at` is in an index, which most events need not pay for: it moves by at least this much.
const COUNT_UP: &str = "
    UPDATE parlant.parlant_session AS session
    SET event_count = event_count + $2,
        message_count = message_count + $3,
        tokens_used = (tokens_used + $4)::integer,
        cost = (cost + $5)::integer,
        last_activity_at = CASE WHEN last_activity_at < pg_catalog.timezone('utc', pg_catalog.now()) - interval '1 minute'
                                THEN pg_catalog.timezone('utc', pg_catalog.now()) ELSE last_activity_at END,
        updated_at = pg_catalog.timezone('utc', pg_catalog.now())";

const TABLE: &str = "parlant_session";

/// Which sessions the current role may write events to.
pub(super) struct Reach {
    table: PgRelation,
    workspace_id: Option<String>,
    customer_id: Option<String>,
}

impl Reach {
    /// `None` where the role sees no session at all.
    pub(super) fn of_current_role() -> Result<Option<Self>, ErrorReport> {
        let table = our_table_to_write(TABLE)?;
        if !is_restricted(&table) {
            return Ok(Some(Reach { table, workspace_id: None, customer_id: None }));
        }
        let workspace_id = WORKSPACE_ID.get();
        Ok(workspace_id.map(|id| Reach { table, workspace_id: Some(id), customer_id: CUSTOMER_ID.get() }))
    }

    /// Adds to the session's row, waiting for whoever holds it. `None` if there is no such session.
    pub(super) fn count_first(&self, session: Uuid, tally: Tally) -> Result<Option<Numbered>, ErrorReport> {
        match self.count_without_a_query(session, tally, None) {
            Counted::Row(numbered) => return Ok(Some(numbered)),
            Counted::NoRow => return Ok(None),
            Counted::Undone => {}
        }
        let sql = format!(
            "{COUNT_UP} WHERE {} RETURNING event_count - $2, workspace_id, status::text, mode::text, \
             current_journey_id, current_state_id",
            self.condition(5)
        );
        self.run(session, Some(tally), &sql, |rows| {
            if rows.is_empty() {
                return Ok(None);
            }
            let row = rows.first();
            let text = |column| row.get::<String>(column).map_err(internal).map(Option::unwrap_or_default);
            let next = row.get::<i32>(1).map_err(internal)?.unwrap_or_default();
            let mut numbered = Numbered::new(text(2)?, text(3)?, text(4)?, next);
            numbered.journey_id = row.get(5).map_err(internal)?;
            numbered.state_id = row.get(6).map_err(internal)?;
            Ok(Some(numbered))
        })
    }

    /// Adds to the row of a session that this transaction holds, if it is still there.
    pub(super) fn count_rest(&self, session: Uuid, tally: Tally) -> Result<(), ErrorReport> {
        if !matches!(self.count_without_a_query(session, tally, None), Counted::Undone) {
            return Ok(());
        }
        let sql = format!("{COUNT_UP} WHERE {}", self.condition(5));
        self.run(session, Some(tally), &sql, |_| Ok(()))
    }

    fn count_without_a_query(&self, session: Uuid, tally: Tally, to: Option<Place>) -> Counted {
        let within =
            Restrictions { workspace_id: self.workspace_id.as_deref(), customer_id: self.customer_id.as_deref() };
        counter::count(&self.table, session, &within, tally, to)
    }

    /// Moves the session to a place that is there, and counts what led there. None, and nothing done, where that is not
    /// plainly allowed, or not all there is to do.
    pub(super) fn move_without_a_query(&self, session: Uuid, tally: Tally, to: Place) -> Option<Numbered> {
        match self.count_without_a_query(session, tally, Some(to)) {
            Counted::Row(numbered) => Some(numbered),
            Counted::NoRow | Counted::Undone => None,
        }
    }

    /// Locks the session's row unless another transaction holds it.
    pub(super) fn try_lock(&self, session: Uuid) -> Result<bool, ErrorReport> {
        let sql = format!(
            "SELECT FROM parlant.parlant_session AS session WHERE {} FOR NO KEY UPDATE SKIP LOCKED",
            self.condition(1)
        );
        self.run(session, None, &sql, |rows| Ok(!rows.is_empty()))
    }

    /// Locks the session's row, waiting for whoever holds it.
    pub(super) fn lock(&self, session: Uuid) -> Result<bool, ErrorReport> {
        let sql =
            format!("SELECT FROM parlant.parlant_session AS session WHERE {} FOR NO KEY UPDATE", self.condition(1));
        self.run(session, None, &sql, |rows| Ok(!rows.is_empty()))
    }

    pub(super) fn exists(&self, session: Uuid) -> Result<bool, ErrorReport> {
        let sql = format!("SELECT FROM parlant.parlant_session AS session WHERE {}", self.condition(1));
        self.run(session, None, &sql, |rows| Ok(!rows.is_empty()))
    }

    /// Whether the session has an event before this that calls a tool under this id.
    pub(super) fn has_tool_call(&self, session: Uuid, workspace_id: &str, id: &str) -> Result<bool, ErrorReport> {
        const CALL: &str = "SELECT FROM parlant.parlant_event
            WHERE workspace_id = $1 AND session_id = $2 AND tool_call_id = $3 AND event_type::text = 'tool_call'";
        as_owner_of(&self.table, || {
            Spi::connect_mut(|client| {
                let plan = kept(client, CALL, &[TEXTOID, UUIDOID, TEXTOID])?;
                // `update`, not `select`: it sees the events that the same statement has made.
                let found = client.update(plan, Some(1), &[workspace_id.into(), session.into(), id.into()]);
                Ok(!found.map_err(internal)?.is_empty())
            })
        })
    }

    /// Names the session, and what restricts the role, before a lock is waited for: nobody waits for, or learns of, a
    /// session that they cannot see. `given` is the number of parameters besides these.
    fn condition(&self, given: usize) -> String {
        let mut condition = "session.id = $1".to_owned();
        let restrictions = [("workspace_id", &self.workspace_id), ("customer_id", &self.customer_id)];
        for (n, (column, _)) in restrictions.iter().filter(|(_, value)| value.is_some()).enumerate() {
            condition += &format!(" AND session.{column} = ${}", given + 1 + n);
        }
        condition
    }

    fn run<T>(
        &self,
        session: Uuid,
        tally: Option<Tally>,
        sql: &str,
        read: impl FnOnce(SpiTupleTable<'_>) -> Result<T, ErrorReport>,
    ) -> Result<T, ErrorReport> {
        let mut types = vec![UUIDOID];
        let mut values: Vec<DatumWithOid> = vec![session.into()];
        if let Some(tally) = tally {
            types.extend([INT4OID, INT4OID, INT8OID, INT8OID]);
            values.extend([tally.events.into(), tally.messages.into(), tally.tokens.into(), tally.cost.into()]);
        }
        for text in [&self.workspace_id, &self.customer_id].into_iter().flatten() {
            types.push(TEXTOID);
            values.push(text.as_str().into());
        }
        as_owner_of(&self.table, || {
            let _counting = Counting::begin(Writing::One(session));
            Spi::connect_mut(|client| {
                let plan = kept(client, sql, &types)?;
                read(client.update(plan, None, &values).map_err(internal)?)
            })
        })
    }
}

/// While it lives, updates of these sessions' rows are the sequencer's own.
struct Counting(Writing);

#[derive(Clone, Copy, PartialEq)]
enum Writing {
    None,
    One(Uuid),
    All,
}

thread_local! {
    static COUNTED: Cell<Writing> = const { Cell::new(Writing::None) };
}

impl Counting {
    fn begin(counted: Writing) -> Self {
        Counting(COUNTED.replace(counted))
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        COUNTED.set(self.0);
    }
}

/// Whether the row of this session is being written by the sequencer.
pub(super) fn is_counting(session: Uuid) -> bool {
    matches!(COUNTED.get(), Writing::All) || COUNTED.get() == Writing::One(session)
}

/// The error for a session that is not there, or not visible, which look the same.
pub(super) fn unknown_session(session: Uuid) -> ErrorReport {
    error(
        ERRCODE_NO_DATA_FOUND,
        format!("session {session} does not exist"),
        "No session that you can see has this id.".to_owned(),
        "Check the id, and that the transaction has entered the workspace of the session.",
    )
}

/// Sets the counters of all sessions from the log, where nothing has kept them: the tables come from an earlier
/// version, or were written while the extension was dropped.
pub(crate) fn recount() -> Result<(), ErrorReport> {
    const RECOUNT: &str = "
        UPDATE parlant.parlant_session AS session
        SET event_count = log.events, message_count = log.messages
        FROM (SELECT workspace_id, session_id, max(\"offset\") + 1 AS events,
                     count(*) FILTER (WHERE event_type IN ('customer_message', 'agent_message'))::integer AS messages
              FROM parlant.parlant_event GROUP BY 1, 2) AS log
        WHERE session.workspace_id = log.workspace_id AND session.id = log.session_id
          AND (session.event_count, session.message_count) <> (log.events, log.messages)";
    as_owner_of(&our_table_to_write(TABLE)?, || {
        let _counting = Counting::begin(Writing::All);
        Spi::connect_mut(|client| client.update(RECOUNT, None, &[]).map_err(internal).map(|_| ()))
    })
}
