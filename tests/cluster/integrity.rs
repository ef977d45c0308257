//! Whether the rows obey what is declared about them, asked again of the rows themselves.

use crate::Connection;

/// For each constraint a query that counts the rows that break it.
const VIOLATIONS: &str = "
SELECT format('%s on %s', conname, conrelid::regclass),
       CASE contype
           WHEN 'c' THEN format('SELECT count(*) FROM %s WHERE NOT (%s)', conrelid::regclass, pg_get_expr(conbin, conrelid))
           ELSE format('SELECT count(*) FROM %s child WHERE (%s) AND NOT EXISTS (SELECT FROM %s parent WHERE %s)',
                       conrelid::regclass, complete, confrelid::regclass, same)
       END
  FROM pg_constraint,
       LATERAL (SELECT string_agg(format('child.%I IS NOT NULL', child.attname), ' AND '),
                       string_agg(format('child.%I = parent.%I', child.attname, parent.attname), ' AND ')
                  FROM unnest(conkey, confkey) AS key (child, parent)
                  JOIN pg_attribute child ON (child.attrelid, child.attnum) = (conrelid, key.child)
                  JOIN pg_attribute parent ON (parent.attrelid, parent.attnum) = (confrelid, key.parent)
               ) AS pairs (complete, same)
 WHERE connamespace = 'parlant'::regnamespace AND contype IN ('c', 'f') AND conrelid <> 0";

/// The foreign keys and checks that rows break. Panics when a unique index cannot be built anew.
pub fn violations(connection: &mut Connection) -> Vec<String> {
    // The rows shall speak, not their indexes.
    connection.run("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off");
    let queries = connection.rows(VIOLATIONS);
    assert!(queries.len() > 100, "{} constraints are not all there are", queries.len());
    let mut violations = Vec::new();
    for query in queries {
        let (constraint, count): (String, i64) = (query.get(0), connection.value(query.get(1)));
        if count > 0 {
            violations.push(format!("{constraint}: {count}"));
        }
    }
    connection.run("RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan");
    connection.run("REINDEX SCHEMA parlant");
    violations
}
