//! The rows that a statement has inserted or deleted, as an `AFTER` statement trigger gets them: read from memory, without a query.

use crate::error::internal;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CString;
use std::marker::PhantomData;

pub(crate) struct Transition<'a, const N: usize> {
    rows: *mut pg_sys::Tuplestorestate,
    slot: *mut pg_sys::TupleTableSlot,
    columns: [i32; N],
    trigger: PhantomData<&'a PgTrigger<'a>>,
}

impl<'a, const N: usize> Transition<'a, N> {
    /// The rows that the trigger's statement has inserted, with these columns.
    pub(crate) fn new_rows(trigger: &'a PgTrigger<'a>, columns: [&str; N]) -> Result<Self, ErrorReport> {
        Self::of(trigger, trigger.trigger_data().tg_newtable, columns)
    }

    /// The rows that the trigger's statement has deleted, with these columns.
    pub(crate) fn old_rows(trigger: &'a PgTrigger<'a>, columns: [&str; N]) -> Result<Self, ErrorReport> {
        Self::of(trigger, trigger.trigger_data().tg_oldtable, columns)
    }

    fn of(
        trigger: &'a PgTrigger<'a>,
        rows: *mut pg_sys::Tuplestorestate,
        columns: [&str; N],
    ) -> Result<Self, ErrorReport> {
        if rows.is_null() {
            return Err(internal("the trigger has no transition table"));
        }
        // SAFETY: a trigger runs with its relation open.
        let description = unsafe { (*trigger.trigger_data().tg_relation).rd_att };
        let mut numbers = [0; N];
        for (number, column) in numbers.iter_mut().zip(columns) {
            let name = CString::new(column).map_err(internal)?;
            // SAFETY: the description is that of an open relation, the name ends with NUL.
            *number = unsafe { pg_sys::SPI_fnumber(description, name.as_ptr()) };
            if *number <= 0 {
                return Err(internal(format!("the table has no column {column}")));
            }
        }
        // SAFETY: the rows are there as long as the trigger runs. Other triggers read them too, each through a pointer
        // of its own, as the executor's node for transition tables has it. The slot is for rows of this description.
        let slot = unsafe {
            let pointer = pg_sys::tuplestore_alloc_read_pointer(rows, pg_sys::EXEC_FLAG_REWIND as i32);
            pg_sys::tuplestore_select_read_pointer(rows, pointer);
            pg_sys::tuplestore_rescan(rows);
            pg_sys::MakeSingleTupleTableSlot(description, &raw const pg_sys::TTSOpsMinimalTuple)
        };
        Ok(Transition { rows, slot, columns: numbers, trigger: PhantomData })
    }

    /// Goes to the next row; false after the last.
    pub(crate) fn advance(&mut self) -> bool {
        check_for_interrupts!();
        // SAFETY: rows and slot belong together; `false` lets the slot point into the rows, which do not change now.
        unsafe { pg_sys::tuplestore_gettupleslot(self.rows, true, false, self.slot) }
    }

    /// The value of the column at this place among those asked for, which `T` must be the type of.
    pub(crate) fn get<T: FromDatum>(&self, place: usize) -> Option<T> {
        let mut is_null = false;
        // SAFETY: the slot holds a row, and the number is that of one of its columns.
        unsafe {
            let datum = pg_sys::slot_getattr(self.slot, *self.columns.get(place)?, &raw mut is_null);
            T::from_datum(datum, is_null)
        }
    }
}

impl<const N: usize> Drop for Transition<'_, N> {
    fn drop(&mut self) {
        // SAFETY: made by `new_rows`, and used by nobody else.
        unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.slot) }
    }
}
