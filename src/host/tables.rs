//! Which tables and columns the host has at this moment, by the catalog's caches.

use pgrx::prelude::*;
use pgrx::spi::quote_qualified_identifier;
use std::ffi::CString;

/// A schema with the host's tables in it.
pub(super) struct HostSchema {
    pub(super) name: String,
    oid: pg_sys::Oid,
}

/// A table of the host.
#[derive(Clone, Copy)]
pub(super) struct HostTable(pg_sys::Oid);

impl HostSchema {
    pub(super) fn find(name: &str) -> Option<Self> {
        let c_name = CString::new(name).ok()?;
        // SAFETY: the name ends with NUL and lives through the call; a missing schema gives an invalid oid.
        let oid = unsafe { pg_sys::get_namespace_oid(c_name.as_ptr(), true) };
        (oid != pg_sys::Oid::INVALID).then(|| HostSchema { name: name.to_owned(), oid })
    }

    /// The name of a table in it, there or not, for use in statements.
    pub(super) fn name_of(&self, table: &str) -> String {
        quote_qualified_identifier(self.name.as_str(), table)
    }

    /// The table of this name; views and the like are none.
    pub(super) fn table(&self, name: &str) -> Option<HostTable> {
        let name = CString::new(name).ok()?;
        // SAFETY: the name ends with NUL and lives through the call; a missing relation gives an invalid oid, and the
        // kind of an invalid one is NUL.
        let (oid, kind) = unsafe {
            let oid = pg_sys::get_relname_relid(name.as_ptr(), self.oid);
            (oid, pg_sys::get_rel_relkind(oid).cast_unsigned())
        };
        [pg_sys::RELKIND_RELATION, pg_sys::RELKIND_PARTITIONED_TABLE].contains(&kind).then_some(HostTable(oid))
    }
}

impl HostTable {
    pub(super) fn oid(self) -> pg_sys::Oid {
        self.0
    }

    pub(super) fn has(self, column: &str) -> bool {
        self.column_type(column).is_some()
    }

    pub(super) fn column_type(self, column: &str) -> Option<pg_sys::Oid> {
        let column = CString::new(column).ok()?;
        // SAFETY: the name ends with NUL and lives through the call; a missing or dropped column gives number 0.
        let (number, column_type) = unsafe {
            let number = pg_sys::get_attnum(self.0, column.as_ptr());
            (number, pg_sys::get_atttype(self.0, number))
        };
        (number > 0).then_some(column_type)
    }
}
