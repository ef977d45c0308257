//! Finding rows of our tables by an index without a query, as the current role sees them.
//!
//! Planning and running a query costs many times the reading of a row by its key. What [`crate::direct`] says of
//! writing is so here too: policies are compiled once a connection, and what is not as we made it is read by SQL.

use crate::changes::changes_of;
use crate::direct::{self, Context, Policies, column, may};
use crate::owner::as_owner_of;
use crate::privilege::is_restricted;
use crate::table::{our_table_to_read, usable_index};
use pgrx::itemptr::item_pointer_to_u64;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::pg_sys::{AttrNumber, Datum, Oid};
use pgrx::prelude::*;
use pgrx::{PgRelation, Uuid};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::ptr::null_mut;
use std::rc::Rc;

/// What is read of a table, and how it is found.
pub(crate) struct Source {
    pub(crate) table: &'static str,
    /// An index of ours.
    pub(crate) index: &'static CStr,
    /// The name and, below any domain, the type of each column that is read.
    pub(crate) columns: &'static [(&'static str, Oid)],
    /// How many of them, from the first, the index begins with.
    pub(crate) keys: usize,
}

/// What the first columns of a row must be.
#[derive(Clone, Copy)]
pub(crate) enum Key<'a> {
    Text(&'a str),
    Uuid(Uuid),
    Null,
}

/// Why something was not found.
pub(crate) enum Unfound {
    Error(Box<ErrorReport>),
    /// Only a query can tell what the current role sees of it.
    Query,
}

impl From<ErrorReport> for Unfound {
    fn from(error: ErrorReport) -> Self {
        Unfound::Error(Box::new(error))
    }
}

/// What is known of a source, as of a number of changes.
#[derive(Clone)]
struct Known {
    table: Oid,
    changes: u64,
    /// None where it is read by SQL.
    layout: Option<Rc<Layout>>,
}

struct Layout {
    columns: Vec<AttrNumber>,
    index: Oid,
    policies: Option<Policies>,
    /// What the policies live in.
    _context: Context,
}

thread_local! {
    /// By the address of the source.
    static KNOWN: RefCell<BTreeMap<*const Source, Known>> = RefCell::default();
}

/// A snapshot of its own, as that of a statement which begins now. While it lives, rows are found as it shows them.
pub(crate) struct Snapshot(());

impl Snapshot {
    pub(crate) fn taken() -> Snapshot {
        // SAFETY: so begins each statement that SPI runs; the snapshot is taken back below, or by the abort of the
        // transaction.
        unsafe {
            pg_sys::CommandCounterIncrement();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        Snapshot(())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // After an error the abort of the transaction takes it back.
        if !std::thread::panicking() {
            // SAFETY: what was pushed after this one was taken back before.
            unsafe { pg_sys::PopActiveSnapshot() }
        }
    }
}

/// A source that can be read.
pub(crate) struct Finder {
    table: PgRelation,
    layout: Rc<Layout>,
    is_restricted: bool,
}

impl Source {
    pub(crate) fn finder(&'static self) -> Result<Finder, Unfound> {
        Finder::of(self)?.ok_or(Unfound::Query)
    }
}

impl Finder {
    /// None where only a query can tell what the current role sees.
    pub(crate) fn of(source: &'static Source) -> Result<Option<Finder>, ErrorReport> {
        let table = our_table_to_read(source.table)?;
        let Some(layout) = Layout::of(source, &table) else { return Ok(None) };
        let is_restricted = is_restricted(&table);
        let may_read = may(&table, is_restricted, layout.policies.as_ref(), pg_sys::ACL_SELECT);
        Ok(may_read.then_some(Finder { table, layout, is_restricted }))
    }

    /// Whether the current role may update rows as well. Where not, a query says why.
    pub(crate) fn may_update(&self) -> bool {
        may(&self.table, self.is_restricted, self.layout.policies.as_ref(), pg_sys::ACL_UPDATE)
    }

    /// The rows of these keys in the order of the index, or backward. A snapshot is active, and stays so.
    pub(crate) fn rows(&self, keys: &[Key<'_>], direction: pg_sys::ScanDirection::Type) -> Rows<'_> {
        // SAFETY: the table is open and locked; the index is one of its own that begins with the columns of the keys,
        // as `Layout` has seen. What is opened here is closed when the rows are dropped, or by the abort.
        unsafe {
            let index = pg_sys::index_open(self.layout.index, pg_sys::AccessShareLock.cast_signed());
            let mut keys: Vec<_> = keys.iter().zip(1..).map(|(key, column)| key.of_column(column, index)).collect();
            let count = keys.len() as std::ffi::c_int;
            let snapshot = pg_sys::GetActiveSnapshot();
            #[cfg(not(feature = "pg18"))]
            let scan = pg_sys::index_beginscan(self.table.as_ptr(), index, snapshot, count, 0);
            #[cfg(feature = "pg18")]
            let scan = pg_sys::index_beginscan(self.table.as_ptr(), index, snapshot, null_mut(), count, 0);
            pg_sys::index_rescan(scan, keys.as_mut_ptr(), count, null_mut(), 0);
            let expressions = if self.is_restricted { pg_sys::CreateStandaloneExprContext() } else { null_mut() };
            let slot = pg_sys::table_slot_create(self.table.as_ptr(), null_mut());
            Rows { finder: self, index, scan, slot, expressions, direction }
        }
    }

    pub(crate) fn table(&self) -> &PgRelation {
        &self.table
    }

    /// Whether the current role sees all rows of these keys, whatever else is in them.
    pub(crate) fn shows_all(&self, keys: &[Key<'_>]) -> bool {
        if !self.is_restricted {
            return true;
        }
        let Some(policies) = self.layout.policies.as_ref() else { return false };
        let Some(columns) = self.layout.columns.get(..keys.len()).filter(|columns| policies.read_only(columns)) else {
            return false;
        };
        // SAFETY: the slot has room for all columns of the table; of those that the policies read it holds the values
        // of the keys, in whose types they are.
        unsafe {
            let slot = pg_sys::MakeSingleTupleTableSlot(self.table.rd_att, &raw const pg_sys::TTSOpsVirtual);
            pg_sys::ExecStoreAllNullTuple(slot);
            for (column, key) in columns.iter().zip(keys) {
                let Some(n) = usize::try_from(*column).ok().and_then(|n| n.checked_sub(1)) else { continue };
                let (_, value) = key.equality();
                *(*slot).tts_isnull.add(n) = value.is_none();
                *(*slot).tts_values.add(n) = value.unwrap_or(Datum::null());
            }
            let expressions = pg_sys::CreateStandaloneExprContext();
            let shown = policies.show(slot, expressions);
            pg_sys::FreeExprContext(expressions, true);
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            shown
        }
    }

    /// Where the index says that rows of these keys may be, in the order of the table: block and number.
    pub(crate) fn places(&self, keys: &[Key<'_>]) -> Vec<u64> {
        let rows = self.rows(keys, pg_sys::ScanDirection::ForwardScanDirection);
        let mut places = Vec::new();
        loop {
            pgrx::check_for_interrupts!();
            // SAFETY: the scan has begun and not ended; a place is null or valid until the next one.
            let place = unsafe { pg_sys::index_getnext_tid(rows.scan, rows.direction).as_ref() };
            let Some(place) = place else { break };
            places.push(item_pointer_to_u64(*place));
        }
        places.sort_unstable();
        places
    }

    /// Locks the key of a row; false, and nothing said of it, where it is not there, or not as it was.
    pub(crate) fn lock_key(&self, keys: &[Key<'_>]) -> bool {
        let mut rows = self.rows(keys, pg_sys::ScanDirection::ForwardScanDirection);
        rows.advance() && rows.lock_key()
    }

    /// The first row of these keys.
    pub(crate) fn first<T>(&self, keys: &[Key<'_>], read: impl FnOnce(&Rows<'_>) -> T) -> Option<T> {
        let mut rows = self.rows(keys, pg_sys::ScanDirection::ForwardScanDirection);
        rows.advance().then(|| read(&rows))
    }
}

impl Key<'_> {
    pub(crate) fn to_bytes(self) -> Box<[u8]> {
        match self {
            Key::Text(text) => text.as_bytes().into(),
            Key::Uuid(id) => id.as_bytes().as_slice().into(),
            Key::Null => Box::default(),
        }
    }

    /// The function that compares, and the value.
    fn equality(self) -> (u32, Option<Datum>) {
        match self {
            Key::Text(text) => (pg_sys::F_TEXTEQ, text.into_datum()),
            Key::Uuid(id) => (pg_sys::F_UUID_EQ, id.into_datum()),
            Key::Null => (0, None),
        }
    }

    /// # Safety
    /// It is of the type of this column of the index, which is open.
    unsafe fn of_column(self, column: AttrNumber, index: pg_sys::Relation) -> pg_sys::ScanKeyData {
        let (procedure, value) = self.equality();
        let (flags, strategy) = match value {
            Some(_) => (0, pg_sys::BTEqualStrategyNumber),
            None => (pg_sys::SK_ISNULL | pg_sys::SK_SEARCHNULL, 0),
        };
        let mut key = pg_sys::ScanKeyData::default();
        // SAFETY: the function fills in the key; the index has a collation for each of its columns.
        unsafe {
            let collation = *(*index).rd_indcollation.add(usize::try_from(column - 1).unwrap_or_default());
            pg_sys::ScanKeyEntryInitialize(
                &raw mut key,
                flags.cast_signed(),
                column,
                pg_sys::StrategyNumber::try_from(strategy).unwrap_or_default(),
                Oid::INVALID,
                collation,
                procedure.into(),
                value.unwrap_or(Datum::null()),
            );
        }
        key
    }
}

/// Rows that are being read, one at a time.
pub(crate) struct Rows<'a> {
    finder: &'a Finder,
    index: pg_sys::Relation,
    scan: pg_sys::IndexScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
    /// Null where no policy restricts what is seen.
    expressions: *mut pg_sys::ExprContext,
    direction: pg_sys::ScanDirection::Type,
}

impl Rows<'_> {
    /// Goes to the next row that the current role sees; false after the last.
    pub(crate) fn advance(&mut self) -> bool {
        // SAFETY: the scan has begun and not ended, and fills a slot of the table.
        while unsafe { pg_sys::index_getnext_slot(self.scan, self.direction, self.slot) } {
            pgrx::check_for_interrupts!();
            if self.is_shown() {
                return true;
            }
        }
        false
    }

    fn is_shown(&self) -> bool {
        self.expressions.is_null()
            || self.finder.layout.policies.as_ref().is_some_and(|policies| {
                // SAFETY: the slot holds a row of the table.
                unsafe { policies.show(self.slot, self.expressions) }
            })
    }

    /// The value of a column by its place in the source, which `T` must be the type of.
    pub(crate) fn get<T: FromDatum>(&self, column: usize) -> Option<T> {
        let number = *self.finder.layout.columns.get(column)?;
        let n = usize::try_from(number).ok()?.checked_sub(1)?;
        // SAFETY: the slot holds a row of the table, which has the column; a datum that is copied outlives the slot.
        unsafe {
            if (*self.slot).tts_nvalid < number {
                pg_sys::slot_getsomeattrs_int(self.slot, number.into());
            }
            T::from_datum(*(*self.slot).tts_values.add(n), *(*self.slot).tts_isnull.add(n))
        }
    }

    /// Locks the key of the row until the transaction ends, as a foreign key does that refers to it. False if somebody
    /// else has changed or deleted it meanwhile.
    fn lock_key(&self) -> bool {
        let (result, _) = self.lock_tuple(pg_sys::LockTupleMode::LockTupleKeyShare, 0);
        result == pg_sys::TM_Result::TM_Ok
    }

    /// Locks the row until the transaction ends, as an update does that changes no key, waiting for whoever holds it;
    /// then it is as it has become. Nobody waits for a row that they may not update. None where a query must tell.
    pub(crate) fn lock(&self) -> Option<bool> {
        if !self.may_be_updated() {
            return Some(false);
        }
        let flags = pg_sys::TUPLE_LOCK_FLAG_FIND_LAST_VERSION as u8;
        match self.lock_tuple(pg_sys::LockTupleMode::LockTupleNoKeyExclusive, flags) {
            (pg_sys::TM_Result::TM_Ok, false) => Some(true),
            (pg_sys::TM_Result::TM_Ok, true) => Some(self.is_shown() && self.may_be_updated()),
            (pg_sys::TM_Result::TM_Deleted, _) => Some(false),
            _ => None,
        }
    }

    fn may_be_updated(&self) -> bool {
        self.expressions.is_null()
            || self.finder.layout.policies.as_ref().is_some_and(|policies| {
                // SAFETY: the slot holds a row of the table.
                unsafe { policies.allow_update(self.slot, self.expressions) }
            })
    }

    /// What came of it, and whether the row was another than the snapshot shows.
    fn lock_tuple(&self, mode: pg_sys::LockTupleMode::Type, flags: u8) -> (pg_sys::TM_Result::Type, bool) {
        let mut failure = pg_sys::TM_FailureData::default();
        // SAFETY: the slot holds a row of the table, and the snapshot that shows it is active. The place of the row is
        // copied, because the slot is filled anew.
        let result = unsafe {
            pg_sys::LockRelationOid(self.finder.table.oid(), pg_sys::RowShareLock.cast_signed());
            let mut place = (*self.slot).tts_tid;
            pg_sys::ExecClearTuple(self.slot);
            pg_sys::table_tuple_lock(
                self.finder.table.as_ptr(),
                &raw mut place,
                pg_sys::GetActiveSnapshot(),
                self.slot,
                pg_sys::GetCurrentCommandId(true),
                mode,
                pg_sys::LockWaitPolicy::LockWaitBlock,
                flags,
                &raw mut failure,
            )
        };
        (result, failure.traversed)
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        // After an error PostgreSQL has ended the scan itself, with all that the transaction holds.
        if !std::thread::panicking() {
            // SAFETY: all of it was made by `Finder::rows`.
            unsafe {
                pg_sys::ExecDropSingleTupleTableSlot(self.slot);
                if !self.expressions.is_null() {
                    pg_sys::FreeExprContext(self.expressions, true);
                }
                pg_sys::index_endscan(self.scan);
                pg_sys::index_close(self.index, pg_sys::NoLock.cast_signed());
            }
        }
    }
}

impl Layout {
    fn of(source: &'static Source, table: &PgRelation) -> Option<Rc<Layout>> {
        let (oid, changes) = (table.oid(), changes_of(table.oid()));
        let known = KNOWN.with_borrow(|all| all.get(&std::ptr::from_ref(source)).cloned());
        if let Some(known) = known.filter(|known| known.table == oid && known.changes == changes) {
            return known.layout;
        }
        let layout = Layout::read(source, table).map(Rc::new);
        let known = Known { table: oid, changes, layout: layout.clone() };
        let outdated = KNOWN.with_borrow_mut(|all| all.insert(source, known));
        drop(outdated);
        layout
    }

    /// None where the table or its index is not as we made it.
    fn read(source: &'static Source, table: &PgRelation) -> Option<Layout> {
        // SAFETY: an open relation has a row of pg_class.
        let class = unsafe { &*(*table.as_ptr()).rd_rel };
        if class.relkind.cast_unsigned() != pg_sys::RELKIND_RELATION || class.relhassubclass || class.relhasrules {
            return None;
        }
        let descriptor = table.tuple_desc();
        let columns: Option<Vec<_>> =
            source.columns.iter().map(|(name, base)| column(&descriptor, name, *base)).collect();
        let columns = columns?;
        let index = usable_index(table, source.index)?;
        // SAFETY: an index that is usable can be opened; an open one has a row of pg_index, and as many entries as
        // columns in each array that is read.
        let is_ours = unsafe {
            let index = PgRelation::with_lock(index, pg_sys::AccessShareLock.cast_signed());
            let row = &*(*index.as_ptr()).rd_index;
            (*(*index.as_ptr()).rd_rel).relam == pg_sys::BTREE_AM_OID
                && usize::try_from(row.indnkeyatts).is_ok_and(|count| count >= source.keys)
                && !row.indcheckxmin
                && pg_sys::RelationGetIndexPredicate(index.as_ptr()).is_null()
                && source.columns.iter().zip(&columns).take(source.keys).enumerate().all(|(n, ((_, base), column))| {
                    let usual = pg_sys::lookup_type_cache(*base, pg_sys::TYPECACHE_BTREE_OPFAMILY.cast_signed());
                    *row.indkey.values.as_ptr().add(n) == *column
                        && *(*index.as_ptr()).rd_opfamily.add(n) == (*usual).btree_opf
                        && *(*index.as_ptr()).rd_indoption.add(n) == 0
                })
        };
        if !is_ours {
            return None;
        }
        // SAFETY: the relation is open. As the owner, whom no function of a policy is forbidden.
        let (context, policies) = as_owner_of(table, || Context::filled(|| unsafe { direct::policies(table) }));
        Some(Layout { columns, index, policies, _context: context })
    }
}
