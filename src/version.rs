//! Whether rows have changed since something was made of them, without reading them.
//!
//! A version of a row is known by who wrote it and where it is, and never changes. So what was made of rows is good as
//! long as a query would find the same versions; which these are an index and the headers of the rows tell, far sooner
//! than a query. It is asked for rows that are the same in the columns that policies read, so that a role sees all of
//! them or none, and what one role's query has made is what another's would make.

use crate::changes::changes_of;
use crate::find::{Finder, Key, Source};
use crate::settled::Settled;
use pgrx::PgRelation;
use pgrx::itemptr::{item_pointer_to_u64, u64_to_item_pointer};
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr::null_mut;

/// Larger tables are not remembered page by page.
const REMEMBERED_PAGES: usize = 1024;

/// Versions of more than this are not remembered from one snapshot to the next equal one.
const REMEMBERED: usize = 1024;

/// Says of two sets of rows whether they are the same, apart from chance: it is a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Version(u64, u64);

/// What decides which versions of rows are seen by a transaction that has not written.
#[derive(PartialEq, Eq)]
struct View {
    limits: (pg_sys::TransactionId, pg_sys::TransactionId),
    running: Vec<pg_sys::TransactionId>,
    subtransactions: Vec<pg_sys::TransactionId>,
    how: (bool, bool),
}

/// Rows of a table as of a number of changes of it.
#[derive(PartialEq, Eq, Hash)]
struct Place {
    table: Oid,
    file: Oid,
    changes: u64,
    source: *const Source,
    keys: Vec<Box<[u8]>>,
}

/// What was seen there, and who else sees it.
struct Seen {
    view: Option<View>,
    settled: Option<Settled>,
    version: Version,
}

thread_local! {
    static SEEN: RefCell<HashMap<Place, Seen>> = RefCell::default();
}

impl Place {
    fn known(&self, table: &PgRelation, snapshot: &pg_sys::SnapshotData, view: Option<&View>) -> Option<Version> {
        // Taken out, because looking at pages may run into an error.
        let (place, seen) = SEEN.with_borrow_mut(|all| all.remove_entry(self))?;
        let is_same_view = view.is_some() && seen.view.as_ref() == view;
        let holds =
            is_same_view || seen.settled.as_ref().is_some_and(|settled| settled.shows_the_same(table, snapshot));
        let version = seen.version;
        holds.then(|| {
            SEEN.with_borrow_mut(|all| all.insert(place, seen));
            version
        })
    }

    fn remember(self, seen: Seen) {
        SEEN.with_borrow_mut(|all| {
            if all.len() >= REMEMBERED {
                all.clear();
            }
            all.insert(self, seen);
        });
    }
}

impl Version {
    /// A version of nothing.
    pub(crate) fn new() -> Version {
        Version(0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f)
    }

    fn add(&mut self, bits: u64) {
        self.0 = mixed(self.0 ^ bits);
        self.1 = mixed(self.1.rotate_left(23).wrapping_add(bits));
    }

    /// Adds the versions of the rows of these keys that the active snapshot shows. More keys than the source has are what
    /// the rows have besides in its next columns, which a foreign key sees to. False where the versions cannot be told,
    /// or the current role does not see all of them, so that only a query can say.
    pub(crate) fn fold(&mut self, source: &'static Source, keys: &[Key<'_>]) -> Result<bool, ErrorReport> {
        // SAFETY: these are the settings and the active snapshot of the backend that runs. Serializable transactions
        // must leave locks on what they read.
        let snapshot = unsafe {
            let is_serializable = pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE.cast_signed();
            if is_serializable || !pg_sys::ActiveSnapshotSet() || rows_may_be_gone() {
                return Ok(false);
            }
            &*pg_sys::GetActiveSnapshot()
        };
        let Some(finder) = Finder::of(source)? else { return Ok(false) };
        let table = finder.table();
        // SAFETY: an open relation has a row of pg_class.
        let class = unsafe { &*table.rd_rel };
        if snapshot.snapshot_type != pg_sys::SnapshotType::SNAPSHOT_MVCC
            || class.relam != pg_sys::HEAP_TABLE_AM_OID
            || !finder.shows_all(keys)
        {
            return Ok(false);
        }
        let place = Place {
            table: table.oid(),
            file: class.relfilenode,
            changes: changes_of(table.oid()),
            source,
            keys: keys.iter().map(|key| key.to_bytes()).collect(),
        };
        // SAFETY: reads the state of the transaction that runs: one that has not written has no id.
        let has_written = unsafe { pg_sys::GetTopTransactionIdIfAny() } != pg_sys::InvalidTransactionId;
        let view = (!has_written).then(|| View::of(snapshot));
        let found = place.known(table, snapshot, view.as_ref()).unwrap_or_else(|| {
            let places = finder.places(keys.get(..source.keys).unwrap_or(keys));
            // Fewer pages than rows, or it is no use.
            let settled = Settled::of(table, snapshot, places.len().min(REMEMBERED_PAGES));
            let mut found = Version::new();
            found.add(place.file.to_u32().into());
            found.add(place.changes);
            found.add_rows(table, &places);
            place.remember(Seen { view, settled, version: found });
            found
        });
        self.add(found.0);
        self.add(found.1);
        Ok(true)
    }

    /// Adds those of the rows at these places that the active snapshot shows.
    fn add_rows(&mut self, table: &PgRelation, places: &[u64]) {
        for rows in places.chunk_by(|one, other| one >> 32 == other >> 32) {
            pgrx::check_for_interrupts!();
            let Some(block) = rows.first().and_then(|row| u32::try_from(row >> 32).ok()) else { continue };
            // SAFETY: the table is open, and its index has told of the block, which stays pinned and locked while its
            // rows are looked at. What the index tells may be of a row that was removed since, and its place taken: no
            // snapshot that is older shows the new one.
            unsafe {
                let snapshot = pg_sys::GetActiveSnapshot();
                let buffer = pg_sys::ReadBuffer(table.as_ptr(), block);
                pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE.cast_signed());
                for row in rows {
                    let mut place = pg_sys::ItemPointerData::default();
                    u64_to_item_pointer(*row, &mut place);
                    let mut tuple = pg_sys::HeapTupleData::default();
                    let is_visible = pg_sys::heap_hot_search_buffer(
                        &raw mut place,
                        table.as_ptr(),
                        buffer,
                        snapshot,
                        &raw mut tuple,
                        null_mut(),
                        true,
                    );
                    if is_visible {
                        self.add(item_pointer_to_u64(tuple.t_self));
                        self.add((*tuple.t_data).t_choice.t_heap.t_xmin.into_inner().into());
                    }
                }
                pg_sys::UnlockReleaseBuffer(buffer);
            }
        }
    }
}

impl Version {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.0) << 64 | u128::from(self.1)).to_be_bytes()
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:016x}{:016x}", self.0, self.1)
    }
}

/// A bijection that spreads each bit over all others: the last steps of MurmurHash3.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// Whether rows that a snapshot shows may have been removed for its age, which a query would report.
fn rows_may_be_gone() -> bool {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    // SAFETY: reads a setting.
    unsafe {
        pg_sys::old_snapshot_threshold >= 0
    }
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    false
}

impl View {
    fn of(snapshot: &pg_sys::SnapshotData) -> View {
        let list = |ids: *mut pg_sys::TransactionId, count: usize| {
            // SAFETY: a snapshot has lists of these lengths, or none.
            if count == 0 { Vec::new() } else { unsafe { std::slice::from_raw_parts(ids, count) }.to_vec() }
        };
        View {
            limits: (snapshot.xmin, snapshot.xmax),
            running: list(snapshot.xip, snapshot.xcnt as usize),
            subtransactions: list(snapshot.subxip, usize::try_from(snapshot.subxcnt).unwrap_or_default()),
            how: (snapshot.suboverflowed, snapshot.takenDuringRecovery),
        }
    }
}
