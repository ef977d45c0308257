//! The rows that a statement has changed, as an `AFTER` statement trigger gets them: read from memory, without a query.

use crate::error::internal;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CString;
use std::marker::PhantomData;

/// One of the two transition tables of a trigger.
struct Rows<'a> {
    rows: *mut pg_sys::Tuplestorestate,
    slot: *mut pg_sys::TupleTableSlot,
    trigger: PhantomData<&'a PgTrigger<'a>>,
}

impl<'a> Rows<'a> {
    /// The rows that the trigger's statement has inserted, or as it has left them.
    fn new_of(trigger: &'a PgTrigger<'a>) -> Result<Self, ErrorReport> {
        Self::of(trigger, trigger.trigger_data().tg_newtable)
    }

    /// The rows that the trigger's statement has deleted, or as they were before it.
    fn old_of(trigger: &'a PgTrigger<'a>) -> Result<Self, ErrorReport> {
        Self::of(trigger, trigger.trigger_data().tg_oldtable)
    }

    fn of(trigger: &'a PgTrigger<'a>, rows: *mut pg_sys::Tuplestorestate) -> Result<Self, ErrorReport> {
        if rows.is_null() {
            return Err(internal("the trigger has no transition table"));
        }
        // SAFETY: a trigger runs with its relation open, and the rows are there as long as it runs. Other triggers read
        // them too, each through a pointer of its own, as the executor's node for transition tables has it. The slot is
        // for rows of this description.
        let slot = unsafe {
            let description = (*trigger.trigger_data().tg_relation).rd_att;
            let pointer = pg_sys::tuplestore_alloc_read_pointer(rows, pg_sys::EXEC_FLAG_REWIND as i32);
            pg_sys::tuplestore_select_read_pointer(rows, pointer);
            pg_sys::tuplestore_rescan(rows);
            pg_sys::MakeSingleTupleTableSlot(description, &raw const pg_sys::TTSOpsMinimalTuple)
        };
        Ok(Rows { rows, slot, trigger: PhantomData })
    }

    /// Goes to the next row; false after the last.
    fn advance(&mut self) -> bool {
        check_for_interrupts!();
        // SAFETY: rows and slot belong together; `false` lets the slot point into the rows, which do not change now.
        unsafe { pg_sys::tuplestore_gettupleslot(self.rows, true, false, self.slot) }
    }

    /// The value of a column by its number as PostgreSQL holds it, until the next row, and whether it is null.
    ///
    /// # Safety
    /// There is a current row, and the table has a column of this number.
    unsafe fn datum(&self, number: i32) -> (pg_sys::Datum, bool) {
        let mut is_null = false;
        // SAFETY: as the caller promises.
        let datum = unsafe { pg_sys::slot_getattr(self.slot, number, &raw mut is_null) };
        (datum, is_null)
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `of`, and used by nobody else.
        unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.slot) }
    }
}

/// Rows of which some columns are asked for.
pub(crate) struct Transition<'a, const N: usize> {
    rows: Rows<'a>,
    columns: [i32; N],
}

impl<'a, const N: usize> Transition<'a, N> {
    /// The rows that the trigger's statement has inserted, with these columns.
    pub(crate) fn new_rows(trigger: &'a PgTrigger<'a>, columns: [&str; N]) -> Result<Self, ErrorReport> {
        Ok(Transition { rows: Rows::new_of(trigger)?, columns: numbers(trigger, columns)? })
    }

    /// The rows that the trigger's statement has deleted, with these columns.
    pub(crate) fn old_rows(trigger: &'a PgTrigger<'a>, columns: [&str; N]) -> Result<Self, ErrorReport> {
        Ok(Transition { rows: Rows::old_of(trigger)?, columns: numbers(trigger, columns)? })
    }

    /// Goes to the next row; false after the last.
    pub(crate) fn advance(&mut self) -> bool {
        self.rows.advance()
    }

    /// The value of the column at this place among those asked for, which `T` must be the type of.
    pub(crate) fn get<T: FromDatum>(&self, place: usize) -> Option<T> {
        // SAFETY: the caller has advanced to a row, and the number is that of one of its columns.
        unsafe {
            let (datum, is_null) = self.rows.datum(*self.columns.get(place)?);
            T::from_datum(datum, is_null)
        }
    }
}

fn numbers<const N: usize>(trigger: &PgTrigger<'_>, columns: [&str; N]) -> Result<[i32; N], ErrorReport> {
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
    Ok(numbers)
}
