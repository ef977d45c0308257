//! What a table holds, in a form that two databases can be compared by.

use crate::Connection;

#[derive(Debug, PartialEq)]
pub struct TableRows {
    pub table: String,
    pub count: i64,
    pub hash: String,
}

/// Every table of schema parlant with the number of its rows and a hash over all of them.
pub fn row_hashes(connection: &mut Connection) -> Vec<TableRows> {
    connection
        .column("SELECT relname::text FROM pg_class WHERE relnamespace = 'parlant'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1")
        .into_iter()
        .map(|table: String| {
            let rows = connection.rows(&format!(
                "SELECT count(*), md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t.id), '')) FROM parlant.{table} t"
            ));
            TableRows { table, count: rows[0].get(0), hash: rows[0].get(1) }
        })
        .collect()
}
