//! Making the tables, which belong to the user and not to the extension: `parlant.install_tables()`.

use crate::conversation;
use crate::error::{error, internal};
use parlant_core::schema::{self, Object, Statement};
use pgrx::PgSqlErrorCode::{
    ERRCODE_INSUFFICIENT_PRIVILEGE, ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use std::collections::HashSet;

/// Two installations at once would both make the same objects.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('parlant.install_tables', 0))";

/// The schema, or a relation or type with one of our names, that neither we nor a superuser own.
const FOREIGN_OBJECTS: &str = "
    SELECT made.description, owner.rolname::text, current_user::text
    FROM (SELECT 'schema parlant' AS description, NULL AS name, nspowner AS owner FROM pg_namespace
          WHERE nspname = 'parlant'
          UNION ALL
          SELECT format('relation parlant.%I', relname), relname, relowner FROM pg_class
          WHERE relnamespace = to_regnamespace('parlant')
          UNION ALL
          SELECT format('type parlant.%I', typname), typname, typowner FROM pg_type
          WHERE typnamespace = to_regnamespace('parlant') AND typrelid = 0 AND typelem = 0) AS made
    JOIN pg_roles AS owner ON owner.oid = made.owner
    WHERE (made.name IS NULL OR made.name = ANY ($1)) AND owner.rolname <> current_user AND NOT owner.rolsuper
    ORDER BY made.description LIMIT 1";

/// Everything in the schema of a kind that we make, as kind and name.
const EXISTING_OBJECTS: &str = "
    WITH our_table AS (SELECT oid, relname, relrowsecurity, relforcerowsecurity FROM pg_class
                       WHERE relnamespace = to_regnamespace('parlant') AND relkind IN ('r', 'p')),
         our_column AS (SELECT relname, attname, atthasdef FROM our_table
                        JOIN pg_attribute ON attrelid = our_table.oid AND attnum > 0 AND NOT attisdropped)
    SELECT 'domain', typname::text FROM pg_type WHERE typnamespace = to_regnamespace('parlant') AND typtype = 'd'
    UNION ALL SELECT 'table', relname FROM our_table
    UNION ALL SELECT 'row security', relname FROM our_table WHERE relrowsecurity
    UNION ALL SELECT 'forced row security', relname FROM our_table WHERE relforcerowsecurity
    UNION ALL SELECT 'column', format('%s.%s', relname, attname) FROM our_column
    UNION ALL SELECT 'default', format('%s.%s', relname, attname) FROM our_column WHERE atthasdef
    UNION ALL SELECT 'constraint', format('%s.%s', relname, conname) FROM our_table JOIN pg_constraint ON conrelid = our_table.oid
    UNION ALL SELECT 'trigger', format('%s.%s', relname, tgname) FROM our_table JOIN pg_trigger ON tgrelid = our_table.oid
              WHERE NOT tgisinternal
    UNION ALL SELECT 'always trigger', format('%s.%s', relname, tgname) FROM our_table JOIN pg_trigger ON tgrelid = our_table.oid
              WHERE tgenabled = 'A'
    UNION ALL SELECT 'policy', format('%s.%s', relname, polname) FROM our_table JOIN pg_policy ON polrelid = our_table.oid
    UNION ALL SELECT 'index', relname FROM pg_class
              WHERE relnamespace = to_regnamespace('parlant') AND relkind IN ('i', 'I')";

/// The command that releases a table or type which a running extension script has made a member of the extension.
const NEXT_RELEASE: &str = "
    SELECT format('ALTER EXTENSION parlant DROP %s %s',
                  CASE WHEN relkind IS NOT NULL THEN 'TABLE' WHEN typtype = 'd' THEN 'DOMAIN' ELSE 'TYPE' END,
                  CASE WHEN relkind IS NOT NULL THEN objid::regclass::text ELSE objid::regtype::text END)
    FROM pg_depend
    LEFT JOIN pg_class ON classid = 'pg_class'::regclass AND pg_class.oid = objid
    LEFT JOIN pg_type ON classid = 'pg_type'::regclass AND pg_type.oid = objid
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
      AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'parlant')
      AND (relkind IN ('r', 'p') OR typtype IN ('d', 'b'))
    ORDER BY typtype DESC LIMIT 1";

/// Makes what is missing of the tables, with everything on them, and tells what it made.
///
/// `CREATE EXTENSION` runs it, unless it is part of a restore; run it yourself after restoring a dump of an earlier
/// version, or to get back something that was dropped. What is there already is left as it is.
///
/// # Errors
/// 42501 if the schema, or something in it with the name of a table, domain or index of ours, belongs to another
/// ordinary role, whose functions, triggers and defaults would otherwise run in place of ours.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn install_tables() -> Result<TableIterator<'static, (name!(kind, String), name!(name, String))>, ErrorReport> {
    Ok(as_rows(install(statements()?)?))
}

/// The same, but where the event table is missing it is made in partitions.
///
/// # Errors
/// 22023 for a number of partitions out of range, 55000 if the event table is there and has none.
#[pg_extern(volatile, parallel_unsafe, name = "install_tables")]
#[search_path(pg_catalog, pg_temp)]
fn install_partitioned_tables(
    event_partitions: i32,
) -> Result<TableIterator<'static, (name!(kind, String), name!(name, String))>, ErrorReport> {
    let partitions = u16::try_from(event_partitions).ok().filter(|number| (1..=1024).contains(number));
    let Some(partitions) = partitions else {
        return Err(error(
            ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{event_partitions} partitions are out of range"),
            "The event table can have 1 to 1024 partitions.".to_owned(),
            "Take a few times as many as the server has cores: their number does not change later.",
        ));
    };
    let partitions = match kind_of_event_table()?.as_deref() {
        None => partitions,
        Some("p") => 0, // It has them already.
        Some(_) => {
            return Err(error(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "parlant_event is there and is not partitioned".to_owned(),
                "A table cannot be changed into a partitioned one.".to_owned(),
                "docs/conversation.md tells how to move its events into a partitioned one.",
            ));
        }
    };
    Ok(as_rows(install(schema::partitioned(statements()?, partitions))?))
}

fn statements() -> Result<Vec<Statement>, ErrorReport> {
    schema::statements().map_err(|unknown| internal(format!("{}: unknown statement: {}", unknown.file, unknown.sql)))
}

fn as_rows(made: Vec<Object>) -> TableIterator<'static, (name!(kind, String), name!(name, String))> {
    TableIterator::new(made.into_iter().map(|object| (object.kind.to_owned(), object.name)))
}

fn install(statements: Vec<Statement>) -> Result<Vec<Object>, ErrorReport> {
    Spi::connect_mut(|client| {
        client.update(LOCK, None, &[]).map_err(internal)?;
        let names = statements
            .iter()
            .filter(|s| matches!(s.object.kind, "table" | "domain" | "index"))
            .map(|s| s.object.name.clone());
        refuse_foreign_objects(client, names.collect())?;
        let existing = existing_objects(client)?;
        let mut made = Vec::new();
        for statement in statements.iter().filter(|statement| is_to_run(statement, &existing)) {
            client.update(statement.sql.as_str(), None, &[]).map_err(internal)?;
            if statement.makes() {
                made.push(statement.object.clone());
            }
        }
        release(client)?;
        if made.iter().any(|object| (object.kind, object.name.as_str()) == ("trigger", "parlant_event.count_events")) {
            conversation::recount()?;
        }
        Ok(made)
    })
}

/// As pg_class has it; none where there is no such table.
fn kind_of_event_table() -> Result<Option<String>, ErrorReport> {
    const KIND: &str = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass('parlant.parlant_event')";
    Spi::connect(|client| {
        let kind = client.select(KIND, Some(1), &[]).map_err(internal)?;
        if kind.is_empty() { Ok(None) } else { kind.first().get_one().map_err(internal) }
    })
}

fn is_to_run(statement: &Statement, existing: &HashSet<(String, String)>) -> bool {
    let exists = |object: &Object| existing.contains(&(object.kind.to_owned(), object.name.clone()));
    exists(&statement.object) == statement.is_drop && (!statement.comes_with_table || exists(&statement.object.table()))
}

fn refuse_foreign_objects(client: &SpiClient<'_>, names: Vec<String>) -> Result<(), ErrorReport> {
    let foreign = client.select(FOREIGN_OBJECTS, Some(1), &[names.into()]).map_err(internal)?;
    if foreign.is_empty() {
        return Ok(());
    }
    let (object, owner, user) = foreign.first().get_three::<String, String, String>().map_err(internal)?;
    let (object, owner, user) = (object.unwrap_or_default(), owner.unwrap_or_default(), user.unwrap_or_default());
    Err(error(
        ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("{object} belongs to role {owner}"),
        format!(
            "parlant uses only what {user} or a superuser owns: the owner of anything else could put code of their own in front of ours."
        ),
        "Drop it, rename it, or change its owner; or call parlant.install_tables() as its owner.",
    ))
}

fn existing_objects(client: &SpiClient<'_>) -> Result<HashSet<(String, String)>, ErrorReport> {
    let mut existing = HashSet::new();
    for row in client.select(EXISTING_OBJECTS, None, &[]).map_err(internal)? {
        let (kind, name) = (row.get::<String>(1).map_err(internal)?, row.get::<String>(2).map_err(internal)?);
        existing.extend(kind.zip(name));
    }
    Ok(existing)
}

/// Takes tables and domains out of the extension, so that they are dumped like any other and outlive it. Outside an
/// extension script nothing has become a member, and there is nothing to do.
fn release(client: &mut SpiClient<'_>) -> Result<(), ErrorReport> {
    // One at a time: releasing a domain releases its array type with it, in some versions of PostgreSQL.
    loop {
        let next = client.select(NEXT_RELEASE, Some(1), &[]).map_err(internal)?;
        if next.is_empty() {
            return Ok(());
        }
        let command = next.first().get_one::<String>().map_err(internal)?.unwrap_or_default();
        client.update(command.as_str(), None, &[]).map_err(internal)?;
    }
}
