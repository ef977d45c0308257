//! Search in the host's knowledge bases that an agent is linked to.
//!
//! The client's own rights decide whether it sees the agent and its links. The host's tables are then read as their
//! reader, restricted to those knowledge bases and the agent's workspace.

use super::host::{Host, HostTable, read};
use crate::error::{error, internal};
use crate::setting::Settings;
use parlant_core::fusion::reciprocal_ranks;
use pgrx::PgSqlErrorCode::{
    ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_NO_DATA_FOUND, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::{SpiClient, SpiHeapTupleData, SpiTupleTable, quote_identifier};
use std::collections::HashMap;

const MAX_RESULTS: usize = 100;

/// Longest query, in characters.
const MAX_QUERY_CHARACTERS: usize = 10_000;

/// Least number of hits that each of two lists contributes, for their fusion to have something to choose from.
const MIN_CANDIDATES: usize = 50;

/// A knowledge base with at most so many chunks is searched exactly: that is as fast as its index, and complete.
const EXACT_CHUNKS: i64 = 5_000;

/// A knowledge base that the agent is linked to.
struct Link {
    knowledge_base_id: String,
    /// Least similarity.
    threshold: f64,
    max_results: usize,
    priority: i32,
}

#[derive(Clone)]
struct Hit {
    knowledge_base_id: String,
    document_id: String,
    chunk_id: String,
    content: String,
    similarity: Option<f64>,
    rank: f64,
}

type Row = (String, String, String, String, Option<f64>, f64);

/// Chunks of the agent's knowledge bases that fit a query, by words, by nearness to a vector, or both.
#[pg_extern(stable, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "this is how pgrx declares a table")]
fn search_knowledge(
    agent_id: Option<pgrx::Uuid>,
    query: default!(Option<&str>, "NULL"),
    query_embedding: default!(Option<&str>, "NULL"),
    max_results: default!(Option<i32>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(knowledge_base_id, String),
            name!(document_id, String),
            name!(chunk_id, String),
            name!(content, String),
            name!(similarity, Option<f64>),
            name!(score, f64),
        ),
    >,
    ErrorReport,
> {
    let query = query.filter(|query| !query.trim().is_empty());
    let query_embedding = query_embedding.filter(|vector| !vector.trim().is_empty());
    check_arguments(query, query_embedding, max_results)?;
    let (workspace_id, links) = Spi::connect(|client| links(client, agent_id))?;
    if links.is_empty() {
        read(|_, _| Ok(()))?;
        return Ok(TableIterator::new(Vec::<Row>::new()));
    }
    let limit = max_results.and_then(|most| usize::try_from(most).ok());
    let limit = limit.unwrap_or_else(|| links.iter().map(|link| link.max_results).sum()).min(MAX_RESULTS);
    let is_fused = query.is_some() && query_embedding.is_some();
    let candidates = if is_fused { limit.max(MIN_CANDIDATES) } else { limit };
    let (near, worded) = read(|client, host| {
        let search = Search::new(client, host, &workspace_id, &links, candidates, is_fused)?;
        let near = query_embedding.map(|vector| search.by_vector(vector)).transpose()?;
        let worded = query.map(|query| search.by_words(query, query_embedding)).transpose()?;
        Ok((near, worded))
    })?;
    let hits = merge(near, worded, &links, limit);
    Ok(TableIterator::new(hits))
}

fn check_arguments(query: Option<&str>, vector: Option<&str>, max_results: Option<i32>) -> Result<(), ErrorReport> {
    let invalid = |message: &str, detail: String, hint: &str| {
        Err(error(ERRCODE_INVALID_PARAMETER_VALUE, message.to_owned(), detail, hint))
    };
    if query.is_none() && vector.is_none() {
        let hint = "Pass a query, the embedding of a query as text such as [0.1, 0.2], or both.";
        return invalid(
            "there is nothing to search for",
            "Query and query_embedding are both NULL or empty.".to_owned(),
            hint,
        );
    }
    if let Some(length) = query.map(|query| query.chars().count())
        && length > MAX_QUERY_CHARACTERS
    {
        let detail = format!("It has {length} characters, more than the {MAX_QUERY_CHARACTERS} allowed.");
        return invalid("the query is too long", detail, "Pass what is asked for, not a document.");
    }
    match max_results {
        Some(most) if !(1..=100).contains(&most) => {
            invalid("max_results is out of range", format!("It is {most}."), "Pass a number from 1 to 100.")
        }
        _ => Ok(()),
    }
}

/// The workspace of the agent and what it is linked to, as the client sees it.
fn links(client: &SpiClient<'_>, agent_id: Option<pgrx::Uuid>) -> Result<(String, Vec<Link>), ErrorReport> {
    let found = client
        .select(
            "SELECT workspace_id FROM parlant.parlant_agent WHERE id OPERATOR(pg_catalog.=) $1 AND deleted_at IS NULL",
            Some(1),
            &[agent_id.into()],
        )
        .map_err(internal)?;
    let workspace = if found.is_empty() { None } else { found.first().get_one::<String>().map_err(internal)? };
    let Some(workspace) = workspace else {
        let id = agent_id.map_or_else(|| "NULL".to_owned(), |id| id.to_string());
        return Err(error(
            ERRCODE_NO_DATA_FOUND,
            format!("agent {id} does not exist"),
            "No such agent is visible to you.".to_owned(),
            "Check the id. It may also belong to a workspace that you cannot see.",
        ));
    };
    let rows = client
        .select(
            "SELECT knowledge_base_id, search_threshold, max_results, priority
             FROM parlant.parlant_agent_knowledge_base
             WHERE workspace_id OPERATOR(pg_catalog.=) $1 AND agent_id OPERATOR(pg_catalog.=) $2 AND enabled
             ORDER BY priority DESC, created_at, id",
            None,
            &[workspace.as_str().into(), agent_id.into()],
        )
        .map_err(internal)?;
    let mut links = Vec::new();
    for row in rows {
        let most = row.get::<i32>(3).map_err(internal)?.and_then(|most| usize::try_from(most).ok());
        links.push(Link {
            knowledge_base_id: row.get(1).map_err(internal)?.unwrap_or_default(),
            threshold: row
                .get::<i32>(2)
                .map_err(internal)?
                .map_or(f64::NEG_INFINITY, |percent| f64::from(percent) / 100.0),
            max_results: most.unwrap_or(MAX_RESULTS).min(MAX_RESULTS),
            priority: row.get(4).map_err(internal)?.unwrap_or_default(),
        });
    }
    Ok((workspace, links))
}

struct Search<'a, 'client> {
    client: &'a SpiClient<'client>,
    links: &'a [Link],
    candidates: usize,
    is_fused: bool,
    base: HostTable,
    embedding: HostTable,
    /// The chunks that the host itself would show, as a FROM clause.
    visible: String,
    /// The knowledge bases that are searched: those of the links that are in the workspace and live.
    bases: Vec<String>,
}

impl<'a, 'client> Search<'a, 'client> {
    fn new(
        client: &'a SpiClient<'client>,
        host: &Host,
        workspace_id: &str,
        links: &'a [Link],
        candidates: usize,
        is_fused: bool,
    ) -> Result<Self, ErrorReport> {
        let base = host.table(client, "knowledge_base", &["id", "workspace_id"])?;
        let document = host.table(client, "document", &["id"])?;
        let embedding = host.table(client, "embedding", &["id", "knowledge_base_id", "document_id", "content"])?;
        let visible = format!(
            "{} AS chunk JOIN {} AS document ON document.id = chunk.document_id{}{}",
            embedding.name,
            document.name,
            embedding.conditions(&[("enabled", "chunk.enabled")]),
            document.conditions(&[
                ("enabled", "document.enabled"),
                ("processing_status", "document.processing_status = 'completed'"),
                ("user_excluded", "NOT document.user_excluded"),
                ("archived_at", "document.archived_at IS NULL"),
                ("deleted_at", "document.deleted_at IS NULL"),
            ])
        );
        let live = base.conditions(&[("deleted_at", "deleted_at IS NULL")]);
        let ids: Vec<_> = links.iter().map(|link| link.knowledge_base_id.clone()).collect();
        let statement = format!("SELECT id FROM {} WHERE workspace_id = $1 AND id = ANY ($2){live}", base.name);
        let rows = client.select(statement.as_str(), None, &[workspace_id.into(), ids.into()]).map_err(internal)?;
        let mut bases = Vec::new();
        for row in rows {
            bases.extend(row.get::<String>(1).map_err(internal)?);
        }
        Ok(Search { client, links, candidates, is_fused, base, embedding, visible, bases })
    }

    /// The nearest chunks of each knowledge base that reach its threshold, the nearest first.
    fn by_vector(&self, vector: &str) -> Result<Vec<Hit>, ErrorReport> {
        let vectors = self.vectors()?;
        self.check_dimensions(&vectors, vector)?;
        let mut hits = Vec::new();
        for link in self.links.iter().filter(|link| self.bases.contains(&link.knowledge_base_id)) {
            hits.extend(self.nearest(&vectors, vector, link)?);
        }
        hits.sort_by(|a, b| {
            let similarity = |hit: &Hit| hit.similarity.unwrap_or(f64::NEG_INFINITY);
            similarity(b).total_cmp(&similarity(a)).then_with(|| a.chunk_id.cmp(&b.chunk_id))
        });
        Ok(hits)
    }

    /// The schema of pgvector.
    fn vectors(&self) -> Result<String, ErrorReport> {
        let found = self
            .client
            .select(
                "SELECT nspname::text FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
                 WHERE extname = 'vector'",
                Some(1),
                &[],
            )
            .map_err(internal)?;
        let schema = if found.is_empty() { None } else { found.first().get_one::<String>().map_err(internal)? };
        match schema {
            Some(schema) if self.embedding.has("embedding") => Ok(quote_identifier(schema)),
            _ => Err(error(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "vectors cannot be searched in this database".to_owned(),
                "The extension vector (pgvector) is not installed, or the host has no embeddings.".to_owned(),
                "Install pgvector and the host's embeddings, or search with a query and without query_embedding.",
            )),
        }
    }

    /// One vector can be compared with the embeddings of one model only.
    fn check_dimensions(&self, vectors: &str, vector: &str) -> Result<(), ErrorReport> {
        let model = if self.base.has("embedding_model") { "embedding_model" } else { "'unknown'::text" };
        let dimension = if self.base.has("embedding_dimension") { "embedding_dimension" } else { "NULL::integer" };
        let statement = format!(
            "SELECT count(DISTINCT model), string_agg(DISTINCT model, ', '), {vectors}.vector_dims($2::{vectors}.vector),
                    min(dimension), {vectors}.vector_norm($2::{vectors}.vector) > 0
             FROM (SELECT {model}, {dimension} FROM {} WHERE id = ANY ($1)) AS base (model, dimension)",
            self.base.name
        );
        let found = self
            .client
            .select(statement.as_str(), Some(1), &[self.bases.clone().into(), vector.into()])
            .map_err(internal)?
            .first();
        let (models, names) = found.get_two::<i64, String>().map_err(internal)?;
        let (given, expected) = (found.get::<i32>(3).map_err(internal)?, found.get::<i32>(4).map_err(internal)?);
        if models.is_some_and(|models| models > 1) {
            return Err(error(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the agent's knowledge bases have embeddings of several models".to_owned(),
                format!("Models: {}.", names.unwrap_or_default()),
                "A vector fits one model. Disable the links to the others, or search with a query alone.",
            ));
        }
        if found.get::<bool>(5).map_err(internal)? == Some(false) {
            return Err(error(
                ERRCODE_INVALID_PARAMETER_VALUE,
                "query_embedding has no direction".to_owned(),
                "All of its numbers are 0, so nothing is nearer to it than anything else.".to_owned(),
                "Embed the query with the model of the knowledge bases.",
            ));
        }
        match (given, expected) {
            (Some(given), Some(expected)) if given != expected => Err(error(
                ERRCODE_INVALID_PARAMETER_VALUE,
                "query_embedding has the wrong number of dimensions".to_owned(),
                format!("It has {given}; the embeddings of the knowledge bases have {expected}."),
                "Embed the query with the model of the knowledge bases.",
            )),
            _ => Ok(()),
        }
    }

    /// The nearest chunks of a knowledge base that reach its threshold.
    fn nearest(&self, vectors: &str, vector: &str, link: &Link) -> Result<Vec<Hit>, ErrorReport> {
        let base = link.knowledge_base_id.as_str();
        // What the other list lacks may make up for a lower place in this one.
        let most = if self.is_fused { self.candidates } else { self.candidates.min(link.max_results) };
        let arguments = [base.into(), vector.into(), i64::try_from(most).map_err(internal)?.into()];
        let near = |mut hits: Vec<Hit>| {
            hits.retain(|hit| hit.similarity.is_some_and(|similarity| similarity >= link.threshold));
            hits
        };
        let chunks = format!(
            "SELECT count(*) FROM (SELECT FROM {} WHERE knowledge_base_id = $1 LIMIT $2) AS chunk",
            self.embedding.name
        );
        let chunks = self.client.select(chunks.as_str(), Some(1), &[base.into(), (EXACT_CHUNKS + 1).into()]);
        let chunks = chunks.map_err(internal)?.first().get_one::<i64>().map_err(internal)?.unwrap_or(0);
        if chunks > EXACT_CHUNKS {
            let hits = near(self.nearest_by_index(vectors, &arguments)?);
            // An approximate index can miss chunks, above all without iterative scans; then every chunk is compared.
            if hits.len() >= most {
                return Ok(hits);
            }
        }
        let statement = format!(
            "WITH visible AS MATERIALIZED (
                 SELECT chunk.id, chunk.document_id, chunk.embedding OPERATOR({vectors}.<=>) $2::{vectors}.vector AS distance
                 FROM {} WHERE chunk.knowledge_base_id = $1),
             nearest AS (SELECT * FROM visible WHERE distance IS NOT NULL ORDER BY distance, id LIMIT $3)
             SELECT $1, nearest.document_id, nearest.id, chunk.content, 1 - nearest.distance, 0::float8
             FROM nearest JOIN {} AS chunk USING (id) ORDER BY nearest.distance, nearest.id",
            self.visible, self.embedding.name
        );
        Ok(near(hits(self.client.select(statement.as_str(), None, &arguments).map_err(internal)?)?))
    }

    fn nearest_by_index(&self, vectors: &str, arguments: &[DatumWithOid<'_>]) -> Result<Vec<Hit>, ErrorReport> {
        let settings = Settings::saved();
        // pgvector has been loaded by the statements before this. Since 0.8 it can go on where a filter has left too few.
        if Settings::is_known(c"hnsw.iterative_scan") {
            settings.set(c"hnsw.iterative_scan", c"strict_order");
        }
        if Settings::is_known(c"hnsw.ef_search") {
            settings.set(c"hnsw.ef_search", c"200");
        }
        let statement = format!(
            "SELECT $1, chunk.document_id, chunk.id, chunk.content,
                    1 - (chunk.embedding OPERATOR({vectors}.<=>) $2::{vectors}.vector), 0::float8
             FROM {} WHERE chunk.knowledge_base_id = $1
             ORDER BY chunk.embedding OPERATOR({vectors}.<=>) $2::{vectors}.vector LIMIT $3",
            self.visible
        );
        hits(self.client.select(statement.as_str(), None, arguments).map_err(internal)?)
    }

    /// The chunks of each knowledge base with the words of a query, the best first, and how near they are to the
    /// vector where there is one.
    fn by_words(&self, query: &str, vector: Option<&str>) -> Result<Vec<Hit>, ErrorReport> {
        let words = if self.embedding.has("content_tsv") {
            "chunk.content_tsv"
        } else {
            "to_tsvector('english'::regconfig, chunk.content)"
        };
        let similarity = match vector {
            Some(_) => {
                let vectors = self.vectors()?;
                format!("1 - (chunk.embedding OPERATOR({vectors}.<=>) $4::{vectors}.vector)")
            }
            None => "NULL::float8".to_owned(),
        };
        let statement = format!(
            "SELECT chunk.knowledge_base_id, chunk.document_id, chunk.id, chunk.content, {similarity}, best.rank
             FROM (SELECT id, rank, row_number() OVER (PARTITION BY base ORDER BY rank DESC, id) AS place
                   FROM (SELECT chunk.id, chunk.knowledge_base_id AS base, ts_rank_cd({words}, question)::float8 AS rank
                         FROM websearch_to_tsquery('english'::regconfig, $2) AS question
                         CROSS JOIN ({}) WHERE chunk.knowledge_base_id = ANY ($1) AND {words} @@ question) AS found) AS best
             JOIN {} AS chunk USING (id) WHERE best.place <= $3 ORDER BY best.rank DESC, chunk.id",
            self.visible, self.embedding.name
        );
        let most = i64::try_from(self.candidates).map_err(internal)?;
        let mut arguments = vec![self.bases.clone().into(), query.into(), most.into()];
        arguments.extend(vector.map(Into::into));
        hits(self.client.select(statement.as_str(), None, &arguments).map_err(internal)?)
    }
}

fn hits(rows: SpiTupleTable<'_>) -> Result<Vec<Hit>, ErrorReport> {
    rows.map(hit).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "the table of rows gives them away")]
fn hit(row: SpiHeapTupleData<'_>) -> Result<Hit, ErrorReport> {
    let text = |column| row.get::<String>(column).map(Option::unwrap_or_default).map_err(internal);
    Ok(Hit {
        knowledge_base_id: text(1)?,
        document_id: text(2)?,
        chunk_id: text(3)?,
        content: text(4)?,
        // A vector of zeros has no direction, and is near to nothing.
        similarity: row.get::<f64>(5).map_err(internal)?.filter(|similarity| !similarity.is_nan()),
        rank: row.get::<f64>(6).map_err(internal)?.unwrap_or(0.0),
    })
}

/// One order from both lists, of each knowledge base no more than its link allows.
fn merge(near: Option<Vec<Hit>>, worded: Option<Vec<Hit>>, links: &[Link], limit: usize) -> Vec<Row> {
    let links: HashMap<_, _> = links.iter().map(|link| (link.knowledge_base_id.as_str(), link)).collect();
    let ids = |list: &[Hit]| list.iter().map(|hit| hit.chunk_id.clone()).collect::<Vec<_>>();
    let scores: HashMap<String, f64> = match (&near, &worded) {
        (Some(near), Some(worded)) => reciprocal_ranks(&[ids(worded), ids(near)]),
        (Some(near), None) => near.iter().map(|hit| (hit.chunk_id.clone(), hit.similarity.unwrap_or(0.0))).collect(),
        (None, Some(worded)) => worded.iter().map(|hit| (hit.chunk_id.clone(), hit.rank)).collect(),
        (None, None) => HashMap::new(),
    };
    let mut hits: HashMap<String, Hit> = HashMap::new();
    for hit in worded.into_iter().flatten().chain(near.into_iter().flatten()) {
        hits.insert(hit.chunk_id.clone(), hit);
    }
    let mut ordered: Vec<(f64, i32, Hit)> = hits
        .into_values()
        .map(|hit| {
            let priority = links.get(hit.knowledge_base_id.as_str()).map_or(0, |link| link.priority);
            (scores.get(&hit.chunk_id).copied().unwrap_or(0.0), priority, hit)
        })
        .collect();
    ordered.sort_by(|(score, priority, hit), (other_score, other_priority, other)| {
        other_score.total_cmp(score).then(other_priority.cmp(priority)).then_with(|| hit.chunk_id.cmp(&other.chunk_id))
    });
    let mut taken: HashMap<String, usize> = HashMap::new();
    ordered
        .into_iter()
        .filter(|(_, _, hit)| {
            let count = taken.entry(hit.knowledge_base_id.clone()).or_default();
            *count += 1;
            links.get(hit.knowledge_base_id.as_str()).is_some_and(|link| *count <= link.max_results)
        })
        .take(limit)
        .map(|(score, _, hit)| {
            (hit.knowledge_base_id, hit.document_id, hit.chunk_id, hit.content, hit.similarity, score)
        })
        .collect()
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    #[pg_test(error = "there is nothing to search for")]
    fn search_knowledge_needs_a_query() {
        Spi::run("SELECT FROM parlant.search_knowledge(parlant.uuidv7())").unwrap();
    }

    #[pg_test(error = "agent 00000000-0000-4000-8000-000000000001 does not exist")]
    fn search_knowledge_needs_an_agent() {
        Spi::run("SELECT FROM parlant.search_knowledge('00000000-0000-4000-8000-000000000001', 'x')").unwrap();
    }
}
