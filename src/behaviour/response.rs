//! Canned responses that fit what a customer has said.

use super::template;
use crate::error::internal;
use crate::find::{Key, Source, Unfound};
use crate::journey::condition::read;
use crate::json::Jsonb;
use crate::record::hyphenated;
use crate::version::Version;
use parlant_core::cache::{Cache, Last};
use parlant_core::jsonb::{self, Document, Tree, write};
use parlant_core::response::{Query, Response, Standing};
use pgrx::Uuid;
use pgrx::fcinfo::{direct_function_call, direct_function_call_as_datum};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Number, Value};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::ffi::CStr;
use std::rc::Rc;

/// Room for canned responses ready to be compared, in bytes of a connection's memory.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Most canned responses of a context.
const MAX_FITTING: usize = 10;

static RESPONSE: Source = Source {
    table: "parlant_canned_response",
    index: c"parlant_canned_response_priority",
    columns: &[
        ("workspace_id", pg_sys::TEXTOID),
        ("agent_id", pg_sys::UUIDOID),
        ("id", pg_sys::UUIDOID),
        ("template", pg_sys::TEXTOID),
        ("tags", pg_sys::JSONBOID),
        ("conditions", pg_sys::JSONBOID),
        ("priority", pg_sys::INT4OID),
        ("requires_exact_match", pg_sys::BOOLOID),
        ("created_at", pg_sys::TIMESTAMPOID),
        ("enabled", pg_sys::BOOLOID),
    ],
    keys: 2,
};

/// A canned response of an agent.
struct Candidate {
    id: Uuid,
    template: String,
    created_at: i64,
    standing: Standing,
    response: Rc<Response>,
}

/// A canned response that fits.
pub(super) struct Fitting {
    id: String,
    template: String,
    score: Value,
    /// None if it cannot be rendered for another reason.
    missing: Option<Vec<String>>,
}

thread_local! {
    /// Those of an agent.
    static CANDIDATES: RefCell<Cache<Vec<Candidate>>> = RefCell::new(Cache::new(CACHE_BYTES));
    static RESPONSES: RefCell<Cache<Response>> = RefCell::new(Cache::new(CACHE_BYTES));
    static QUERY: RefCell<Last<Option<Query>>> = RefCell::default();
    /// Counts changes of dictionaries and of the configurations of full text search.
    static DICTIONARIES: Cell<u64> = const { Cell::new(0) };
}

/// Called when the library is loaded.
pub(crate) fn watch_dictionaries() {
    use pg_sys::SysCacheIdentifier::{TSCONFIGMAP, TSCONFIGOID, TSDICTOID};
    for cache in [TSCONFIGMAP, TSCONFIGOID, TSDICTOID] {
        // SAFETY: the function lives as long as the process and needs no argument.
        unsafe { pg_sys::CacheRegisterSyscacheCallback(cache.cast_signed(), Some(note_change), pg_sys::Datum::null()) }
    }
}

extern "C-unwind" fn note_change(_: pg_sys::Datum, _: i32, _: u32) {
    // While a process ends, its thread-local values may be gone already.
    let _ = DICTIONARIES.try_with(|changes| changes.set(changes.get().wrapping_add(1)));
}

/// What `parlant.canned_responses_of` gives, without a query: those that fit what was said, the best first, by the
/// variables that conditions know and that may be told.
pub(super) fn best(
    workspace_id: &str,
    agent_id: Uuid,
    locale: Option<&str>,
    said: &str,
    known: &Tree<'_>,
    told: &Tree<'_>,
) -> Result<Vec<Fitting>, Unfound> {
    let configuration = search_configuration(locale)?;
    let candidates = candidates(workspace_id, agent_id, configuration)?;
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let query = asked(said, configuration)?;
    let variables = if candidates.iter().any(|candidate| candidate.response.has_conditions()) {
        read(&jsonb::Jsonb(&write(known).ok_or(Unfound::Query)?)).ok()
    } else {
        None
    };
    let score = |one: &Candidate| one.response.score(one.standing, Option::as_ref(&query), variables.as_deref());
    let mut fitting: Vec<_> = candidates.iter().filter_map(|one| Some((score(one)?, one))).collect();
    fitting.sort_by(|(score, one), (other_score, other)| {
        let order = |one: &Candidate| (Reverse(one.standing.priority), one.created_at, *one.id.as_bytes());
        other_score.total_cmp(score).then_with(|| order(one).cmp(&order(other)))
    });
    fitting.truncate(MAX_FITTING);
    let told = write(told).ok_or(Unfound::Query)?;
    let fitting = fitting.into_iter().map(|(score, candidate)| {
        Ok(Fitting {
            id: hyphenated(candidate.id).to_string(),
            template: candidate.template.clone(),
            score: number(score).ok_or(Unfound::Query)?,
            missing: template::missing(&candidate.template, &jsonb::Jsonb(&told)),
        })
    });
    fitting.collect()
}

impl Fitting {
    pub(super) fn tree(&self) -> Tree<'_> {
        let missing = self.missing.as_deref();
        Tree::Object(vec![
            ("canned_response_id", Tree::Text(&self.id)),
            ("template", Tree::Text(&self.template)),
            ("score", Tree::Value(&self.score)),
            ("renderable", Tree::Bool(missing.is_some_and(<[String]>::is_empty))),
            ("missing", Tree::array(missing.unwrap_or_default(), |name| Tree::Text(name))),
        ])
    }
}

/// As PostgreSQL makes it of a float.
fn number(score: f64) -> Option<Value> {
    // SAFETY: the function takes a float and returns a C string.
    let text = unsafe { direct_function_call::<&CStr>(pg_sys::float8out, &[score.into_datum()]) }?;
    text.to_str().ok()?.parse::<Number>().ok().map(Value::Number)
}

/// The enabled ones of an agent that the current role sees.
fn candidates(workspace_id: &str, agent_id: Uuid, configuration: pg_sys::Oid) -> Result<Rc<Vec<Candidate>>, Unfound> {
    let keys = [Key::Text(workspace_id), Key::Uuid(agent_id)];
    let mut version = Version::new();
    if !version.fold(&RESPONSE, &keys)? {
        return Err(Unfound::Query);
    }
    let key = [key(configuration).as_slice(), &version.to_bytes(), agent_id.as_bytes()].concat();
    if let Some(candidates) = CANDIDATES.with_borrow_mut(|all| all.get(&key)) {
        return Ok(candidates);
    }
    let finder = RESPONSE.finder()?;
    let mut rows = finder.rows(&keys, pg_sys::ScanDirection::ForwardScanDirection);
    let mut candidates = Vec::new();
    while rows.advance() {
        let (Some(id), Some(template), Some(true)) = (rows.get(2), rows.get::<String>(3), rows.get(9)) else {
            continue;
        };
        let (tags, conditions): (Option<Jsonb>, Option<Jsonb>) = (rows.get(4), rows.get(5));
        candidates.push(Candidate {
            id,
            created_at: rows.get(8).unwrap_or_default(),
            standing: Standing {
                priority: rows.get(6).unwrap_or_default(),
                requires_exact_match: rows.get(7).unwrap_or_default(),
            },
            response: prepared(&template, tags.as_ref(), conditions.as_ref(), configuration)?,
            template,
        });
    }
    let size = |one: &Candidate| size_of::<Candidate>() + one.template.len() + one.response.size();
    let size = candidates.iter().map(size).sum();
    Ok(CANDIDATES.with_borrow_mut(|all| all.put(&key, candidates, size)))
}

/// The text search configuration for a language tag.
#[pg_extern(sql = false)]
fn search_configuration(locale: Option<&str>) -> Result<pg_sys::Oid, ErrorReport> {
    let language = locale.and_then(|locale| locale.split('-').next());
    let name = match language {
        Some("ar") => c"pg_catalog.arabic",
        Some("da") => c"pg_catalog.danish",
        Some("de") => c"pg_catalog.german",
        Some("el") => c"pg_catalog.greek",
        Some("en") => c"pg_catalog.english",
        Some("es") => c"pg_catalog.spanish",
        Some("fi") => c"pg_catalog.finnish",
        Some("fr") => c"pg_catalog.french",
        Some("ga") => c"pg_catalog.irish",
        Some("hu") => c"pg_catalog.hungarian",
        Some("id") => c"pg_catalog.indonesian",
        Some("it") => c"pg_catalog.italian",
        Some("lt") => c"pg_catalog.lithuanian",
        Some("ne") => c"pg_catalog.nepali",
        Some("nl") => c"pg_catalog.dutch",
        Some("no" | "nb") => c"pg_catalog.norwegian",
        Some("pt") => c"pg_catalog.portuguese",
        Some("ro") => c"pg_catalog.romanian",
        Some("ru") => c"pg_catalog.russian",
        Some("sv") => c"pg_catalog.swedish",
        Some("ta") => c"pg_catalog.tamil",
        Some("tr") => c"pg_catalog.turkish",
        _ => c"pg_catalog.simple",
    };
    // SAFETY: the function takes a C string and returns the oid of the configuration that it names.
    let found = unsafe {
        direct_function_call::<pg_sys::Oid>(pg_sys::regconfigin, &[Some(pg_sys::Datum::from(name.as_ptr()))])
    };
    found.ok_or_else(|| internal("there is no text search configuration"))
}

/// How well a canned response fits a query, from 0 to 1; NULL if it does not.
#[pg_extern(immutable, parallel_safe)]
#[allow(clippy::too_many_arguments, reason = "they are columns of a row")]
fn canned_response_score(
    template: &str,
    tags: Option<Jsonb>,
    conditions: Option<Jsonb>,
    priority: i32,
    requires_exact_match: bool,
    query: Option<&str>,
    configuration: pg_sys::Oid,
    variables: Jsonb,
) -> Result<Option<f64>, ErrorReport> {
    let response = prepared(template, tags.as_ref(), conditions.as_ref(), configuration)?;
    let query = asked(query.unwrap_or_default(), configuration)?;
    let variables = read(&variables).ok();
    let standing = Standing { priority, requires_exact_match };
    Ok(response.score(standing, Option::as_ref(&query), variables.as_deref()))
}

fn prepared(
    template: &str,
    tags: Option<&Jsonb>,
    conditions: Option<&Jsonb>,
    configuration: pg_sys::Oid,
) -> Result<Rc<Response>, ErrorReport> {
    let mut key = key(configuration);
    for part in [template.as_bytes(), bytes(tags), bytes(conditions)] {
        key.extend(part.len().to_ne_bytes());
        key.extend(part);
    }
    if let Some(response) = RESPONSES.with_borrow_mut(|responses| responses.get(&key)) {
        return Ok(response);
    }
    let elements = |json: Option<&Jsonb>| match json.map(Document::value) {
        Some(Ok(serde_json::Value::Array(elements))) => elements,
        _ => Vec::new(),
    };
    let response = Response::new(template, &elements(tags), &elements(conditions), |text| words(configuration, text))?;
    let size = response.size();
    Ok(RESPONSES.with_borrow_mut(|responses| responses.put(&key, response, size)))
}

fn asked(query: &str, configuration: pg_sys::Oid) -> Result<Rc<Option<Query>>, ErrorReport> {
    let mut key = key(configuration);
    key.extend(query.as_bytes());
    QUERY.with_borrow_mut(|last| last.get_or_make(&key, || Query::new(query, |text| words(configuration, text))))
}

fn key(configuration: pg_sys::Oid) -> Vec<u8> {
    [&DICTIONARIES.get().to_ne_bytes()[..], &configuration.to_u32().to_ne_bytes()].concat()
}

fn bytes(json: Option<&Jsonb>) -> &[u8] {
    json.map_or(&[], Document::source)
}

/// The lexemes of a text.
fn words(configuration: pg_sys::Oid, text: &str) -> Result<Vec<String>, ErrorReport> {
    // SAFETY: both are strict functions of these types: the first of a configuration's oid and a text, the second of
    // the tsvector that the first returns; an array of text is what that returns.
    let words = unsafe {
        let vector =
            direct_function_call_as_datum(pg_sys::to_tsvector_byid, &[configuration.into_datum(), text.into_datum()]);
        let array = direct_function_call_as_datum(pg_sys::tsvector_to_array, &[vector]);
        array.and_then(|array| Vec::<String>::from_datum(array, false))
    };
    words.ok_or_else(|| internal("full text search gives no words"))
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    fn score(conditions: &str, query: &str) -> Option<f64> {
        let sql =
            "SELECT parlant.canned_response_score('Refunds take {{ days }} days', '[\"money back\"]', $1::jsonb, 100,
                          false, $2, 'english'::regconfig, '{\"n\": 3}')";
        Spi::get_one_with_args::<f64>(sql, &[conditions.into(), query.into()]).unwrap()
    }

    #[pg_test]
    fn canned_response_score_compares_words_as_full_text_search_does() {
        assert_eq!(score("[]", "refunding"), Some(0.41));
        assert_eq!(score("[]", "my MONEY is back"), Some(0.31));
        assert_eq!(score("[]", "shipping"), None);
        assert_eq!(score("[]", " Money\tback"), Some(1.0));
    }

    #[pg_test]
    fn canned_response_score_judges_conditions_and_leaves_sentences_open() {
        assert_eq!(score("[\"n > 2\"]", "shipping"), Some(0.21));
        assert_eq!(score("[\"n > 3\"]", "refund"), None);
        assert_eq!(score("[\"n > 3\", \"the customer is angry\"]", "refund"), Some(0.41));
    }

    #[pg_test]
    fn canned_response_score_follows_a_change_of_the_dictionary() {
        Spi::run("CREATE TEXT SEARCH CONFIGURATION public.own (COPY = pg_catalog.english)").unwrap();
        let score = || {
            let sql = "SELECT parlant.canned_response_score('Refunds', NULL, NULL, 100, false, 'refund', 'public.own'::regconfig, '{}')";
            Spi::get_one::<f64>(sql).unwrap()
        };
        assert_eq!(score(), Some(0.41));
        Spi::run("ALTER TEXT SEARCH CONFIGURATION public.own ALTER MAPPING REPLACE english_stem WITH simple").unwrap();
        assert_eq!(score(), None);
    }
}
