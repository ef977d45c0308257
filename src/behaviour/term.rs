//! Glossaries.

use crate::error::{error, internal};
use crate::find::{Key, Source};
use crate::query::Query;
use crate::version::Version;
use parlant_core::cache::Cache;
use parlant_core::term::{Glossary, MAX_GLOSSARY_BYTES, MAX_TEXT_BYTES, Term};
use pgrx::PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Room for glossaries ready to be looked through, in bytes of a connection's memory.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

thread_local! {
    static GLOSSARIES: RefCell<Cache<Glossary>> = RefCell::new(Cache::new(CACHE_BYTES));
    static GLOSSARY_PLAN: Cell<pg_sys::SPIPlanPtr> = const { Cell::new(std::ptr::null_mut()) };
}

/// The terms of an agent.
static TERMS: Source = Source {
    table: "parlant_term",
    index: c"parlant_term_name_key",
    columns: &[("workspace_id", pg_sys::TEXTOID), ("agent_id", pg_sys::UUIDOID)],
    keys: 2,
};

/// They as one text: of each an id, an importance, the time of its creation, the number of characters of its name, all
/// with a space behind, then the name and a JSON array of synonyms.
static GLOSSARY: Query = Query {
    sql: c"SELECT string_agg(id || ' ' || importance || ' ' || to_char(created_at, 'YYYYMMDDHH24MISSUS') || ' '
                             || length(name) || ' ' || name || coalesce(synonyms, '[]'), '')
           FROM parlant.parlant_term WHERE workspace_id = $1 AND agent_id = $2",
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
        Some((workspace_id, agent_id)) => glossary(workspace_id, agent_id)?.mentions(content),
        None => Vec::new(),
    };
    let mentions = found.into_iter().filter_map(|mention| {
        let position = i32::try_from(mention.position).ok()?;
        Some((pgrx::Uuid::from_bytes(mention.id.to_be_bytes()), mention.matched, position))
    });
    Ok(TableIterator::new(mentions.collect::<Vec<_>>()))
}

/// The glossary that the current role sees. Reading and building it takes far longer than searching, so it is kept: by
/// the versions of its rows or, where they cannot be told, by its text.
fn glossary(workspace_id: &str, agent_id: pgrx::Uuid) -> Result<Rc<Glossary>, ErrorReport> {
    let kept = |key: &[u8]| GLOSSARIES.with_borrow_mut(|glossaries| glossaries.get(key));
    let mut version = Version::new();
    let key = version
        .fold(&TERMS, &[Key::Text(workspace_id), Key::Uuid(agent_id)])?
        .then(|| format!("{agent_id} {version} {workspace_id}").into_bytes());
    if let Some(ready) = key.as_deref().and_then(kept) {
        return Ok(ready);
    }
    let text = GLOSSARY.text(&[workspace_id.into_datum(), agent_id.into_datum()])?.unwrap_or_default();
    match key {
        Some(key) => build(&key, &text),
        None => kept(text.as_bytes()).map_or_else(|| build(text.as_bytes(), &text), Ok),
    }
}

fn build(key: &[u8], text: &str) -> Result<Rc<Glossary>, ErrorReport> {
    if text.len() > MAX_GLOSSARY_BYTES {
        return Err(too_large("glossary", text.len(), MAX_GLOSSARY_BYTES, "Divide its terms between agents."));
    }
    let terms = parse(text).ok_or_else(|| internal("terms are not written as they are read"))?;
    let glossary = Glossary::new(&terms).map_err(|reason| {
        let hint = "Divide its terms between agents.";
        error(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the glossary is too large".to_owned(), format!("{reason}."), hint)
    })?;
    let size = glossary.size();
    Ok(GLOSSARIES.with_borrow_mut(|glossaries| glossaries.put(key, glossary, size)))
}

fn too_large(what: &str, length: usize, most: usize, hint: &str) -> ErrorReport {
    let detail = format!("It has {length} bytes, more than the {most} allowed.");
    error(ERRCODE_PROGRAM_LIMIT_EXCEEDED, format!("the {what} is too large"), detail, hint)
}

fn parse(text: &str) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (id, behind) = rest.split_once(' ')?;
        let (importance, behind) = behind.split_once(' ')?;
        let (created, behind) = behind.split_once(' ')?;
        let (length, behind) = behind.split_once(' ')?;
        let end = behind.char_indices().nth(length.parse().ok()?)?.0;
        let (name, behind) = behind.split_at_checked(end)?;
        let mut json = serde_json::Deserializer::from_str(behind).into_iter::<Vec<serde_json::Value>>();
        let synonyms = json.next()?.ok()?;
        rest = behind.get(json.byte_offset()..)?;
        let term = Term {
            id: uuid::Uuid::parse_str(id).ok()?.as_u128(),
            importance: importance.parse().ok()?,
            name: name.to_owned(),
            synonyms: synonyms.iter().filter_map(|synonym| synonym.as_str().map(str::to_owned)).collect(),
        };
        terms.push((created.to_owned(), term));
    }
    terms.sort_by(|(created, term), (other_created, other)| (created, term.id).cmp(&(other_created, other.id)));
    Some(terms.into_iter().map(|(_, term)| term).collect())
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
