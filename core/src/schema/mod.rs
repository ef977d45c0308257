//! The tables of parlant as data: the statements of `sql/`, in the order in which they can run, each with the
//! object it makes. Whoever installs them runs those whose object is missing.

mod partition;
mod statement;

pub use partition::partitioned;
pub use statement::{Object, Statement};

/// Files of `sql/` that make domains and tables; a table comes after those it refers to.
const FILES: &[(&str, &str)] = &[
    ("types.sql", include_str!("../../../sql/types.sql")),
    ("parlant_audit_log.sql", include_str!("../../../sql/tables/parlant_audit_log.sql")),
    ("parlant_host_link.sql", include_str!("../../../sql/tables/parlant_host_link.sql")),
    ("parlant_workspace_member.sql", include_str!("../../../sql/tables/parlant_workspace_member.sql")),
    ("parlant_agent.sql", include_str!("../../../sql/tables/parlant_agent.sql")),
    ("parlant_guideline.sql", include_str!("../../../sql/tables/parlant_guideline.sql")),
    ("parlant_canned_response.sql", include_str!("../../../sql/tables/parlant_canned_response.sql")),
    ("parlant_term.sql", include_str!("../../../sql/tables/parlant_term.sql")),
    ("parlant_tool.sql", include_str!("../../../sql/tables/parlant_tool.sql")),
    ("parlant_tool_integration.sql", include_str!("../../../sql/tables/parlant_tool_integration.sql")),
    ("parlant_tool_call.sql", include_str!("../../../sql/tables/parlant_tool_call.sql")),
    ("parlant_agent_tool.sql", include_str!("../../../sql/tables/parlant_agent_tool.sql")),
    ("parlant_journey.sql", include_str!("../../../sql/tables/parlant_journey.sql")),
    ("parlant_journey_state.sql", include_str!("../../../sql/tables/parlant_journey_state.sql")),
    ("parlant_journey_transition.sql", include_str!("../../../sql/tables/parlant_journey_transition.sql")),
    ("parlant_journey_guideline.sql", include_str!("../../../sql/tables/parlant_journey_guideline.sql")),
    ("parlant_session.sql", include_str!("../../../sql/tables/parlant_session.sql")),
    ("parlant_event.sql", include_str!("../../../sql/tables/parlant_event.sql")),
    ("parlant_variable.sql", include_str!("../../../sql/tables/parlant_variable.sql")),
    ("parlant_agent_knowledge_base.sql", include_str!("../../../sql/tables/parlant_agent_knowledge_base.sql")),
    ("parlant_agent_workflow.sql", include_str!("../../../sql/tables/parlant_agent_workflow.sql")),
    ("parlant_agent_api_key.sql", include_str!("../../../sql/tables/parlant_agent_api_key.sql")),
    ("parlant_session_workflow.sql", include_str!("../../../sql/tables/parlant_session_workflow.sql")),
    ("parlant_workflow_template.sql", include_str!("../../../sql/tables/parlant_workflow_template.sql")),
    ("parlant_template_parameter.sql", include_str!("../../../sql/tables/parlant_template_parameter.sql")),
    ("parlant_conversion_history.sql", include_str!("../../../sql/tables/parlant_conversion_history.sql")),
];

/// A statement of `sql/` that parlant cannot tell the object of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownStatement {
    pub file: &'static str,
    pub sql: String,
}

/// Every statement of `sql/` that makes or describes a table or domain, in the order in which they can run.
///
/// The constraints inside a `CREATE TABLE` have statements of their own, for a table that has lost them. A comment goes
/// with the statement that makes what it describes, or else with the table that this is part of: it runs when that does, so an installation keeps the comments that its owner has changed.
pub fn statements() -> Result<Vec<Statement>, UnknownStatement> {
    let mut statements = Vec::new();
    for &(file, text) in FILES {
        for sql in statement::split(text) {
            let unknown = || UnknownStatement { file, sql: sql.to_owned() };
            let statement = Statement::parse(sql).ok_or_else(unknown)?;
            let constraints = statement.constraints();
            statements.push(statement);
            statements.extend(constraints);
        }
    }
    let made: std::collections::HashSet<Object> =
        statements.iter().filter(|s| s.makes()).map(|s| s.object.clone()).collect();
    for comment in statements.iter_mut().filter(|s| s.is_comment) {
        if !made.contains(&comment.object) {
            comment.object = comment.object.table();
        }
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_statement_of_the_sql_folder_is_understood() {
        let statements = statements().unwrap();
        let tables = statements.iter().filter(|s| s.object.kind == "table" && !s.is_comment).count();
        assert_eq!(tables, FILES.iter().filter(|(file, _)| file.starts_with("parlant_")).count());
    }

    #[test]
    fn every_constraint_of_a_table_has_a_statement() {
        let constraints = statements().unwrap().into_iter().filter(|s| s.comes_with_table).count();
        let in_files: usize = FILES[1..].iter().map(|(_, sql)| sql.matches("\n    CONSTRAINT ").count()).sum();
        assert_eq!(constraints, in_files);
    }

    #[test]
    fn no_object_is_made_twice() {
        let mut seen = HashSet::new();
        for statement in statements().unwrap().iter().filter(|s| s.makes()) {
            assert!(seen.insert(statement.object.clone()), "{:?} is made twice", statement.object);
        }
    }

    #[test]
    fn what_is_taken_away_is_not_made() {
        let statements = statements().unwrap();
        let dropped: HashSet<_> = statements.iter().filter(|s| s.is_drop).map(|s| &s.object).collect();
        assert!(!dropped.is_empty());
        assert!(!statements.iter().any(|s| s.makes() && dropped.contains(&s.object)));
    }

    #[test]
    fn every_comment_describes_something_made_before_it() {
        let mut made = HashSet::new();
        for statement in statements().unwrap() {
            if statement.is_comment {
                assert!(made.contains(&statement.object), "nothing made for {}", statement.sql);
            } else if statement.makes() {
                made.insert(statement.object);
            }
        }
    }

    #[test]
    fn every_file_of_the_tables_folder_is_installed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/tables");
        let mut on_disk: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        let of_tables = FILES.iter().map(|(name, _)| name.to_string()).filter(|name| name.starts_with("parlant_"));
        let mut installed: Vec<_> = of_tables.collect();
        on_disk.sort();
        installed.sort();
        assert_eq!(on_disk, installed);
    }
}
