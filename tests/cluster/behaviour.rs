//! A short round through what the tables do by themselves, to see that all of it is still attached.

use crate::{Connection, Refusal};

/// Defaults, fills, checks and references work. Leaves nothing behind.
pub fn assert_works(connection: &mut Connection) {
    connection.run("BEGIN");
    assert_fills(connection);
    assert_refuses(connection);
    connection.run("ROLLBACK");
}

fn assert_fills(connection: &mut Connection) {
    connection.run(
        "INSERT INTO parlant.parlant_agent (workspace_id, created_by, name, updated_at)
             VALUES ('works', 'u', 'Works', '2001-01-01'), ('elsewhere', 'u', 'Works', DEFAULT);
         INSERT INTO parlant.parlant_journey (agent_id, title, conditions)
             SELECT id, 'Works', '[]' FROM parlant.parlant_agent WHERE workspace_id = 'works';
         INSERT INTO parlant.parlant_journey_state (journey_id, name, state_type)
             SELECT id, 'End', 'final' FROM parlant.parlant_journey WHERE workspace_id = 'works';
         INSERT INTO parlant.parlant_guideline (agent_id, condition, action)
             SELECT id, 'Always', 'Smile' FROM parlant.parlant_agent WHERE workspace_id = 'works';
         INSERT INTO parlant.parlant_journey_guideline (journey_id, guideline_id)
             SELECT j.id, g.id FROM parlant.parlant_journey j, parlant.parlant_guideline g
              WHERE j.workspace_id = 'works' AND g.workspace_id = 'works';
         INSERT INTO parlant.parlant_session (agent_id)
             SELECT id FROM parlant.parlant_agent WHERE workspace_id = 'works';
         INSERT INTO parlant.parlant_event (session_id, \"offset\", event_type, content)
             SELECT id, 0, 'customer_message', '{\"message\": \"m\"}' FROM parlant.parlant_session WHERE workspace_id = 'works'",
    );
    let filled: Vec<bool> = connection.column(
        "SELECT substr(id::text, 15, 1) = '7' FROM parlant.parlant_event WHERE workspace_id = 'works'
         UNION ALL SELECT is_final FROM parlant.parlant_journey_state WHERE workspace_id = 'works'
         UNION ALL SELECT agent_id IS NOT NULL FROM parlant.parlant_journey_guideline WHERE workspace_id = 'works'
         UNION ALL SELECT created_at = timezone('utc', now()) FROM parlant.parlant_event WHERE workspace_id = 'works'",
    );
    assert_eq!(filled, [true; 4], "id is a UUIDv7, final is final, the agent is the journey's, the time is UTC's");

    connection.run("UPDATE parlant.parlant_agent SET description = 'changed' WHERE workspace_id = 'works'");
    assert!(
        connection
            .value::<bool>("SELECT updated_at > '2020-01-01' FROM parlant.parlant_agent WHERE workspace_id = 'works'"),
        "updated_at is kept"
    );
}

fn assert_refuses(connection: &mut Connection) {
    let mut refused = |sql: &str, sqlstate: &str| -> Refusal {
        connection.run("SAVEPOINT before");
        let refusal = connection.assert_refused(sql, sqlstate);
        connection.run("ROLLBACK TO before");
        refusal
    };
    refused("INSERT INTO parlant.parlant_agent (workspace_id, name) VALUES ('works', 'wORKS')", "23505")
        .constraint("parlant_agent_name_key");
    refused("UPDATE parlant.parlant_agent SET status = 'asleep' WHERE workspace_id = 'works'", "23514")
        .constraint("agent_status_is_known");
    refused("UPDATE parlant.parlant_agent SET temperature = 101 WHERE workspace_id = 'works'", "23514")
        .constraint("temperature_is_0_to_100");
    refused(
        "INSERT INTO parlant.parlant_session (workspace_id, agent_id)
             SELECT 'works', id FROM parlant.parlant_agent WHERE workspace_id = 'elsewhere'",
        "23503",
    )
    .constraint("agent_is_in_the_workspace");
    refused(
        "INSERT INTO parlant.parlant_journey_transition (journey_id, from_state_id, to_state_id)
             SELECT journey_id, id, id FROM parlant.parlant_journey_state WHERE workspace_id = 'works'",
        "23503",
    )
    .constraint("from_state_is_in_the_journey_and_not_final");
    refused(
        r#"INSERT INTO parlant.parlant_tool (workspace_id, name, display_name, description, tool_type, parameters)
             VALUES ('works', 'lookup', 'Look up', 'Looks up', 'custom', '{"type": "nonsense"}')"#,
        "23514",
    )
    .constraint("parameters_is_a_json_schema");
}
