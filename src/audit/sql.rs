//! The statements that write entries for the rows of a transition table.

/// A column whose values go into the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Column {
    /// Quoted as an identifier.
    pub(super) name: String,
    /// Quoted as a string.
    pub(super) label: String,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Has an equality of PostgreSQL's own.
    Comparable,
    /// Compared by its bytes.
    Opaque,
    /// JSON that may hold secrets under keys that say so.
    Json,
    /// A secret as a whole.
    Secret,
}

impl Column {
    fn same(&self) -> String {
        let name = &self.name;
        match self.kind {
            Kind::Comparable => format!("o.{name} IS NOT DISTINCT FROM n.{name}"),
            _ => format!("record_image_eq(ROW(o.{name}), ROW(n.{name}))"),
        }
    }

    fn value(&self, row: char) -> String {
        let name = &self.name;
        match self.kind {
            Kind::Comparable | Kind::Opaque => format!("{row}.{name}"),
            Kind::Json => format!("coalesce(parlant.masked_secrets({row}.{name})::jsonb, {row}.{name}) AS {name}"),
            Kind::Secret => format!("CASE WHEN {row}.{name} IS NOT NULL THEN '***' END AS {name}"),
        }
    }
}

const INTO: &str = "INSERT INTO parlant.parlant_audit_log
    (workspace_id, transaction_id, user_id, customer_id, database_role, table_name, row_id, action, old_values, new_values)";
const ACTOR: &str = "$3, $1, $2, session_user";

/// For rows that came or went, which are in a transition table of this name.
pub(super) fn whole_rows(table: &str, has_workspace: bool, columns: &[Column], action: &str, rows: &str) -> String {
    let workspace = if has_workspace { "r.workspace_id" } else { "''" };
    let (old, new) = if action == "delete" { ("to_jsonb(v)", "NULL") } else { ("NULL", "to_jsonb(v)") };
    format!(
        "{INTO}
         SELECT {workspace}, {ACTOR}, {table}, r.id, '{action}', {old}, {new}
         FROM {rows} AS r CROSS JOIN LATERAL (SELECT {}) AS v",
        values(columns, 'r')
    )
}

/// For rows that were updated. A row whose key was changed is one that went and one that came.
pub(super) fn changed_columns(table: &str, has_workspace: bool, columns: &[Column]) -> String {
    let workspace = if has_workspace { "coalesce(n.workspace_id, o.workspace_id)" } else { "''" };
    let same: Vec<_> = columns.iter().map(Column::same).collect();
    let labels: Vec<_> =
        columns.iter().zip(&same).map(|(column, same)| format!("CASE WHEN {same} THEN {} END", column.label)).collect();
    let unchanged = format!("array_remove(ARRAY[{}]::text[], NULL)", labels.join(", "));
    format!(
        "{INTO}
         SELECT {workspace}, {ACTOR}, {table}, coalesce(n.id, o.id),
                CASE WHEN o.id IS NULL THEN 'insert' WHEN n.id IS NULL THEN 'delete' ELSE 'update' END,
                CASE WHEN n.id IS NULL THEN to_jsonb(ov) WHEN o.id IS NOT NULL THEN to_jsonb(ov) - {unchanged} END,
                CASE WHEN o.id IS NULL THEN to_jsonb(nv) WHEN n.id IS NOT NULL THEN to_jsonb(nv) - {unchanged} END
         FROM old_row AS o FULL JOIN new_row AS n ON n.id = o.id
         CROSS JOIN LATERAL (SELECT {}) AS ov CROSS JOIN LATERAL (SELECT {}) AS nv
         WHERE o.id IS NULL OR n.id IS NULL OR NOT ({})",
        values(columns, 'o'),
        values(columns, 'n'),
        same.join(" AND ")
    )
}

fn values(columns: &[Column], row: char) -> String {
    columns.iter().map(|column| column.value(row)).collect::<Vec<_>>().join(", ")
}
