//! The row that a trigger is about, read and changed by the names of its columns.

use crate::error::internal;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{AllocatedByPostgres, PgTupleDesc};
use std::ffi::CString;
use std::marker::PhantomData;

pub(crate) struct Row<'a> {
    tuple: pg_sys::HeapTuple,
    columns: pg_sys::TupleDesc,
    trigger: PhantomData<&'a PgTrigger<'a>>,
}

impl<'a> Row<'a> {
    /// The row that is inserted, or as an update would leave it.
    pub(crate) fn new_of(trigger: &'a PgTrigger<'a>) -> Result<Self, ErrorReport> {
        let row = trigger.new().ok_or_else(|| internal("the trigger has no new row"))?;
        Ok(Self::of(trigger, row))
    }

    /// The row as it was before an update.
    pub(crate) fn old_of(trigger: &'a PgTrigger<'a>) -> Result<Self, ErrorReport> {
        let row = trigger.old().ok_or_else(|| internal("the trigger has no old row"))?;
        Ok(Self::of(trigger, row))
    }

    fn of(trigger: &'a PgTrigger<'a>, row: PgHeapTuple<'a, AllocatedByPostgres>) -> Self {
        // SAFETY: a trigger runs with its relation open.
        let columns = unsafe { (*trigger.trigger_data().tg_relation).rd_att };
        Row { tuple: row.into_pg(), columns, trigger: PhantomData }
    }

    /// The value of a column, which `T` must be the type of, or the type under its domain.
    pub(crate) fn get<T: FromDatum>(&self, column: &str) -> Result<Option<T>, ErrorReport> {
        let (datum, is_null) = self.datum(column)?;
        // SAFETY: the datum is the column's, and its null flag tells whether it is one.
        Ok(unsafe { T::from_datum(datum, is_null) })
    }

    /// The value as PostgreSQL holds it, and whether it is null.
    pub(crate) fn datum(&self, column: &str) -> Result<(pg_sys::Datum, bool), ErrorReport> {
        let number = self.number(column)?;
        let mut is_null = false;
        // SAFETY: the row, its description and a number of one of its columns belong together.
        let datum = unsafe { pg_sys::heap_getattr(self.tuple, number, self.columns, &mut is_null) };
        Ok((datum, is_null))
    }

    /// The row with other values in some columns, for a `BEFORE` trigger to return.
    pub(crate) fn with(self, changes: &[(&str, pg_sys::Datum)]) -> Result<ReturnedRow<'a>, ErrorReport> {
        let mut numbers = Vec::with_capacity(changes.len());
        for (column, _) in changes {
            numbers.push(self.number(column)?);
        }
        let mut values: Vec<_> = changes.iter().map(|(_, value)| *value).collect();
        let mut nulls = vec![false; changes.len()];
        let count = i32::try_from(changes.len()).map_err(internal)?;
        // SAFETY: the three arrays have `count` elements; the new tuple is made where triggers' results live.
        let tuple = unsafe {
            pg_sys::heap_modify_tuple_by_cols(
                self.tuple,
                self.columns,
                count,
                numbers.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            )
        };
        Ok(Row { tuple, ..self }.unchanged())
    }

    /// The row as it is, for a `BEFORE` trigger to return.
    pub(crate) fn unchanged(self) -> ReturnedRow<'a> {
        // SAFETY: tuple and description belong together; the description outlives the trigger.
        unsafe { PgHeapTuple::from_heap_tuple(PgTupleDesc::from_pg_unchecked(self.columns), self.tuple) }
    }

    fn number(&self, column: &str) -> Result<i32, ErrorReport> {
        let name = CString::new(column).map_err(internal)?;
        // SAFETY: the description is that of an open relation, the name ends with NUL.
        let number = unsafe { pg_sys::SPI_fnumber(self.columns, name.as_ptr()) };
        if number > 0 { Ok(number) } else { Err(internal(format!("the table has no column {column}"))) }
    }
}

pub(crate) type ReturnedRow<'a> = PgHeapTuple<'a, AllocatedByPostgres>;
