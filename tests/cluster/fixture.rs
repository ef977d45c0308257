//! Rows for every table.

use crate::{Connection, row_hashes};

/// Two workspaces with rows in every table, written as clients write them.
pub fn load_fixture(connection: &mut Connection) {
    // As `ALTER DATABASE … SET search_path` has it for clients that use the tables' bare names.
    connection.run("BEGIN; SET LOCAL search_path = \"$user\", public, parlant");
    connection.run(include_str!("../fixture/rows.sql"));
    connection.run("COMMIT");
    // A link needs a host: tests/host.rs has one.
    let filled = row_hashes(connection).into_iter().filter(|rows| rows.table != "parlant_host_link");
    let empty: Vec<_> = filled.filter(|rows| rows.count == 0).collect();
    assert!(empty.is_empty(), "the fixture has no rows for {empty:?}");
}

/// What the owner of a database adds to the tables, with grants to the role.
pub fn load_users_own(connection: &mut Connection, role: &str) {
    connection.run(&include_str!("../fixture/users_own.sql").replace("APP_ROLE", role));
}
