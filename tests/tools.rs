//! Tools: what agents may call, their limits, results, health, and the host's tools.

use parlant_tests::{Cluster, Connection, eventually, load_two_workspaces, with_ids};

const SCHEMA: &str = r#"{"type": "object", "required": ["city"], "additionalProperties": false, "properties":
    {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}, "unit": {"enum": ["C", "F"]}}}"#;

/// Session 1 is of agent 1, which tool 1 is assigned to.
fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    connection.run("SET search_path = ''");
    load_two_workspaces(&mut connection);
    run(
        &mut connection,
        &format!(
            "DELETE FROM parlant.parlant_tool_call; UPDATE parlant.parlant_tool SET name = 'weather', parameters = '{SCHEMA}' WHERE id = :tool1"
        ),
    );
    connection
}

fn run(connection: &mut Connection, sql: &str) {
    connection.run(&with_ids(sql));
}

fn text(connection: &mut Connection, sql: &str) -> String {
    connection.value(&with_ids(sql))
}

fn call(id: &str) -> String {
    with_ids(&format!(r#"SELECT parlant.call_tool(:session1, :tool1, '{{"city": "Rome"}}', '{id}')"#))
}

#[test]
fn a_call_and_its_result_are_logged_with_mapped_names() {
    let mut connection = world();
    run(
        &mut connection,
        r#"UPDATE parlant.parlant_tool_integration
             SET parameter_mapping = '{"city": "q", "x": "y"}', response_mapping = '{"temp": "temperature"}',
                 configuration = '{"host": "a", "key": "k", "arguments": {"unit": "C", "days": 9}}';
           UPDATE parlant.parlant_agent_tool SET configuration = '{"host": "b"}'"#,
    );
    let called = text(
        &mut connection,
        r#"SELECT (mapped_arguments || configuration
                   || jsonb_build_object('type', integration_type, 'target', target_id, 'offset', "offset"))::text
             FROM parlant.call_tool(:session1, :tool1, '{"city": "Rome", "days": 2}', 'c1')"#,
    );
    assert_eq!(
        called,
        r#"{"q": "Rome", "key": "k", "days": 2, "host": "b", "type": "custom_tool", "unit": "C", "offset": 2, "target": "t"}"#
    );
    run(
        &mut connection,
        r#"SELECT parlant.finish_tool_call(:session1, 'c1', '{"temp": 20, "sky": "blue"}', true, 120)"#,
    );
    let logged = text(
        &mut connection,
        "SELECT string_agg(content::text, E'\\n' ORDER BY \"offset\") FROM parlant.parlant_event WHERE tool_call_id = 'c1'",
    );
    let tool = with_ids(":tool1").replace('\'', "\"");
    assert_eq!(
        logged,
        format!(
            "{{\"tool_id\": {tool}, \"tool_name\": \"weather\", \"parameters\": {{\"city\": \"Rome\", \"days\": 2, \"unit\": \"C\"}}, \"tool_call_id\": \"c1\"}}\n\
             {{\"result\": {{\"sky\": \"blue\", \"temperature\": 20}}, \"success\": true, \"tool_id\": {tool}, \"tool_name\": \"weather\", \"tool_call_id\": \"c1\", \"execution_time_ms\": 120}}"
        )
    );
}

#[test]
fn arguments_that_do_not_fit_are_refused_with_every_violation() {
    let mut connection = world();
    let refused = r#"SELECT parlant.call_tool(:session1, :tool1, '{"days": 0, "unit": "K"}', 'c1')"#;
    connection
        .assert_refused(&with_ids(refused), "22023")
        .message("weather")
        .detail("/: \"city\" is a required property")
        .hint("validate_tool_arguments");
    connection.assert_refused(&with_ids(refused), "22023").detail("/days: 0 is less than the minimum of 1");
    connection.assert_refused(&with_ids(refused), "22023").detail("/unit: ");
    let listed: Vec<String> = connection.column(&with_ids(
        r#"SELECT path FROM parlant.validate_tool_arguments(:tool1, '{"days": 0, "unit": "K"}') ORDER BY path"#,
    ));
    assert_eq!(listed, ["", "/days", "/unit"]);
    for arguments in ["'[]'", "NULL", "'1'"] {
        connection
            .assert_refused(
                &with_ids(&format!("SELECT parlant.call_tool(:session1, :tool1, {arguments}, 'c')")),
                "22023",
            )
            .detail("object");
        let message =
            text(&mut connection, &format!("SELECT message FROM parlant.validate_tool_arguments(:tool1, {arguments})"));
        assert_eq!(message, "arguments must be an object");
    }
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_tool_call"), 0);
}

#[test]
fn only_assigned_or_public_tools_that_are_enabled_can_be_called() {
    let mut connection = world();
    let mut refused_after = |change: &str, sqlstate: &str, detail: &str| {
        run(&mut connection, "BEGIN");
        run(&mut connection, change);
        connection.assert_refused(&call("c1"), sqlstate).detail(detail);
        connection.run("ROLLBACK");
    };
    refused_after("DELETE FROM parlant.parlant_agent_tool", "42501", "not assigned");
    refused_after("UPDATE parlant.parlant_agent_tool SET enabled = false", "42501", "disabled");
    refused_after(
        "UPDATE parlant.parlant_agent_tool SET enabled = false; UPDATE parlant.parlant_tool SET is_public = true",
        "42501",
        "disabled",
    );
    refused_after("UPDATE parlant.parlant_tool SET enabled = false", "55000", "cannot be called");
    refused_after("UPDATE parlant.parlant_tool SET is_deprecated = true", "55000", "cannot be called");
    refused_after("UPDATE parlant.parlant_tool_integration SET enabled = false", "55000", "integrations are disabled");
    run(&mut connection, "DELETE FROM parlant.parlant_agent_tool; UPDATE parlant.parlant_tool SET is_public = true");
    run(&mut connection, &call("c1"));
}

#[test]
fn calls_of_what_is_not_there_are_refused() {
    let mut connection = world();
    for (sql, message) in [
        ("call_tool(:tool1, :tool1, '{}', 'c')", "session"),
        ("call_tool(:session1, :rival_tool, '{}', 'c')", "tool"),
        ("finish_tool_call(:session1, 'nothing', '{}')", "tool call nothing"),
        ("finish_tool_call(:session1, NULL, '{}')", "tool call NULL"),
        ("report_tool_health(:tool1, true)", "integration"),
        ("validate_tool_arguments(:session1, '{}')", "tool"),
        ("agent_tools(:tool1)", "agent"),
    ] {
        connection
            .assert_refused(&with_ids(&format!("SELECT parlant.{sql}")), "P0002")
            .message(message)
            .hint("cannot see");
    }
    connection
        .assert_refused(&with_ids(r#"SELECT parlant.call_tool(:session1, :tool1, '{"city": "x"}', NULL)"#), "22023")
        .message("tool_call_id");
    connection
        .assert_refused(&with_ids("SELECT parlant.finish_tool_call(:session1, 'call', '{}', true, -1)"), "22023")
        .message("-1");
    connection.assert_refused(&with_ids("SELECT parlant.report_tool_health(:tool1, NULL)"), "22023").message("healthy");
    connection.assert_refused(&with_ids("SELECT parlant.agent_tools(:agent1, 'xml')"), "22023").message("'xml'");
}

#[test]
fn a_tool_call_id_is_used_once_for_a_call_and_once_for_its_result() {
    let mut connection = world();
    run(&mut connection, &call("c1"));
    connection.assert_refused(&call("c1"), "23505");
    run(&mut connection, "SELECT parlant.finish_tool_call(:session1, 'c1', 'null', false)");
    connection.assert_refused(&with_ids("SELECT parlant.finish_tool_call(:session1, 'c1', 'null')"), "23505");
}

fn set_limits(connection: &mut Connection, minute: &str, hour: &str) {
    run(
        connection,
        &format!(
            "UPDATE parlant.parlant_tool SET rate_limit_per_minute = {minute}, rate_limit_per_hour = {hour} WHERE id = :tool1"
        ),
    );
}

fn age_calls(connection: &mut Connection, interval: &str) {
    connection.run(&format!("UPDATE parlant.parlant_tool_call SET called_at = called_at - interval '{interval}'"));
}

#[test]
fn both_limits_count_in_windows_that_slide() {
    let mut connection = world();
    set_limits(&mut connection, "2", "3");
    run(&mut connection, &call("c1"));
    age_calls(&mut connection, "40 seconds");
    run(&mut connection, &call("c2"));
    connection
        .assert_refused(&call("c3"), "53400")
        .message("called 2 times in a minute")
        .detail("The next call is possible in 20 seconds, at 2")
        .hint("rate_limit_per_minute");
    age_calls(&mut connection, "30 seconds");
    run(&mut connection, &call("c3"));
    connection.assert_refused(&call("c4"), "53400").message("3 times in an hour").detail("in 3530 seconds");
    age_calls(&mut connection, "1 hour 10 seconds");
    for id in ["c4", "c5"] {
        run(&mut connection, &call(id));
    }
    connection.assert_refused(&call("c6"), "53400");
    // Calls that no window reaches go as others come.
    assert!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_tool_call") <= 3);
}

#[test]
fn a_tool_without_limits_counts_no_calls() {
    let mut connection = world();
    set_limits(&mut connection, "NULL", "NULL");
    for n in 0..5 {
        run(&mut connection, &call(&format!("c{n}")));
    }
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_tool_call"), 0);
}

/// So many connections, each with a statement that calls tool 1 in a session of its own.
fn callers<const N: usize>(connection: &mut Connection) -> [(Connection, String); N] {
    std::array::from_fn(|n| {
        let session = format!("'00000000-0000-4000-8000-0000000001{n:02}'");
        run(connection, &format!("INSERT INTO parlant.parlant_session (id, agent_id) SELECT {session}, :agent1"));
        let mut caller = connection.another();
        caller.run("SET lock_timeout = '60s'");
        (
            caller,
            with_ids(&format!(
                r#"SELECT parlant.call_tool({session}, :tool1, '{{"city": "x"}}', gen_random_uuid()::text)"#
            )),
        )
    })
}

/// Limits that allow so many calls.
fn limits_of(most: i32) -> [(String, String); 3] {
    let limit = most.to_string();
    [(limit.clone(), "NULL".to_owned()), ("NULL".to_owned(), limit.clone()), ((most + 5).to_string(), limit)]
}

fn counted(connection: &mut Connection) -> i64 {
    connection.value("SELECT count(*) FROM parlant.parlant_tool_call")
}

#[test]
fn a_call_that_may_yet_commit_counts_and_nobody_waits_for_its_end() {
    for (minute, hour) in limits_of(2) {
        let mut connection = world();
        set_limits(&mut connection, &minute, &hour);
        let [(mut first, call1), (mut second, call2), (mut third, call3)] = callers(&mut connection);
        for caller in [&mut first, &mut second, &mut third] {
            caller.run("SET lock_timeout = '2s'; BEGIN");
        }
        first.run(&call1);
        second.run(&call2);
        third.assert_refused(&call3, "53400").message("2 times");
        third.run("ROLLBACK");
        first.run("ROLLBACK");
        second.run("COMMIT");
        third.run(&call3);
        third.assert_refused(&call3, "53400");
        assert_eq!(counted(&mut connection), 2);
    }
}

#[test]
fn calls_in_one_session_go_one_after_another_and_the_second_counts_the_first() {
    for (minute, hour) in limits_of(1) {
        for (end, is_refused) in [("COMMIT", true), ("ROLLBACK", false)] {
            let mut first = world();
            set_limits(&mut first, &minute, &hour);
            let second = first.another();
            first.run(&format!("BEGIN; {}", call("c1")));
            let mut waiting = second.start(&call("c2"));
            assert!(waiting.blocks(), "it waits for the session");
            first.run(end);
            if is_refused {
                waiting.refused("53400");
            } else {
                waiting.succeed();
            }
            assert_eq!(counted(&mut first), 1, "{end}");
        }
    }
}

/// A lock on the table of calls stops a call that has counted the others, before it notes itself.
#[test]
fn a_call_that_has_counted_and_not_yet_noted_itself_is_counted_by_the_next() {
    for (minute, hour) in limits_of(1) {
        for end in ["COMMIT", "ROLLBACK"] {
            let mut connection = world();
            set_limits(&mut connection, &minute, &hour);
            let [(mut first, call1), (mut second, call2)] = callers(&mut connection);
            connection.run("BEGIN; LOCK TABLE parlant.parlant_tool_call IN SHARE MODE");
            first.run("BEGIN");
            let mut noting = first.start(&call1);
            assert!(noting.blocks(), "it has counted, and waits to note itself");
            second.assert_refused(&call2, "53400");
            connection.run("COMMIT");
            let mut first = noting.succeed();
            second.assert_refused(&call2, "53400");
            first.run(end);
            if end == "COMMIT" {
                second.assert_refused(&call2, "53400");
            } else {
                second.run(&call2);
            }
            assert_eq!(counted(&mut connection), 1, "{end}");
        }
    }
}

/// A lock on the table of calls stops both before they look for a number, and lets them go at the same moment.
#[test]
fn of_calls_that_start_together_as_many_pass_as_the_limit_allows() {
    for (minute, hour) in limits_of(2) {
        let mut connection = world();
        set_limits(&mut connection, &minute, &hour);
        let callers: [_; 5] = callers(&mut connection);
        connection.run("BEGIN; LOCK TABLE parlant.parlant_tool_call IN ACCESS EXCLUSIVE MODE");
        let mut running: Vec<_> = callers.into_iter().map(|(caller, call)| caller.start(&call)).collect();
        assert!(running.iter_mut().all(parlant_tests::Running::blocks));
        connection.run("COMMIT");
        let passed = running.into_iter().map(|running| running.finish().1).filter(Result::is_ok).count();
        assert_eq!((passed, counted(&mut connection)), (2, 2));
    }
}

/// Locks of a call, held by hand: the one on its number while it counts, and the one that says that it is admitted.
#[test]
fn a_call_waits_for_one_that_still_counts_and_is_refused_only_when_that_is_admitted() {
    for (minute, hour) in limits_of(1) {
        for is_admitted in [false, true] {
            let mut connection = world();
            set_limits(&mut connection, &minute, &hour);
            let [(mut first, call1), (mut second, call2)] = callers(&mut connection);
            let lock = |seed: i32| {
                with_ids(&format!(
                    "SELECT pg_advisory_xact_lock(hashtextextended('parlant tool call ' || :tool1 || ' 1', {seed}))"
                ))
            };
            first.run(&format!("BEGIN; {}", lock(0)));
            let process_id: i32 = second.value("SELECT pg_backend_pid()");
            let running = second.start(&call2);
            let sleeps = format!(
                "SELECT wait_event IS NOT DISTINCT FROM 'PgSleep' FROM pg_stat_activity WHERE pid = {process_id}"
            );
            eventually("it waits", || connection.value::<bool>(&sleeps).then_some(()));
            if is_admitted {
                first.run(&lock(2));
                let (mut second, _) = running.refused("53400");
                second.assert_refused(&call2, "53400").message("1 times");
            } else {
                first.run("ROLLBACK");
                running.succeed();
                first.assert_refused(&call1, "53400");
            }
            assert_eq!(counted(&mut connection), i64::from(!is_admitted));
        }
    }
}

#[test]
fn a_number_that_a_rollback_frees_is_not_taken_below_a_call_that_may_yet_commit() {
    let mut connection = world();
    set_limits(&mut connection, "3", "100");
    let [(mut first, call1), (mut second, call2), (mut third, call3), (mut fourth, call4)] = callers(&mut connection);
    first.run(&format!("BEGIN; {call1}"));
    second.run(&format!("BEGIN; {call2}"));
    first.run("ROLLBACK");
    third.run(&format!("BEGIN; {call3}"));
    fourth.run(&format!("BEGIN; {call4}"));
    first.assert_refused(&call1, "53400").message("3 times");
    third.run("COMMIT");
    fourth.run("COMMIT");
    second.run("COMMIT");
    let numbers: Vec<i64> =
        connection.column("SELECT number FROM parlant.parlant_tool_call ORDER BY called_at, number");
    assert_eq!(numbers, [2, 3, 4], "in the order of the calls");
}

#[test]
fn calls_of_a_limited_tool_are_counted_where_others_calls_can_be_seen() {
    let mut connection = world();
    set_limits(&mut connection, "5", "NULL");
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        connection.run(&format!("BEGIN ISOLATION LEVEL {level}"));
        connection.assert_refused(&call("c1"), "55000").detail(level).hint("READ COMMITTED");
        connection.run("ROLLBACK");
    }
    set_limits(&mut connection, "NULL", "NULL");
    connection.run(&format!("BEGIN ISOLATION LEVEL SERIALIZABLE; {}; COMMIT", call("c1")));
}

#[test]
fn many_callers_at_once_get_as_many_calls_as_the_limit_allows() {
    let mut connection = world();
    set_limits(&mut connection, "25", "1000");
    run(
        &mut connection,
        "INSERT INTO parlant.parlant_session (id, agent_id)
         SELECT ('00000000-0000-4000-8000-0000000001' || lpad(n::text, 2, '0'))::uuid, :agent1 FROM generate_series(1, 4) AS n",
    );
    let callers: Vec<_> = (1..=4)
        .map(|n| {
            let body = format!(
                "DO $$ BEGIN FOR n IN 1..20 LOOP
                   BEGIN
                     PERFORM parlant.call_tool('00000000-0000-4000-8000-00000000010{n}', :tool1, '{{\"city\": \"x\"}}', 'c' || n);
                   EXCEPTION WHEN configuration_limit_exceeded THEN NULL;
                   END;
                   COMMIT;
                 END LOOP; END $$"
            );
            connection.another().start(&with_ids(&body))
        })
        .collect();
    for caller in callers {
        caller.succeed();
    }
    let calls: i64 = connection
        .value("SELECT count(*) FROM parlant.parlant_event WHERE tool_call_id LIKE 'c%' AND tool_call_id <> 'call'");
    assert_eq!(calls, 25, "no more, and none is lost");
}

#[test]
fn failures_in_a_row_degrade_and_disable_an_integration() {
    let mut connection = world();
    connection.run("SET parlant.tool_degraded_after = 2; SET parlant.tool_unhealthy_after = 3; SET parlant.tool_disabled_after = 4");
    let mut report = |healthy: &str| {
        text(
            &mut connection,
            &format!(
                "SELECT h.health_status || ' ' || h.error_count || ' ' || h.enabled
                 FROM parlant.parlant_tool_integration AS i, parlant.report_tool_health(i.id, {healthy}, 'timeout') AS h"
            ),
        )
    };
    let reports: Vec<_> =
        ["false", "false", "true", "false", "false", "false", "false", "true"].iter().map(|h| report(h)).collect();
    assert_eq!(
        reports,
        [
            "healthy 1 true",
            "degraded 2 true",
            "healthy 0 true",
            "healthy 1 true",
            "degraded 2 true",
            "unhealthy 3 true",
            "unhealthy 4 false",
            "healthy 0 false"
        ]
    );
    assert_eq!(text(&mut connection, "SELECT last_error FROM parlant.parlant_tool_integration"), "timeout");
}

#[test]
fn tools_are_listed_in_order_and_in_the_forms_that_apis_take() {
    let mut connection = world();
    let long = "t".repeat(100);
    run(
        &mut connection,
        &format!(
            r#"INSERT INTO parlant.parlant_tool (workspace_id, name, display_name, description, usage_guidelines, tool_type,
                   parameters, return_schema, auth_config, is_public, created_at) VALUES
                 ('acme', '{long}', 'Long', 'd', 'Use it.', 'custom', '{{}}', '{{"type": "object"}}', '{{"token": "secret"}}', true, '2020-01-01'),
                 ('acme', 'other', 'Other', 'd', NULL, 'custom', '{{}}', NULL, '{{}}', false, '2020-01-01')"#
        ),
    );
    let names = |format: &str, path: &str| {
        format!(
            "SELECT string_agg(tool #>> '{path}', ' ') FROM jsonb_array_elements(parlant.agent_tools(:agent1, '{format}')) AS tool"
        )
    };
    assert_eq!(text(&mut connection, &names("parlant", "{name}")), format!("{long} weather"));
    run(&mut connection, "UPDATE parlant.parlant_agent_tool SET priority = 500");
    let function_names = text(&mut connection, &names("openai", "{function,name}"));
    let shortened = text(&mut connection, &names("parlant", "{function_name}"));
    assert_eq!(function_names, shortened);
    assert!(function_names.starts_with("weather tttt") && function_names.len() == 8 + 64, "{function_names}");
    let listed = text(&mut connection, "SELECT parlant.agent_tools(:agent1, 'openai')::text");
    assert!(
        listed.contains(r#""type": "function""#)
            && listed.contains(r#""parameters": {"type": "object", "properties": {}}"#),
        "{listed}"
    );
    let listed = text(&mut connection, "SELECT parlant.agent_tools(:agent1, 'mcp')::text");
    assert!(
        listed.contains(r#""outputSchema": {"type": "object"}"#) && listed.contains(r#""inputSchema""#),
        "{listed}"
    );
    for format in ["parlant", "openai", "mcp"] {
        assert!(
            !text(&mut connection, &format!("SELECT parlant.agent_tools(:agent1, '{format}')::text"))
                .contains("secret")
        );
    }
    assert_eq!(text(&mut connection, "SELECT parlant.agent_tools(:agent2)::text"), {
        text(
            &mut connection,
            "SELECT jsonb_agg(t)::text FROM jsonb_array_elements(parlant.agent_tools(:agent1)) AS t WHERE t ->> 'name' <> 'weather'",
        )
    });
}

fn host(connection: &mut Connection) {
    connection.run(include_str!("fixture/host.sql"));
    connection.run(
        r#"INSERT INTO host.custom_tools (id, title, schema, workspace_id, created_at) VALUES
             ('t1', 'Look up order', '{"type": "function", "function": {"name": "lookUpOrder", "description": "Finds an order",
               "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}}', 'acme', '2020-01-01'),
             ('t2', 'Bad', '{"type": "function", "function": {"name": "bad", "parameters": {"type": "nonsense"}}}', 'acme', '2020-01-02'),
             ('t3', '42 weather!', '{"function": {"name": " "}}', 'acme', '2020-01-03'),
             ('t4', 'weather', '{}', 'acme', '2020-01-04'),
             ('t5', 'NUL', '{"function": {"parameters": {"title": "\u0000"}}}', 'acme', '2020-01-05'),
             ('t6', 'Rival', '{}', 'rival', '2020-01-06');
           INSERT INTO host.mcp_servers (id, workspace_id, name, description) VALUES ('s1', 'acme', 'Git Hub', NULL);
           INSERT INTO host.mcp_servers (id, workspace_id, name, deleted_at) VALUES ('s2', 'acme', 'gone', now());
           SELECT FROM parlant.link_host('host')"#,
    );
}

fn synced(connection: &mut Connection) -> Vec<String> {
    connection.column(
        "SELECT name || ' ' || action || coalesce(' ' || left(detail, 12), '') FROM parlant.sync_host_tools('acme')",
    )
}

#[test]
fn tools_of_the_host_come_in_again_and_again_and_are_marked_when_they_vanish() {
    let mut connection = world();
    host(&mut connection);
    assert_eq!(
        synced(&mut connection),
        [
            "lookUpOrder created",
            "bad skipped /type: \"nons",
            "tool_42_weather created",
            "weather_2 created",
            "NUL skipped its schema c",
            "mcp_Git_Hub created"
        ]
    );
    let made = text(
        &mut connection,
        "SELECT concat_ws(' ', t.tool_type, t.display_name, t.description, t.parameters -> 'required', i.integration_type, i.target_id, t.sim_tool_id)
         FROM parlant.parlant_tool AS t JOIN parlant.parlant_tool_integration AS i ON i.parlant_tool_id = t.id WHERE t.name = 'lookUpOrder'",
    );
    assert_eq!(made, r#"custom Look up order Finds an order ["id"] custom_tool t1 t1"#);

    let again: Vec<_> = synced(&mut connection).into_iter().filter(|line| !line.contains("skipped")).collect();
    assert!(again.iter().all(|line| line.ends_with(" unchanged")) && again.len() == 4, "{again:?}");

    connection.run(
        "UPDATE parlant.parlant_tool SET name = 'find_order' WHERE name = 'lookUpOrder';
         UPDATE host.custom_tools SET title = 'Find order' WHERE id = 't1'; DELETE FROM host.custom_tools WHERE id IN ('t2', 't4', 't5');
         UPDATE host.mcp_servers SET deleted_at = now(), enabled = false",
    );
    assert_eq!(
        synced(&mut connection),
        ["find_order updated", "tool_42_weather unchanged", "mcp_Git_Hub vanished", "weather_2 vanished"]
    );
    connection.run("UPDATE host.mcp_servers SET deleted_at = NULL WHERE id = 's1'");
    assert_eq!(synced(&mut connection), ["find_order unchanged", "tool_42_weather unchanged", "mcp_Git_Hub restored"]);
    let enabled: bool = connection.value("SELECT enabled FROM parlant.parlant_tool_integration WHERE target_id = 's1'");
    assert!(!enabled, "the host has switched it off");
}

#[test]
fn tools_of_an_older_host_are_those_of_the_workspace_s_users() {
    let mut connection = world();
    host(&mut connection);
    connection.run(
        "ALTER TABLE host.custom_tools DROP workspace_id; UPDATE host.custom_tools SET user_id = 'u';
         UPDATE host.custom_tools SET user_id = 'ann' WHERE id = 't1'",
    );
    assert_eq!(synced(&mut connection), ["lookUpOrder created", "mcp_Git_Hub created"]);
}

#[test]
fn parameters_of_a_workflow_template_are_checked_all_at_once() {
    let mut connection = world();
    run(
        &mut connection,
        r#"DELETE FROM parlant.parlant_template_parameter;
           INSERT INTO parlant.parlant_template_parameter (template_id, name, type, description, required, default_value, validation) VALUES
             (:template1, 'city', 'string', 'd', true, NULL, '{"min": 2, "max": 5, "pattern": "^[A-Z]"}'),
             (:template1, 'days', 'number', 'd', true, '3', '{"min": 1, "max": 7}'),
             (:template1, 'unit', 'string', 'd', false, NULL, '{"allowed_values": ["C", "F"]}'),
             (:template1, 'tags', 'array', 'd', false, NULL, '{"max": 1}'),
             (:template1, 'name', 'string', 'd', true, NULL, '{}'), (:template1, 'any', 'json', 'd', false, NULL, NULL)"#,
    );
    let mut problems = |parameters: &str| -> Vec<String> {
        connection.column(&with_ids(&format!(
            "SELECT path || ' ' || message FROM parlant.check_template_parameters(:template1, '{parameters}') ORDER BY 1"
        )))
    };
    assert_eq!(problems(r#"{"city": "Rome", "name": "x", "any": [1]}"#), [""; 0]);
    let found = problems(r#"{"city": "a", "days": 9, "unit": "K", "tags": [1, 2], "what": 1}"#);
    let paths: Vec<_> = found.iter().map(|problem| problem.split(' ').next().unwrap()).collect();
    assert_eq!(paths, ["", "", "/city", "/city", "/days", "/tags", "/unit"], "{found:?}");
    assert_eq!(problems("[]").len(), 1);
    let filled = text(
        &mut connection,
        r#"SELECT parlant.template_parameters(:template1, '{"city": "Rome", "name": "x"}')::text"#,
    );
    assert_eq!(filled, r#"{"city": "Rome", "days": 3, "name": "x"}"#);
    connection
        .assert_refused(&with_ids(r#"SELECT parlant.template_parameters(:template1, '{"unit": "K"}')"#), "22023")
        .detail("/: \"city\" is a required property; ")
        .hint("check_template_parameters");
    connection.assert_refused(&with_ids("SELECT parlant.check_template_parameters(:agent1, '{}')"), "P0002");
    connection
        .run(r#"UPDATE parlant.parlant_template_parameter SET validation = '{"pattern": "("}' WHERE name = 'city'"#);
    connection
        .assert_refused(&with_ids("SELECT parlant.check_template_parameters(:template1, '{}')"), "22023")
        .message("broken validation")
        .hint("allowed_values");
}

#[test]
fn a_workflow_template_is_made_into_a_journey_with_checked_parameters() {
    let mut connection = world();
    run(
        &mut connection,
        r#"DELETE FROM parlant.parlant_template_parameter;
           DELETE FROM parlant.parlant_conversion_history;
           INSERT INTO parlant.parlant_template_parameter (template_id, name, type, description, required, default_value, validation) VALUES
             (:template1, 'TONE', 'string', 'd', false, '"kindly"', '{"min": 2}');
           UPDATE parlant.parlant_workflow_template SET workflow_data = '{"version": "1.0", "state": {
             "metadata": {"name": "Greeting"},
             "blocks": {"b1": {"type": "start_trigger", "name": "Start", "position": {"x": 0, "y": 0}, "subBlocks": {}},
                        "b2": {"type": "agent", "name": "Ask", "position": {"x": 300, "y": 0}, "subBlocks": {
                          "userPrompt": {"value": "Ask {{TONE}} for the name."}}}},
             "edges": [{"id": "e1", "source": "b1", "target": "b2", "sourceHandle": "source"}]}}' WHERE id = :template1"#,
    );
    let instantiate = |parameters: &str| {
        with_ids(&format!(
            "SELECT journey_id::text FROM parlant.instantiate_workflow_template(:template1, :agent1, '{parameters}')"
        ))
    };
    let prompts = "SELECT string_agg(chat_prompt, ', ') FROM parlant.parlant_journey_state WHERE name = 'Ask'";
    let journey: String = connection.value(&instantiate("{}"));
    assert_eq!(connection.value::<String>(prompts), "Ask kindly for the name.");
    let again: String = connection.value(&instantiate(r#"{"TONE": "briefly"}"#));
    assert_eq!((again, connection.value::<String>(prompts)), (journey, "Ask briefly for the name.".to_owned()));
    let counted = text(
        &mut connection,
        "SELECT usage_count || ' ' || (SELECT count(*) FROM parlant.parlant_conversion_history WHERE template_id = :template1)
         FROM parlant.parlant_workflow_template WHERE id = :template1",
    );
    assert_eq!(counted, "2 2");
    connection.assert_refused(&instantiate(r#"{"TONE": "x", "what": 1}"#), "22023").detail("/TONE: ").detail("what");
    for arguments in [":template1, :rival_agent", ":rival_template, :agent1", ":agent1, :agent1"] {
        let call = format!("SELECT parlant.instantiate_workflow_template({arguments})");
        connection.assert_refused(&with_ids(&call), "P0002");
    }
}

#[test]
fn totals_of_tools_and_behaviour_follow_from_the_log_and_never_fall() {
    let mut connection = world();
    for (id, success) in [("c1", true), ("c2", false), ("c3", true)] {
        run(&mut connection, &call(id));
        run(&mut connection, &format!("SELECT parlant.finish_tool_call(:session1, '{id}', '1', {success})"));
    }
    run(
        &mut connection,
        "SELECT parlant.record_guideline_match(:session1, :guideline1);
         SELECT parlant.record_guideline_match(:session1, :guideline1);
         SELECT parlant.append_event(:session1, 'agent_message', jsonb_build_object('message', 't', 'canned_response_id', id))
         FROM parlant.parlant_canned_response",
    );
    let totals = |connection: &mut Connection| {
        connection.run("SELECT FROM parlant.refresh_totals()");
        text(
            connection,
            "SELECT concat_ws(' ', t.use_count, t.success_rate, t.last_used_at IS NOT NULL, a.use_count, g.match_count, j.match_count, r.use_count)
             FROM parlant.parlant_tool AS t, parlant.parlant_agent_tool AS a, parlant.parlant_guideline AS g,
                  parlant.parlant_journey_guideline AS j, parlant.parlant_canned_response AS r
             WHERE t.id = :tool1 AND g.id = :guideline1",
        )
    };
    assert_eq!(totals(&mut connection), "3 67 t 3 2 2 1");
    run(&mut connection, "DELETE FROM parlant.parlant_session WHERE id = :session1");
    assert_eq!(totals(&mut connection), "3 67 t 3 2 2 1");
}
