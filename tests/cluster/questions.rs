//! The questions of docs/access-paths.md, with what stands for the rows of tests/fixture/many_rows.sql.

use std::fs;
use std::path::Path;

/// A ```sql block of the page, and the names in backquotes of the paragraph before it, of which one must be used.
pub struct Question {
    pub asks: String,
    pub indexes: Vec<String>,
    pub sql: String,
}

pub fn questions() -> Vec<Question> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/access-paths.md");
    let page = fs::read_to_string(page).unwrap();
    let mut questions = Vec::new();
    let mut blocks = page.split("```sql\n");
    let mut before = blocks.next().unwrap();
    for block in blocks {
        let (sql, after) = block.split_once("```").expect("the end of the block");
        let asks = before.trim_end().rsplit("\n\n").next().unwrap().to_owned();
        let indexes: Vec<_> = asks.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(!indexes.is_empty(), "no index is named before {sql}");
        questions.push(Question { asks, indexes, sql: sql.to_owned() });
        before = after;
    }
    questions
}

/// An agent of the largest workspace, and one of a small one.
pub const LARGE: (&str, u32) = ("acme", 7);
pub const SMALL: (&str, u32) = ("workspace 8", 800);

/// The query with what its `:'name'` stand for.
pub fn filled_in(sql: &str, (workspace, n): (&str, u32)) -> String {
    let id = |name: String| format!("md5('{name}')::uuid");
    [
        ("workspace", format!("'{workspace}'")),
        ("user", format!("'user {}'", n % 200)),
        ("customer", format!("'customer {}'", (n * 13 + 1) % 5000)),
        ("agent", id(format!("agent {n}"))),
        ("guideline", id(format!("guideline {n}.1"))),
        ("journey", id(format!("journey {n}.1"))),
        ("state", id(format!("state {n}.1.1"))),
        ("session", id(format!("session {n}.1"))),
        ("tool", id(format!("tool {n}"))),
        ("template", id(format!("template {n}"))),
    ]
    .iter()
    .fold(sql.to_owned(), |sql, (name, value)| sql.replace(&format!(":'{name}'"), value))
}
