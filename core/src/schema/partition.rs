//! The event table in partitions, for databases in which it outgrows one table.

use super::Statement;

/// The same statements, but for `parlant_event`: partitioned by the hash of its session.
///
/// Every client names the session of an event, and none needs to name the workspace. So all events of a session lie in
/// one partition, its unique keys hold, and reading a session reads one partition. The primary key is widened, because
/// a unique key of a partitioned table must contain what it is partitioned by.
#[must_use]
pub fn partitioned(statements: Vec<Statement>, partitions: u16) -> Vec<Statement> {
    let mut result = Vec::with_capacity(statements.len());
    for mut statement in statements {
        if statement.object.table().name != "parlant_event" {
            result.push(statement);
            continue;
        }
        statement.sql = statement.sql.replace("PRIMARY KEY (id)", "PRIMARY KEY (session_id, id)");
        let makes_table = statement.object.kind == "table" && statement.makes();
        if makes_table {
            statement.sql += " PARTITION BY HASH (session_id)";
        }
        result.push(statement);
        if makes_table {
            result.extend((0..partitions).flat_map(|n| partition(n, partitions)));
        }
    }
    result
}

/// A partition. It is closed to whoever is not exempt from row-level security: the policies are those of the table.
fn partition(n: u16, partitions: u16) -> impl Iterator<Item = Statement> {
    let table = format!("parlant.parlant_event_{n}");
    [
        format!(
            "CREATE TABLE {table} PARTITION OF parlant.parlant_event FOR VALUES WITH (MODULUS {partitions}, REMAINDER {n})"
        ),
        format!("COMMENT ON TABLE {table} IS 'Events of some of the sessions; read and written as parlant_event.'"),
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
    ]
    .into_iter()
    .filter_map(|sql| Statement::parse(&sql))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::statements;

    #[test]
    fn the_event_table_alone_is_changed() {
        let plain = statements().unwrap();
        let partitioned = partitioned(plain.clone(), 3);
        assert_eq!(partitioned.len(), plain.len() + 3 * 4);
        let changed: Vec<_> = partitioned.iter().filter(|statement| !plain.contains(statement)).collect();
        assert!(changed.iter().all(|statement| statement.object.name.starts_with("parlant_event")));
        let table = changed.iter().find(|s| s.object.name == "parlant_event" && s.makes()).unwrap();
        assert!(table.sql.contains("PRIMARY KEY (session_id, id)"));
        assert!(table.sql.ends_with("\n) PARTITION BY HASH (session_id)"), "{}", table.sql);
        let names: Vec<_> =
            changed.iter().filter(|s| s.object.kind == "table" && s.makes()).map(|s| &s.object.name).collect();
        assert_eq!(names, ["parlant_event", "parlant_event_0", "parlant_event_1", "parlant_event_2"]);
    }
}
