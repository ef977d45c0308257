//! Databases that are not in UTF-8.

use parlant_tests::{Cluster, load_two_workspaces, with_ids};

#[test]
fn a_database_in_another_encoding_is_refused() {
    let database = Cluster::shared().empty_database_in("LATIN1");
    let mut connection = database.connect();
    connection
        .assert_refused("CREATE EXTENSION parlant", "0A000")
        .message("parlant needs a database in UTF-8")
        .detail("The encoding of this one is LATIN1.")
        .hint("ENCODING 'UTF8'");
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM pg_namespace WHERE nspname = 'parlant'"), 0);
}

/// Where clients send UTF-8 without anybody having said so.
#[test]
fn a_database_without_encoding_does_as_one_in_utf8() {
    let database = Cluster::shared().empty_database_in("SQL_ASCII");
    let mut connection = database.connect();
    connection.run("CREATE EXTENSION parlant; SET search_path = ''");
    load_two_workspaces(&mut connection);
    connection.run(&with_ids(
        r#"INSERT INTO parlant.parlant_term (agent_id, name, description, synonyms) VALUES
             (:agent1, 'Caffè', 'è così', '["東京"]'), (:agent1, 'Straße', 'ß', '[]');
           INSERT INTO parlant.parlant_canned_response (agent_id, template) VALUES (:agent1, 'Il caffè è pronto, {{ nome }}');
           SELECT FROM parlant.append_event(:session1, 'customer_message', '{"message": "Dov’è il CAFFÈ? 東京"}')"#,
    ));
    let mut text = |sql: &str| connection.value::<String>(&with_ids(sql));
    let found = "SELECT string_agg(concat_ws(' ', name, matched, position), ', ' ORDER BY position)
                 FROM parlant.find_terms(:agent1, 'Dov’è il CAFFÈ? 東京')";
    assert_eq!(text(found), "Caffè CAFFÈ 10, Caffè 東京 17");
    let context = text("SELECT parlant.session_context(:session1)::text");
    for same in ["session_context_json(:session1)", "session_context_by_query(:session1, 20)"] {
        assert_eq!(text(&format!("SELECT parlant.{same}::text")), context, "{same}");
    }
    for part in [r#""name": "Caffè""#, "Il caffè è pronto", "Dov’è il CAFFÈ? 東京"] {
        assert!(context.contains(part), "{part} is not in {context}");
    }
    let rendered = "SELECT parlant.render_template('{{ nome | upper }} è', '{\"nome\": \"Zoë\"}')";
    assert_eq!(text(rendered), "ZOË è");
}
