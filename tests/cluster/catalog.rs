//! Everything that the catalog says about a database's objects, in lines that two databases can be compared by.

use crate::Connection;

/// Describes every object that is not PostgreSQL's own: a line each, sorted. Names, never object identifiers.
pub fn fingerprint(connection: &mut Connection) -> Vec<String> {
    connection.run("SET search_path = pg_catalog"); // then every name comes with its schema
    let mut lines: Vec<String> = connection.column(include_str!("catalog.sql"));
    connection.run("RESET search_path");
    lines.sort();
    lines
}

/// Panics with the lines that only one of them has.
pub fn assert_same(before: &[String], after: &[String], when: &str) {
    let only_in = |lines: &[String], other: &[String], sign: &str| -> String {
        lines.iter().filter(|line| !other.contains(line)).map(|line| format!("{sign} {line}\n")).collect()
    };
    assert!(
        before == after,
        "{when}: not the same (- before, + after)\n{}{}",
        only_in(before, after, "-"),
        only_in(after, before, "+")
    );
}
