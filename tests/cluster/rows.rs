//! What a table holds, in a form that two databases can be compared by.

use crate::Connection;

#[derive(Debug, PartialEq)]
pub struct TableRows {
    pub table: String,
    pub count: i64,
    pub hash: String,
}

/// The columns of a table, as a list for a SELECT.
pub struct TableColumns {
    pub table: String,
    pub columns: String,
}

/// Every table of schema parlant with its columns, but for those named as `table.column`.
pub fn columns_without(connection: &mut Connection, left_out: &[&str]) -> Vec<TableColumns> {
    let left_out: Vec<_> = left_out.iter().map(|column| format!("'{column}'")).collect();
    let query = format!(
        "SELECT relname::text, string_agg(quote_ident(attname), ', ' ORDER BY attnum)
         FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
         WHERE relnamespace = 'parlant'::regnamespace AND relkind IN ('r', 'p')
           AND relname || '.' || attname <> ALL (ARRAY[{}]::text[])
         GROUP BY 1 ORDER BY 1",
        left_out.join(", ")
    );
    connection.rows(&query).iter().map(|row| TableColumns { table: row.get(0), columns: row.get(1) }).collect()
}

/// Every table of schema parlant with the number of its rows and a hash over all of them.
pub fn row_hashes(connection: &mut Connection) -> Vec<TableRows> {
    let columns = columns_without(connection, &[]);
    row_hashes_of(connection, &columns)
}

/// These tables with the number of their rows and a hash over these columns of all of them.
pub fn row_hashes_of(connection: &mut Connection, columns: &[TableColumns]) -> Vec<TableRows> {
    columns
        .iter()
        .map(|TableColumns { table, columns }| {
            let rows = connection.rows(&format!(
                "SELECT count(*), md5(coalesce(string_agg(ROW({columns})::text, E'\\n' ORDER BY id), '')) FROM parlant.{table}"
            ));
            TableRows { table: table.clone(), count: rows[0].get(0), hash: rows[0].get(1) }
        })
        .collect()
}
