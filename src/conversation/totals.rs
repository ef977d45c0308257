//! Totals of agents outlive the sessions that they are made of.

use crate::error::internal;
use crate::owner::as_owner_of;
use crate::statement::kept;
use crate::transition::Transition;
use pgrx::pg_sys::BuiltinOid::{INT8OID, TEXTOID, UUIDOID};
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;
use pgrx::{AllocatedByPostgres, PgRelation, Uuid};
use std::collections::BTreeMap;

const KEEP: &str = "
    UPDATE parlant.parlant_agent
    SET total_of_deleted_sessions = total_of_deleted_sessions || pg_catalog.jsonb_build_object(
            'sessions', coalesce((total_of_deleted_sessions ->> 'sessions')::bigint, 0) + $3,
            'messages', coalesce((total_of_deleted_sessions ->> 'messages')::bigint, 0) + $4,
            'tokens', coalesce((total_of_deleted_sessions ->> 'tokens')::bigint, 0) + $5,
            'cost', coalesce((total_of_deleted_sessions ->> 'cost')::bigint, 0) + $6,
            'ended', coalesce((total_of_deleted_sessions ->> 'ended')::bigint, 0) + $7,
            'seconds', coalesce((total_of_deleted_sessions ->> 'seconds')::bigint, 0) + $8)
    WHERE workspace_id = $1 AND id = $2";

/// `AFTER DELETE` statement trigger of sessions. It writes to the rows of agents, which no conversation waits for.
#[pg_trigger(sql = false)]
#[allow(clippy::unnecessary_wraps, reason = "triggers return results")]
fn keep_totals<'a>(trigger: &'a PgTrigger<'a>) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, ErrorReport> {
    keep(trigger).unwrap_or_report();
    Ok(None)
}

#[derive(Default)]
struct Sum {
    sessions: i64,
    messages: i64,
    tokens: i64,
    cost: i64,
    ended: i64,
    microseconds: i64,
}

fn keep(trigger: &PgTrigger<'_>) -> Result<(), ErrorReport> {
    let agents = sums(trigger)?;
    if agents.is_empty() {
        return Ok(());
    }
    let table = PgRelation::open_with_name_and_share_lock("parlant.parlant_agent").map_err(internal)?;
    // In the order of their keys, so that two such statements cannot end in a deadlock.
    for ((workspace_id, agent_id), sum) in agents {
        let values = [sum.sessions, sum.messages, sum.tokens, sum.cost, sum.ended, sum.microseconds / 1_000_000];
        as_owner_of(&table, || {
            Spi::connect_mut(|client| {
                let types = [TEXTOID, UUIDOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID];
                let plan = kept(client, KEEP, &types)?;
                let mut arguments = vec![workspace_id.into(), Uuid::from_bytes(agent_id).into()];
                arguments.extend(values.into_iter().map(Into::into));
                client.update(plan, None, &arguments).map_err(internal).map(|_| ())
            })
        })?;
    }
    Ok(())
}

fn sums(trigger: &PgTrigger<'_>) -> Result<BTreeMap<(String, [u8; 16]), Sum>, ErrorReport> {
    let columns = ["workspace_id", "agent_id", "message_count", "tokens_used", "cost", "started_at", "ended_at"];
    let mut rows = Transition::old_rows(trigger, columns)?;
    let mut agents: BTreeMap<(String, [u8; 16]), Sum> = BTreeMap::new();
    while rows.advance() {
        let (Some(workspace_id), Some(agent_id)) = (rows.get::<String>(0), rows.get::<Uuid>(1)) else {
            return Err(internal("a session without workspace or agent"));
        };
        let number = |place| i64::from(rows.get::<i32>(place).unwrap_or_default());
        let sum = agents.entry((workspace_id, *agent_id.as_bytes())).or_default();
        sum.sessions += 1;
        sum.messages += number(2);
        sum.tokens += number(3);
        sum.cost += number(4);
        if let (Some(start), Some(end)) = (rows.get::<Timestamp>(5), rows.get::<Timestamp>(6)) {
            let (start, end): (pg_sys::Timestamp, pg_sys::Timestamp) = (start.into(), end.into());
            sum.ended += 1;
            sum.microseconds = sum.microseconds.saturating_add(end.saturating_sub(start));
        }
    }
    Ok(agents)
}
