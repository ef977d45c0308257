//! Sentences that people have written: those in the documentation of the crates that these tests are built with.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// Larger files are generated ones.
const LARGEST: u64 = 200_000;

/// So many different sentences, in an order that has nothing to do with what they say, the same every time.
pub fn sentences(count: usize) -> Vec<String> {
    let mut found: BTreeMap<(u64, String), String> = BTreeMap::new();
    for file in files() {
        // What is no UTF-8 is no documentation.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let is_code = file.extension().is_some_and(|extension| extension == "rs");
        for sentence in in_text(&if is_code { comments(&text) } else { text }) {
            let plain = sentence.to_lowercase();
            found.entry((hash(&plain), plain)).or_insert(sentence);
        }
    }
    assert!(found.len() >= count, "the sources of the crates in Cargo.lock hold only {} sentences", found.len());
    found.into_values().take(count).collect()
}

/// FNV-1a.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The README and the source files of every crate from a registry.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for manifest in manifests() {
        let crate_dir = manifest.parent().expect("a manifest is in a folder");
        files.push(crate_dir.join("README.md"));
        add_sources(&crate_dir.join("src"), &mut files);
    }
    files.sort();
    files
}

fn manifests() -> Vec<PathBuf> {
    let version = run(Command::new("rustc").arg("-vV"));
    let version = String::from_utf8(version.stdout).expect("text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("the host's name");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host]);
    cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let metadata: serde_json::Value = serde_json::from_slice(&run(&mut cargo).stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let from_registry = packages.iter().filter(|package| !package["source"].is_null());
    from_registry.map(|package| package["manifest_path"].as_str().expect("a path").into()).collect()
}

fn add_sources(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            add_sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && entry.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST)
        {
            files.push(path);
        }
    }
}

/// The documentation comments of a source file; other lines end a paragraph.
fn comments(code: &str) -> String {
    let lines = code.lines().map(|line| {
        let line = line.trim_start();
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map_or("", str::trim)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The sentences in paragraphs of prose; code, lists, tables and headings have none.
fn in_text(text: &str) -> Vec<String> {
    let (mut sentences, mut paragraph, mut is_code) = (Vec::new(), String::new(), false);
    for line in text.lines().chain([""]) {
        let line = line.trim();
        if line.starts_with("```") {
            is_code = !is_code;
        }
        let is_prose = !is_code && line.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '`' | '['));
        if is_prose {
            paragraph += line;
            paragraph.push(' ');
            continue;
        }
        for sentence in paragraph.split_inclusive(". ").map(str::trim) {
            let words = sentence.split_whitespace().count();
            if (6..=40).contains(&words) && sentence.ends_with('.') && sentence.starts_with(char::is_uppercase) {
                sentences.push(sentence.to_owned());
            }
        }
        paragraph.clear();
    }
    sentences
}
