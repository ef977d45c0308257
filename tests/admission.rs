//! What entering has found is remembered by a connection, and is never older than the transaction that enters.

use parlant_tests::{Cluster, Connection, Database, load_two_workspaces, with_ids};

const ENTER: &str = "SELECT parlant.enter_workspace('acme', 'wes')";
const AGENTS: &str = "SELECT count(*) FROM parlant.parlant_agent WHERE id = :agent1";

struct World {
    _database: Database<'static>,
    owner: Connection,
    app: Connection,
}

/// The application has entered before, so it remembers.
fn world() -> World {
    let database = Cluster::shared().database();
    let role = database.create_role("app");
    let mut owner = database.connect();
    load_two_workspaces(&mut owner);
    owner
        .run("SELECT parlant.grant_workspace('acme', 'ann', 'admin'), parlant.grant_workspace('acme', 'wes', 'write')");
    owner.run(&format!("SELECT parlant.grant_app_role('{role}')"));
    let app = database.connect_as(&role);
    let mut world = World { _database: database, owner, app };
    world.assert_enters("write");
    world.assert_enters("write");
    world
}

impl World {
    fn assert_enters(&mut self, permission: &str) {
        assert_eq!(self.app.value::<String>(ENTER), permission);
    }

    fn assert_is_refused(&mut self) {
        self.app.assert_refused(ENTER, "42501").message("entry into the workspace is refused");
    }

    fn sees_agent(&mut self) -> bool {
        self.app.run("BEGIN");
        self.app.run(ENTER);
        let count = self.app.value::<i64>(&with_ids(AGENTS));
        self.app.run("COMMIT");
        count == 1
    }
}

#[test]
fn a_change_of_a_membership_counts_for_the_next_transaction() {
    let mut world = world();
    for (change, permission) in [
        ("SELECT parlant.grant_workspace('acme', 'wes', 'read')", Some("read")),
        ("UPDATE parlant.parlant_workspace_member SET permission = 'admin' WHERE user_id = 'wes'", Some("admin")),
        ("SELECT parlant.revoke_workspace('acme', 'wes')", None),
        ("SELECT parlant.grant_workspace('acme', 'wes', 'write')", Some("write")),
        ("UPDATE parlant.parlant_workspace_member SET user_id = 'wilma' WHERE user_id = 'wes'", None),
        ("UPDATE parlant.parlant_workspace_member SET user_id = 'wes' WHERE user_id = 'wilma'", Some("write")),
        ("TRUNCATE parlant.parlant_workspace_member", None),
    ] {
        world.owner.run(change);
        match permission {
            Some(permission) => world.assert_enters(permission),
            None => world.assert_is_refused(),
        }
    }
}

#[test]
fn a_change_counts_when_it_is_committed() {
    let mut world = world();
    world.owner.run("BEGIN");
    world.owner.run("SELECT parlant.revoke_workspace('acme', 'wes')");
    world.assert_enters("write");
    world.owner.run("COMMIT");
    world.assert_is_refused();
    world.owner.run("BEGIN");
    world.owner.run("SELECT parlant.grant_workspace('acme', 'wes', 'read')");
    world.assert_is_refused();
    world.owner.run("ROLLBACK");
    world.assert_is_refused();
}

#[test]
fn a_change_that_was_prepared_counts_when_it_is_committed() {
    let mut world = world();
    world
        .owner
        .run("BEGIN; DELETE FROM parlant.parlant_workspace_member WHERE user_id = 'wes'; PREPARE TRANSACTION 'no wes'");
    world.assert_enters("write");
    world.owner.run("COMMIT PREPARED 'no wes'");
    world.assert_is_refused();
}

#[test]
fn what_a_transaction_has_changed_and_given_up_is_forgotten() {
    let mut world = world();
    let owner = &mut world.owner;
    owner.run("BEGIN; SAVEPOINT before");
    owner.run("SELECT parlant.grant_workspace('acme', 'wes', 'admin')");
    assert_eq!(owner.value::<String>(ENTER), "admin");
    owner.run("ROLLBACK TO before");
    assert_eq!(owner.value::<String>(ENTER), "write");
    owner.run("SELECT parlant.leave_workspace()");
    owner.run("DELETE FROM parlant.parlant_workspace_member WHERE user_id = 'wes'");
    owner.assert_refused(ENTER, "42501");
    owner.run("ROLLBACK");
    assert_eq!(owner.value::<String>(ENTER), "write");
}

#[test]
fn a_deleted_agent_is_hidden_from_the_next_transaction_and_a_restored_one_shown() {
    let mut world = world();
    assert!(world.sees_agent());
    for (change, is_seen) in [
        ("UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent1", false),
        ("UPDATE parlant.parlant_agent SET deleted_at = NULL WHERE id = :agent1", true),
    ] {
        world.owner.run(&with_ids(change));
        assert_eq!(world.sees_agent(), is_seen, "{change}");
    }
}

#[test]
fn what_is_written_as_on_a_replica_counts() {
    let mut world = world();
    world.owner.run("SET session_replication_role = replica");
    world.owner.run(&with_ids("UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent1"));
    assert!(!world.sees_agent());
    world.owner.run("DELETE FROM parlant.parlant_workspace_member WHERE user_id = 'wes'");
    world.assert_is_refused();
}

/// As `pg_restore --disable-triggers` leaves it: the trigger fires no longer on a replica.
#[test]
fn without_the_trigger_nothing_is_remembered_and_installing_brings_it_back() {
    let mut world = world();
    for change in ["DISABLE TRIGGER invalidate_caches", "ENABLE TRIGGER ALL"] {
        world.owner.run(&format!("ALTER TABLE parlant.parlant_workspace_member {change}"));
        world.assert_enters("write");
        world.owner.run(
            "SET session_replication_role = replica; DELETE FROM parlant.parlant_workspace_member WHERE user_id = 'wes';
             RESET session_replication_role",
        );
        world.assert_is_refused();
        world.owner.run("SELECT parlant.grant_workspace('acme', 'wes', 'write')");
        world.assert_enters("write");
    }
    let made: Vec<String> = world.owner.column("SELECT concat(kind, ' ', name) FROM parlant.install_tables()");
    assert_eq!(made, ["always trigger parlant_workspace_member.invalidate_caches"]);
    world.assert_enters("write");
    world.owner.run("SELECT parlant.revoke_workspace('acme', 'wes')");
    world.assert_is_refused();
}

#[test]
fn another_table_in_the_place_of_ours_is_looked_at() {
    let mut world = world();
    world.owner.run(
        "BEGIN;
         ALTER TABLE parlant.parlant_workspace_member RENAME TO members_before;
         CREATE TABLE parlant.parlant_workspace_member (LIKE parlant.members_before INCLUDING ALL);
         COMMIT",
    );
    world.assert_is_refused();
}

#[test]
fn a_transaction_with_one_snapshot_enters_as_of_its_beginning_and_leaves_nothing_behind() {
    let mut world = world();
    world.app.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    world.owner.run("SELECT parlant.revoke_workspace('acme', 'wes')");
    world.assert_enters("write");
    world.app.run("COMMIT");
    world.assert_is_refused();
}

#[test]
fn a_host_decides_from_when_it_is_linked_until_it_is_unlinked() {
    let mut world = world();
    let owner = &mut world.owner;
    owner.run(&include_str!("fixture/host_as_linked.sql").replace("HOST", "host"));
    owner.run(r#"INSERT INTO host."user" VALUES ('wes', 'Wes')"#);
    owner.run("SELECT parlant.link_host('host')");
    world.assert_is_refused();
    world.owner.run("INSERT INTO host.permissions VALUES ('w', 'wes', 'workspace', 'acme', 'read')");
    world.assert_enters("read");
    world.owner.run("UPDATE host.permissions SET permission_type = 'admin' WHERE id = 'w'");
    world.assert_enters("admin");
    world.owner.run("DELETE FROM host.permissions WHERE id = 'w'");
    world.assert_is_refused();
    world.owner.run("SELECT parlant.unlink_host()");
    world.assert_enters("write");
}
