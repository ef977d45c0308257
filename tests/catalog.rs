//! What the catalog says about every table, column, index and function of ours, whoever adds one. A rule is a query
//! that names what breaks it, and comes with something that does.

use parlant_tests::{Cluster, Connection, load_two_workspaces};

struct Rule {
    says: &'static str,
    broken: &'static str,
    broken_by: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        says: "everything has a comment, but for primary keys, and for checks and references, whose names say all",
        broken: "SELECT type || ' ' || identity
                 FROM (SELECT 'pg_namespace'::regclass AS class, oid, 0 AS sub FROM pg_namespace WHERE nspname = 'parlant'
                       UNION ALL
                       SELECT 'pg_class'::regclass, oid, 0 FROM pg_class
                       WHERE relnamespace = 'parlant'::regnamespace AND relkind <> 't'
                         -- The index of a constraint has the constraint's comment.
                         AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = pg_class.oid AND contype IN ('p', 'u', 'x'))
                       UNION ALL
                       SELECT 'pg_class'::regclass, our_table.oid, attnum FROM our_table, our_column WHERE attrelid = our_table.oid
                       UNION ALL
                       SELECT 'pg_type'::regclass, oid, 0 FROM pg_type
                       WHERE typnamespace = 'parlant'::regnamespace AND typrelid = 0 AND typelem = 0
                       UNION ALL
                       SELECT 'pg_proc'::regclass, oid, 0 FROM our_function
                       UNION ALL
                       SELECT 'pg_constraint'::regclass, oid, 0 FROM our_constraint WHERE contype IN ('u', 'x')
                       UNION ALL
                       SELECT 'pg_trigger'::regclass, pg_trigger.oid, 0 FROM pg_trigger JOIN our_table ON our_table.oid = tgrelid
                       WHERE NOT tgisinternal
                       UNION ALL
                       SELECT 'pg_policy'::regclass, pg_policy.oid, 0 FROM pg_policy JOIN our_table ON our_table.oid = polrelid
                      ) AS object
                 CROSS JOIN pg_identify_object(class, oid, sub)
                 WHERE NOT EXISTS (SELECT FROM pg_description WHERE (classoid, objoid, objsubid) = (class, oid, sub))",
        broken_by: "COMMENT ON COLUMN parlant_event.content IS NULL",
    },
    Rule {
        says: "the name of a check or reference is a sentence, or it has a comment",
        broken: "SELECT coalesce(nullif(conrelid, 0)::regclass::text, contypid::regtype::text) || ' ' || conname
                 FROM our_constraint
                 WHERE contype IN ('c', 'f') AND obj_description(oid, 'pg_constraint') IS NULL
                   AND conname !~ '[a-z0-9]_(is|are|has|have|needs|agrees|fits|belongs)_[a-z0-9]'",
        broken_by: "ALTER TABLE parlant_term ADD CONSTRAINT parlant_term_check CHECK (name <> 'x')",
    },
    Rule {
        says: "times have no zone, default to UTC, and say that they are UTC",
        broken: "SELECT name FROM our_column
                 WHERE atttypid IN ('timestamptz'::regtype, 'timetz'::regtype, 'time'::regtype)
                    OR atttypid = 'timestamp'::regtype
                       AND (default_value <> $$timezone('utc'::text, now())$$
                            OR coalesce(col_description(attrelid, attnum), '') !~ 'UTC')",
        broken_by: "ALTER TABLE parlant_term ALTER created_at SET DEFAULT now()",
    },
    Rule {
        says: "a table with updated_at has the trigger that keeps it",
        broken: "SELECT name FROM our_column WHERE attname = 'updated_at'
                 AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = attrelid AND tgname IN ('set_updated_at', 'keep_session'))",
        broken_by: "DROP TRIGGER set_updated_at ON parlant_term",
    },
    Rule {
        says: "JSON is jsonb, and a check says whether it is an object, an array or agrees with another column",
        broken: "SELECT name FROM our_column
                 WHERE atttypid = 'json'::regtype
                    OR atttypid = 'jsonb'::regtype AND name <> 'parlant_conversion_history.result' -- anything
                       AND NOT EXISTS (SELECT FROM our_constraint WHERE conrelid = attrelid AND contype = 'c'
                                       AND pg_get_constraintdef(oid) ~ ('jsonb_typeof\\(' || attname || '\\)'))",
        broken_by: "ALTER TABLE parlant_term DROP CONSTRAINT examples_is_an_array",
    },
    Rule {
        says: "labels are domains, which indexes can serve under row-level security",
        broken: "SELECT oid::regtype::text FROM pg_type WHERE typnamespace = 'parlant'::regnamespace AND typtype = 'e'",
        broken_by: "CREATE TYPE mood AS ENUM ('good', 'bad')",
    },
    Rule {
        says: "every table has a workspace, but for the link of the whole database to its host",
        broken: "SELECT relname FROM our_table
                 WHERE relname <> 'parlant_host_link'
                   AND NOT EXISTS (SELECT FROM our_column WHERE attrelid = our_table.oid AND attname = 'workspace_id'
                                   AND atttypid = 'text'::regtype AND attnotnull)",
        broken_by: "ALTER TABLE parlant_term ALTER workspace_id DROP NOT NULL",
    },
    Rule {
        says: "every table has a primary key, which is id where it has an id",
        broken: "SELECT relname FROM our_table
                 LEFT JOIN our_column AS id ON attrelid = our_table.oid AND attname = 'id'
                 WHERE NOT EXISTS (SELECT FROM our_constraint WHERE conrelid = our_table.oid AND contype = 'p'
                                   AND conkey = coalesce(ARRAY[attnum], conkey))",
        broken_by: "ALTER TABLE parlant_term DROP CONSTRAINT parlant_term_pkey, ADD PRIMARY KEY (workspace_id, id)",
    },
    Rule {
        says: "every other unique key contains the workspace",
        broken: "SELECT indexrelid::regclass::text FROM our_index WHERE indisunique AND NOT indisprimary
                 AND NOT EXISTS (SELECT FROM our_column
                                 WHERE attrelid = indrelid AND attnum = ANY (indkey) AND attname = 'workspace_id')",
        broken_by: "CREATE UNIQUE INDEX ON parlant_term (name)",
    },
    Rule {
        says: "a reference can be followed back: an index begins with the workspace and the column that refers",
        // The sessions in a journey are few: its index finds those in one of its states.
        broken: "SELECT conrelid::regclass || ' ' || conname FROM our_constraint
                 CROSS JOIN unnest(conkey, confkey) AS key (child, parent)
                 JOIN our_column ON (attrelid, attnum, attname) = (confrelid, parent, 'id')
                 WHERE contype = 'f' AND conname <> 'state_belongs_to_the_journey'
                   AND NOT EXISTS (SELECT FROM our_index WHERE indrelid = conrelid
                                   AND (indkey::int2[])[0:cardinality(conkey) - 1] @> ARRAY[conkey[1], child])",
        broken_by: "DROP INDEX parlant_journey_transition_target",
    },
    Rule {
        says: "every event costs few index entries: parlant_event has at most 5 indexes, parlant_session 9",
        broken: "SELECT relname FROM our_table JOIN our_index ON indrelid = our_table.oid GROUP BY relname
                 HAVING count(*) > CASE relname WHEN 'parlant_event' THEN 5 WHEN 'parlant_session' THEN 9 ELSE 20 END",
        broken_by: "CREATE INDEX ON parlant_event (created_at); CREATE INDEX ON parlant_event (workspace_id, created_at)",
    },
    Rule {
        says: "no index repeats the beginning of another",
        broken: "SELECT short.indexrelid::regclass || ' of ' || long.indexrelid::regclass
                 FROM our_index AS short
                 JOIN our_index AS long ON long.indrelid = short.indrelid AND long.indexrelid <> short.indexrelid
                 WHERE NOT short.indisunique AND short.indexprs IS NULL
                   AND (short.indkey::int2[])[0:] = (long.indkey::int2[])[0:short.indnatts - 1]
                   AND (short.indoption::int2[])[0:] = (long.indoption::int2[])[0:short.indnatts - 1]
                   AND (long.indpred IS NULL OR long.indpred::text = short.indpred::text)",
        broken_by: "CREATE INDEX ON parlant_term (workspace_id, agent_id)",
    },
    Rule {
        says: "nothing is outside schema parlant",
        broken: "SELECT type || ' ' || identity
                 FROM (SELECT 'pg_class'::regclass AS class, oid FROM pg_class WHERE relnamespace <> 'pg_toast'::regnamespace
                       UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc
                       UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace <> 'pg_toast'::regnamespace
                       UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator) AS object
                 CROSS JOIN pg_identify_object(class, oid, 0)
                 WHERE oid >= 16384 AND schema IS DISTINCT FROM 'parlant'",
        broken_by: "CREATE VIEW public.open_session AS SELECT 1",
    },
    Rule {
        says: "functions belong to the extension, and nothing else does",
        broken: "SELECT type || ' ' || identity
                 FROM (SELECT 'pg_class'::regclass AS class, oid, false AS expected FROM our_table
                       UNION ALL
                       SELECT 'pg_type'::regclass, oid, false FROM pg_type WHERE typnamespace = 'parlant'::regnamespace
                       UNION ALL
                       SELECT 'pg_proc'::regclass, oid, true FROM our_function) AS object
                 CROSS JOIN pg_identify_object(class, oid, 0)
                 WHERE expected <> EXISTS (SELECT FROM pg_depend
                                           WHERE (classid, objid, deptype) = (class, object.oid, 'e'))",
        broken_by: "ALTER EXTENSION parlant DROP FUNCTION parlant.uuidv7()",
    },
    Rule {
        says: "no function is everybody's",
        broken: "SELECT oid::regprocedure::text FROM our_function
                 WHERE EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)",
        broken_by: "GRANT EXECUTE ON FUNCTION parlant.uuidv7() TO public",
    },
    Rule {
        says: "a function that runs as its owner chooses its schemas itself",
        broken: "SELECT oid::regprocedure::text FROM our_function
                 WHERE prosecdef AND NOT coalesce(proconfig, '{}') @> '{\"search_path=pg_catalog, pg_temp\"}'",
        broken_by: "ALTER FUNCTION parlant.uuidv7() SECURITY DEFINER",
    },
    Rule {
        says: "arguments and results are scalars that every driver knows",
        broken: "SELECT oid::regprocedure::text FROM our_function
                 WHERE provariadic <> 0 OR proargmodes && '{o,b,v}'
                    OR EXISTS (SELECT FROM unnest(coalesce(proallargtypes, proargtypes::oid[]) || prorettype) AS used
                               JOIN pg_type ON pg_type.oid = used
                               WHERE typnamespace <> 'pg_catalog'::regnamespace OR typcategory = 'A'
                                  OR typtype = 'p' AND typname NOT IN ('trigger', 'event_trigger', 'internal', 'void', 'record'))",
        broken_by: "CREATE FUNCTION labels() RETURNS text[] LANGUAGE sql AS 'SELECT NULL::text[]'",
    },
    Rule {
        says: "no function is bound to a table, which a restore brings later",
        broken: "SELECT oid::regprocedure::text FROM our_function WHERE prosqlbody IS NOT NULL",
        broken_by: "CREATE FUNCTION agents() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM parlant_agent; END",
    },
];

/// The objects that rules ask about.
const OURS: &str = "
    WITH our_table AS (SELECT * FROM pg_class WHERE relnamespace = 'parlant'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')),
         our_column AS (
             SELECT pg_attribute.*, relname || '.' || attname AS name, pg_get_expr(adbin, adrelid) AS default_value
             FROM pg_attribute
             JOIN our_table ON our_table.oid = attrelid
             LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
             WHERE attnum > 0 AND NOT attisdropped),
         our_index AS (SELECT pg_index.* FROM pg_index JOIN our_table ON our_table.oid = indrelid),
         our_constraint AS (SELECT * FROM pg_constraint WHERE connamespace = 'parlant'::regnamespace),
         our_function AS (SELECT * FROM pg_proc WHERE pronamespace = 'parlant'::regnamespace)";

fn installed() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    connection.run("SET search_path = parlant");
    connection
}

impl Rule {
    fn offenders(&self, connection: &mut Connection) -> Vec<String> {
        connection
            .column(&format!("{OURS} SELECT offender::text FROM ({}) AS broken (offender) ORDER BY 1", self.broken))
    }
}

#[test]
fn everything_obeys_the_rules() {
    let mut connection = installed();
    let broken: Vec<_> =
        RULES.iter().map(|rule| (rule.says, rule.offenders(&mut connection))).filter(|(_, o)| !o.is_empty()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_rule_sees_what_breaks_it() {
    let mut connection = installed();
    for rule in RULES {
        connection.run(&format!("BEGIN; {}", rule.broken_by));
        assert!(!rule.offenders(&mut connection).is_empty(), "{} does not break this: {}", rule.broken_by, rule.says);
        connection.run("ROLLBACK");
    }
}

#[test]
fn times_that_the_database_sets_are_utc() {
    let mut connection = installed();
    load_two_workspaces(&mut connection);
    assert_ne!(connection.value::<String>("SHOW timezone"), "UTC", "in this zone local time shall not be UTC");
    let columns = connection.rows(&format!(
        "{OURS} SELECT relname::text, attname::text FROM our_column JOIN our_table ON our_table.oid = attrelid
         WHERE atttypid = 'timestamp'::regtype"
    ));
    let mut seen = 0;
    for column in columns {
        let (table, column): (String, String) = (column.get(0), column.get(1));
        seen += connection.value::<i64>(&format!("SELECT count({column}) FROM {table}"));
        let wrong: i64 = connection.value(&format!(
            "SELECT count(*) FROM {table} WHERE abs(extract(epoch FROM {column} - timezone('utc', now()))) > 600"
        ));
        assert_eq!(wrong, 0, "{table}.{column}");
    }
    assert!(seen > 60, "{seen} times");
}

/// A line for each column of the tables that clients of this schema know, as they expect it.
const COLUMNS: &str = include_str!("fixture/columns.txt");

#[test]
fn every_column_that_clients_use_is_there_as_they_expect_it() {
    let mut connection = installed();
    connection.run("SET search_path = pg_catalog"); // then domains and functions come with their schema
    let there: Vec<String> = connection.column(&format!(
        "{OURS} SELECT format('%s %s%s%s', name, replace(format_type(atttypid, atttypmod), ' without time zone', ''),
                              CASE WHEN attnotnull THEN ' not null' END, ' default ' || default_value)
         FROM our_column"
    ));
    let missing: Vec<_> = COLUMNS.lines().filter(|line| !there.iter().any(|column| column == line)).collect();
    assert!(missing.is_empty(), "missing, or different: {missing:#?}");
    assert_eq!(COLUMNS.lines().count(), 305);
}

#[test]
fn clients_can_leave_out_the_columns_that_they_do_not_know() {
    let mut connection = installed();
    let mut required: Vec<String> = connection.column(&format!(
        "{OURS} SELECT name FROM our_column WHERE attnotnull AND NOT atthasdef
         -- Columns that a trigger fills from the parent.
         AND NOT EXISTS (SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
                         WHERE tgrelid = attrelid
                           AND CASE proname
                                   WHEN 'fill_from_parent' THEN attname = ANY (string_to_array(encode(tgargs, 'escape'), '\\000'))
                                   WHEN 'number_event' THEN attname = 'workspace_id'
                               END)"
    ));
    let known: Vec<_> = COLUMNS.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name).collect();
    let table = |column: &str| column.split_once('.').map(|(table, _)| table.to_owned());
    required
        .retain(|column| !known.contains(&column.as_str()) && known.iter().any(|known| table(known) == table(column)));
    assert_eq!(required, [] as [String; 0]);
}
