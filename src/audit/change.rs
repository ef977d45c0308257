//! The trigger function `parlant.audit_change`, called for each row that changed, and then for the statement.

use super::column::Column;
use super::entry::{Action, Entry};
use super::pending;
use crate::changes::changes_of;
use crate::error::internal;
use crate::json::JsonbMade;
use parlant_core::jsonb::Tree;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::pg_sys::{Datum, FunctionCallInfo, Oid};
use pgrx::prelude::*;
use pgrx::{PgRelation, trigger_support};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Says to PostgreSQL how it calls the function.
#[unsafe(no_mangle)]
extern "C" fn pg_finfo_audit_change() -> *const pg_sys::Pg_finfo_record {
    static RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &raw const RECORD
}

/// `AFTER` trigger for rows and for statements. It is called as from C, since pgrx would ask the catalog and copy the
/// row for each call.
///
/// # Safety
/// PostgreSQL calls it as a trigger function.
#[unsafe(no_mangle)]
#[pg_guard]
unsafe extern "C-unwind" fn audit_change(call: FunctionCallInfo) -> Datum {
    // SAFETY: PostgreSQL calls it; a trigger's context is its data, whose relation is open while it runs.
    unsafe {
        if !trigger_support::called_as_trigger(call) {
            Err(internal("audit_change was not called by a trigger")).unwrap_or_report()
        }
        let trigger = &*(*call).context.cast::<pg_sys::TriggerData>();
        if trigger_support::trigger_fired_for_statement(trigger.tg_event) {
            let table = PgRelation::from_pg(trigger.tg_relation);
            pending::write(&table, Event::of(trigger)).unwrap_or_report();
        } else if trigger_support::trigger_fired_after(trigger.tg_event) {
            note(trigger).unwrap_or_report();
        } else {
            Err(internal("audit_change is for triggers that fire after the change")).unwrap_or_report()
        }
    }
    Datum::null()
}

/// What happens to the rows of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Insert,
    Update,
    Delete,
}

impl Event {
    fn of(trigger: &pg_sys::TriggerData) -> Self {
        match trigger.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Event::Insert,
            pg_sys::TRIGGER_EVENT_DELETE => Event::Delete,
            _ => Event::Update,
        }
    }
}

/// Notes what the log says of a row. One whose key was changed is one that went and one that came.
///
/// # Safety
/// It is the data of a trigger for a row, after its change.
unsafe fn note(trigger: &pg_sys::TriggerData) -> Result<(), ErrorReport> {
    // SAFETY: as the caller promises.
    let relation = unsafe { PgRelation::from_pg(trigger.tg_relation) };
    let table = Table::of(&relation)?;
    let event = Event::of(trigger);
    // SAFETY: the slots hold rows of the table: the only one, or the old and the new one.
    unsafe {
        let row = Row::of(trigger.tg_trigslot);
        let (old, new) = match event {
            Event::Insert => (None, Some(row)),
            Event::Delete => (Some(row), None),
            Event::Update => (Some(row), Some(Row::of(trigger.tg_newslot))),
        };
        match (old, new) {
            (Some(old), Some(new)) if old.id(&table) == new.id(&table) => {
                updated(&table, &old, &new)?.map_or(Ok(()), |entry| pending::add(&relation, event, entry))
            }
            (old, new) => {
                if let Some(old) = old {
                    pending::add(&relation, event, whole(Action::Delete, &table, &old)?)?;
                }
                new.map_or(Ok(()), |new| pending::add(&relation, event, whole(Action::Insert, &table, &new)?))
            }
        }
    }
}

/// What is known of an audited table.
struct Table {
    /// Where it stands in a row, as other columns.
    id: usize,
    /// None where rows belong to the whole database.
    workspace_id: Option<usize>,
    columns: Vec<Column>,
}

thread_local! {
    /// With the number of changes as of which it is known.
    static TABLES: RefCell<HashMap<Oid, (u64, Rc<Table>)>> = RefCell::default();
}

impl Table {
    fn of(relation: &PgRelation) -> Result<Rc<Self>, ErrorReport> {
        let now = changes_of(relation.oid());
        let known = TABLES.with_borrow(|tables| {
            tables.get(&relation.oid()).filter(|(changes, _)| *changes == now).map(|(_, table)| table.clone())
        });
        if let Some(table) = known {
            return Ok(table);
        }
        let (mut id, mut workspace_id) = (None, None);
        for (at, column) in relation.tuple_desc().iter().enumerate().filter(|(_, column)| !column.is_dropped()) {
            match column.name() {
                "id" => id = Some(at),
                "workspace_id" => workspace_id = Some(at),
                _ => {}
            }
        }
        let id = id.ok_or_else(|| internal(format!("table {} has no id", relation.name())))?;
        let table = Rc::new(Table { id, workspace_id, columns: Column::all(relation) });
        TABLES.with_borrow_mut(|tables| tables.insert(relation.oid(), (now, table.clone())));
        Ok(table)
    }
}

/// A row of the table, as a trigger gets it.
struct Row<'a> {
    values: &'a [Datum],
    nulls: &'a [bool],
}

impl<'a> Row<'a> {
    /// # Safety
    /// The slot holds a row, and does so while the result is used.
    unsafe fn of(slot: *mut pg_sys::TupleTableSlot) -> Self {
        // SAFETY: as the caller promises: once taken apart, a row has so many values.
        unsafe {
            pg_sys::slot_getallattrs(slot);
            let count = (*slot).tts_nvalid as usize;
            let values = std::slice::from_raw_parts((*slot).tts_values, count);
            Row { values, nulls: std::slice::from_raw_parts((*slot).tts_isnull, count) }
        }
    }

    /// The value of a column as PostgreSQL holds it, if it is not null.
    fn datum(&self, column: usize) -> Option<Datum> {
        self.values.get(column).copied().filter(|_| self.nulls.get(column) == Some(&false))
    }

    /// # Safety
    /// The row is one of the table, whose id is a uuid.
    unsafe fn id(&self, table: &Table) -> Option<pgrx::Uuid> {
        // SAFETY: as the caller promises.
        self.datum(table.id).and_then(|datum| unsafe { pgrx::Uuid::from_datum(datum, false) })
    }
}

/// # Safety
/// The row is one of the table.
unsafe fn whole(action: Action, table: &Table, row: &Row<'_>) -> Result<Entry, ErrorReport> {
    let mut object = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        // SAFETY: as the caller promises.
        object.push((column.name(), unsafe { column.told(row.datum(column.place))? }));
    }
    let object = Some(JsonbMade::of(Tree::Object(object)));
    let (old, new) = if matches!(action, Action::Delete) { (object, None) } else { (None, object) };
    // SAFETY: as the caller promises.
    unsafe { entry(action, table, row, old, new) }
}

/// None if nothing changed that the log tells of.
///
/// # Safety
/// The rows are of the table.
unsafe fn updated(table: &Table, old: &Row<'_>, new: &Row<'_>) -> Result<Option<Entry>, ErrorReport> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for column in &table.columns {
        // SAFETY: as the caller promises.
        unsafe {
            let (was, is) = (old.datum(column.place), new.datum(column.place));
            let is_same = match (was, is) {
                (Some(was), Some(is)) => column.is_same(was, is),
                (was, is) => was.is_none() == is.is_none(),
            };
            if !is_same {
                before.push((column.name(), column.told(was)?));
                after.push((column.name(), column.told(is)?));
            }
        }
    }
    if before.is_empty() {
        return Ok(None);
    }
    let [old_values, new_values] = [before, after].map(|object| Some(JsonbMade::of(Tree::Object(object))));
    // SAFETY: as the caller promises.
    unsafe { entry(Action::Update, table, new, old_values, new_values).map(Some) }
}

/// # Safety
/// The row is one of the table.
unsafe fn entry(
    action: Action,
    table: &Table,
    row: &Row<'_>,
    old_values: Option<JsonbMade>,
    new_values: Option<JsonbMade>,
) -> Result<Entry, ErrorReport> {
    // SAFETY: as the caller promises; a workspace is a text.
    let (row_id, workspace_id) = unsafe {
        let workspace_id = table.workspace_id.and_then(|column| row.datum(column));
        let workspace_id = workspace_id.and_then(|datum| String::from_datum(datum, false));
        (row.id(table), workspace_id.unwrap_or_default())
    };
    let row_id = row_id.ok_or_else(|| internal("a row without its key"))?;
    Ok(Entry { workspace_id, row_id, action, old_values, new_values })
}
