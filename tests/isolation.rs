//! Who may do what: entering a workspace, the rights that it gives on each table, memberships, an application's role.

use parlant_tests::{Cluster, Connection, Database, load_two_workspaces, with_ids};

/// A database with the two workspaces, members of them, and a role for an application.
struct World {
    database: Database<'static>,
    role: String,
}

const MEMBERS: &str = "
    SELECT parlant.grant_workspace('acme', 'ann', 'admin'), parlant.grant_workspace('acme', 'wes', 'write'),
           parlant.grant_workspace('acme', 'rita', 'read'), parlant.grant_workspace('rival', 'raul', 'admin')";

fn world() -> World {
    let database = Cluster::shared().database();
    let role = database.create_role("app");
    let mut owner = database.connect();
    load_two_workspaces(&mut owner);
    owner.run(MEMBERS);
    owner.run(&format!("SELECT parlant.grant_app_role('{role}')"));
    World { database, role }
}

impl World {
    fn app(&self) -> Connection {
        self.database.connect_as(&self.role)
    }

    fn owner(&self) -> Connection {
        self.database.connect()
    }

    /// A connection of the application in a transaction that acts for the user in acme.
    fn user(&self, user: &str) -> Connection {
        let mut app = self.app();
        app.run(&format!("BEGIN; SELECT parlant.enter_workspace('acme', '{user}')"));
        app
    }

    fn customer(&self, customer: &str) -> Connection {
        let mut app = self.app();
        app.run(&format!("BEGIN; SELECT parlant.enter_workspace_as_customer('acme', '{customer}')"));
        app
    }
}

/// Tries it and goes on as if it had not been.
fn assert_refused_here(connection: &mut Connection, sql: &str, sqlstate: &str) {
    connection.run("SAVEPOINT before");
    connection.assert_refused(&with_ids(sql), sqlstate);
    connection.run("ROLLBACK TO before");
}

/// Does it and goes on as if it had not been.
fn affected(connection: &mut Connection, sql: &str) -> u64 {
    connection.run("SAVEPOINT before");
    let rows = connection.execute(&with_ids(sql));
    connection.run("ROLLBACK TO before");
    rows
}

fn tables(connection: &mut Connection) -> Vec<String> {
    connection.column(
        "SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'workspace_id'
         WHERE relnamespace = 'parlant'::regnamespace AND relkind IN ('r', 'p')
           AND has_table_privilege(pg_class.oid, 'SELECT') ORDER BY 1",
    )
}

const CONTEXT: &str = "SELECT concat_ws('/', parlant.current_workspace_id(), parlant.current_user_id(),
                                        parlant.current_customer_id(), parlant.current_permission())";

#[test]
fn every_table_forces_row_level_security() {
    let open: Vec<String> = world().owner().column(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'parlant'::regnamespace AND relkind IN ('r', 'p')
           AND NOT (relrowsecurity AND relforcerowsecurity)",
    );
    assert_eq!(open, [] as [String; 0]);
}

#[test]
fn every_policy_compares_the_workspace_and_has_a_comment() {
    let others: Vec<String> = world().owner().column(
        "SELECT format('%s on %s', polname, polrelid::regclass) FROM pg_policy
         CROSS JOIN LATERAL (VALUES (pg_get_expr(polqual, polrelid)), (pg_get_expr(polwithcheck, polrelid))) AS part (condition)
         WHERE condition !~ '^\\(+workspace_id = parlant\\.(readable|writable|administered|current)_workspace_id\\(\\)\\)'
            OR obj_description(pg_policy.oid, 'pg_policy') IS NULL",
    );
    assert_eq!(others, [] as [String; 0]);
}

#[test]
fn without_a_context_there_are_no_rows_and_no_writes() {
    let world = world();
    let mut app = world.app();
    for table in tables(&mut app) {
        assert_eq!(app.value::<i64>(&format!("SELECT count(*) FROM parlant.{table}")), 0, "{table}");
    }
    app.assert_refused("INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('acme', 'x')", "42501");
    app.assert_refused(
        &with_ids("INSERT INTO parlant.parlant_term (agent_id, name, description) VALUES (:agent1, 'x', 'x')"),
        "42501",
    );
    assert_eq!(app.execute("UPDATE parlant.parlant_agent SET name = 'x'"), 0);
    assert_eq!(app.execute("DELETE FROM parlant.parlant_agent"), 0);
}

#[test]
fn a_reader_sees_all_of_the_workspace_and_nothing_else() {
    let world = world();
    let mut owner = world.owner();
    let mut reader = world.user("rita");
    let shown = tables(&mut reader);
    assert!(shown.len() >= 22, "{shown:?}");
    let of_admins = ["parlant_workspace_member", "parlant_audit_log"];
    for table in shown.iter().filter(|table| !of_admins.contains(&table.as_str())) {
        let all: i64 = owner.value(&format!("SELECT count(*) FROM parlant.{table} WHERE workspace_id = 'acme'"));
        assert_eq!(reader.value::<i64>(&format!("SELECT count(*) FROM parlant.{table}")), all, "{table}");
        let strange = format!("SELECT count(*) FROM parlant.{table} WHERE workspace_id <> 'acme'");
        assert_eq!(reader.value::<i64>(&strange), 0, "{table}");
    }
}

#[test]
fn a_reader_writes_nothing() {
    let world = world();
    let mut reader = world.user("rita");
    for table in tables(&mut reader) {
        let may = |connection: &mut Connection, privilege: &str| {
            connection.value::<bool>(&format!("SELECT has_table_privilege('parlant.{table}', '{privilege}')"))
        };
        if may(&mut reader, "UPDATE") {
            let update = format!("UPDATE parlant.{table} SET workspace_id = workspace_id");
            assert_eq!(affected(&mut reader, &update), 0, "{table}");
        }
        if may(&mut reader, "DELETE") {
            assert_eq!(affected(&mut reader, &format!("DELETE FROM parlant.{table}")), 0, "{table}");
        }
    }
    assert_refused_here(
        &mut reader,
        "INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('acme', 'x')",
        "42501",
    );
}

#[test]
fn a_writer_changes_everything_but_what_needs_an_admin() {
    let world = world();
    let mut writer = world.user("wes");
    assert_eq!(affected(&mut writer, "UPDATE parlant.parlant_agent SET name = name || '!'"), 2);
    assert_eq!(affected(&mut writer, "DELETE FROM parlant.parlant_session"), 2);
    assert_eq!(affected(&mut writer, "DELETE FROM parlant.parlant_agent"), 0);
    assert_refused_here(&mut writer, "UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent1", "42501");
    assert_refused_here(
        &mut writer,
        "UPDATE parlant.parlant_agent SET workspace_id = 'rival' WHERE id = :agent1",
        "42501",
    );
    assert_refused_here(&mut writer, "SELECT parlant.grant_workspace('acme', 'wes', 'admin')", "42501");
}

#[test]
fn an_admin_deletes_agents() {
    let mut admin = world().user("ann");
    assert_eq!(affected(&mut admin, "DELETE FROM parlant.parlant_agent WHERE id = :agent1"), 1);
    assert_eq!(affected(&mut admin, "UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent1"), 1);
}

#[test]
fn a_deleted_agent_is_hidden_with_everything_below_it() {
    let world = world();
    let hidden = |connection: &mut Connection, when: &str| {
        for table in tables(connection) {
            let column = connection.column::<String>(&format!(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = 'parlant.{table}'::regclass
                   AND attname IN ('agent_id', 'session_id', 'journey_id') ORDER BY attname LIMIT 1"
            ));
            if column.is_empty() {
                continue;
            }
            let sql = match column[0].as_str() {
                "agent_id" => format!("SELECT count(*) FROM parlant.{table} WHERE agent_id = :agent1"),
                "session_id" => format!("SELECT count(*) FROM parlant.{table} WHERE session_id = :session1"),
                _ => format!("SELECT count(*) FROM parlant.{table} WHERE journey_id = :journey1"),
            };
            assert_eq!(connection.value::<i64>(&with_ids(&sql)), 0, "{table} {when}");
        }
        assert_eq!(connection.column::<String>("SELECT name FROM parlant.parlant_agent"), ["Two"], "{when}");
        assert_eq!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_session"), 1, "{when}");
    };
    let mut admin = world.user("ann");
    admin.run(&with_ids("UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent1"));
    hidden(&mut admin, "in the transaction that deletes");
    admin.run("COMMIT");
    let mut reader = world.user("rita");
    hidden(&mut reader, "later");
    let mut admin = world.user("ann");
    for table in ["guideline", "canned_response", "term", "journey", "journey_state", "agent_tool", "variable"] {
        let of_deleted = format!("DELETE FROM parlant.parlant_{table}");
        let left = if matches!(table, "guideline" | "journey" | "journey_state") { 1 } else { 0 };
        assert_eq!(affected(&mut admin, &of_deleted), left, "{table}");
    }
    assert_refused_here(
        &mut admin,
        "INSERT INTO parlant.parlant_term (agent_id, name, description) VALUES (:agent1, 'x', 'x')",
        "42501",
    );
    assert_refused_here(&mut admin, "INSERT INTO parlant.parlant_session (agent_id) VALUES (:agent1)", "23503");
    assert_eq!(affected(&mut admin, "UPDATE parlant.parlant_agent SET deleted_at = NULL"), 1, "only the living one");
}

#[test]
fn a_rolled_back_deletion_hides_nothing() {
    let mut admin = world().user("ann");
    admin.run("SAVEPOINT before");
    admin.run(&with_ids("UPDATE parlant.parlant_agent SET deleted_at = now() WHERE id = :agent1"));
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM parlant.parlant_agent"), 1);
    admin.run("ROLLBACK TO before");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM parlant.parlant_agent"), 2);
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM parlant.parlant_session"), 2);
}

#[test]
fn a_customer_sees_their_own_sessions_and_events_only() {
    let world = world();
    let mut customer = world.customer("ada");
    for table in tables(&mut customer) {
        let rows: i64 = customer.value(&format!("SELECT count(*) FROM parlant.{table}"));
        let expected = match table.as_str() {
            "parlant_session" => 1,
            "parlant_event" => 2,
            _ => 0,
        };
        assert_eq!(rows, expected, "{table}");
    }
    assert_eq!(world.customer("bea").value::<i64>("SELECT count(*) FROM parlant.parlant_session"), 0);
    assert_eq!(world.customer("bea").value::<i64>("SELECT count(*) FROM parlant.parlant_event"), 0);
}

#[test]
fn a_customer_starts_a_session_and_writes_messages_to_it() {
    let mut customer = world().customer("ada");
    let session = "INSERT INTO parlant.parlant_session (agent_id, customer_id) VALUES (:agent1, 'ada')";
    assert_eq!(affected(&mut customer, session), 1);
    let event = |session: &str, event_type: &str| {
        format!(
            "INSERT INTO parlant.parlant_event (session_id, \"offset\", event_type, content)
             VALUES ({session}, 2, '{event_type}', '{{\"message\": \"Hello\"}}')"
        )
    };
    assert_eq!(affected(&mut customer, &event(":session1", "customer_message")), 1);
    assert_refused_here(&mut customer, &event(":session1", "agent_message"), "42501");
    for (columns, values) in [
        ("customer_id", "'bea'"),
        ("customer_id", "NULL"),
        ("customer_id, user_id", "'ada', 'ann'"),
        ("customer_id, status", "'ada', 'completed'"),
        ("customer_id, current_journey_id", "'ada', :journey1"),
    ] {
        let sql = format!("INSERT INTO parlant.parlant_session (agent_id, {columns}) VALUES (:agent1, {values})");
        assert_refused_here(&mut customer, &sql, "42501");
    }
    assert_eq!(affected(&mut customer, "UPDATE parlant.parlant_session SET title = 'x'"), 0);
    assert_eq!(affected(&mut customer, "DELETE FROM parlant.parlant_session"), 0);
}

#[test]
fn entering_sets_the_context_until_the_transaction_ends() {
    let world = world();
    let mut app = world.app();
    app.run("BEGIN");
    assert_eq!(app.value::<String>("SELECT parlant.enter_workspace('acme', 'wes')"), "write");
    assert_eq!(app.value::<String>(CONTEXT), "acme/wes/write");
    app.run("COMMIT");
    assert_eq!(app.value::<String>(CONTEXT), "");
    app.run("BEGIN; SELECT parlant.enter_workspace_as_customer('acme', 'ada')");
    assert_eq!(app.value::<String>(CONTEXT), "acme/ada");
    app.run("ROLLBACK");
    assert_eq!(app.value::<String>(CONTEXT), "");
}

#[test]
fn a_savepoint_restores_the_context() {
    let mut app = world().app();
    app.run("BEGIN; SAVEPOINT before; SELECT parlant.enter_workspace('acme', 'rita'); ROLLBACK TO before");
    assert_eq!(app.value::<String>(CONTEXT), "");
    app.run("SELECT parlant.enter_workspace('acme', 'wes'); SAVEPOINT entered; SELECT parlant.leave_workspace()");
    assert_eq!(app.value::<String>(CONTEXT), "");
    app.run("ROLLBACK TO entered");
    assert_eq!(app.value::<String>(CONTEXT), "acme/wes/write");
}

#[test]
fn entering_is_refused_alike_whatever_the_reason() {
    let world = world();
    let mut app = world.app();
    let log = |part: &str| world.database.cluster.log().lines().filter(|line| line.contains(part)).count();
    let before = log("parlant refused entry: ");
    for (workspace, user) in [("acme", "raul"), ("acme", "nobody"), ("nowhere", "ann"), ("rival", "ann\n\"")] {
        app.assert_refused(&format!("SELECT parlant.enter_workspace('{workspace}', '{user}')"), "42501")
            .message("entry into the workspace is refused")
            .detail("There is no such workspace, or it is archived, or it does not admit whoever asks.")
            .hint("Ask an admin of the workspace");
    }
    assert_eq!(log("parlant refused entry: ") - before, 4, "each is a line of the server log");
    let line = format!(
        r#"parlant refused entry: {{"reason":"no permission","role":"{}","user_id":"ann\n\"","workspace_id":"rival"}}"#,
        world.role
    );
    assert_eq!(log(&line), 1);
}

#[test]
fn arguments_that_can_be_no_id_are_refused() {
    let mut app = world().app();
    for arguments in ["NULL, 'ann'", "'acme', NULL", "'', 'ann'", "'acme', ''", "repeat('x', 256), 'ann'"] {
        app.assert_refused(&format!("SELECT parlant.enter_workspace({arguments})"), "22023");
        app.assert_refused(&format!("SELECT parlant.enter_workspace_as_customer({arguments})"), "22023");
    }
    app.assert_refused("SELECT parlant.enter_workspace(repeat('ü', 255), 'ann')", "42501");
}

#[test]
fn a_transaction_acts_in_one_workspace_for_one_user_or_customer() {
    let world = world();
    let mut owner = world.owner();
    owner.run("SELECT parlant.grant_workspace('rival', 'wes', 'read')");
    let mut app = world.user("wes");
    assert_eq!(app.value::<String>("SELECT parlant.enter_workspace('acme', 'wes')"), "write");
    let others = [
        "SELECT parlant.enter_workspace('rival', 'wes')",
        "SELECT parlant.enter_workspace('acme', 'ann')",
        "SELECT parlant.enter_workspace_as_customer('acme', 'wes')",
    ];
    for other in others {
        assert_refused_here(&mut app, other, "55000");
    }
    app.run("SELECT parlant.leave_workspace(); RESET ALL");
    assert_eq!(app.value::<i64>("SELECT count(*) FROM parlant.parlant_agent"), 0);
    for other in others {
        assert_refused_here(&mut app, other, "55000");
    }
    assert_eq!(app.value::<String>("SELECT parlant.enter_workspace('acme', 'wes')"), "write");
    app.run("COMMIT; BEGIN");
    assert_eq!(app.value::<String>("SELECT parlant.enter_workspace('rival', 'wes')"), "read");
}

#[test]
fn users_may_ask_for_their_own_permission_and_admins_for_everybodys() {
    let world = world();
    let ask = |user: &str, workspace: &str| format!("SELECT parlant.workspace_permission('{user}', '{workspace}')");
    let mut reader = world.user("rita");
    assert_eq!(reader.value::<String>(&ask("rita", "acme")), "read");
    assert_eq!(reader.value::<Option<String>>(&ask("rita", "rival")), None);
    assert_refused_here(&mut reader, &ask("ann", "acme"), "42501");
    assert_refused_here(&mut reader, &ask("nobody", "nowhere"), "42501");
    let mut admin = world.user("ann");
    assert_eq!(admin.value::<String>(&ask("rita", "acme")), "read");
    assert_eq!(admin.value::<Option<String>>(&ask("raul", "acme")), None);
    assert_refused_here(&mut admin, &ask("raul", "rival"), "42501");
    world.app().assert_refused(&ask("ann", "acme"), "42501");
    assert_eq!(world.owner().value::<String>(&ask("raul", "rival")), "admin");
}

#[test]
fn admins_change_memberships_of_their_workspace() {
    let world = world();
    let mut admin = world.user("ann");
    admin
        .run("SELECT parlant.grant_workspace('acme', 'new', 'read'), parlant.grant_workspace('acme', 'rita', 'write')");
    admin.run("SELECT parlant.revoke_workspace('acme', 'wes')");
    let members: Vec<String> =
        admin.column("SELECT concat(user_id, ' ', permission) FROM parlant.parlant_workspace_member ORDER BY 1");
    assert_eq!(members, ["ann admin", "new read", "rita write"]);
    for (sql, sqlstate) in [
        ("SELECT parlant.grant_workspace('rival', 'ann', 'admin')", "42501"),
        ("SELECT parlant.revoke_workspace('rival', 'raul')", "42501"),
        ("SELECT parlant.revoke_workspace('acme', 'wes')", "P0002"),
        ("SELECT parlant.grant_workspace('acme', 'x', 'owner')", "22P02"),
        ("SELECT parlant.grant_workspace('acme', 'x', NULL)", "22P02"),
        ("SELECT parlant.grant_workspace('acme', '', 'read')", "22023"),
        ("SELECT parlant.revoke_workspace('acme', 'ann')", "55000"),
        ("SELECT parlant.grant_workspace('acme', 'ann', 'write')", "55000"),
        ("UPDATE parlant.parlant_workspace_member SET permission = 'admin'", "42501"),
    ] {
        assert_refused_here(&mut admin, sql, sqlstate);
    }
    admin.run("COMMIT");
    let own: Vec<String> = world.user("rita").column("SELECT user_id FROM parlant.parlant_workspace_member");
    assert_eq!(own, ["rita"], "others see their own membership");
    world.app().assert_refused("SELECT parlant.enter_workspace('acme', 'wes')", "42501");
}

#[test]
fn of_two_admins_who_remove_each_other_one_stays() {
    let world = world();
    world.owner().run("SELECT parlant.grant_workspace('acme', 'abe', 'admin')");
    let mut ann = world.user("ann");
    let abe = world.user("abe");
    ann.run("SELECT parlant.revoke_workspace('acme', 'abe')");
    let mut waiting = abe.start("SELECT parlant.revoke_workspace('acme', 'ann')");
    assert!(waiting.blocks());
    ann.run("COMMIT");
    waiting.refused("55000");
}

#[test]
fn every_function_and_table_is_listed_with_its_privileges() {
    let unlisted: Vec<String> = world().owner().column(
        "SELECT 'function ' || proname FROM pg_proc
         WHERE pronamespace = 'parlant'::regnamespace AND prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)
           AND proname::text NOT IN (SELECT name FROM parlant.app_privileges() WHERE kind = 'function')
         UNION ALL
         SELECT 'table ' || relname FROM pg_class
         WHERE relnamespace = 'parlant'::regnamespace AND relkind IN ('r', 'p')
           AND relname::text NOT IN (SELECT name FROM parlant.app_privileges() WHERE kind = 'table')",
    );
    assert_eq!(unlisted, [] as [String; 0], "sql/functions/isolation.sql says who may use what");
}

#[test]
fn an_applications_role_has_what_it_needs_and_no_more() {
    let world = world();
    let mut owner = world.owner();
    let role = &world.role;
    let other_grants: Vec<String> = owner.column(&format!(
        "SELECT format('%s on function %s', privilege_type, proname)
         FROM pg_proc CROSS JOIN aclexplode(coalesce(proacl, acldefault('f', proowner))) AS granted
         WHERE pronamespace = 'parlant'::regnamespace AND grantee IN ('{role}'::regrole, 0)
           AND (grantee = 0 OR proname::text NOT IN (SELECT name FROM parlant.app_privileges()
                                                     WHERE kind = 'function' AND privileges IS NOT NULL))
         UNION ALL
         SELECT format('%s on table %s', privilege_type, relname)
         FROM pg_class CROSS JOIN aclexplode(relacl) AS granted
         WHERE relnamespace = 'parlant'::regnamespace AND grantee IN ('{role}'::regrole, 0)
           AND (grantee = 0 OR NOT EXISTS (SELECT FROM parlant.app_privileges()
                                           WHERE kind = 'table' AND name = relname AND privileges ~ privilege_type))
         UNION ALL
         SELECT privilege_type || ' on the schema' FROM pg_namespace CROSS JOIN aclexplode(nspacl) AS granted
         WHERE nspname = 'parlant' AND grantee IN ('{role}'::regrole, 0) AND (grantee = 0 OR privilege_type <> 'USAGE')"
    ));
    assert_eq!(other_grants, [] as [String; 0]);
}

#[test]
fn granting_an_applications_role_again_takes_away_what_is_too_much() {
    let world = world();
    let (mut owner, role) = (world.owner(), &world.role);
    owner.run(&format!(
        "GRANT TRUNCATE ON parlant.parlant_agent TO {role}; GRANT EXECUTE ON FUNCTION parlant.app_privileges TO {role};
         SELECT parlant.grant_app_role('{role}', tokens_only => true)"
    ));
    let mut app = world.app();
    app.assert_refused("TRUNCATE parlant.parlant_agent CASCADE", "42501");
    app.assert_refused("SELECT parlant.app_privileges()", "42501");
    app.assert_refused("SELECT parlant.enter_workspace('acme', 'ann')", "42501")
        .message("permission denied for function");
    app.assert_refused("SELECT parlant.enter_workspace_as_customer('acme', 'ada')", "42501")
        .message("permission denied for function");
    owner.run(&format!("SELECT parlant.grant_app_role('{role}')"));
    app.run("SELECT parlant.enter_workspace('acme', 'ann')");
}

#[test]
fn roles_that_no_policy_binds_are_no_applications_roles() {
    let world = world();
    let (mut owner, name) = (world.owner(), &world.database.name);
    owner.run(&format!(
        "CREATE ROLE {name}_bypass BYPASSRLS; CREATE ROLE {name}_member NOINHERIT; GRANT {name}_bypass TO {name}_member;
         CREATE ROLE {name}_owner; ALTER TABLE parlant.parlant_term OWNER TO {name}_owner"
    ));
    for role in ["postgres", &format!("{name}_bypass"), &format!("{name}_member"), &format!("{name}_owner")] {
        owner
            .assert_refused(&format!("SELECT parlant.grant_app_role('{role}')"), "22023")
            .message("is not bound by row-level security");
    }
    owner.assert_refused("SELECT parlant.grant_app_role(NULL)", "22023");
    owner.assert_refused("SELECT parlant.grant_app_role('no such role')", "42704");
}

#[test]
fn dropping_the_extension_leaves_nothing_open() {
    let world = world();
    world.owner().run("DROP EXTENSION parlant CASCADE");
    let mut app = world.app();
    for table in tables(&mut app) {
        assert_eq!(app.value::<i64>(&format!("SELECT count(*) FROM parlant.{table}")), 0, "{table}");
    }
}
