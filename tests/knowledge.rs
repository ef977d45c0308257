//! Search in the host's knowledge bases. Vectors are tested on the servers that have pgvector.

use parlant_tests::{Cluster, Connection, load_two_workspaces, with_ids};
use std::fmt::Write as _;

/// Agent 1 is linked to the knowledge base `k`, without a threshold.
fn world() -> Connection {
    let mut connection = Cluster::shared().database().connect();
    load_two_workspaces(&mut connection);
    connection.run(include_str!("fixture/host.sql"));
    let refused: Vec<String> = connection.column(
        "SELECT table_name || detail FROM parlant.link_host('host') WHERE status NOT IN ('linked', 'ok', 'not linked')",
    );
    assert_eq!(connection.value::<i64>("SELECT count(*) FROM parlant.parlant_host_link"), 1, "{refused:?}");
    run(
        &mut connection,
        "SET search_path = '';
         UPDATE parlant.parlant_agent_knowledge_base SET search_threshold = NULL, max_results = 5;
         INSERT INTO host.embedding (id, knowledge_base_id, document_id, content) VALUES
             ('c1', 'k', 'd', 'Refunds are paid within five days.'), ('c2', 'k', 'd', 'We ship to all of Europe.'),
             ('c3', 'k', 'd', 'A refund needs the receipt, and refunds take time.'),
             ('x1', 'k2', 'd2', 'Refunds of the other base.'), ('r1', 'r', 'rd', 'Refunds of the rival.')",
    );
    connection
}

fn run(connection: &mut Connection, sql: &str) {
    connection.run(&with_ids(sql));
}

fn found(connection: &mut Connection, arguments: &str) -> Vec<String> {
    connection.column(&with_ids(&format!("SELECT chunk_id FROM parlant.search_knowledge(:agent1, {arguments})")))
}

#[test]
fn words_are_found_in_the_knowledge_bases_of_the_agent_only() {
    let mut connection = world();
    assert_eq!(found(&mut connection, "'refunds'"), ["c3", "c1"]);
    assert_eq!(found(&mut connection, "'refund -receipt'"), ["c1"]);
    assert_eq!(found(&mut connection, "'nothing of that'"), [""; 0]);
    let row: String = connection.value(&with_ids(
        "SELECT concat_ws(' ', knowledge_base_id, document_id, content, similarity IS NULL, score > 0)
         FROM parlant.search_knowledge(:agent1, 'Europe')",
    ));
    assert_eq!(row, "k d We ship to all of Europe. t t");
    run(
        &mut connection,
        "INSERT INTO parlant.parlant_agent_knowledge_base (agent_id, knowledge_base_id) VALUES (:agent1, 'k2'), (:agent1, 'r')",
    );
    assert_eq!(found(&mut connection, "'refunds'"), ["c3", "c1", "x1"], "a base of another workspace stays closed");
    run(&mut connection, "UPDATE parlant.parlant_agent_knowledge_base SET max_results = 1");
    assert_eq!(found(&mut connection, "'refunds'"), ["c3", "x1"]);
    assert_eq!(found(&mut connection, "'refunds', max_results => 1"), ["c3"]);
    run(
        &mut connection,
        "UPDATE parlant.parlant_agent_knowledge_base SET enabled = false WHERE knowledge_base_id = 'k'",
    );
    assert_eq!(found(&mut connection, "'refunds'"), ["x1"]);
}

#[test]
fn what_the_host_does_not_show_is_not_found() {
    let mut connection = world();
    for change in [
        "UPDATE host.embedding SET enabled = false",
        "UPDATE host.document SET enabled = false",
        "UPDATE host.document SET processing_status = 'pending'",
        "UPDATE host.document SET user_excluded = true",
        "UPDATE host.document SET archived_at = now()",
        "UPDATE host.document SET deleted_at = now()",
        "UPDATE host.knowledge_base SET deleted_at = now()",
    ] {
        connection.run(&format!("BEGIN; {change}"));
        assert_eq!(found(&mut connection, "'refunds'"), [""; 0], "{change}");
        connection.run("ROLLBACK");
    }
    connection.run("ALTER TABLE host.document DROP user_excluded, DROP archived_at, DROP processing_status");
    connection.run("ALTER TABLE host.embedding DROP content_tsv");
    assert_eq!(found(&mut connection, "'refunds'"), ["c3", "c1"], "an older host has fewer columns");
}

#[test]
fn searches_that_make_no_sense_are_refused() {
    let mut connection = world();
    let mut refused = |arguments: &str, sqlstate: &str| {
        connection.assert_refused(&with_ids(&format!("SELECT parlant.search_knowledge({arguments})")), sqlstate)
    };
    refused(":agent1", "22023").message("nothing to search for");
    refused(":agent1, ' '", "22023").message("nothing to search for");
    refused(":agent1, NULL, ' '", "22023").message("nothing to search for");
    refused(":agent1, repeat('x', 10001)", "22023").detail("10001 characters");
    refused(":agent1, 'x', max_results => 0", "22023").detail("It is 0");
    refused(":agent1, 'x', max_results => 101", "22023").hint("1 to 100");
    refused(":session1, 'x'", "P0002").message("agent").hint("cannot see");
    refused("NULL, 'x'", "P0002").message("agent NULL");
}

#[test]
fn without_a_host_or_its_tables_the_reason_is_told() {
    let mut connection = world();
    connection.run("DROP TABLE host.embedding");
    connection
        .assert_refused(&with_ids("SELECT parlant.search_knowledge(:agent1, 'x')"), "55000")
        .message("embedding")
        .hint("host_status");
    connection.run("SELECT parlant.unlink_host()");
    connection
        .assert_refused(&with_ids("SELECT parlant.search_knowledge(:agent1, 'x')"), "55000")
        .message("no host application is linked")
        .hint("link_host");
    connection.assert_refused("SELECT parlant.sync_host_tools('acme')", "55000").hint("link_host");
}

fn has_pgvector(connection: &mut Connection) -> bool {
    let has: bool =
        connection.value("SELECT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'vector')");
    if !has {
        eprintln!("skipped: this server has no pgvector");
    }
    has
}

#[test]
fn a_vector_without_pgvector_is_refused_clearly() {
    let mut connection = world();
    connection
        .assert_refused(&with_ids("SELECT parlant.search_knowledge(:agent1, NULL, '[1]')"), "55000")
        .detail("pgvector")
        .hint("without query_embedding");
}

/// A vector for a text: counts of its letters in 16 classes, so texts with common words are near to each other.
fn embedding(text: &str) -> String {
    let mut counts = [1_u32; 16];
    for (a, b) in text.to_lowercase().bytes().zip(text.to_lowercase().bytes().skip(1)) {
        counts[(usize::from(a) * 7 + usize::from(b) * 3) % 16] += 4;
    }
    let mut vector = String::from("[");
    for (n, count) in counts.iter().enumerate() {
        write!(vector, "{}{count}", if n > 0 { "," } else { "" }).unwrap();
    }
    vector + "]"
}

fn with_vectors(connection: &mut Connection) {
    connection.run("SET search_path = public; CREATE EXTENSION vector; ALTER TABLE host.embedding ADD embedding vector(16); SET search_path = ''");
    let rows: Vec<(String, String)> =
        connection.rows("SELECT id, content FROM host.embedding").iter().map(|row| (row.get(0), row.get(1))).collect();
    for (id, content) in rows {
        connection.run(&format!("UPDATE host.embedding SET embedding = '{}' WHERE id = '{id}'", embedding(&content)));
    }
}

#[test]
fn vectors_find_the_nearest_chunks_above_the_threshold() {
    let mut connection = world();
    if !has_pgvector(&mut connection) {
        return;
    }
    with_vectors(&mut connection);
    let query = embedding("We ship to all of Europe.");
    let all = found(&mut connection, &format!("NULL, '{query}'"));
    assert_eq!((all[0].as_str(), all.len()), ("c2", 3));
    let similarity: f64 = connection
        .value(&with_ids(&format!("SELECT similarity FROM parlant.search_knowledge(:agent1, NULL, '{query}', 1)")));
    assert!((similarity - 1.0).abs() < 1e-6, "{similarity}");
    connection.run("UPDATE parlant.parlant_agent_knowledge_base SET search_threshold = 100");
    run(&mut connection, &format!("UPDATE host.embedding SET embedding = '{query}' WHERE id = 'c2'"));
    assert_eq!(found(&mut connection, &format!("NULL, '{query}'")).len(), 1);
}

#[test]
fn words_and_vectors_together_are_fused_by_their_ranks() {
    let mut connection = world();
    if !has_pgvector(&mut connection) {
        return;
    }
    with_vectors(&mut connection);
    let query = embedding("We ship to all of Europe.");
    let scores: Vec<String> = connection.column(&with_ids(&format!(
        "SELECT chunk_id || ' ' || round(score::numeric, 6) || ' ' || (similarity IS NOT NULL)
         FROM parlant.search_knowledge(:agent1, 'refunds', '{query}')"
    )));
    let vector_rank = |id: &str, ranks: &[String]| ranks.iter().position(|found| found == id).unwrap() + 1;
    let near = found(&mut connection, &format!("NULL, '{query}'"));
    let expected = |id: &str, word_rank: Option<u32>| {
        let vector = 1.0 / (60.0 + f64::from(u32::try_from(vector_rank(id, &near)).unwrap()));
        format!("{id} {:.6} true", vector + word_rank.map_or(0.0, |rank| 1.0 / (60.0 + f64::from(rank))))
    };
    let mut expected = vec![expected("c3", Some(1)), expected("c1", Some(2)), expected("c2", None)];
    expected.sort_by(|a, b| b[3..].cmp(&a[3..]));
    assert_eq!(scores, expected);
}

#[test]
fn vectors_that_fit_no_embedding_are_refused() {
    let mut connection = world();
    if !has_pgvector(&mut connection) {
        return;
    }
    with_vectors(&mut connection);
    connection
        .assert_refused(&with_ids("SELECT parlant.search_knowledge(:agent1, NULL, '[1,2,3]')"), "22023")
        .detail("It has 3; the embeddings of the knowledge bases have 16.");
    connection.assert_refused(&with_ids("SELECT parlant.search_knowledge(:agent1, NULL, 'no vector')"), "22P02");
    let zeros = format!("[{}]", ["0"; 16].join(","));
    connection
        .assert_refused(&with_ids(&format!("SELECT parlant.search_knowledge(:agent1, 'x', '{zeros}')")), "22023")
        .message("no direction");
    connection.run(&format!("UPDATE host.embedding SET embedding = '{zeros}' WHERE id = 'c1'"));
    let near: Vec<String> = connection.column(&with_ids(&format!(
        "SELECT concat_ws(' ', chunk_id, similarity IS NULL) FROM parlant.search_knowledge(:agent1, 'refunds', '{}')",
        embedding("We ship to all of Europe.")
    )));
    assert!(near.contains(&"c1 t".to_owned()) && near.contains(&"c2 f".to_owned()), "{near:?}");
    run(
        &mut connection,
        "INSERT INTO parlant.parlant_agent_knowledge_base (agent_id, knowledge_base_id) VALUES (:agent1, 'k2')",
    );
    connection.run("UPDATE host.knowledge_base SET embedding_model = 'other' WHERE id = 'k2'");
    connection
        .assert_refused(
            &with_ids(&format!("SELECT parlant.search_knowledge(:agent1, NULL, '{}')", embedding("x"))),
            "55000",
        )
        .detail("m, other");
}
