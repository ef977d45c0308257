//! The trigger function `parlant.audit_change`.

use super::column::Column;
use super::entry::{Action, Entries};
use crate::error::internal;
use crate::owner::as_owner_of;
use crate::transition::Rows;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;
use pgrx::{AllocatedByPostgres, PgMemoryContexts, PgRelation};

/// `AFTER` statement trigger with the transition tables of its event.
#[pg_trigger(sql = false)]
#[allow(clippy::unnecessary_wraps, reason = "triggers return results")]
fn audit_change<'a>(trigger: &'a PgTrigger<'a>) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, ErrorReport> {
    audit(trigger).unwrap_or_report();
    Ok(None)
}

fn audit(trigger: &PgTrigger<'_>) -> Result<(), ErrorReport> {
    let relation = trigger.relation().map_err(internal)?;
    let mut changes = match trigger.op().map_err(internal)? {
        PgTriggerOperation::Insert => Changes { old: None, new: Some(Rows::new_of(trigger)?) },
        PgTriggerOperation::Delete => Changes { old: Some(Rows::old_of(trigger)?), new: None },
        _ => Changes { old: Some(Rows::old_of(trigger)?), new: Some(Rows::new_of(trigger)?) },
    };
    if !changes.advance()? {
        return Ok(());
    }
    let table = Table::of(&relation)?;
    let mut entries = Entries::new()?;
    let mut memory = PgMemoryContexts::new("entry of the audit log");
    loop {
        // SAFETY: what is made there are values that `entries` copies, and nothing refers to them afterwards.
        unsafe {
            memory.switch_to(|_| changes.tell(&table, &mut entries))?;
            memory.reset();
        }
        if !changes.advance()? {
            break;
        }
    }
    drop(memory);
    if entries.is_empty() {
        return Ok(());
    }
    as_owner_of(&relation, || entries.write(relation.name()))
}

struct Table {
    id: i32,
    /// None where rows belong to the whole database.
    workspace_id: Option<i32>,
    columns: Vec<Column>,
}

impl Table {
    fn of(relation: &PgRelation) -> Result<Self, ErrorReport> {
        let (mut id, mut workspace_id) = (None, None);
        for column in relation.tuple_desc().iter().filter(|column| !column.is_dropped()) {
            match column.name() {
                "id" => id = Some(column.attnum.into()),
                "workspace_id" => workspace_id = Some(column.attnum.into()),
                _ => {}
            }
        }
        let id = id.ok_or_else(|| internal(format!("table {} has no id", relation.name())))?;
        Ok(Table { id, workspace_id, columns: Column::all(relation)? })
    }
}

/// The transition tables. Of an update they have the same rows in the same order.
struct Changes<'a> {
    old: Option<Rows<'a>>,
    new: Option<Rows<'a>>,
}

impl Changes<'_> {
    fn advance(&mut self) -> Result<bool, ErrorReport> {
        match (self.old.as_mut().map(Rows::advance), self.new.as_mut().map(Rows::advance)) {
            (Some(old), Some(new)) if old != new => Err(internal("the transition tables differ in length")),
            (old, new) => Ok(old.or(new) == Some(true)),
        }
    }

    /// Adds what the log says of the current row. One whose key was changed is one that went and one that came.
    fn tell(&self, table: &Table, entries: &mut Entries) -> Result<(), ErrorReport> {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if has_same_id(table, old, new) => tell_update(table, old, new, entries),
            (old, new) => {
                if let Some(old) = old {
                    tell_whole(Action::Delete, table, old, entries)?;
                }
                new.as_ref().map_or(Ok(()), |new| tell_whole(Action::Insert, table, new, entries))
            }
        }
    }
}

fn has_same_id(table: &Table, old: &Rows<'_>, new: &Rows<'_>) -> bool {
    let id = |rows: &Rows<'_>| {
        // SAFETY: there is a current row, and the number is that of its id, a uuid.
        unsafe {
            let (datum, is_null) = rows.datum(table.id);
            pgrx::Uuid::from_datum(datum, is_null)
        }
    };
    id(old) == id(new)
}

fn tell_whole(action: Action, table: &Table, rows: &Rows<'_>, entries: &mut Entries) -> Result<(), ErrorReport> {
    let mut object = Object::new();
    for column in &table.columns {
        // SAFETY: there is a current row, of the table whose column this is.
        unsafe { object.add(column, rows.datum(column.number))? }
    }
    let object = Some(object.end());
    let (old, new) = if matches!(action, Action::Delete) { (object, None) } else { (None, object) };
    add(action, table, rows, old, new, entries)
}

fn tell_update(table: &Table, old: &Rows<'_>, new: &Rows<'_>, entries: &mut Entries) -> Result<(), ErrorReport> {
    let (mut before, mut after) = (Object::new(), Object::new());
    for column in &table.columns {
        // SAFETY: there is a current row in both, of the table whose column this is.
        unsafe {
            let (was, is) = (old.datum(column.number), new.datum(column.number));
            let is_same = was.1 == is.1 && (was.1 || column.is_same(was.0, is.0));
            if !is_same {
                before.add(column, was)?;
                after.add(column, is)?;
            }
        }
    }
    if before.is_empty() {
        return Ok(());
    }
    add(Action::Update, table, new, Some(before.end()), Some(after.end()), entries)
}

fn add(
    action: Action,
    table: &Table,
    rows: &Rows<'_>,
    old_values: Option<String>,
    new_values: Option<String>,
    entries: &mut Entries,
) -> Result<(), ErrorReport> {
    // SAFETY: there is a current row, and the numbers are those of its columns, which are neither null nor of other
    // types than a text and a uuid.
    unsafe {
        let workspace_id = table.workspace_id.map(|number| rows.datum(number).0).or_else(|| "".into_datum());
        let workspace_id = workspace_id.ok_or_else(|| internal("a row without workspace"))?;
        entries.add(action, workspace_id, rows.datum(table.id).0, old_values, new_values)
    }
}

/// The text of a JSON object.
struct Object(String);

impl Object {
    fn new() -> Self {
        Object("{".to_owned())
    }

    fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// # Safety
    /// The value is one of the column.
    unsafe fn add(&mut self, column: &Column, value: (pg_sys::Datum, bool)) -> Result<(), ErrorReport> {
        if !self.is_empty() {
            self.0.push(',');
        }
        // SAFETY: as the caller promises.
        unsafe { column.write(value, &mut self.0) }
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
