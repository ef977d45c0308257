//! pg_upgrade from the major version before takes everything along.

use std::io::{Write, stderr};

use parlant_tests::{
    Cluster, Connection, Tree, assert_same, assert_works, fingerprint, load_fixture, load_users_own, row_hashes, run,
};

/// Without what may differ because PostgreSQL itself does: since 17 there is a privilege MAINTAIN, since 18 a NOT NULL
/// is a constraint with a name.
fn comparable(mut lines: Vec<String>) -> Vec<String> {
    lines.retain(|line| {
        let maintain = line.starts_with("grant on ") && line.contains(": MAINTAIN to ");
        let not_null = line.starts_with("constraint ") && line.contains(": NOT NULL ");
        !maintain && !not_null
    });
    lines
}

/// Around the test runner, which hides what a test prints that does not fail.
fn skip(what: &str) {
    let line = format!("SKIPPED: no upgrade from PostgreSQL {what}\n");
    stderr().write_all(line.as_bytes()).expect("stderr can be written to");
}

/// There is a build of 17.12 that does. No database of it with a table can be upgraded.
fn marks_columns_of_its_own_accord(connection: &mut Connection) -> bool {
    connection.run("CREATE TEMP TABLE plain (n int)");
    connection
        .value("SELECT attoptions IS NOT NULL FROM pg_attribute WHERE attrelid = 'plain'::regclass AND attnum = 1")
}

#[test]
fn pg_upgrade_keeps_everything() {
    let new_tree = Tree::under_test();
    let (old_version, new_version) = (new_tree.version - 1, new_tree.version);
    let Some(old_tree) = Tree::of_version(old_version) else {
        skip(&format!("{old_version} to {new_version}, because PARLANT_PG_CONFIG_{old_version} is not set"));
        return;
    };
    let old_programs = old_tree.programs.clone();
    let old = Cluster::start(old_tree);
    if marks_columns_of_its_own_accord(&mut old.connect("postgres", "postgres")) {
        skip(&format!(
            "{old_version} to {new_version}: this build of {old_version} marks every new column of any table with an option that {new_version} does not know"
        ));
        return;
    }
    let database = old.database();
    let mut connection = database.connect();
    load_fixture(&mut connection);
    load_users_own(&mut connection, &database.create_role("app"));
    let before = (row_hashes(&mut connection), comparable(fingerprint(&mut connection)));
    drop(connection);
    old.stop_server();

    let new = Cluster::init(new_tree);
    let mut pg_upgrade = new.command("pg_upgrade");
    pg_upgrade.arg("--old-bindir").arg(old_programs).arg("--old-datadir").arg(old.data());
    pg_upgrade.arg("--new-bindir").arg(&new.tree.programs).arg("--new-datadir").arg(new.data());
    run(pg_upgrade.arg("--socketdir").arg(new.path("")).args(["--username", "postgres"]));
    new.start_server();

    let mut connection = new.connect(&database.name, "postgres");
    assert_eq!(before.0, row_hashes(&mut connection));
    assert_same(&before.1, &comparable(fingerprint(&mut connection)), "after pg_upgrade");
    assert_works(&mut connection);
    assert_eq!(connection.rows("SELECT * FROM parlant.install_tables()").len(), 0, "nothing was missing");
}
