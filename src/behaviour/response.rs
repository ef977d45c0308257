//! Canned responses that fit what a customer has said.

use crate::error::internal;
use crate::journey::condition::read;
use crate::json::Jsonb;
use parlant_core::cache::{Cache, Last};
use parlant_core::jsonb::Document;
use parlant_core::response::{Query, Response, Standing};
use pgrx::fcinfo::direct_function_call_as_datum;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Room for canned responses ready to be compared, in bytes of a connection's memory.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

thread_local! {
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

unsafe extern "C-unwind" fn note_change(_: pg_sys::Datum, _: i32, _: u32) {
    // While a process ends, its thread-local values may be gone already.
    let _ = DICTIONARIES.try_with(|changes| changes.set(changes.get().wrapping_add(1)));
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
