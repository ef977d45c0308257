//! Glossaries.

use crate::error::error;
use parlant_core::cache::Cache;
use parlant_core::term::{Glossary, MAX_GLOSSARY_BYTES, MAX_TEXT_BYTES, Term};
use pgrx::PgSqlErrorCode::{ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_PROGRAM_LIMIT_EXCEEDED};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// Room for glossaries ready to be looked through, in bytes of a connection's memory.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

thread_local! {
    static GLOSSARIES: RefCell<Cache<Glossary>> = RefCell::new(Cache::new(CACHE_BYTES));
}

/// A hash of a version of a row, by who wrote it and where it is, so that a hash over many can be made by `bit_xor`.
#[pg_extern(immutable, strict, parallel_safe)]
fn row_version(xmin: pg_sys::TransactionId, ctid: pg_sys::ItemPointerData) -> i64 {
    let (block, offset) = pgrx::itemptr::item_pointer_get_both(ctid);
    let place = (u64::from(block) << 16) | u64::from(offset);
    (mixed(mixed(place) ^ u64::from(xmin.into_inner()))).cast_signed()
}

/// A bijection that spreads each bit over all others: the last steps of MurmurHash3.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// Whether the glossary with this key is ready, so that `term_mentions` needs only the key.
///
/// The key changes with every change of a term: reading and building a glossary takes far longer than searching.
#[pg_extern(volatile, strict, parallel_safe)]
fn glossary_is_ready(key: &str) -> bool {
    GLOSSARIES.with_borrow(|glossaries| glossaries.get(key).is_some())
}

/// Every mention of a term in a text. The glossary is the concatenation of its terms, each an id, an importance, the
/// time of its creation, the number of characters of its name, all with a space behind, then the name and a JSON array
/// of synonyms; NULL where `glossary_is_ready`.
#[pg_extern(volatile, parallel_safe)]
fn term_mentions(
    key: &str,
    glossary: Option<&str>,
    content: Option<&str>,
) -> Result<
    TableIterator<'static, (name!(term_id, pgrx::Uuid), name!(matched, String), name!(position, i32))>,
    ErrorReport,
> {
    let content = content.unwrap_or_default();
    if content.len() > MAX_TEXT_BYTES {
        return Err(too_large("text", content.len(), MAX_TEXT_BYTES, "Look for terms in parts of it."));
    }
    let kept = GLOSSARIES.with_borrow(|glossaries| glossaries.get(key));
    let ready = match kept {
        Some(ready) => ready,
        None => build(key, glossary.unwrap_or_default())?,
    };
    let mentions = ready.mentions(content).into_iter().filter_map(|mention| {
        let position = i32::try_from(mention.position).ok()?;
        Some((pgrx::Uuid::from_bytes(mention.id.to_be_bytes()), mention.matched, position))
    });
    Ok(TableIterator::new(mentions.collect::<Vec<_>>()))
}

fn build(key: &str, text: &str) -> Result<Rc<Glossary>, ErrorReport> {
    if text.len() > MAX_GLOSSARY_BYTES {
        return Err(too_large("glossary", text.len(), MAX_GLOSSARY_BYTES, "Divide its terms between agents."));
    }
    let terms = parse(text).ok_or_else(|| {
        error(
            ERRCODE_INVALID_PARAMETER_VALUE,
            "this is no glossary".to_owned(),
            "A term is not written as term_mentions reads it.".to_owned(),
            "Call parlant.find_terms, which reads the terms of an agent.",
        )
    })?;
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
    fn term_mentions_reads_names_with_any_characters() {
        let found = Spi::get_one::<String>(
            r#"SELECT string_agg(right(term_id::text, 1) || ' ' || matched || ' ' || position, ', ')
                 FROM parlant.term_mentions('key', '00000000-0000-4000-8000-000000000001 100 2026 5 a ["]["s", 1]'
                      || '00000000-0000-4000-8000-000000000002 100 2026 4 Ümla[]', 'S and ümla and a ["]')"#,
        );
        assert_eq!(found, Ok(Some("1 S 1, 2 ümla 7, 1 a [\"] 16".to_owned())));
    }

    #[pg_test(error = "this is no glossary")]
    fn term_mentions_refuses_what_is_no_glossary() {
        Spi::run("SELECT FROM parlant.term_mentions('k', 'x', 'y')").unwrap();
    }

    #[pg_test]
    fn glossary_is_ready_once_it_was_looked_through() {
        let ready = || Spi::get_one::<bool>("SELECT parlant.glossary_is_ready('this test')");
        assert_eq!(ready(), Ok(Some(false)));
        Spi::run("SELECT FROM parlant.term_mentions('this test', '', 'x')").unwrap();
        assert_eq!(ready(), Ok(Some(true)));
    }
}
