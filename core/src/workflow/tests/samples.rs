//! Real workflows, where the project stands beside a folder of them.

use super::{converted, to_journey};
use serde_json::Value;
use std::fs;
use std::path::Path;

#[test]
fn real_workflows_become_sound_journeys() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/workflows");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("SKIPPED: there is no {}", folder.display());
        return;
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let conversion = converted(&document);
        if std::env::var_os("PARLANT_SHOW").is_some() {
            println!("{}\n{:#}", file.display(), conversion.document().to_value());
        }
        let twice = to_journey(&text, "{}", "{}").unwrap();
        assert_eq!(twice.document().to_value(), conversion.document().to_value(), "{}", file.display());
    }
    assert!(!files.is_empty());
}
