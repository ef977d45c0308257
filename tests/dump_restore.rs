//! A dump is the database: whichever way it is taken and restored, every row and every object comes back once.

use std::sync::OnceLock;

use parlant_tests::{
    Cluster, Database, TableRows, assert_same, assert_works, fingerprint, load_fixture, load_users_own, row_hashes,
};

/// The database that all the dumps are of.
struct Original {
    database: Database<'static>,
    rows: Vec<TableRows>,
    catalog: Vec<String>,
}

fn original() -> &'static Original {
    static ORIGINAL: OnceLock<Original> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let database = Cluster::shared().database();
        let mut connection = database.connect();
        load_fixture(&mut connection);
        load_users_own(&mut connection, &database.create_role("app"));
        let (rows, catalog) = (row_hashes(&mut connection), fingerprint(&mut connection));
        assert!(rows.len() > 20, "only {} tables", rows.len());
        Original { database, rows, catalog }
    })
}

fn assert_restored(database: &Database) {
    let mut connection = database.connect();
    assert_eq!(original().rows, row_hashes(&mut connection));
    assert_same(&original().catalog, &fingerprint(&mut connection), "after the restore");
    assert_works(&mut connection);
    assert_eq!(connection.rows("SELECT * FROM parlant.install_tables()").len(), 0, "nothing was missing");
}

#[test]
fn a_plain_dump_is_restored_by_psql() {
    original().database.dump("plain.sql", &[]);
    let copy = Cluster::shared().empty_database();
    copy.run_file("plain.sql", &[]);
    assert_restored(&copy);
}

#[test]
fn a_dump_as_inserts_is_restored_by_psql_in_one_transaction() {
    original().database.dump("inserts.sql", &["--column-inserts"]);
    let copy = Cluster::shared().empty_database();
    copy.run_file("inserts.sql", &["--single-transaction"]);
    assert_restored(&copy);
}

#[test]
fn a_custom_dump_is_restored_by_pg_restore() {
    original().database.dump("custom.dump", &["--format=custom"]);
    let copy = Cluster::shared().empty_database();
    copy.restore("custom.dump", &[]);
    assert_restored(&copy);
}

#[test]
fn a_custom_dump_is_restored_over_a_database_with_other_rows() {
    original().database.dump("clean.dump", &["--format=custom"]);
    let copy = Cluster::shared().database();
    copy.connect()
        .run("INSERT INTO parlant.parlant_agent (workspace_id, created_by, name) VALUES ('other', 'u', 'Other')");
    copy.restore("clean.dump", &["--clean", "--if-exists"]);
    assert_restored(&copy);
}

#[test]
fn a_directory_dump_is_taken_and_restored_by_two_jobs() {
    original().database.dump("directory", &["--format=directory", "--jobs=2"]);
    let copy = Cluster::shared().empty_database();
    copy.restore("directory", &["--jobs=2"]);
    assert_restored(&copy);
}

#[test]
fn dumps_of_the_three_sections_are_restored_one_after_the_other() {
    let copy = Cluster::shared().empty_database();
    for section in ["pre-data", "data", "post-data"] {
        let file = format!("{section}.sql");
        original().database.dump(&file, &["--section", section]);
        copy.run_file(&file, &[]);
    }
    assert_restored(&copy);
}

#[test]
fn the_three_sections_of_a_custom_dump_are_restored_one_after_the_other() {
    original().database.dump("sections.dump", &["--format=custom"]);
    let copy = Cluster::shared().empty_database();
    for section in ["pre-data", "data", "post-data"] {
        copy.restore("sections.dump", &["--section", section]);
    }
    assert_restored(&copy);
}

#[test]
fn a_dump_of_the_schema_and_then_one_of_the_data_are_restored() {
    original().database.dump("schema-only.sql", &["--schema-only"]);
    original().database.dump("data-only.sql", &["--data-only", "--disable-triggers"]);
    let copy = Cluster::shared().empty_database();
    copy.run_file("schema-only.sql", &[]);
    copy.run_file("data-only.sql", &[]);
    // pg_dump leaves triggers that always fire as ordinary ones.
    let made: Vec<String> = copy.connect().column("SELECT kind FROM parlant.install_tables()");
    assert_eq!(made, ["always trigger"; 3]);
    assert_restored(&copy);
}
