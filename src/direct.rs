//! Writing single rows of hot tables without a query.
//!
//! For each statement the executor parses, plans and compiles every check, default and index predicate of the table
//! anew; on a wide table that costs several times the writing itself. Here they are compiled once a connection, until
//! the table changes, and the executor's own functions do the rest: constraints, the row, its index entries. What they
//! leave to the caller is what the table's triggers and foreign keys of ours would do; a table that has more to say,
//! such as a trigger of a user's or a generated column, is not taken, and its caller writes by SQL.

use crate::changes::changes_of;
use crate::owner::as_owner_of;
use crate::privilege::has_privileges;
use pgrx::pg_sys::{AttrNumber, Datum, Oid};
use pgrx::prelude::*;
use pgrx::{PgRelation, PgTupleDesc};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_int};
use std::ptr::null_mut;
use std::rc::Rc;
use std::thread::LocalKey;

/// What a table may have on it for its rows to be written directly.
pub(crate) struct Kind {
    /// `TRIGGER_TYPE_INSERT` or `TRIGGER_TYPE_UPDATE`.
    pub(crate) event: u32,
    /// The triggers of that event whose work the caller does. All of them must be there, and enabled.
    pub(crate) triggers: &'static [&'static CStr],
    /// The foreign keys that the caller sees to.
    pub(crate) foreign_keys: &'static [&'static CStr],
    /// The checks that hold for whatever the caller writes.
    pub(crate) checks: &'static [&'static CStr],
    /// The columns that an update changes, which may be in no key and no other foreign key; or that are set in a new row
    /// after its checks have passed.
    pub(crate) changes: &'static [&'static str],
}

/// Values by column.
pub(crate) type Values = Vec<(AttrNumber, Option<Datum>)>;

/// What is compiled of a table.
pub(crate) struct Compiled {
    context: Context,
    /// All checks in one, but those of [`Kind::checks`]; null without any.
    checks: *mut pg_sys::ExprState,
    /// By check; null for each whose answer no change of [`Kind::changes`] can alter.
    affected_checks: *mut *mut pg_sys::ExprState,
    /// By column; null where there is none.
    defaults: Vec<*mut pg_sys::ExprState>,
    /// By column whose type is one.
    domains: Vec<Option<Domain>>,
    indexes: Vec<(Oid, *mut pg_sys::IndexInfo)>,
    policies: Option<Policies>,
    /// A copy, which the slots of rows refer to without being counted, as those of a relation's own are.
    descriptor: pg_sys::TupleDesc,
}

/// What is compiled of a table, with where in it is what its writer reads and writes.
#[derive(Clone)]
pub(crate) struct Layout<Columns> {
    pub(crate) compiled: Rc<Compiled>,
    pub(crate) columns: Columns,
}

/// Where a writer keeps it for the connection.
pub(crate) type Kept<Columns> = LocalKey<RefCell<Option<Layout<Columns>>>>;

impl<Columns: Clone + 'static> Layout<Columns> {
    /// None where rows must be written by SQL, or `find` finds other columns than it looks for. The table is open and
    /// locked for writing.
    pub(crate) fn of(
        kept: &'static Kept<Columns>,
        table: &PgRelation,
        kind: &Kind,
        find: impl FnOnce(&PgRelation) -> Option<Columns>,
    ) -> Option<Self> {
        let compiled = Compiled::of(table, kind)?;
        let is_the_same = |layout: &&Self| Rc::ptr_eq(&layout.compiled, &compiled);
        let known = kept.with_borrow(|layout| layout.as_ref().filter(is_the_same).cloned());
        known.or_else(|| {
            let layout = Layout { compiled, columns: find(table)? };
            let outdated = kept.replace(Some(layout.clone()));
            drop(outdated);
            Some(layout)
        })
    }
}

/// Conditions of which a row must fulfil one of each list.
#[derive(Default)]
pub(crate) struct Policies {
    inserting: Vec<*mut pg_sys::ExprState>,
    reading: Vec<*mut pg_sys::ExprState>,
    /// Of a row that is to be updated, and of what it becomes.
    updating: Vec<*mut pg_sys::ExprState>,
    updated: Vec<*mut pg_sys::ExprState>,
    /// The columns that reading asks for; none where it may give two answers for the same row.
    read_columns: Option<Vec<AttrNumber>>,
}

impl Policies {
    /// # Safety
    /// The slot holds a row of the table, and the expression context is one for a row.
    pub(crate) unsafe fn show(&self, slot: *mut pg_sys::TupleTableSlot, context: *mut pg_sys::ExprContext) -> bool {
        // SAFETY: as the caller promises.
        unsafe { admits(&self.reading, slot, context) }
    }

    /// Whether of rows that are the same in these columns they show all or none.
    pub(crate) fn read_only(&self, columns: &[AttrNumber]) -> bool {
        self.read_columns.as_ref().is_some_and(|read| read.iter().all(|column| columns.contains(column)))
    }

    /// Whether the row may be locked for an update.
    ///
    /// # Safety
    /// As of `show`.
    pub(crate) unsafe fn allow_update(
        &self,
        slot: *mut pg_sys::TupleTableSlot,
        context: *mut pg_sys::ExprContext,
    ) -> bool {
        // SAFETY: as the caller promises.
        unsafe { admits(&self.updating, slot, context) }
    }
}

/// # Safety
/// As of `Policies::show`; the conditions are boolean expressions over a row of the table.
unsafe fn admits(
    conditions: &[*mut pg_sys::ExprState],
    slot: *mut pg_sys::TupleTableSlot,
    context: *mut pg_sys::ExprContext,
) -> bool {
    conditions.iter().any(|condition| {
        let mut is_null = false;
        // SAFETY: as the caller promises.
        unsafe {
            (*context).ecxt_scantuple = slot;
            let holds = pg_sys::ExecEvalExpr(*condition, context, &raw mut is_null);
            !is_null && holds.value() & 1 == 1
        }
    })
}

/// Memory of what is compiled, which goes with it.
pub(crate) struct Context(pg_sys::MemoryContext);

impl Context {
    /// Has `compile` make what lives in it.
    pub(crate) fn filled<T>(compile: impl FnOnce() -> T) -> (Context, T) {
        // SAFETY: the new context is current while `compile` runs, or until an error ends the statement.
        unsafe {
            let context = pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"parlant compiled table".as_ptr(),
                0,
                8 * 1024,
                1024 * 1024,
            );
            let before = pg_sys::MemoryContextSwitchTo(context);
            let compiled = compile();
            pg_sys::MemoryContextSwitchTo(before);
            (Context(context), compiled)
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by `filled`; what is in it is reached through what is kept with it only.
        unsafe { pg_sys::MemoryContextDelete(self.0) }
    }
}

/// What is known of a table, as of a number of changes.
#[derive(Clone)]
struct Known {
    changes: u64,
    /// None where its rows are written by SQL.
    compiled: Option<Rc<Compiled>>,
}

thread_local! {
    static COMPILED: RefCell<BTreeMap<u32, Known>> = RefCell::default();
}

impl Compiled {
    /// None where rows must be written by SQL. The table is open and locked for writing.
    fn of(table: &PgRelation, kind: &Kind) -> Option<Rc<Compiled>> {
        let oid = table.oid();
        let now = changes_of(oid);
        let known = COMPILED.with_borrow(|all| all.get(&oid.to_u32()).filter(|known| known.changes == now).cloned());
        if let Some(known) = known {
            return known.compiled;
        }
        // As the owner, whom no function that is compiled is forbidden.
        let compiled = is_plain(table, kind).then(|| as_owner_of(table, || Rc::new(Compiled::compile(table, kind))));
        let compiled = compiled.filter(|compiled| compiled.indexes_are_plain());
        let known = Known { changes: now, compiled: compiled.clone() };
        let outdated = COMPILED.with_borrow_mut(|all| all.insert(oid.to_u32(), known));
        drop(outdated);
        compiled
    }

    /// Whether the current role may insert rows and read them back, as far as privileges go and policies are known.
    /// Where not, an `INSERT` says why.
    pub(crate) fn may_insert(&self, table: &PgRelation, is_restricted: bool) -> bool {
        may_write() && may(table, is_restricted, self.policies.as_ref(), pg_sys::ACL_INSERT | pg_sys::ACL_SELECT)
    }

    /// Whether the current role may update rows that it may read, likewise.
    pub(crate) fn may_update(&self, table: &PgRelation, is_restricted: bool) -> bool {
        may_write() && may(table, is_restricted, self.policies.as_ref(), pg_sys::ACL_UPDATE | pg_sys::ACL_SELECT)
    }

    fn compile(table: &PgRelation, kind: &Kind) -> Compiled {
        let descriptor = table.tuple_desc();
        let changes = columns(&descriptor, kind.changes);
        // SAFETY: the relation is open, and its description, checks, policies and indexes are read as PostgreSQL's own
        // code reads them.
        let (context, (checks, affected_checks, defaults, domains, indexes, policies, copy)) =
            Context::filled(|| unsafe {
                let description = &*(*table.as_ptr()).rd_att;
                (
                    all_checks(description, kind),
                    affected_checks(description, changes.as_deref()),
                    (1..=descriptor.len()).map(|column| default(table, column)).collect(),
                    descriptor.iter().map(|column| Domain::of_column(column.atttypid)).collect(),
                    indexes(table),
                    policies(table),
                    pg_sys::CreateTupleDescCopy((*table.as_ptr()).rd_att),
                )
            });
        Compiled { context, checks, affected_checks, defaults, domains, indexes, policies, descriptor: copy }
    }

    /// Only such are kept compiled: B-trees over columns, which are checked at once.
    fn indexes_are_plain(&self) -> bool {
        self.indexes.iter().all(|(_, info)| !info.is_null())
    }

    /// For writing new rows. The table is open and locked, and this was compiled since it last changed.
    pub(crate) fn writer<'a>(&'a self, table: &'a PgRelation) -> Writer<'a> {
        // SAFETY: as said.
        Writer { compiled: self, table, target: Some(unsafe { Target::open(self, table) }) }
    }

    /// Writes a new version of the row in the slot, if the active snapshot shows its newest. None, and nothing done,
    /// where the policies restrict who asks and do not allow it.
    ///
    /// # Safety
    /// The slot holds a row of the table as the active snapshot sees it; the changes are of its columns and types, and
    /// among those of [`Kind`].
    pub(crate) unsafe fn update(
        &self,
        table: &PgRelation,
        row: *mut pg_sys::TupleTableSlot,
        changes: &[(AttrNumber, Option<Datum>)],
        is_restricted: bool,
    ) -> Option<pg_sys::TM_Result::Type> {
        // SAFETY: as the caller promises. The new row has as many columns as the old one, whose values stay where its slot
        // pins them; what is made here is freed below, or when the transaction aborts.
        unsafe {
            let relation = table.as_ptr();
            pg_sys::CheckCmdReplicaIdentity(relation, pg_sys::CmdType::CMD_UPDATE);
            let slot = pg_sys::MakeSingleTupleTableSlot((*relation).rd_att, &raw const pg_sys::TTSOpsVirtual);
            let new = NewRow(slot);
            pg_sys::slot_getallattrs(row);
            let count = usize::try_from((*(*relation).rd_att).natts).unwrap_or_default();
            (*slot).tts_values.copy_from_nonoverlapping((*row).tts_values, count);
            (*slot).tts_isnull.copy_from_nonoverlapping((*row).tts_isnull, count);
            new.set(changes);
            pg_sys::ExecStoreVirtualTuple(slot);
            (*slot).tts_tableOid = table.oid();
            let mut target = Target::open(self, table);
            let is_allowed = !is_restricted
                || self.policies.as_ref().is_some_and(|policies| {
                    policies.allow_update(row, target.expressions)
                        && admits(&policies.updated, slot, target.expressions)
                        && policies.show(slot, target.expressions)
                });
            let result = is_allowed.then(|| {
                pg_sys::ExecConstraints(&raw mut *target.relation, slot, target.state);
                let mut failure = pg_sys::TM_FailureData::default();
                let mut lock = pg_sys::LockTupleMode::LockTupleNoKeyExclusive;
                let mut entries = Entries::default();
                let result = pg_sys::table_tuple_update(
                    relation,
                    &raw mut (*row).tts_tid,
                    slot,
                    pg_sys::GetCurrentCommandId(true),
                    pg_sys::GetActiveSnapshot(),
                    null_mut(),
                    true,
                    &raw mut failure,
                    &raw mut lock,
                    &raw mut entries,
                );
                if result == pg_sys::TM_Result::TM_Ok && entries != Entries::default() {
                    target.open_indexes(self);
                    target.insert_entries(slot, Some(entries));
                }
                result
            });
            target.close();
            result
        }
    }
}

/// Writes new rows of a table.
pub(crate) struct Writer<'a> {
    compiled: &'a Compiled,
    table: &'a PgRelation,
    /// None once it is closed.
    target: Option<Target>,
}

/// A row that is not yet in its table.
pub(crate) struct NewRow(*mut pg_sys::TupleTableSlot);

impl Writer<'_> {
    fn expressions(&self) -> *mut pg_sys::ExprContext {
        self.target.as_ref().map_or(null_mut(), |target| target.expressions)
    }

    /// A new row with these columns, whose values are of their types, and defaults in the others.
    pub(crate) fn row(&self, given: &[(AttrNumber, Option<Datum>)]) -> NewRow {
        // SAFETY: the table is open and locked, and its defaults were compiled since it last changed.
        unsafe {
            let slot = pg_sys::MakeSingleTupleTableSlot(self.compiled.descriptor, &raw const pg_sys::TTSOpsVirtual);
            let row = NewRow(slot);
            for (default, column) in self.compiled.defaults.iter().zip(1..) {
                if !given.iter().any(|(sent, _)| *sent == column) {
                    let mut is_null = true;
                    let value = if default.is_null() {
                        Datum::null()
                    } else {
                        pg_sys::ExecEvalExpr(*default, self.expressions(), &raw mut is_null)
                    };
                    row.set(&[(column, (!is_null).then_some(value))]);
                }
            }
            row.set(given);
            pg_sys::ExecStoreVirtualTuple(slot);
            row
        }
    }

    /// Whether the checks of the table hold. Raises what the domains of columns refuse.
    pub(crate) fn passes_checks(&self, row: &NewRow) -> bool {
        let (slot, expressions) = (row.0, self.expressions());
        // SAFETY: the slot holds a row of the table, whose checks these are.
        unsafe {
            for (n, domain) in self.compiled.domains.iter().enumerate() {
                if let Some(domain) = domain {
                    let (value, is_null) = (*(*slot).tts_values.add(n), *(*slot).tts_isnull.add(n));
                    domain.check(value, is_null, self.compiled.context.0);
                }
            }
            (*expressions).ecxt_scantuple = slot;
            let passes = self.compiled.checks.is_null() || pg_sys::ExecCheck(self.compiled.checks, expressions);
            pg_sys::MemoryContextReset((*expressions).ecxt_per_tuple_memory);
            passes
        }
    }

    /// Inserts rows that have passed the checks. The caller has done, or does, what the triggers and the foreign keys of
    /// [`Kind`] would.
    pub(crate) fn insert(mut self, rows: Vec<NewRow>, is_restricted: bool) {
        for row in &rows {
            if is_restricted && !self.passes_policies(row) {
                // What PostgreSQL says.
                ereport!(
                    ERROR,
                    PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                    format!("new row violates row-level security policy for table \"{}\"", self.table.name())
                );
            }
        }
        let Some(mut target) = self.target.take() else { return };
        // SAFETY: the slots hold rows of the table, which is open and locked. What was made for them is freed here, or
        // when the transaction aborts.
        unsafe {
            target.open_indexes(self.compiled);
            if let [row] = &*rows {
                pg_sys::ExecSimpleRelationInsert(&raw mut *target.relation, target.state, row.0);
            } else {
                target.insert_together(&rows);
            }
            target.close();
            pg_sys::CommandCounterIncrement();
        }
    }

    fn passes_policies(&self, row: &NewRow) -> bool {
        let expressions = self.expressions();
        // SAFETY: the slot holds a row of the table.
        self.compiled.policies.as_ref().is_some_and(|policies| unsafe {
            admits(&policies.inserting, row.0, expressions) && policies.show(row.0, expressions)
        })
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        // After an error it goes with the transaction.
        if let Some(target) = self.target.take().filter(|_| !std::thread::panicking()) {
            target.close();
        }
    }
}

impl NewRow {
    /// Sets columns of the table to values of their types.
    pub(crate) fn set(&self, given: &[(AttrNumber, Option<Datum>)]) {
        for (column, value) in given {
            let Some(n) = usize::try_from(*column).ok().and_then(|n| n.checked_sub(1)) else { continue };
            // SAFETY: the slot has room for as many values as the table has columns.
            unsafe {
                *(*self.0).tts_values.add(n) = value.unwrap_or(Datum::null());
                *(*self.0).tts_isnull.add(n) = value.is_none();
            }
        }
    }

    /// The value of a column of the table, which `T` must be the type of.
    pub(crate) fn get<T: FromDatum>(&self, column: AttrNumber) -> Option<T> {
        let mut is_null = false;
        // SAFETY: the slot holds a row that has the column.
        unsafe {
            let datum = pg_sys::slot_getattr(self.0, column.into(), &raw mut is_null);
            T::from_datum(datum, is_null)
        }
    }
}

impl Drop for NewRow {
    fn drop(&mut self) {
        // After an error it goes with the transaction.
        if !std::thread::panicking() {
            // SAFETY: made by `Writer::row`.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.0) }
        }
    }
}

/// Which indexes need an entry for a new version of a row; none by default.
#[cfg(feature = "pg15")]
type Entries = bool;
#[cfg(not(feature = "pg15"))]
type Entries = pg_sys::TU_UpdateIndexes::Type;

/// The table as the executor's functions ask for it, without the triggers.
struct Target {
    state: *mut pg_sys::EState,
    expressions: *mut pg_sys::ExprContext,
    relation: Box<pg_sys::ResultRelInfo>,
    indexes: Vec<pg_sys::Relation>,
    infos: Vec<*mut pg_sys::IndexInfo>,
}

impl Target {
    /// # Safety
    /// The table is open and locked for writing, and this was compiled since it last changed.
    unsafe fn open(compiled: &Compiled, table: &PgRelation) -> Target {
        let mut relation = Box::new(pg_sys::ResultRelInfo::default());
        relation.type_ = pg_sys::NodeTag::T_ResultRelInfo;
        relation.ri_RelationDesc = table.as_ptr();
        #[cfg(not(feature = "pg18"))]
        {
            relation.ri_ConstraintExprs = compiled.affected_checks;
        }
        #[cfg(feature = "pg18")]
        {
            relation.ri_CheckConstraintExprs = compiled.affected_checks;
        }
        // SAFETY: as the caller promises.
        unsafe {
            let state = pg_sys::CreateExecutorState();
            let expressions = pg_sys::MakePerTupleExprContext(state);
            Target { state, expressions, relation, indexes: Vec::new(), infos: Vec::new() }
        }
    }

    /// # Safety
    /// As of `open`.
    unsafe fn open_indexes(&mut self, compiled: &Compiled) {
        let lock = pg_sys::RowExclusiveLock.cast_signed();
        // SAFETY: as the caller promises; both arrays stay as they are while `relation` points to them.
        self.indexes = compiled.indexes.iter().map(|(index, _)| unsafe { pg_sys::index_open(*index, lock) }).collect();
        self.infos = compiled.indexes.iter().map(|(_, info)| *info).collect();
        self.relation.ri_NumIndices = self.indexes.len() as c_int;
        self.relation.ri_IndexRelationDescs = self.indexes.as_mut_ptr();
        self.relation.ri_IndexRelationInfo = self.infos.as_mut_ptr();
    }

    /// What `ExecSimpleRelationInsert` does for one row, with as many rows as fit on a page written to it at once.
    ///
    /// # Safety
    /// The slots hold new rows of the table, whose indexes are open.
    unsafe fn insert_together(&mut self, rows: &[NewRow]) {
        let mut slots: Vec<_> = rows.iter().map(|row| row.0).collect();
        // SAFETY: as the caller promises; after an insertion a slot knows where its row is.
        unsafe {
            for slot in &slots {
                pg_sys::ExecConstraints(&raw mut *self.relation, *slot, self.state);
            }
            pg_sys::table_multi_insert(
                self.relation.ri_RelationDesc,
                slots.as_mut_ptr(),
                slots.len() as c_int,
                pg_sys::GetCurrentCommandId(true),
                0,
                null_mut(),
            );
            for slot in slots {
                self.insert_entries(slot, None);
                pg_sys::MemoryContextReset((*self.expressions).ecxt_per_tuple_memory);
            }
        }
    }

    /// # Safety
    /// The slot holds a row of the table: a new one, or a new version of one with the indexes that need an entry for it.
    unsafe fn insert_entries(&mut self, slot: *mut pg_sys::TupleTableSlot, update: Option<Entries>) {
        let (relation, none) = (&raw mut *self.relation, null_mut());
        let is_update = update.is_some();
        // SAFETY: as the caller promises; nothing is said of conflicts.
        unsafe {
            #[cfg(feature = "pg15")]
            pg_sys::ExecInsertIndexTuples(relation, slot, self.state, is_update, false, none, null_mut());
            #[cfg(not(feature = "pg15"))]
            pg_sys::ExecInsertIndexTuples(
                relation,
                slot,
                self.state,
                is_update,
                false,
                none,
                null_mut(),
                update == Some(pg_sys::TU_UpdateIndexes::TU_Summarizing),
            );
        }
    }

    fn close(self) {
        // SAFETY: both were opened by `open`; locks are kept until the transaction ends.
        unsafe {
            for index in &self.indexes {
                pg_sys::index_close(*index, pg_sys::NoLock.cast_signed());
            }
            pg_sys::FreeExecutorState(self.state);
        }
    }
}

/// The number of a column of this name and, below any domain, type.
pub(crate) fn column(table: &PgTupleDesc<'_>, name: &str, base: Oid) -> Option<AttrNumber> {
    let (n, column) = table.iter().enumerate().find(|(_, column)| !column.is_dropped() && column.name() == name)?;
    // SAFETY: the type is that of a column.
    let is_as_expected = unsafe { pg_sys::getBaseType(column.atttypid) } == base;
    is_as_expected.then_some(AttrNumber::try_from(n).ok()? + 1)
}

/// The numbers of columns; none where one is missing.
fn columns(table: &PgTupleDesc<'_>, names: &[&str]) -> Option<Vec<AttrNumber>> {
    let number = |name: &&str| {
        let n = table.iter().position(|column| !column.is_dropped() && column.name() == *name)?;
        Some(AttrNumber::try_from(n).ok()? + 1)
    };
    names.iter().map(number).collect()
}

fn is_plain(table: &PgRelation, kind: &Kind) -> bool {
    let is_generated = table.tuple_desc().iter().any(|column| column.attgenerated != 0);
    // SAFETY: an open relation has a row of pg_class.
    let class = unsafe { &*(*table.as_ptr()).rd_rel };
    class.relkind.cast_unsigned() == pg_sys::RELKIND_RELATION
        && !class.relhassubclass
        && !class.relhasrules
        && !is_generated
        && triggers_are_known(table, kind)
        && (kind.event != pg_sys::TRIGGER_TYPE_UPDATE || keys_are_known(table, kind))
}

/// Whether no key has a column that changes, and no foreign key but those that the caller sees to.
fn keys_are_known(table: &PgRelation, kind: &Kind) -> bool {
    let changes = columns(&table.tuple_desc(), kind.changes);
    let Some(changes) = changes else { return false };
    // SAFETY: the relation is open; what is kept of its keys is copied, or read before anything can change it.
    unsafe {
        let keys =
            pg_sys::RelationGetIndexAttrBitmap(table.as_ptr(), pg_sys::IndexAttrBitmapKind::INDEX_ATTR_BITMAP_KEY);
        let is_key = |column: &AttrNumber| {
            pg_sys::bms_is_member(c_int::from(*column) - pg_sys::FirstLowInvalidHeapAttributeNumber, keys)
        };
        let foreign_keys = pg_sys::RelationGetFKeyList(table.as_ptr());
        let foreign_keys = pgrx::PgList::<pg_sys::ForeignKeyCacheInfo>::from_pg(foreign_keys);
        let is_ours = |key: &pg_sys::ForeignKeyCacheInfo| {
            let name = pg_sys::get_constraint_name(key.conoid);
            !name.is_null() && kind.foreign_keys.contains(&CStr::from_ptr(name))
        };
        let changes_foreign_key = foreign_keys.iter_ptr().any(|key| {
            let count = usize::try_from((*key).nkeys).unwrap_or_default();
            (&(*key).conkey)[..count].iter().any(|column| changes.contains(column)) && !is_ours(&*key)
        });
        !changes.iter().any(is_key) && !changes_foreign_key
    }
}

/// Whether the transaction may write, and as one whose triggers fire.
pub(crate) fn may_write() -> bool {
    // SAFETY: these are settings of the backend that runs.
    unsafe {
        !(pg_sys::XactReadOnly || pg_sys::IsInParallelMode())
            && pg_sys::SessionReplicationRole != pg_sys::SESSION_REPLICATION_ROLE_REPLICA.cast_signed()
    }
}

/// Whether the current role has privileges, and policies that restrict it are known.
pub(crate) fn may(table: &PgRelation, is_restricted: bool, policies: Option<&Policies>, privileges: u32) -> bool {
    // SAFETY: the setting is one of the backend that runs.
    let policies_may_bind = || unsafe { pg_sys::row_security } && policies.is_some();
    has_privileges(table, privileges) && (!is_restricted || policies_may_bind())
}

fn triggers_are_known(table: &PgRelation, kind: &Kind) -> bool {
    // SAFETY: an open relation has its triggers in an array of that length, or none.
    let triggers = unsafe {
        let description = (*table.as_ptr()).trigdesc;
        if description.is_null() {
            return kind.triggers.is_empty();
        }
        std::slice::from_raw_parts((*description).triggers, usize::try_from((*description).numtriggers).unwrap_or(0))
    };
    let mut ours = 0;
    for trigger in triggers.iter().filter(|trigger| u32::from(trigger.tgtype.cast_unsigned()) & kind.event != 0) {
        if trigger.tgisinternal {
            // Those of an update are for `keys_are_known`.
            // SAFETY: the trigger of a constraint has its id, and a constraint a name that ends with NUL.
            let is_known = kind.event == pg_sys::TRIGGER_TYPE_UPDATE
                || unsafe {
                    let name = pg_sys::get_constraint_name(trigger.tgconstraint);
                    !name.is_null() && kind.foreign_keys.contains(&CStr::from_ptr(name))
                };
            if !is_known {
                return false;
            }
            continue;
        }
        // SAFETY: a trigger has a name that ends with NUL.
        let name = unsafe { CStr::from_ptr(trigger.tgname) };
        if !kind.triggers.contains(&name) || trigger.tgenabled.cast_unsigned() != pg_sys::TRIGGER_FIRES_ON_ORIGIN {
            return false;
        }
        ours += 1;
    }
    ours == kind.triggers.len()
}

/// # Safety
/// The description is that of an open relation.
unsafe fn enforced_checks(descriptor: &pg_sys::TupleDescData) -> impl Iterator<Item = (usize, &pg_sys::ConstrCheck)> {
    // SAFETY: as the caller promises; constraints are there or null.
    let checks = unsafe {
        match descriptor.constr.as_ref().filter(|constraints| constraints.num_check > 0) {
            Some(constraints) => std::slice::from_raw_parts(constraints.check, usize::from(constraints.num_check)),
            None => &[],
        }
    };
    #[cfg(feature = "pg18")]
    let checks = checks.iter().enumerate().filter(|(_, check)| check.ccenforced);
    #[cfg(not(feature = "pg18"))]
    let checks = checks.iter().enumerate();
    checks
}

/// # Safety
/// The description is that of an open relation.
unsafe fn all_checks(descriptor: &pg_sys::TupleDescData, kind: &Kind) -> *mut pg_sys::ExprState {
    let mut all = pgrx::PgList::<pg_sys::Expr>::new();
    // SAFETY: as the caller promises; each check has a name that ends with NUL, and an expression.
    unsafe {
        let is_known = |check: &pg_sys::ConstrCheck| kind.checks.contains(&CStr::from_ptr(check.ccname));
        for (_, check) in enforced_checks(descriptor).filter(|(_, check)| !is_known(check)) {
            all.push(pg_sys::expression_planner(pg_sys::stringToNode(check.ccbin).cast()));
        }
        if all.is_empty() { null_mut() } else { pg_sys::ExecInitCheck(all.into_pg(), null_mut()) }
    }
}

/// # Safety
/// The description is that of an open relation.
unsafe fn affected_checks(
    descriptor: &pg_sys::TupleDescData,
    changes: Option<&[AttrNumber]>,
) -> *mut *mut pg_sys::ExprState {
    // SAFETY: as the caller promises: the array is as long as the executor expects, and each check has an expression.
    unsafe {
        let count = descriptor.constr.as_ref().map_or(0, |constraints| usize::from(constraints.num_check));
        let array: *mut *mut pg_sys::ExprState = pg_sys::palloc0(count * size_of::<*mut ()>()).cast();
        for (n, check) in enforced_checks(descriptor) {
            if is_affected(check, changes) {
                *array.add(n) = compiled(pg_sys::stringToNode(check.ccbin).cast());
            }
        }
        array
    }
}

/// Whether a row that fulfils the check, as far as is known, may not do so once these columns have changed.
///
/// # Safety
/// The check is one of an open relation.
unsafe fn is_affected(check: &pg_sys::ConstrCheck, changes: Option<&[AttrNumber]>) -> bool {
    // SAFETY: as the caller promises: it has an expression over a row of the relation.
    unsafe {
        let expression: *mut pg_sys::Expr = pg_sys::stringToNode(check.ccbin).cast();
        let reads_a_change = || {
            let read = columns_of(expression);
            let read_and_changed = |read: Vec<AttrNumber>| {
                changes.is_none_or(|changes| read.iter().any(|column| *column <= 0 || changes.contains(column)))
            };
            read.is_none_or(read_and_changed)
        };
        !check.ccvalid || pg_sys::contain_mutable_functions(expression.cast()) || reads_a_change()
    }
}

/// # Safety
/// The relation is open and has the column.
unsafe fn default(table: &PgRelation, column: usize) -> *mut pg_sys::ExprState {
    // SAFETY: as the caller promises.
    unsafe {
        let expression = pg_sys::build_column_default(table.as_ptr(), column as c_int);
        if expression.is_null() { null_mut() } else { compiled(expression.cast()) }
    }
}

struct Domain {
    id: Oid,
    /// What PostgreSQL keeps of its checks.
    kept: Cell<*mut std::ffi::c_void>,
}

impl Domain {
    /// None where the type of a column is no domain, or the column is dropped.
    fn of_column(column_type: Oid) -> Option<Domain> {
        // SAFETY: the type is that of a column.
        let is_domain = column_type != Oid::INVALID && unsafe { pg_sys::getBaseType(column_type) } != column_type;
        is_domain.then(|| Domain { id: column_type, kept: Cell::new(null_mut()) })
    }

    /// Raises what the domain refuses.
    ///
    /// # Safety
    /// The value is of its base type, the context lives as long as the domain.
    unsafe fn check(&self, value: Datum, is_null: bool, context: pg_sys::MemoryContext) {
        let mut kept = self.kept.get();
        // SAFETY: as the caller promises; what is kept is from an earlier call, or null.
        unsafe { pg_sys::domain_check(value, is_null, self.id, &raw mut kept, context) }
        self.kept.set(kept);
    }
}

/// Null instead of one that is not plain.
///
/// # Safety
/// The relation is open and locked.
unsafe fn indexes(table: &PgRelation) -> Vec<(Oid, *mut pg_sys::IndexInfo)> {
    let indexes = table.indices(pg_sys::AccessShareLock.cast_signed());
    let compile = |index: &PgRelation| {
        // SAFETY: an open index has a row of pg_index and of pg_class, and what is built of them belongs to us.
        unsafe {
            let info = pg_sys::BuildIndexInfo(index.as_ptr());
            let is_plain = (*(*index.as_ptr()).rd_index).indimmediate
                && (*(*index.as_ptr()).rd_rel).relam == pg_sys::BTREE_AM_OID
                && (*info).ii_Expressions.is_null()
                && (*info).ii_ExclusionOps.is_null();
            if !is_plain {
                return null_mut();
            }
            if !(*info).ii_Predicate.is_null() {
                let predicate = pg_sys::expression_planner((*info).ii_Predicate.cast());
                (*info).ii_PredicateState = pg_sys::ExecInitQual(predicate.cast(), null_mut());
            }
            info
        }
    };
    indexes.map(|index| (index.oid(), compile(&index))).collect()
}

/// None if they are not the same for every role, or more than alternatives, or look into tables.
///
/// # Safety
/// The relation is open.
pub(crate) unsafe fn policies(table: &PgRelation) -> Option<Policies> {
    let mut policies = Policies { read_columns: Some(Vec::new()), ..Policies::default() };
    // SAFETY: as the caller promises: a relation with row-level security has a list of its policies.
    unsafe {
        let security = (*table.as_ptr()).rd_rsdesc;
        if security.is_null() {
            return None;
        }
        let list = pgrx::PgList::<pg_sys::RowSecurityPolicy>::from_pg((*security).policies);
        for policy in list.iter_ptr() {
            let policy = &*policy;
            let is_for_all = pgrx::Array::<Oid>::from_datum(Datum::from(policy.roles), false)
                .is_some_and(|roles| roles.iter().eq([Some(Oid::INVALID)]));
            if !is_for_all || !policy.permissive || policy.hassublinks {
                return None;
            }
            let is_for = |command: u8| {
                let policy_is_for = policy.polcmd.cast_unsigned();
                policy_is_for == command || policy_is_for == b'*'
            };
            let condition = if policy.with_check_qual.is_null() { policy.qual } else { policy.with_check_qual };
            if is_for(pg_sys::ACL_INSERT_CHR) && !condition.is_null() {
                policies.inserting.push(compiled(pg_sys::copyObjectImpl(condition.cast()).cast()));
            }
            if is_for(pg_sys::ACL_SELECT_CHR) && !policy.qual.is_null() {
                let more = columns_of(policy.qual);
                policies.read_columns = policies.read_columns.zip(more).map(|(one, more)| [one, more].concat());
                policies.reading.push(compiled(pg_sys::copyObjectImpl(policy.qual.cast()).cast()));
            }
            if is_for(pg_sys::ACL_UPDATE_CHR) && !policy.qual.is_null() {
                policies.updating.push(compiled(pg_sys::copyObjectImpl(policy.qual.cast()).cast()));
                policies.updated.push(compiled(pg_sys::copyObjectImpl(condition.cast()).cast()));
            }
        }
    }
    Some(policies)
}

/// None where the expression is volatile.
///
/// # Safety
/// It is an expression over a row of one table.
unsafe fn columns_of(expression: *mut pg_sys::Expr) -> Option<Vec<AttrNumber>> {
    // SAFETY: as the caller promises: such an expression has the table as its first. A set ends with a negative number.
    unsafe {
        if pg_sys::contain_volatile_functions(expression.cast()) {
            return None;
        }
        let mut set = null_mut();
        pg_sys::pull_varattnos(expression.cast(), 1, &raw mut set);
        let next = |member: &c_int| Some(pg_sys::bms_next_member(set, *member)).filter(|member| *member >= 0);
        let members = std::iter::successors(next(&-1), next);
        members.map(|member| AttrNumber::try_from(member + pg_sys::FirstLowInvalidHeapAttributeNumber).ok()).collect()
    }
}

/// # Safety
/// It is an expression over a row of one table.
unsafe fn compiled(expression: *mut pg_sys::Expr) -> *mut pg_sys::ExprState {
    // SAFETY: as the caller promises.
    unsafe { pg_sys::ExecInitExpr(pg_sys::expression_planner(expression), null_mut()) }
}
