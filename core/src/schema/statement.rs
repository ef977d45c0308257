//! Reading the few forms of DDL that `sql/` is written in.

/// Something that a statement makes: its kind and its name inside schema `parlant`, such as
/// `trigger` `parlant_agent.set_updated_at`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    pub kind: &'static str,
    pub name: String,
}

impl Object {
    fn new(kind: &'static str, name: &str) -> Self {
        Object { kind, name: name.to_owned() }
    }

    fn of_table(kind: &'static str, table: &str, name: &str) -> Self {
        Object { kind, name: format!("{table}.{name}") }
    }

    /// The table that it is part of, or is.
    #[must_use]
    pub fn table(&self) -> Self {
        let table = self.name.split_once('.').map_or(self.name.as_str(), |(table, _)| table);
        Object::new("table", table)
    }
}

/// One statement and the object it makes, or describes if it is a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub sql: String,
    pub object: Object,
    pub is_comment: bool,
    /// It takes away an object of an earlier version: the statement is for a database that has it.
    pub is_drop: bool,
    /// The object is part of its table's `CREATE TABLE`: the statement is for a table that is there without it.
    pub comes_with_table: bool,
}

impl Statement {
    /// `None` if the statement has none of the forms that `sql/` uses.
    pub(super) fn parse(sql: &str) -> Option<Self> {
        let words: Vec<&str> = sql
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .flat_map(|line| line.split([' ', '(']))
            .filter(|word| !word.is_empty())
            .collect();
        let object = match words.as_slice() {
            ["CREATE", "DOMAIN", name, ..] | ["COMMENT", "ON", "DOMAIN", name, ..] => {
                Object::new("domain", in_parlant(name)?)
            }
            ["CREATE", "TABLE", name, ..] | ["COMMENT", "ON", "TABLE", name, ..] => {
                Object::new("table", in_parlant(name)?)
            }
            ["CREATE", "INDEX", name, ..] | ["CREATE", "UNIQUE", "INDEX", name, ..] => Object::new("index", name),
            ["COMMENT", "ON", "INDEX", name, ..] | ["DROP", "INDEX", name] => Object::new("index", in_parlant(name)?),
            ["COMMENT", "ON", "COLUMN", name, ..] => Object::new("column", &in_parlant(name)?.replace('"', "")),
            ["COMMENT", "ON", "CONSTRAINT", name, "ON", table, ..] => {
                Object::of_table("constraint", in_parlant(table)?, name)
            }
            ["CREATE" | "DROP", "TRIGGER", name, rest @ ..] | ["COMMENT", "ON", "TRIGGER", name, rest @ ..] => {
                Object::of_table("trigger", in_parlant(after("ON", rest)?)?, name)
            }
            ["CREATE", "POLICY", name, "ON", table, ..] | ["COMMENT", "ON", "POLICY", name, "ON", table, ..] => {
                Object::of_table("policy", in_parlant(table)?, name)
            }
            ["ALTER", "TABLE", table, change @ ..] => {
                let table = in_parlant(table)?;
                match change {
                    ["ADD", "COLUMN", name, ..] => Object::of_table("column", table, name),
                    ["ADD", "CONSTRAINT", name, ..] | ["DROP", "CONSTRAINT", name] => {
                        Object::of_table("constraint", table, name)
                    }
                    ["ALTER", "COLUMN", name, "SET", "DEFAULT", ..] => Object::of_table("default", table, name),
                    ["ENABLE", "ROW", "LEVEL", "SECURITY"] => Object::new("row security", table),
                    ["FORCE", "ROW", "LEVEL", "SECURITY"] => Object::new("forced row security", table),
                    ["ENABLE", "ALWAYS", "TRIGGER", name] => Object::of_table("always trigger", table, name),
                    _ => return None,
                }
            }
            _ => return None,
        };
        let is_comment = words[0] == "COMMENT";
        let is_drop = matches!(words.as_slice(), ["DROP", ..] | ["ALTER", "TABLE", _, "DROP", ..]);
        Some(Statement { sql: sql.to_owned(), object, is_comment, is_drop, comes_with_table: false })
    }

    /// Whether it makes its object, and neither describes it nor takes it away.
    #[must_use]
    pub fn makes(&self) -> bool {
        !self.is_comment && !self.is_drop
    }

    /// Statements that add the constraints of a `CREATE TABLE` to a table that has lost them.
    pub(super) fn constraints(&self) -> Vec<Statement> {
        if self.object.kind != "table" || self.is_comment {
            return Vec::new();
        }
        let table = &self.object.name;
        elements(&self.sql)
            .into_iter()
            .filter_map(|element| {
                let name = element.strip_prefix("CONSTRAINT ")?.split_whitespace().next()?;
                Some(Statement {
                    sql: format!("ALTER TABLE parlant.{table} ADD {element}"),
                    object: Object::of_table("constraint", table, name),
                    is_comment: false,
                    is_drop: false,
                    comes_with_table: true,
                })
            })
            .collect()
    }
}

/// What the parentheses of a `CREATE TABLE` hold: its columns and constraints.
fn elements(create_table: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in code(create_table) {
        match c {
            '(' => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
            }
            ',' | ')' if depth == 1 => {
                elements.push(without_leading_comments(&create_table[start..at]));
                start = at + 1;
                depth -= i32::from(c == ')');
            }
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && !elements.is_empty() {
            break;
        }
    }
    elements
}

fn without_leading_comments(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(comment) = text.strip_prefix("--") {
        text = comment.split_once('\n').map_or("", |(_, rest)| rest).trim();
    }
    text
}

/// The name without its schema, if that is `parlant`.
fn in_parlant(name: &str) -> Option<&str> {
    name.strip_prefix("parlant.")
}

fn after<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    let at = words.iter().position(|w| *w == word)?;
    words.get(at + 1).copied()
}

/// The statements of a script, without their semicolons.
pub(super) fn split(script: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = 0;
    for (at, c) in code(script) {
        if c == ';' {
            statements.push(script[start..at].trim());
            start = at + 1;
        }
    }
    if has_code(&script[start..]) {
        statements.push(script[start..].trim());
    }
    statements
}

/// The characters that are not inside a string, a quoted identifier or a line comment, with their places; other kinds
/// of quotes and comments are not used in `sql/`.
fn code(sql: &str) -> impl Iterator<Item = (usize, char)> {
    let mut inside: Option<char> = None;
    let mut previous = ' ';
    sql.char_indices().filter(move |(_, c)| {
        let end = match inside {
            Some('-') => '\n',
            Some(quote) => quote,
            None => {
                let starts_comment = *c == '-' && previous == '-';
                previous = *c;
                if matches!(c, '\'' | '"') || starts_comment {
                    inside = Some(*c);
                    return false;
                }
                return true;
            }
        };
        if *c == end {
            inside = None;
            previous = ' ';
        }
        false
    })
}

fn has_code(text: &str) -> bool {
    text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(sql: &str) -> Option<(&'static str, String)> {
        Statement::parse(sql).map(|s| (s.object.kind, s.object.name))
    }

    #[test]
    fn each_form_names_its_object() {
        for (sql, kind, name) in [
            ("CREATE DOMAIN parlant.d AS text", "domain", "d"),
            ("-- why\nCREATE TABLE parlant.t (\n id uuid)", "table", "t"),
            ("CREATE TABLE parlant.t(id uuid)", "table", "t"),
            ("CREATE UNIQUE INDEX i ON parlant.t (id)", "index", "i"),
            ("CREATE INDEX i ON parlant.t (id)", "index", "i"),
            ("ALTER TABLE parlant.t ADD COLUMN c text", "column", "t.c"),
            ("ALTER TABLE parlant.t ADD CONSTRAINT c CHECK (true)", "constraint", "t.c"),
            ("ALTER TABLE parlant.t ALTER COLUMN c SET DEFAULT 1", "default", "t.c"),
            ("ALTER TABLE parlant.t ENABLE ROW LEVEL SECURITY", "row security", "t"),
            ("ALTER TABLE parlant.t FORCE ROW LEVEL SECURITY", "forced row security", "t"),
            ("CREATE TRIGGER g BEFORE UPDATE ON parlant.t\n FOR EACH ROW", "trigger", "t.g"),
            ("DROP TRIGGER g ON parlant.t", "trigger", "t.g"),
            ("DROP INDEX parlant.i", "index", "i"),
            ("ALTER TABLE parlant.t DROP CONSTRAINT c", "constraint", "t.c"),
            ("CREATE POLICY p ON parlant.t USING (true)", "policy", "t.p"),
            ("COMMENT ON COLUMN parlant.t.\"offset\" IS 'x'", "column", "t.offset"),
            ("COMMENT ON INDEX parlant.i IS 'x'", "index", "i"),
            ("COMMENT ON TRIGGER g ON parlant.t IS 'x'", "trigger", "t.g"),
            ("COMMENT ON CONSTRAINT c ON parlant.t IS 'x'", "constraint", "t.c"),
        ] {
            assert_eq!(object(sql), Some((kind, name.to_owned())), "{sql}");
        }
    }

    #[test]
    fn the_constraints_of_a_table_can_be_added_to_it() {
        let sql = "CREATE TABLE parlant.t (\n    id uuid,\n\n    -- Why; so.\n    CONSTRAINT t_pkey PRIMARY KEY (id, n),\n    \
                   CONSTRAINT c CHECK (x IN ('a,', ')'))\n) WITH (fillfactor = 80)";
        let constraints = Statement::parse(sql).unwrap().constraints();
        let added: Vec<_> = constraints.iter().map(|s| (s.object.name.as_str(), s.sql.as_str())).collect();
        assert_eq!(
            added,
            [
                ("t.t_pkey", "ALTER TABLE parlant.t ADD CONSTRAINT t_pkey PRIMARY KEY (id, n)"),
                ("t.c", "ALTER TABLE parlant.t ADD CONSTRAINT c CHECK (x IN ('a,', ')'))"),
            ]
        );
    }

    #[test]
    fn other_forms_and_other_schemas_are_unknown() {
        for sql in [
            "DROP TABLE parlant.t",
            "CREATE TABLE t (id uuid)",
            "CREATE TABLE public.t (id uuid)",
            "ALTER TABLE parlant.t RENAME TO u",
            "CREATE TRIGGER g",
            "SELECT 1",
        ] {
            assert_eq!(object(sql), None, "{sql}");
        }
    }

    #[test]
    fn strings_identifiers_and_comments_may_hold_semicolons() {
        let script = "SELECT 'it''s; fine'; -- not; here\nSELECT \"a;b\" ; \n-- the end; of it\n";
        assert_eq!(split(script), ["SELECT 'it''s; fine'", "-- not; here\nSELECT \"a;b\""]);
    }

    #[test]
    fn a_last_statement_without_semicolon_counts() {
        assert_eq!(split("SELECT 1;\nSELECT 2\n"), ["SELECT 1", "SELECT 2"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            for sql in split(&text) {
                let _ = Statement::parse(sql);
            }
            let _ = elements(&text);
        }
    }
}
