//! Whether a table shows what it has shown, to snapshots that differ only in transactions which did not write to it.
//!
//! A row is settled when all that wrote it have ended before a snapshot was taken: it is there, or gone, for that and
//! for all later ones. Whatever is written to a page changes the position in the log that the page tells. So a table
//! whose rows are all settled shows the same to all later snapshots, as long as its pages tell the same positions.

use pgrx::PgRelation;
use pgrx::prelude::*;

/// A table with settled rows.
pub(crate) struct Settled {
    /// The oldest transaction that may have been running.
    horizon: u32,
    /// The position of each page in the log.
    positions: Vec<u64>,
}

impl Settled {
    /// None where a row is not settled, writing is not logged, or the table has more than so many pages.
    pub(crate) fn of(table: &PgRelation, snapshot: &pg_sys::SnapshotData, most: usize) -> Option<Settled> {
        let count = block_count(table);
        if count as usize > most || !is_logged(table) || snapshot.takenDuringRecovery {
            return None;
        }
        let horizon = snapshot.xmin.into_inner();
        let position = |block| {
            let (position, is_settled) = look_at(table, block, |page| page_is_settled(page, horizon));
            is_settled.then_some(position)
        };
        Some(Settled { horizon, positions: (0..count).map(position).collect::<Option<_>>()? })
    }

    /// Whether this snapshot sees the rows that the one before has seen.
    pub(crate) fn shows_the_same(&self, table: &PgRelation, snapshot: &pg_sys::SnapshotData) -> bool {
        let unchanged = |(block, position): (u32, &u64)| look_at(table, block, |_| ()).0 == *position;
        is_logged(table)
            && !snapshot.takenDuringRecovery
            && !precedes(snapshot.xmin.into_inner(), self.horizon)
            && block_count(table) as usize == self.positions.len()
            && (0..).zip(&self.positions).all(unchanged)
    }
}

fn block_count(table: &PgRelation) -> u32 {
    // SAFETY: the table is open.
    unsafe { pg_sys::RelationGetNumberOfBlocksInFork(table.as_ptr(), pg_sys::ForkNumber::MAIN_FORKNUM) }
}

/// Whether all that is written goes to the log. A file that this transaction has made may be left out of it.
fn is_logged(table: &PgRelation) -> bool {
    #[cfg(feature = "pg15")]
    let rewritten = table.rd_firstRelfilenodeSubid;
    #[cfg(not(feature = "pg15"))]
    let rewritten = table.rd_firstRelfilelocatorSubid;
    // SAFETY: an open relation has a row of pg_class.
    let persistence = unsafe { (*table.rd_rel).relpersistence.cast_unsigned() };
    persistence == pg_sys::RELPERSISTENCE_PERMANENT && table.rd_createSubid == 0 && rewritten == 0
}

/// The position of a page in the log, and what is seen in it.
fn look_at<T>(table: &PgRelation, block: u32, see: impl FnOnce(pg_sys::Page) -> T) -> (u64, T) {
    pgrx::check_for_interrupts!();
    // SAFETY: the table is open and has as many blocks; the page is pinned and locked while it is looked at.
    unsafe {
        let buffer = pg_sys::ReadBuffer(table.as_ptr(), block);
        pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE.cast_signed());
        let seen = see(pg_sys::BufferGetPage(buffer));
        let position = pg_sys::BufferGetLSNAtomic(buffer);
        pg_sys::UnlockReleaseBuffer(buffer);
        (position, seen)
    }
}

fn page_is_settled(page: pg_sys::Page, horizon: u32) -> bool {
    // SAFETY: `look_at` gives a page of a table, whose items of this kind are rows with their headers.
    unsafe {
        (1..=pg_sys::PageGetMaxOffsetNumber(page)).all(|number| {
            let item = pg_sys::PageGetItemId(page, number);
            (*item).lp_flags() != pg_sys::LP_NORMAL
                || row_is_settled(&*pg_sys::PageGetItem(page, item).cast_const().cast(), horizon)
        })
    }
}

/// As far as hints tell, which whoever reads the row leaves in it.
fn row_is_settled(row: &pg_sys::HeapTupleHeaderData, horizon: u32) -> bool {
    let has = |bits: u32| u32::from(row.t_infomask) & bits == bits;
    // SAFETY: a row in a table has these two, not the fields of a row in memory.
    let (inserted, deleted) = unsafe {
        let row = &row.t_choice.t_heap;
        (row.t_xmin.into_inner(), row.t_xmax.into_inner())
    };
    let is_there = has(pg_sys::HEAP_XMIN_FROZEN) || (has(pg_sys::HEAP_XMIN_COMMITTED) && precedes(inserted, horizon));
    let never_was = has(pg_sys::HEAP_XMIN_INVALID) && !has(pg_sys::HEAP_XMIN_COMMITTED);
    let stays = has(pg_sys::HEAP_XMAX_INVALID) || has(pg_sys::HEAP_XMAX_LOCK_ONLY);
    let is_gone = has(pg_sys::HEAP_XMAX_COMMITTED) && !has(pg_sys::HEAP_XMAX_IS_MULTI) && precedes(deleted, horizon);
    never_was || (is_there && (stays || is_gone))
}

/// Whether a transaction is older than another, which is no special one; numbers go round.
fn precedes(one: u32, other: u32) -> bool {
    one < pg_sys::FirstNormalTransactionId.into_inner() || one.wrapping_sub(other).cast_signed() < 0
}
