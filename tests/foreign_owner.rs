//! Whoever owns a schema or a table can run code as those who use it. So the extension takes nothing of strangers.

use parlant_tests::{Cluster, Connection, Database, assert_same, fingerprint};

fn assert_create_extension_refused(database: &Database, object: &str, owner: &str) {
    let mut connection = database.connect();
    let before = fingerprint(&mut connection);
    connection
        .assert_refused("CREATE EXTENSION parlant", "42501")
        .message(&format!("{object} belongs to role {owner}"))
        .detail("parlant uses only what postgres or a superuser owns")
        .hint("change its owner");
    assert_same(&before, &fingerprint(&mut connection), "after the refusal");
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM pg_extension WHERE extname = 'parlant'"), 0);
}

/// A database with a schema parlant of the superuser's, in which another role has made something.
fn with_object_of_stranger(make: &str, object: &str) {
    let database = Cluster::shared().empty_database();
    let stranger = database.create_role("stranger");
    database.connect().run(&format!("CREATE SCHEMA parlant; GRANT CREATE, USAGE ON SCHEMA parlant TO {stranger}"));
    database.connect_as(&stranger).run(make);
    assert_create_extension_refused(&database, object, &stranger);
}

fn assert_install_tables_refused(given_away: &str, object: &str) {
    let database = Cluster::shared().database();
    let stranger = database.create_role("stranger");
    let mut connection = database.connect();
    connection.run(&format!("ALTER {given_away} OWNER TO {stranger}"));
    connection
        .assert_refused("SELECT parlant.install_tables()", "42501")
        .message(&format!("{object} belongs to role {stranger}"));
    connection.run(&format!("ALTER {given_away} OWNER TO postgres; SELECT parlant.install_tables()"));
}

#[test]
fn a_schema_of_a_stranger_is_refused() {
    let database = Cluster::shared().empty_database();
    let stranger = database.create_role("stranger");
    database.connect().run(&format!("CREATE SCHEMA parlant AUTHORIZATION {stranger}"));
    assert_create_extension_refused(&database, "schema parlant", &stranger);
}

#[test]
fn a_schema_of_a_stranger_is_refused_in_a_restore_too() {
    let database = Cluster::shared().empty_database();
    let stranger = database.create_role("stranger");
    let mut connection = database.connect();
    connection.run(&format!("CREATE SCHEMA parlant AUTHORIZATION {stranger}; SET row_security = off"));
    connection.assert_refused("CREATE EXTENSION parlant", "42501").message("schema parlant belongs to role");
}

#[test]
fn a_table_of_a_stranger_is_refused() {
    with_object_of_stranger("CREATE TABLE parlant.parlant_agent (id uuid)", "relation parlant.parlant_agent");
}

#[test]
fn a_view_of_a_stranger_is_refused() {
    with_object_of_stranger("CREATE VIEW parlant.parlant_event AS SELECT 1", "relation parlant.parlant_event");
}

#[test]
fn a_domain_of_a_stranger_is_refused() {
    with_object_of_stranger("CREATE DOMAIN parlant.event_type AS text", "type parlant.event_type");
}

#[test]
fn a_type_of_a_stranger_with_a_tables_name_is_refused() {
    with_object_of_stranger("CREATE TYPE parlant.parlant_tool AS ENUM ()", "type parlant.parlant_tool");
}

#[test]
fn an_index_of_a_stranger_is_refused() {
    with_object_of_stranger(
        "CREATE TABLE parlant.other (a int); CREATE INDEX parlant_session_start ON parlant.other (a)",
        "relation parlant.parlant_session_start",
    );
}

#[test]
fn a_function_of_a_stranger_is_refused() {
    let database = Cluster::shared().empty_database();
    let stranger = database.create_role("stranger");
    let mut connection = database.connect();
    connection.run(&format!("CREATE SCHEMA parlant; GRANT CREATE, USAGE ON SCHEMA parlant TO {stranger}"));
    database
        .connect_as(&stranger)
        .run("CREATE FUNCTION parlant.uuidv7() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'");
    let before = fingerprint(&mut connection);
    connection.assert_refused("CREATE EXTENSION parlant", "42723").message("function \"uuidv7\" already exists");
    assert_same(&before, &fingerprint(&mut connection), "after the refusal");
}

#[test]
fn a_table_that_became_a_strangers_is_refused_by_the_next_installation() {
    assert_install_tables_refused("TABLE parlant.parlant_term", "relation parlant.parlant_term");
}

#[test]
fn a_domain_that_became_a_strangers_is_refused_by_the_next_installation() {
    assert_install_tables_refused("DOMAIN parlant.agent_status", "type parlant.agent_status");
}

#[test]
fn a_schema_that_became_a_strangers_is_refused_by_the_next_installation() {
    assert_install_tables_refused("SCHEMA parlant", "schema parlant");
}

#[test]
fn an_empty_schema_of_the_installing_role_is_used() {
    let mut connection: Connection = Cluster::shared().empty_database().connect();
    connection.run("CREATE SCHEMA parlant; COMMENT ON SCHEMA parlant IS 'Our own words'");
    connection.run("CREATE EXTENSION parlant");
    assert!(connection.value::<i64>("SELECT count(*) FROM pg_tables WHERE schemaname = 'parlant'") > 20);
    assert_eq!(
        connection.value::<String>("SELECT obj_description('parlant'::regnamespace, 'pg_namespace')"),
        "Our own words"
    );
}
