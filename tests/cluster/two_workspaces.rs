//! A small world with known ids, for tests of one rule at a time.

use crate::Connection;

const NAMES: [&str; 20] = [
    "agent1",
    "agent2",
    "rival_agent",
    "guideline1",
    "guideline2",
    "rival_guideline",
    "tool1",
    "rival_tool",
    "journey1",
    "journey2",
    "rival_journey",
    "ask1",
    "done1",
    "ask2",
    "rival_ask",
    "session1",
    "session2",
    "rival_session",
    "template1",
    "rival_template",
];

/// Replaces `:agent1` and the like by the ids they stand for.
pub fn with_ids(sql: &str) -> String {
    NAMES.iter().enumerate().fold(sql.to_owned(), |sql, (n, name)| {
        sql.replace(&format!(":{name}"), &format!("'00000000-0000-4000-8000-0000000000{:02}'", n + 1))
    })
}

pub fn load_two_workspaces(connection: &mut Connection) {
    connection.run(&with_ids(include_str!("../fixture/two_workspaces.sql")));
}
