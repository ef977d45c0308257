//! What the tests over real connections share: private servers, the tools that come with them,
//! everything a catalog and its rows can tell, and rows for every table.

mod behaviour;
mod catalog;
mod connection;
mod database;
mod fixture;
mod integrity;
mod questions;
mod references;
mod rows;
mod running;
mod sentences;
mod server;
mod tree;
mod two_workspaces;

pub use behaviour::assert_works;
pub use catalog::{assert_same, fingerprint};
pub use connection::{Connection, Refusal};
pub use database::Database;
pub use fixture::{load_fixture, load_users_own};
pub use integrity::violations;
pub use questions::{LARGE, Question, SMALL, filled_in, questions};
pub use references::{NEW, OnDelete, REFERENCES, ROWS, Reference, Values};
pub use rows::{TableColumns, TableRows, columns_without, row_hashes, row_hashes_of};
pub use running::Running;
pub use sentences::{hash, sentences};
pub use server::{Cluster, run};
pub use tree::Tree;
pub use two_workspaces::{load_two_workspaces, with_ids};

use std::time::{Duration, Instant};

/// Longest wait for anything that must happen; reached only when a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// Asks until there is an answer, and panics when there is none in time.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
