//! The PostgreSQL installation under test, and those of other versions.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

#[derive(Clone, Debug)]
pub struct Tree {
    pg_config: OsString,
    pub version: u32,
    pub programs: PathBuf,
}

impl Tree {
    /// The server that the tests are about.
    pub fn under_test() -> Tree {
        Tree::from_variable("PARLANT_PG_CONFIG").expect(
            "PARLANT_PG_CONFIG is not set. It names the pg_config of a PostgreSQL in which the extension is installed; \
             scripts/test builds and installs the extension, sets it and runs these tests",
        )
    }

    /// A server of another version, in which the extension is installed too.
    pub fn of_version(version: u32) -> Option<Tree> {
        let variable = format!("PARLANT_PG_CONFIG_{version}");
        let tree = Tree::from_variable(&variable)?;
        assert_eq!(tree.version, version, "{variable} names a PostgreSQL of another version");
        Some(tree)
    }

    fn from_variable(variable: &str) -> Option<Tree> {
        let pg_config = env::var_os(variable)?;
        let mut tree = Tree { pg_config, version: 0, programs: PathBuf::new() };
        let version = tree.ask("--version");
        tree.version = version
            .trim_start_matches("PostgreSQL ")
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_else(|| panic!("{variable}: what version is {version:?}?"));
        tree.programs = tree.ask("--bindir").into();
        Some(tree)
    }

    /// Where CREATE EXTENSION finds control files and scripts.
    pub fn extension_dir(&self) -> PathBuf {
        PathBuf::from(self.ask("--sharedir")).join("extension")
    }

    fn ask(&self, option: &str) -> String {
        let answer = Command::new(&self.pg_config).arg(option).output();
        match answer {
            Ok(output) if output.status.success() => {
                String::from_utf8(output.stdout).expect("pg_config speaks UTF-8").trim().to_owned()
            }
            other => panic!("{:?} {option}: {other:?}", self.pg_config),
        }
    }
}
