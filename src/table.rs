//! Our own tables, read as PostgreSQL reads its catalogs: without a plan, past privileges and row-level security.

use crate::changes::changes_of;
use crate::error::{error, internal};
use crate::statement::refuse_on_standby;
use pgrx::PgRelation;
use pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

/// A table of ours, locked against being dropped or changed while it is read.
pub(crate) fn our_table(name: &'static str) -> Result<PgRelation, ErrorReport> {
    let oid = oid_of(name)?;
    // SAFETY: the oid is that of a relation.
    Ok(unsafe { PgRelation::with_lock(oid, pg_sys::AccessShareLock.cast_signed()) })
}

/// A table of ours, locked until the transaction ends, as by a statement that reads it.
pub(crate) fn our_table_to_read(name: &'static str) -> Result<PgRelation, ErrorReport> {
    kept(name, pg_sys::AccessShareLock)
}

/// A table of ours, locked until the transaction ends, as by a statement that writes to it.
pub(crate) fn our_table_to_write(name: &'static str) -> Result<PgRelation, ErrorReport> {
    refuse_on_standby();
    kept(name, pg_sys::RowExclusiveLock)
}

fn kept(name: &'static str, lock: u32) -> Result<PgRelation, ErrorReport> {
    let oid = oid_of(name)?;
    // SAFETY: the oid is that of a relation. Opened without a lock, it is closed without giving up the one before.
    unsafe {
        pg_sys::LockRelationOid(oid, lock.cast_signed());
        Ok(PgRelation::with_lock(oid, pg_sys::NoLock.cast_signed()))
    }
}

fn oid_of(name: &'static str) -> Result<pg_sys::Oid, ErrorReport> {
    let known = OIDS.with_borrow(|oids| oids.get(name).copied());
    if let Some((oid, changes)) = known
        && changes == changes_of(oid)
    {
        return Ok(oid);
    }
    let c_name = CString::new(name).map_err(internal)?;
    // SAFETY: both names end with NUL; what is not there has an invalid oid, and an invalid schema no relation.
    let oid = unsafe {
        let schema = pg_sys::get_namespace_oid(c"parlant".as_ptr(), true);
        pg_sys::get_relname_relid(c_name.as_ptr(), schema)
    };
    if oid == pg_sys::Oid::INVALID {
        return Err(error(
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("table parlant.{name} is not there"),
            "It was dropped or renamed.".to_owned(),
            "Have the owner of the database call parlant.install_tables().",
        ));
    }
    OIDS.with_borrow_mut(|oids| oids.insert(name, (oid, changes_of(oid))));
    Ok(oid)
}

thread_local! {
    /// With the number of changes as of which they are right.
    static OIDS: RefCell<BTreeMap<&'static str, (pg_sys::Oid, u64)>> = RefCell::default();
}

/// Rows of one of our tables, as a statement that began now would see them.
pub(crate) struct Rows<'a> {
    table: &'a PgRelation,
    snapshot: pg_sys::Snapshot,
    scan: pg_sys::SysScanDesc,
}

/// A row, until the next one is read.
pub(crate) struct Row<'a> {
    tuple: pg_sys::HeapTuple,
    table: &'a PgRelation,
}

impl<'a> Rows<'a> {
    /// All rows in which columns of text have these values, by this index of ours if it is there.
    pub(crate) fn of(table: &'a PgRelation, index: &CStr, values: &[(&CStr, &str)]) -> Result<Self, ErrorReport> {
        let mut keys = Vec::with_capacity(values.len());
        for (column, value) in values {
            keys.push(key(table, column, value)?);
        }
        let count = i32::try_from(keys.len()).map_err(internal)?;
        let index = usable_index(table, index);
        // SAFETY: the table is open; the index is one of its own, valid, and begins with the columns of the keys, or
        // there is none; the snapshot is kept until the scan has ended. The keys are copied.
        let (snapshot, scan) = unsafe {
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetTransactionSnapshot());
            let scan = pg_sys::systable_beginscan(
                table.as_ptr(),
                index.unwrap_or(pg_sys::Oid::INVALID),
                index.is_some(),
                snapshot,
                count,
                keys.as_mut_ptr(),
            );
            (snapshot, scan)
        };
        Ok(Rows { table, snapshot, scan })
    }

    pub(crate) fn next(&mut self) -> Option<Row<'_>> {
        // SAFETY: the scan has begun and not ended.
        let tuple = unsafe { pg_sys::systable_getnext(self.scan) };
        (!tuple.is_null()).then_some(Row { tuple, table: self.table })
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        // After an error PostgreSQL has ended the scan itself, with all that the transaction holds.
        if !std::thread::panicking() {
            // SAFETY: the scan has begun and not ended, and the snapshot is registered.
            unsafe {
                pg_sys::systable_endscan(self.scan);
                pg_sys::UnregisterSnapshot(self.snapshot);
            }
        }
    }
}

impl Row<'_> {
    /// The value of a column, which `T` must be the type of.
    pub(crate) fn get<T: FromDatum>(&self, column: &CStr) -> Result<Option<T>, ErrorReport> {
        let number = number(self.table, column)?;
        let mut is_null = false;
        // SAFETY: row and table belong together, and the number is that of a column.
        unsafe {
            let datum = pg_sys::heap_getattr(self.tuple, number.into(), self.table.rd_att, &mut is_null);
            Ok(T::from_datum(datum, is_null))
        }
    }
}

fn key(table: &PgRelation, column: &CStr, value: &str) -> Result<pg_sys::ScanKeyData, ErrorReport> {
    let number = number(table, column)?;
    let mut key = pg_sys::ScanKeyData::default();
    // SAFETY: the function fills in the key; texteq compares two texts by the collation of the column.
    unsafe {
        pg_sys::ScanKeyEntryInitialize(
            &raw mut key,
            0,
            number,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::Oid::INVALID,
            pg_sys::DEFAULT_COLLATION_OID,
            pg_sys::Oid::from_u32(pg_sys::F_TEXTEQ),
            value.into_datum().ok_or_else(|| internal("a text has no datum"))?,
        );
    }
    Ok(key)
}

fn number(table: &PgRelation, column: &CStr) -> Result<i16, ErrorReport> {
    // SAFETY: the table is open, and the name ends with NUL.
    let number = unsafe { pg_sys::get_attnum(table.oid(), column.as_ptr()) };
    if number > 0 { Ok(number) } else { Err(internal(format!("{} has no column {column:?}", table.name()))) }
}

/// The index of this name, unless it is gone, still being built, or of another table.
pub(crate) fn usable_index(table: &PgRelation, name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: the table is open; the name ends with NUL; an index is opened only if the oid is that of a relation, and
    // is closed at the end.
    unsafe {
        let oid = pg_sys::get_relname_relid(name.as_ptr(), (*table.rd_rel).relnamespace);
        if pg_sys::get_rel_relkind(oid).cast_unsigned() != pg_sys::RELKIND_INDEX {
            return None;
        }
        let index = PgRelation::with_lock(oid, pg_sys::AccessShareLock.cast_signed());
        let row = &*index.rd_index;
        (row.indrelid == table.oid() && row.indisvalid).then_some(oid)
    }
}
