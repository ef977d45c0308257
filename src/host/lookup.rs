//! Who may do what in a workspace, by the host's own tables.

use super::tables::HostSchema;
use crate::error::{error, internal};
use crate::owner::as_owner_of;
use crate::statement::kept;
use crate::table::{Rows, our_table};
use pgrx::PgRelation;
use pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

pub(crate) const LINK: &str = "parlant_host_link";

/// What the host says about a user in a workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HostAnswer {
    /// No host is linked, so it is not for it to say.
    NotLinked,
    /// The user may do nothing there, or there is no such workspace, or it is archived.
    Nothing,
    /// The user's permission: `read`, `write` or `admin`.
    Permission(String),
}

/// What the host lets the user do in the workspace, as the host itself decides it, asked as the owner of our tables.
///
/// # Errors
/// 55000 if the host has no longer what it had when it was linked.
pub(crate) fn permission(user_id: &str, workspace_id: &str) -> Result<HostAnswer, ErrorReport> {
    let link = our_table(LINK)?;
    let Some(host) = Host::linked(&link)? else { return Ok(HostAnswer::NotLinked) };
    let rank = as_owner_of(&link, || {
        Spi::connect(|client| {
            let plan = kept(client, &host.permission_query(), &[TEXTOID, TEXTOID])?;
            let found = client.select(plan, Some(1), &[user_id.into(), workspace_id.into()]).map_err(internal)?;
            if found.is_empty() { Ok(None) } else { found.first().get_one::<i32>().map_err(internal) }
        })
    })?;
    Ok(match rank {
        Some(1) => HostAnswer::Permission("read".to_owned()),
        Some(2) => HostAnswer::Permission("write".to_owned()),
        Some(3) => HostAnswer::Permission("admin".to_owned()),
        _ => HostAnswer::Nothing,
    })
}

/// Whether the host has the workspace and has not archived it; none if no host is linked.
///
/// # Errors
/// As of [`permission`].
pub(crate) fn workspace_is_open(workspace_id: &str) -> Result<Option<bool>, ErrorReport> {
    let link = our_table(LINK)?;
    let Some(host) = Host::linked(&link)? else { return Ok(None) };
    as_owner_of(&link, || {
        Spi::connect(|client| {
            let plan = kept(client, &format!("SELECT {}", host.open_workspaces()), &[TEXTOID, TEXTOID])?;
            // The first parameter is that of `permission_query`, which has a user.
            let found = client.select(plan, Some(1), &["".into(), workspace_id.into()]).map_err(internal)?;
            Ok(Some(!found.is_empty()))
        })
    })
}

/// Whether the database is linked to a host.
pub(crate) fn is_linked() -> Result<bool, ErrorReport> {
    Ok(link(&our_table(LINK)?)?.is_some())
}

/// Optional things of the host that decide who may enter. A host that had one when it was linked must have it still:
/// without this, renaming `archived_at` would open the archived workspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) archives_workspaces: bool,
    pub(super) has_organizations: bool,
}

/// The linked host as its catalog shows it now.
struct Host {
    schema: HostSchema,
    features: Features,
}

impl Host {
    fn linked(table: &PgRelation) -> Result<Option<Self>, ErrorReport> {
        let Some((schema, linked_with)) = link(table)? else { return Ok(None) };
        let found = HostSchema::find(&schema).ok_or_else(|| format!("There is no schema \"{schema}\"."));
        let host = found.and_then(|schema| Ok(Host { features: features_still_there(&schema, linked_with)?, schema }));
        host.map(Some).map_err(|missing| changed(&schema, missing))
    }

    /// The rank of the user's permission in the workspace: 1 read, 2 write, 3 admin. The host's enum is declared in
    /// another order, so its own comparison means nothing.
    ///
    /// The client's `search_path` holds here, so every operator, function and type is qualified.
    fn permission_query(&self) -> String {
        let rank: String = [(1, "read"), (2, "write"), (3, "admin")]
            .map(|(rank, label)| {
                format!(" WHEN {} THEN {rank}", equal("granted.permission_type", &format!("'{label}'")))
            })
            .concat();
        let granted = format!(
            "(SELECT pg_catalog.max(CASE{rank} END) FROM {} AS granted WHERE {} AND {} AND {})",
            self.table("permissions"),
            equal("granted.user_id", "$1"),
            equal("granted.entity_type", "'workspace'"),
            equal("granted.entity_id", "$2")
        );
        if !self.features.has_organizations {
            return format!("SELECT {granted} {}", self.open_workspaces());
        }
        let administered = format!(
            "(SELECT pg_catalog.max(CASE WHEN {} OR {} THEN 3 END) FROM {} AS belongs WHERE {} AND {})",
            equal("belongs.role", "'owner'"),
            equal("belongs.role", "'admin'"),
            self.table("member"),
            equal("belongs.user_id", "$1"),
            equal("belongs.organization_id", "workspace.organization_id::pg_catalog.text")
        );
        format!("SELECT GREATEST({granted}, {administered}) {}", self.open_workspaces())
    }

    /// Without the one that owns a workspace: creating one makes its owner an admin, and the host's newest version
    /// asks nothing else.
    fn open_workspaces(&self) -> String {
        let live = if self.features.archives_workspaces { "AND workspace.archived_at IS NULL" } else { "" };
        format!("FROM {} AS workspace WHERE {} {live}", self.table("workspace"), equal("workspace.id", "$2"))
    }

    fn table(&self, name: &str) -> String {
        self.schema.name_of(name)
    }
}

/// A condition on a column of the host. The cast costs nothing where the column is text, and keeps working where the
/// host makes it something else.
fn equal(column: &str, value: &str) -> String {
    format!("{column}::pg_catalog.text OPERATOR(pg_catalog.=) {value}")
}

/// The linked schema and what it had when it was linked.
fn link(table: &PgRelation) -> Result<Option<(String, Features)>, ErrorReport> {
    let mut links = Rows::of(table, c"parlant_host_link_pkey", &[])?;
    let Some(link) = links.next() else { return Ok(None) };
    let linked_with = Features {
        archives_workspaces: link.get(c"archives_workspaces")?.unwrap_or_default(),
        has_organizations: link.get(c"has_organizations")?.unwrap_or_default(),
    };
    Ok(Some((link.get(c"schema_name")?.unwrap_or_default(), linked_with)))
}

/// What keeps permissions from being looked up in the linked schema, if anything does.
pub(super) fn obstacle(schema: &HostSchema) -> Result<Option<String>, ErrorReport> {
    let linked_with = link(&our_table(LINK)?)?.map(|(_, features)| features);
    Ok(linked_with.and_then(|features| features_still_there(schema, features).err()))
}

fn features_still_there(schema: &HostSchema, linked_with: Features) -> Result<Features, String> {
    let now = features(schema)?;
    if linked_with.archives_workspaces && !now.archives_workspaces {
        return Err(no_column("workspace", "archived_at"));
    }
    if linked_with.has_organizations && !now.has_organizations {
        return Err(no_column("workspace", "organization_id"));
    }
    Ok(now)
}

/// What a schema has of the optional things; what it lacks of the needed ones as the error.
pub(super) fn features(schema: &HostSchema) -> Result<Features, String> {
    require(schema, "workspace", &["id"])?;
    require(schema, "permissions", &["user_id", "entity_type", "entity_id", "permission_type"])?;
    let workspace = schema.table("workspace");
    let has = |column| workspace.is_some_and(|table| table.has(column));
    let has_organizations = has("organization_id");
    if has_organizations {
        require(schema, "member", &["user_id", "organization_id", "role"])?;
    }
    Ok(Features { archives_workspaces: has("archived_at"), has_organizations })
}

fn require(schema: &HostSchema, name: &str, columns: &[&str]) -> Result<(), String> {
    let table =
        schema.table(name).ok_or_else(|| format!("There is no table \"{name}\" in schema \"{}\".", schema.name))?;
    match columns.iter().find(|column| !table.has(column)) {
        Some(column) => Err(no_column(name, column)),
        None => Ok(()),
    }
}

fn no_column(table: &str, column: &str) -> String {
    format!("There is no column \"{column}\" in table \"{table}\".")
}

fn changed(schema: &str, missing: String) -> ErrorReport {
    error(
        ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("the host's tables in schema \"{schema}\" are not what parlant needs to look up permissions"),
        missing,
        "See SELECT * FROM parlant.host_status(). After an upgrade of the host update parlant, or call parlant.link_host() again if the host has given it up on purpose.",
    )
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::{HostAnswer, permission, workspace_is_open};
    use pgrx::prelude::*;

    const OLD_HOST: &str = r#"
        CREATE SCHEMA "Old host";
        SET LOCAL search_path = "Old host";
        CREATE TYPE permission_type AS ENUM ('admin', 'write', 'read');
        CREATE TABLE workspace (id text PRIMARY KEY, owner_id text);
        CREATE TABLE permissions (user_id text, entity_type text, entity_id text, permission_type permission_type);
        CREATE TABLE member (user_id text, organization_id text, role text);
        INSERT INTO workspace VALUES ('acme', 'olga');
        INSERT INTO permissions VALUES ('ann', 'workspace', 'acme', 'admin'), ('bob', 'workspace', 'acme', 'read'),
            ('bob', 'workspace', 'acme', 'write'), ('cid', 'workspace', 'acme', 'read'), ('dan', 'folder', 'acme', 'admin'),
            ('eve', 'workspace', 'gone', 'admin');
        RESET search_path;
        SELECT parlant.link_host('Old host')"#;

    const NEW_HOST: &str = r#"
        ALTER TABLE "Old host".workspace ADD organization_id text, ADD archived_at timestamp;
        INSERT INTO "Old host".workspace VALUES ('shut', NULL, 'org', now()), ('wide', NULL, 'org', NULL);
        INSERT INTO "Old host".member VALUES ('pat', 'org', 'owner'), ('quin', 'org', 'admin'), ('ray', 'org', 'member'),
            ('sue', 'other', 'owner'), ('bob', 'org', 'admin');
        INSERT INTO "Old host".permissions VALUES ('ray', 'workspace', 'wide', 'write'), ('bob', 'workspace', 'wide', 'read'),
            ('ann', 'workspace', 'shut', 'admin');
        SELECT parlant.link_host('Old host')"#;

    fn of(user: &str, workspace: &str) -> String {
        match permission(user, workspace) {
            Ok(HostAnswer::Permission(label)) => label,
            Ok(other) => format!("{other:?}"),
            Err(error) => panic!("{}", error.message()),
        }
    }

    fn open(workspace: &str) -> Option<bool> {
        workspace_is_open(workspace).unwrap()
    }

    #[pg_test]
    fn without_a_host_it_is_not_asked() {
        assert_eq!(of("ann", "acme"), "NotLinked");
        assert_eq!(open("acme"), None);
    }

    #[pg_test]
    fn the_highest_permission_counts_and_only_in_workspaces_that_exist() {
        Spi::run(OLD_HOST).unwrap();
        let found: Vec<_> = ["ann", "bob", "cid", "dan", "olga", ""].iter().map(|user| of(user, "acme")).collect();
        assert_eq!(found, ["admin", "write", "read", "Nothing", "Nothing", "Nothing"]);
        assert_eq!(of("eve", "gone"), "Nothing");
        assert_eq!((open("acme"), open("gone")), (Some(true), Some(false)));
    }

    #[pg_test]
    fn organisations_administer_and_archived_workspaces_admit_nobody() {
        Spi::run(OLD_HOST).unwrap();
        Spi::run(NEW_HOST).unwrap();
        let found: Vec<_> = ["pat", "quin", "ray", "sue", "bob"].iter().map(|user| of(user, "wide")).collect();
        assert_eq!(found, ["admin", "admin", "write", "Nothing", "admin"]);
        assert_eq!((of("pat", "shut").as_str(), of("ann", "shut").as_str()), ("Nothing", "Nothing"));
        assert_eq!((of("ann", "acme").as_str(), of("pat", "acme").as_str()), ("admin", "Nothing"));
        assert_eq!((open("shut"), open("wide")), (Some(false), Some(true)));
    }

    #[pg_test]
    fn columns_may_become_other_types() {
        Spi::run(OLD_HOST).unwrap();
        Spi::run(NEW_HOST).unwrap();
        assert_eq!(of("ann", "acme"), "admin");
        for change in [
            r#"ALTER TABLE "Old host".permissions ALTER permission_type TYPE text, ALTER entity_id TYPE varchar(40)"#,
            r#"ALTER TABLE "Old host".workspace ALTER archived_at TYPE timestamptz"#,
            r#"CREATE DOMAIN "Old host".role AS text; ALTER TABLE "Old host".member ALTER role TYPE "Old host".role"#,
        ] {
            Spi::run(change).unwrap();
            assert_eq!((of("ann", "acme").as_str(), of("pat", "wide").as_str()), ("admin", "admin"), "{change}");
        }
    }

    #[pg_test]
    fn what_is_gone_is_named() {
        Spi::run(OLD_HOST).unwrap();
        Spi::run(NEW_HOST).unwrap();
        for (table, column) in [
            ("workspace", "archived_at"),
            ("workspace", "organization_id"),
            ("permissions", "user_id"),
            ("permissions", "entity_type"),
            ("permissions", "entity_id"),
            ("permissions", "permission_type"),
            ("member", "user_id"),
            ("member", "organization_id"),
            ("member", "role"),
        ] {
            Spi::run(&format!("ALTER TABLE \"Old host\".{table} RENAME {column} TO moved")).unwrap();
            let error = permission("ann", "acme").unwrap_err();
            let missing = format!("There is no column \"{column}\" in table \"{table}\".");
            assert_eq!(error.detail(), Some(missing.as_str()));
            Spi::run(&format!("ALTER TABLE \"Old host\".{table} RENAME moved TO {column}")).unwrap();
            assert_eq!(of("ann", "acme"), "admin");
        }
    }

    #[pg_test]
    fn a_clients_search_path_decides_nothing() {
        Spi::run(OLD_HOST).unwrap();
        Spi::run(
            "CREATE SCHEMA evil;
             CREATE FUNCTION evil.yes(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
             CREATE OPERATOR evil.= (FUNCTION = evil.yes, LEFTARG = text, RIGHTARG = text);
             CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
             SET LOCAL search_path = evil, pg_catalog",
        )
        .unwrap();
        assert_eq!((of("nobody", "acme").as_str(), of("ann", "acme").as_str()), ("Nothing", "admin"));
    }
}
