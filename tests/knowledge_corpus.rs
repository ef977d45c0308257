//! Search among some thousand sentences that people have written, held against what a loop over all of them finds.
//!
//! The sentences are embedded by hashing their words and parts of words, in as many dimensions as the host has.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use parlant_tests::{Cluster, Connection, Database, hash, load_two_workspaces, sentences, with_ids};

const DIMENSIONS: usize = 1536;

/// Knowledge bases with their numbers of chunks. An approximate index is used from 5,001 on.
const BASES: [(&str, usize); 6] = [("k", 5200), ("k2", 900), ("k3", 240), ("gone", 60), ("r", 60), ("unlinked", 60)];

/// Chunks of `k3` that say the same as the first of `k2`.
const TWINS: usize = 120;

/// pgvector adds up in single precision.
const NOISE: f64 = 1e-5;

struct Chunk {
    id: String,
    base: &'static str,
    content: String,
    vector: Vec<f32>,
    is_visible: bool,
}

/// What is asked for, and how near each chunk is to it.
struct Near {
    vector: Vec<f32>,
    similarities: HashMap<String, f64>,
}

/// What decides about the results of a knowledge base.
#[derive(Clone, Copy)]
struct Link {
    base: &'static str,
    /// Percent.
    threshold: Option<i32>,
    most: usize,
    priority: i32,
}

struct World<'c> {
    database: Database<'c>,
    connection: Connection,
    chunks: Vec<Chunk>,
    has_vectors: bool,
}

/// A document in seven is wholly visible and one in seven but for a few chunks; of the others each has its own reason.
fn hidden_by(document: usize) -> Option<&'static str> {
    [
        None,
        Some("enabled = false"),
        Some("processing_status = 'processing'"),
        Some("user_excluded = true"),
        Some("archived_at = now()"),
        Some("deleted_at = now()"),
        None,
    ][document % 7]
}

fn is_enabled(place: usize) -> bool {
    !place.is_multiple_of(11)
}

/// The place of a chunk in its knowledge base.
fn place(id: &str) -> usize {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

fn embedding(text: &str) -> Vec<f32> {
    let mut sums = vec![0.0_f32; DIMENSIONS];
    let mut add = |feature: &str, weight: f32| {
        let hash = hash(feature);
        let sign = if hash & 1 == 0 { weight } else { -weight };
        sums[usize::try_from((hash >> 1) % 1536).unwrap()] += sign;
    };
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        add(word, 2.0);
        let letters: Vec<char> = format!("^{word}$").chars().collect();
        for part in letters.windows(3) {
            add(&part.iter().collect::<String>(), 1.0);
        }
    }
    let length = sums.iter().map(|sum| sum * sum).sum::<f32>().sqrt();
    sums.iter().map(|sum| sum / length).collect()
}

fn as_text(vector: &[f32]) -> String {
    let numbers: Vec<_> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// Of vectors whose length is 1.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn chunks() -> Vec<Chunk> {
    let total = BASES.iter().map(|(_, count)| count).sum::<usize>() - TWINS;
    let mut unused = sentences(total).into_iter();
    let mut chunks: Vec<Chunk> = Vec::new();
    for (base, count) in BASES {
        for n in 0..count {
            let twin = chunks.iter().find(|chunk| base == "k3" && n < TWINS && chunk.id == format!("k2-{n:04}"));
            let content = twin.map(|twin| twin.content.clone()).unwrap_or_else(|| unused.next().unwrap());
            let vector = embedding(&content);
            let is_open = !["gone", "r", "unlinked"].contains(&base);
            let is_visible = is_open && hidden_by(n / 30).is_none() && is_enabled(n);
            chunks.push(Chunk { id: format!("{base}-{n:04}"), base, content, vector, is_visible });
        }
    }
    chunks
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl World<'_> {
    fn new() -> World<'static> {
        let database = Cluster::shared().database();
        let mut connection = database.connect();
        load_two_workspaces(&mut connection);
        connection.run(include_str!("fixture/host.sql"));
        let has_vectors: bool =
            connection.value("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')");
        if has_vectors {
            connection.run("CREATE EXTENSION vector; ALTER TABLE host.embedding ADD embedding vector(1536)");
        } else {
            eprintln!("skipped: nearness, as this server has no pgvector");
        }
        connection.run(
            "INSERT INTO host.knowledge_base (id, workspace_id, embedding_dimension, deleted_at) VALUES
                 ('k3', 'acme', 1536, NULL), ('gone', 'acme', 1536, now()), ('unlinked', 'acme', 1536, NULL);
             UPDATE host.knowledge_base SET embedding_dimension = 1536",
        );
        let chunks = chunks();
        let mut world = World { database, connection, chunks, has_vectors };
        world.fill_host();
        world
    }

    fn fill_host(&mut self) {
        for (base, count) in BASES {
            for document in 0..count.div_ceil(30) {
                let id = format!("{base}-{document}");
                self.connection.run(&format!(
                    "INSERT INTO host.document (id, knowledge_base_id) VALUES ('{id}', '{base}'); {}",
                    hidden_by(document).map_or_else(String::new, |reason| format!(
                        "UPDATE host.document SET {reason} WHERE id = '{id}'"
                    ))
                ));
            }
        }
        let column = if self.has_vectors { ", embedding" } else { "" };
        for part in self.chunks.chunks(100) {
            let mut insert = format!(
                "INSERT INTO host.embedding (id, knowledge_base_id, document_id, content, enabled{column}) VALUES "
            );
            for (n, chunk) in part.iter().enumerate() {
                let place = place(&chunk.id);
                let separator = if n > 0 { "," } else { "" };
                let vector = if self.has_vectors { format!(", '{}'", as_text(&chunk.vector)) } else { String::new() };
                let (id, base, is_enabled) = (&chunk.id, chunk.base, is_enabled(place));
                let content = quoted(&chunk.content);
                write!(
                    insert,
                    "{separator}('{id}', '{base}', '{base}-{}', {content}, {is_enabled}{vector})",
                    place / 30
                )
                .unwrap();
            }
            self.connection.run(&insert);
        }
        self.connection.run(
            "CREATE INDEX ON host.embedding USING gin (content_tsv); CREATE INDEX ON host.embedding (knowledge_base_id)",
        );
        if self.has_vectors {
            self.connection.run(
                "SET maintenance_work_mem = '256MB';
                 CREATE INDEX nearest ON host.embedding USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)",
            );
        }
        self.connection.run("ANALYZE host.document, host.embedding; SELECT FROM parlant.link_host('host')");
    }

    /// Links agent 1 to these knowledge bases, and to those where nothing may be found.
    fn link(&mut self, links: &[Link]) {
        self.connection.run("DELETE FROM parlant.parlant_agent_knowledge_base");
        let closed = ["gone", "r"].map(|base| Link { base, threshold: None, most: 1, priority: 999 });
        for link in links.iter().chain(&closed) {
            let threshold = link.threshold.map_or("NULL".to_owned(), |percent| percent.to_string());
            self.connection.run(&with_ids(&format!(
                "INSERT INTO parlant.parlant_agent_knowledge_base (agent_id, knowledge_base_id, search_threshold, max_results, priority)
                 VALUES (:agent1, '{}', {threshold}, {}, {})",
                link.base, link.most, link.priority
            )));
        }
    }

    /// What the extension finds: chunks, their similarities (NaN if none) and scores.
    fn found(&mut self, query: Option<&str>, near: Option<&Near>, limit: usize) -> Vec<(String, f64, f64)> {
        let query = query.map_or("NULL".to_owned(), quoted);
        let near = near.map_or("NULL".to_owned(), |near| quoted(&as_text(&near.vector)));
        let sql = with_ids(&format!(
            "SELECT chunk_id, coalesce(similarity, 'NaN'), score FROM parlant.search_knowledge(:agent1, {query}, {near}, {limit})"
        ));
        self.connection.rows(&sql).iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    /// The visible chunks of each linked knowledge base that reach its threshold, the nearest first.
    fn nearest(&self, near: &Near, links: &[Link], most: impl Fn(&Link) -> usize) -> Vec<(f64, String)> {
        let mut all = Vec::new();
        for link in links {
            let least = link.threshold.map_or(f64::NEG_INFINITY, |percent| f64::from(percent) / 100.0);
            let chunks = self.chunks.iter().filter(|chunk| chunk.base == link.base && chunk.is_visible);
            let mut nearest: Vec<_> = chunks
                .map(|chunk| (near.similarities[&chunk.id], chunk.id.clone()))
                .filter(|(similarity, _)| *similarity >= least)
                .collect();
            nearest.sort_by(best_first);
            nearest.truncate(most(link));
            all.extend(nearest);
        }
        all.sort_by(best_first);
        all
    }

    /// The visible chunks of each linked knowledge base with the words, the best first, as PostgreSQL ranks each.
    fn worded(&mut self, query: &str, links: &[Link], most: impl Fn(&Link) -> usize) -> Vec<(f64, String)> {
        let ranks: Vec<(String, f64)> = self
            .connection
            .rows(&format!(
                "SELECT id, ts_rank_cd(to_tsvector('english', content), question)::float8
                 FROM host.embedding, websearch_to_tsquery('english', {}) AS question
                 WHERE to_tsvector('english', content) @@ question",
                quoted(query)
            ))
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let ranks: HashMap<_, _> = ranks.into_iter().collect();
        let mut all = Vec::new();
        for link in links {
            let chunks = self.chunks.iter().filter(|chunk| chunk.base == link.base && chunk.is_visible);
            let mut worded: Vec<_> =
                chunks.filter_map(|chunk| Some((*ranks.get(&chunk.id)?, chunk.id.clone()))).collect();
            worded.sort_by(best_first);
            worded.truncate(most(link));
            all.extend(worded);
        }
        all.sort_by(best_first);
        all
    }

    /// In pgvector's precision, as it decides at a threshold and between chunks that are as good as equally near.
    fn near(&mut self, vector: Vec<f32>) -> Near {
        let sql = format!("SELECT id, 1 - (embedding <=> {}) FROM host.embedding", quoted(&as_text(&vector)));
        let similarities: HashMap<String, f64> =
            self.connection.rows(&sql).iter().map(|row| (row.get(0), row.get(1))).collect();
        for chunk in &self.chunks {
            let (similarity, real) = (similarities[&chunk.id], cosine(&chunk.vector, &vector));
            assert!((similarity - real).abs() < NOISE, "{}: {similarity}, really {real}", chunk.id);
        }
        Near { vector, similarities }
    }

    /// Some sentences, wholly and in part, of visible chunks and of hidden ones.
    fn queries(&mut self) -> Vec<Near> {
        let every = self.chunks.iter().step_by(701);
        let parts = every.map(|chunk| {
            let words: Vec<_> = chunk.content.split(' ').collect();
            let count = if chunk.id.ends_with(['1', '3', '5', '7']) { words.len() } else { words.len() / 2 };
            embedding(&words[..count].join(" "))
        });
        let vectors: Vec<_> = parts.collect();
        vectors.into_iter().map(|vector| self.near(vector)).collect()
    }
}

fn best_first(a: &(f64, String), b: &(f64, String)) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1))
}

fn priority(links: &[Link], id: &str) -> i32 {
    let base = id.rsplit_once('-').unwrap().0;
    links.iter().find(|link| link.base == base).unwrap().priority
}

/// The same chunks in the same order, but that those may change places that are equally near.
fn assert_nearest(found: &[(String, f64, f64)], expected: &[(f64, String)], near: &Near) {
    let ids: BTreeSet<_> = found.iter().map(|(id, ..)| id).collect();
    assert_eq!((found.len(), ids.len()), (expected.len(), expected.len()), "{found:?}\n{expected:?}");
    for ((id, similarity, score), (best, best_id)) in found.iter().zip(expected) {
        let real = near.similarities[id];
        assert!((similarity - real).abs() < NOISE && similarity == score, "{id}: {similarity}, really {real}");
        assert!((similarity - best).abs() < NOISE, "{id} ({similarity}) stands where {best_id} ({best}) belongs");
    }
}

/// The highest threshold that a similarity reaches.
#[allow(clippy::cast_possible_truncation, reason = "a similarity is at most 1")]
fn percent_below(similarity: f64) -> i32 {
    (similarity * 100.0).floor() as i32
}

const SMALL: [Link; 2] = [
    Link { base: "k2", threshold: Some(20), most: 7, priority: 10 },
    Link { base: "k3", threshold: Some(35), most: 40, priority: 20 },
];

const LARGE: Link = Link { base: "k", threshold: Some(25), most: 30, priority: 5 };

#[test]
fn search_finds_what_a_loop_over_all_sentences_finds() {
    let mut world = World::new();
    words_are_ranked(&mut world);
    if world.has_vectors {
        let queries = world.queries();
        small_bases_are_searched_exactly(&mut world, &queries);
        twins_are_ordered_by_priority(&mut world);
        ranks_are_fused(&mut world, &queries);
        each_reason_hides_the_best(&mut world);
        an_application_finds_the_same(&mut world, &queries[2]);
        an_approximate_index_loses_nothing(&mut world, &queries);
    }
}

fn words_are_ranked(world: &mut World) {
    let links = [LARGE, SMALL[0], SMALL[1]];
    world.link(&links);
    let mut counts = BTreeSet::new();
    for query in
        ["iterator", "returns the number of bytes", "\"memory safety\" or panic", "error -returns", "lock thread"]
    {
        for limit in [1, 10, 100] {
            let mut expected = world.worded(query, &links, |link| link.most);
            expected.sort_by(|a, b| {
                let order = b.0.total_cmp(&a.0);
                order.then_with(|| priority(&links, &b.1).cmp(&priority(&links, &a.1))).then_with(|| a.1.cmp(&b.1))
            });
            let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).take(limit).collect();
            let found: Vec<_> = world.found(Some(query), None, limit).into_iter().map(|(id, ..)| id).collect();
            assert_eq!(found, expected, "{query}, {limit}");
            counts.insert(found.len());
        }
    }
    assert!(counts.contains(&10), "a limit decides: {counts:?}");
}

fn small_bases_are_searched_exactly(world: &mut World, queries: &[Near]) {
    for near in queries {
        // Whatever the sentences are, a few are as near as the third of them.
        let unlimited = SMALL.map(|link| Link { threshold: None, ..link });
        let thresholds = unlimited.map(|link| world.nearest(near, &[link], |_| 3)[2].0);
        let at_third = [0, 1].map(|n| Link { threshold: Some(percent_below(thresholds[n])), ..SMALL[n] });
        for links in [SMALL, unlimited, at_third] {
            world.link(&links);
            for limit in [3, 20, 100] {
                let mut expected = world.nearest(near, &links, |link| link.most);
                expected.truncate(limit);
                assert_nearest(&world.found(None, Some(near), limit), &expected, near);
            }
        }
    }
}

fn twins_are_ordered_by_priority(world: &mut World) {
    let twin = (0..TWINS).find(|n| hidden_by(n / 30).is_none() && is_enabled(*n)).unwrap();
    let ids = [format!("k3-{twin:04}"), format!("k2-{twin:04}")];
    let near = world.near(world.chunks.iter().find(|chunk| chunk.id == ids[0]).unwrap().vector.clone());
    for (priorities, expected) in [([10, 20], [&ids[0], &ids[1]]), ([20, 10], [&ids[1], &ids[0]])] {
        let mut links = SMALL;
        (links[0].priority, links[1].priority) = (priorities[0], priorities[1]);
        world.link(&links);
        let found: Vec<_> = world.found(None, Some(&near), 100).into_iter().map(|(id, ..)| id).collect();
        assert_eq!(found.iter().filter(|id| ids.contains(id)).collect::<Vec<_>>(), expected);
    }
}

fn ranks_are_fused(world: &mut World, queries: &[Near]) {
    world.link(&SMALL);
    for (near, query) in queries.iter().zip(["value", "returns bytes", "the type of a thread", "error", "lock"]) {
        for limit in [5, 60] {
            // Each list has at least 50 candidates of each knowledge base.
            let candidates = limit.max(50);
            let lists = [world.worded(query, &SMALL, |_| candidates), world.nearest(near, &SMALL, |_| candidates)];
            let mut scores: HashMap<&str, f64> = HashMap::new();
            for list in &lists {
                for ((_, id), rank) in list.iter().zip(1_u32..) {
                    *scores.entry(id).or_default() += 1.0 / f64::from(60 + rank);
                }
            }
            let mut order: Vec<_> = scores.into_iter().collect();
            order.sort_by(|(a, a_score), (b, b_score)| {
                let order = b_score.total_cmp(a_score);
                order.then_with(|| priority(&SMALL, b).cmp(&priority(&SMALL, a))).then_with(|| a.cmp(b))
            });
            let mut taken = HashMap::new();
            let mut expected = Vec::new();
            for (id, score) in order {
                let link = SMALL.iter().find(|link| id.starts_with(&format!("{}-", link.base))).unwrap();
                let count = taken.entry(link.base).or_insert(0);
                *count += 1;
                if *count <= link.most {
                    expected.push((id.to_owned(), score));
                }
            }
            expected.truncate(limit);
            let found = world.found(Some(query), Some(near), limit);
            let ids = |list: &[(String, f64)]| list.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
            let scored: Vec<_> = found.iter().map(|(id, _, score)| (id.clone(), *score)).collect();
            assert_eq!(ids(&scored), ids(&expected), "{query}, {limit}");
            for ((id, similarity, score), (_, expected)) in found.iter().zip(&expected) {
                assert!((score - expected).abs() < 1e-12, "{id}: {score}, expected {expected}");
                assert!((similarity - near.similarities[id]).abs() < NOISE, "{id}: {similarity}");
            }
        }
    }
}

fn each_reason_hides_the_best(world: &mut World) {
    let links = [Link { threshold: None, ..SMALL[0] }];
    world.link(&links);
    let best = world.chunks.iter().position(|chunk| chunk.base == "k2" && chunk.is_visible).unwrap();
    let (id, vector) = (world.chunks[best].id.clone(), world.chunks[best].vector.clone());
    let near = world.near(vector);
    assert_eq!(world.found(None, Some(&near), 1)[0].0, id);
    let document = place(&id) / 30;
    let of_document: Vec<_> = (0..world.chunks.len())
        .filter(|n| world.chunks[*n].base == "k2" && place(&world.chunks[*n].id) / 30 == document)
        .collect();
    let mut reasons: Vec<_> = (1..6)
        .map(|n| {
            let reason = hidden_by(n).unwrap();
            (format!("UPDATE host.document SET {reason} WHERE id = 'k2-{document}'"), of_document.clone())
        })
        .collect();
    reasons.push((format!("UPDATE host.embedding SET enabled = false WHERE id = '{id}'"), vec![best]));
    for (reason, hidden) in reasons {
        let were_visible: Vec<_> =
            hidden.iter().map(|n| std::mem::replace(&mut world.chunks[*n].is_visible, false)).collect();
        world.connection.run(&format!("BEGIN; {reason}"));
        let expected = world.nearest(&near, &links, |link| link.most);
        assert_eq!(expected.len(), links[0].most, "{reason}");
        assert_nearest(&world.found(None, Some(&near), 100), &expected, &near);
        world.connection.run("ROLLBACK");
        for (n, was_visible) in hidden.into_iter().zip(were_visible) {
            world.chunks[n].is_visible = was_visible;
        }
    }
}

/// Where the index answers, its order may differ a little; that nothing is missing may not.
fn an_approximate_index_loses_nothing(world: &mut World, queries: &[Near]) {
    let index_scans = |connection: &mut Connection| -> i64 {
        connection.run("SELECT pg_stat_force_next_flush()");
        connection.value("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'nearest'")
    };
    for few in [false, true] {
        if few {
            // One document in 49 is left.
            world.connection.run("UPDATE host.document SET enabled = false WHERE knowledge_base_id = 'k' AND id NOT IN ('k-0', 'k-49', 'k-98', 'k-147'); ANALYZE host.document");
            for chunk in world.chunks.iter_mut().filter(|chunk| chunk.base == "k") {
                let document = place(&chunk.id) / 30;
                chunk.is_visible &= document.is_multiple_of(49);
            }
        }
        let before = index_scans(&mut world.connection);
        let (mut common, mut all) = (0, 0);
        for threshold in [None, Some(25), Some(60)] {
            let links = [Link { threshold, ..LARGE }];
            world.link(&links);
            for near in queries {
                for limit in [1, 30] {
                    let mut expected = world.nearest(near, &links, |link| link.most);
                    expected.truncate(limit);
                    let found = world.found(None, Some(near), limit);
                    assert_eq!(found.len(), expected.len(), "{few} {threshold:?} {limit}");
                    assert!(found.is_sorted_by(|a, b| a.1 >= b.1), "{found:?}");
                    for (id, similarity, _) in &found {
                        let chunk = world.chunks.iter().find(|chunk| chunk.id == *id).unwrap();
                        assert!(chunk.is_visible && chunk.base == "k", "{id}");
                        assert!((similarity - near.similarities[id]).abs() < NOISE, "{id}");
                        // Of those that are equally near any may stand at the end.
                        common += usize::from(expected.last().is_some_and(|(least, _)| *similarity >= least - NOISE));
                    }
                    all += expected.len();
                }
            }
        }
        assert!(common * 100 >= all * 95, "{few}: {common} of the {all} nearest");
        assert!(index_scans(&mut world.connection) > before, "the index has been used");
    }
}

fn an_application_finds_the_same(world: &mut World, near: &Near) {
    let links = [LARGE, SMALL[0], SMALL[1]];
    world.link(&links);
    let expected = world.found(Some("value"), Some(near), 50);
    let role = world.database.create_role("app");
    world.connection.run(&format!("SELECT parlant.grant_app_role('{role}')"));
    let owner = std::mem::replace(&mut world.connection, world.database.connect_as(&role));
    world.connection.run("BEGIN; SELECT parlant.enter_workspace('acme', 'ann')");
    assert_eq!(world.found(Some("value"), Some(near), 50), expected);
    world.connection.run("COMMIT");
    world.connection = owner;
}
