//! Glossaries.

use crate::error::{error, internal};
use crate::find::{Key, Source, Unfound};
use crate::query::Query;
use crate::record::Shape;
use crate::version::Version;
use parlant_core::cache::Cache;
use parlant_core::jsonb::{Finished, write};
use parlant_core::term::{Glossary, MAX_GLOSSARY_BYTES, MAX_TEXT_BYTES, Term};
use pgrx::PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// Room for glossaries ready to be looked through, in bytes of a connection's memory.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Room for terms as contexts have them.
const FINISHED_BYTES: usize = 8 * 1024 * 1024;

/// A glossary and the order in which contexts have its terms, by their ids.
struct Ready {
    glossary: Glossary,
    ranks: HashMap<u128, u32>,
}

thread_local! {
    static GLOSSARIES: RefCell<Cache<Ready>> = RefCell::new(Cache::new(CACHE_BYTES));
    static FINISHED: RefCell<Cache<Finished>> = RefCell::new(Cache::new(FINISHED_BYTES));
    static GLOSSARY_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(std::ptr::null_mut()) };
}

/// The terms of an agent.
static TERMS: Source = Source {
    table: "parlant_term",
    index: c"parlant_term_name_key",
    columns: &[("workspace_id", pg_sys::TEXTOID), ("agent_id", pg_sys::UUIDOID)],
    keys: 2,
};

static TERM_ROW: Source = Source {
    table: "parlant_term",
    index: c"parlant_term_pkey",
    columns: &[
        ("id", pg_sys::UUIDOID),
        ("id", pg_sys::UUIDOID),
        ("name", pg_sys::TEXTOID),
        ("description", pg_sys::TEXTOID),
        ("importance", pg_sys::INT4OID),
    ],
    keys: 1,
};

static TERM: Shape = Shape { source: &TERM_ROW, from: 1, members: &["term_id", "name", "description", "importance"] };

/// They as one text: of each an id, its rank by importance and name, an importance, the time of its creation, the
/// number of bytes of its name, all with a space behind, then the name and a JSON array of synonyms.
static GLOSSARY: Query = Query {
    sql: c"SELECT string_agg(id || ' ' || rank || ' ' || importance || ' ' || to_char(created_at, 'YYYYMMDDHH24MISSUS') || ' '
                             || octet_length(name) || ' ' || name || coalesce(synonyms, '[]'), '')
           FROM (SELECT *, row_number() OVER (ORDER BY importance DESC, name) AS rank
                 FROM parlant.parlant_term WHERE workspace_id = $1 AND agent_id = $2) AS term",
    types: &[pg_sys::TEXTOID, pg_sys::UUIDOID],
    plan: &GLOSSARY_PLAN,
};

/// Every mention of a term of an agent in a text.
#[pg_extern(stable, parallel_safe)]
fn mentioned_terms(
    workspace_id: Option<&str>,
    agent_id: Option<pgrx::Uuid>,
    content: Option<&str>,
) -> Result<
    TableIterator<'static, (name!(term_id, pgrx::Uuid), name!(matched, String), name!(position, i32))>,
    ErrorReport,
> {
    let content = content.unwrap_or_default();
    if content.len() > MAX_TEXT_BYTES {
        return Err(too_large("text", content.len(), MAX_TEXT_BYTES, "Look for terms in parts of it."));
    }
    let found = match workspace_id.zip(agent_id) {
        Some((workspace_id, agent_id)) => glossary(workspace_id, agent_id)?.1.glossary.mentions(content),
        None => Vec::new(),
    };
    let mentions = found.into_iter().filter_map(|mention| {
        let position = i32::try_from(mention.position).ok()?;
        Some((pgrx::Uuid::from_bytes(mention.id.to_be_bytes()), mention.matched, position))
    });
    Ok(TableIterator::new(mentions.collect::<Vec<_>>()))
}

/// The terms of an agent that a text mentions as contexts have them, at most so many, the most important first.
pub(super) fn mentioned(
    workspace_id: &str,
    agent_id: pgrx::Uuid,
    text: &str,
    most: usize,
) -> Result<Vec<Rc<Finished>>, Unfound> {
    let (key, ready) = glossary(workspace_id, agent_id)?;
    let key = key.ok_or(Unfound::Query)?;
    let mut found: Vec<_> =
        ready.glossary.mentions(text).iter().map(|mention| (ready.ranks.get(&mention.id), mention.id)).collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(most);
    found.into_iter().map(|(_, id)| finished(&key, id)).collect()
}

/// A term, by the key of its glossary.
fn finished(glossary: &[u8], id: u128) -> Result<Rc<Finished>, Unfound> {
    let id = id.to_be_bytes();
    let key = [glossary, &id].concat();
    if let Some(term) = FINISHED.with_borrow_mut(|terms| terms.get(&key)) {
        return Ok(term);
    }
    let record = TERM.first(&[Key::Uuid(pgrx::Uuid::from_bytes(id))])?.ok_or(Unfound::Query)?;
    let term = Finished::new(write(&record.tree()).ok_or(Unfound::Query)?);
    let size = term.size();
    Ok(FINISHED.with_borrow_mut(|terms| terms.put(&key, term, size)))
}

/// The glossary that the current role sees. Reading and building it takes far longer than searching, so it is kept: by
/// the versions of its rows, which are its key, or, where they cannot be told, by its text.
fn glossary(workspace_id: &str, agent_id: pgrx::Uuid) -> Result<(Option<Vec<u8>>, Rc<Ready>), ErrorReport> {
    let kept = |key: &[u8]| GLOSSARIES.with_borrow_mut(|glossaries| glossaries.get(key));
    let mut version = Version::new();
    let key = version
        .fold(&TERMS, &[Key::Text(workspace_id), Key::Uuid(agent_id)])?
        .then(|| format!("{agent_id} {version} {workspace_id}").into_bytes());
    if let Some(ready) = key.as_deref().and_then(kept) {
        return Ok((key, ready));
    }
    let text = GLOSSARY.text(&[workspace_id.into_datum(), agent_id.into_datum()])?.unwrap_or_default();
    let ready = match key.as_deref() {
        Some(key) => build(key, &text),
        None => kept(text.as_bytes()).map_or_else(|| build(text.as_bytes(), &text), Ok),
    };
    Ok((key, ready?))
}

fn build(key: &[u8], text: &str) -> Result<Rc<Ready>, ErrorReport> {
    if text.len() > MAX_GLOSSARY_BYTES {
        return Err(too_large("glossary", text.len(), MAX_GLOSSARY_BYTES, "Divide its terms between agents."));
    }
    let (terms, ranks) = parse(text).ok_or_else(|| internal("terms are not written as they are read"))?;
    let glossary = Glossary::new(&terms).map_err(|reason| {
        let hint = "Divide its terms between agents.";
        error(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the glossary is too large".to_owned(), format!("{reason}."), hint)
    })?;
    let size = glossary.size() + ranks.len() * 2 * size_of::<(u128, u32)>();
    Ok(GLOSSARIES.with_borrow_mut(|glossaries| glossaries.put(key, Ready { glossary, ranks }, size)))
}

fn too_large(what: &str, length: usize, most: usize, hint: &str) -> ErrorReport {
    let detail = format!("It has {length} bytes, more than the {most} allowed.");
    error(ERRCODE_PROGRAM_LIMIT_EXCEEDED, format!("the {what} is too large"), detail, hint)
}

fn parse(text: &str) -> Option<(Vec<Term>, HashMap<u128, u32>)> {
    let (mut terms, mut ranks) = (Vec::new(), HashMap::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (id, behind) = rest.split_once(' ')?;
        let (rank, behind) = behind.split_once(' ')?;
        let (importance, behind) = behind.split_once(' ')?;
        let (created, behind) = behind.split_once(' ')?;
        let (length, behind) = behind.split_once(' ')?;
        let (name, behind) = behind.split_at_checked(length.parse().ok()?)?;
        let mut json = serde_json::Deserializer::from_str(behind).into_iter::<Vec<serde_json::Value>>();
        let synonyms = json.next()?.ok()?;
        rest = behind.get(json.byte_offset()..)?;
        let term = Term {
            id: uuid::Uuid::parse_str(id).ok()?.as_u128(),
            importance: importance.parse().ok()?,
            name: name.to_owned(),
            synonyms: synonyms.iter().filter_map(|synonym| synonym.as_str().map(str::to_owned)).collect(),
        };
        ranks.insert(term.id, rank.parse().ok()?);
        terms.push((created.to_owned(), term));
    }
    terms.sort_by(|(created, term), (other_created, other)| (created, term.id).cmp(&(other_created, other.id)));
    Some((terms.into_iter().map(|(_, term)| term).collect(), ranks))
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    #[pg_test]
    fn names_have_any_characters() {
        Spi::run(
            r#"INSERT INTO parlant.parlant_agent (id, workspace_id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'w', 'a');
               INSERT INTO parlant.parlant_term (id, agent_id, name, description, synonyms, created_at) VALUES
                 ('00000000-0000-4000-8000-000000000011', '00000000-0000-4000-8000-000000000001', 'a ["]', 'd', '["s", 1]', now()),
                 ('00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-000000000001', 'Ümla', 'd', NULL, now())"#,
        )
        .unwrap();
        let found = Spi::get_one::<String>(
            r#"SELECT string_agg(right(term_id::text, 1) || ' ' || matched || ' ' || position, ', ')
                 FROM parlant.mentioned_terms('w', '00000000-0000-4000-8000-000000000001', 'S and ümla and a ["]')"#,
        );
        assert_eq!(found, Ok(Some("1 S 1, 2 ümla 7, 1 a [\"] 16".to_owned())));
    }
}
