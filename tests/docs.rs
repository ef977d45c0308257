//! The examples of the README and of docs/ do what they say: each file's ```sql blocks run in order in a fresh
//! database, and print what the ```text block right behind them shows, as psql does in its terse form.

use parlant_tests::Cluster;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

struct Example {
    line: usize,
    sql: String,
    output: Option<String>,
}

#[test]
fn every_example_prints_what_the_documentation_shows() {
    let mut run = 0;
    for file in documents() {
        let examples = examples(&fs::read_to_string(&file).unwrap());
        let printed = print(&examples);
        assert_eq!(printed.len(), examples.len(), "{}: an example ended psql", file.display());
        for (example, printed) in examples.iter().zip(printed) {
            let place = format!("{}, line {}", file.display(), example.line);
            match &example.output {
                Some(expected) => assert_eq!(&printed, expected, "{place}"),
                None => assert!(!printed.contains("ERROR"), "{place}: {printed}"),
            }
            run += 1;
        }
    }
    assert!(run > 10, "only {run} examples found");
}

/// docs/access-paths.md is for tests/access_paths.rs, which explains its queries.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut documents = vec![root.join("README.md")];
    documents.extend(fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    documents.retain(|path| path.extension().is_some_and(|e| e == "md") && !path.ends_with("access-paths.md"));
    documents.sort();
    documents
}

fn examples(document: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = document.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let mut block = String::new();
        for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
            writeln!(block, "{line}").unwrap();
        }
        match language {
            "sql" => {
                let follows = lines.peek().is_some_and(|(_, line)| *line == "```text");
                let output = follows.then(String::new);
                examples.push(Example { line: number + 1, sql: block, output });
            }
            "text" => {
                let output = examples.last_mut().and_then(|example| example.output.as_mut());
                *output.unwrap_or_else(|| panic!("line {}: no example before this output", number + 1)) = tidy(&block);
            }
            _ => {}
        }
    }
    examples
}

/// What psql prints for each of the examples, run in one session.
fn print(examples: &[Example]) -> Vec<String> {
    const MARK: &str = "== example ==";
    let database = Cluster::shared().empty_database();
    let mut script = String::from("\\pset footer off\n\\set VERBOSITY terse\nSET client_min_messages = warning;\n");
    for example in examples {
        write!(script, "\\echo '{MARK}'\n{}", example.sql).unwrap();
    }
    let (input, output) = (database.cluster.path("examples.sql"), database.cluster.path("examples.out"));
    fs::write(&input, script).unwrap();
    let printed = File::create(&output).unwrap();
    let mut psql = database.cluster.command("psql");
    psql.args(["--no-psqlrc", "--quiet"]).env("PGDATABASE", &database.name);
    psql.stdin(File::open(&input).unwrap()).stdout(printed.try_clone().unwrap()).stderr(printed);
    assert!(psql.status().unwrap().success());
    fs::read_to_string(&output).unwrap().split(MARK).skip(1).map(tidy).collect()
}

/// Without blanks at the ends of lines and empty lines around.
fn tidy(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(str::trim_end).skip_while(|line| line.is_empty()).collect();
    lines.join("\n")
}
