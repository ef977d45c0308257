//! Entering by a signed token: the settings that hold keys and audience, and `enter_workspace_with_token`.

use super::enter::{Actor, enter};
use super::refusal::refused_entry;
use crate::error::error;
use parlant_core::token::{Bearer, Keys, verify};
use pgrx::PgSqlErrorCode::{ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::{CStr, CString, c_char, c_void};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A setting of the server's configuration file.
struct FileSetting {
    value: UnsafeCell<*mut c_char>,
}

// SAFETY: a server process has one thread that uses PostgreSQL, and it alone reads and writes settings.
unsafe impl Sync for FileSetting {}

static TOKEN_KEYS: FileSetting = FileSetting { value: UnsafeCell::new(std::ptr::null_mut()) };
static TOKEN_AUDIENCE: FileSetting = FileSetting { value: UnsafeCell::new(std::ptr::null_mut()) };

thread_local! {
    /// The keys that were read last, with the text that they were read from.
    static READ_KEYS: RefCell<Option<(String, Rc<Keys>)>> = const { RefCell::new(None) };
    /// Whether the library was there before the connection's client could ask for anything.
    static PRELOADED: Cell<bool> = const { Cell::new(false) };
}

impl FileSetting {
    fn get(&self) -> String {
        // SAFETY: PostgreSQL keeps a string that ends with NUL here, or a null pointer.
        unsafe {
            let value = *self.value.get();
            if value.is_null() { String::new() } else { CStr::from_ptr(value).to_string_lossy().into_owned() }
        }
    }
}

/// Declares the settings; called when the library is loaded.
///
/// Only the configuration file sets them: what `ALTER DATABASE` or `ALTER ROLE` sets, every role can read.
pub(crate) fn define_settings() {
    // SAFETY: strings and variables are static, and the hooks do not unwind. A session that preloads libraries has no
    // query yet; the server's start has a flag of its own.
    unsafe {
        let is_first = pg_sys::process_shared_preload_libraries_in_progress || pg_sys::debug_query_string.is_null();
        PRELOADED.set(is_first);
        pg_sys::DefineCustomStringVariable(
            c"parlant.token_keys".as_ptr(),
            c"JSON Web Key Set of the keys that sign tokens for parlant.enter_workspace_with_token.".as_ptr(),
            c"HS256 keys are secret: they are accepted only where the library is preloaded, since before it is loaded \
              every role can read the setting."
                .as_ptr(),
            TOKEN_KEYS.value.get(),
            std::ptr::null(),
            pg_sys::GucContext::PGC_SIGHUP,
            (pg_sys::GUC_SUPERUSER_ONLY | pg_sys::GUC_NO_SHOW_ALL | pg_sys::GUC_NOT_IN_SAMPLE).cast_signed(),
            Some(check_keys),
            None,
            Some(show_keys),
        );
        pg_sys::DefineCustomStringVariable(
            c"parlant.token_audience".as_ptr(),
            c"Audience (aud) that tokens for parlant.enter_workspace_with_token must be for.".as_ptr(),
            std::ptr::null(),
            TOKEN_AUDIENCE.value.get(),
            std::ptr::null(),
            pg_sys::GucContext::PGC_SIGHUP,
            0,
            None,
            None,
            None,
        );
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_keys(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes a pointer to the new value, a string that ends with NUL or a null pointer, and takes
    // an explanation that lives in the context of errors.
    unsafe {
        if (*value).is_null() {
            return true;
        }
        let Err(fault) = Keys::parse(&CStr::from_ptr(*value).to_string_lossy()) else { return true };
        let fault = CString::new(fault).unwrap_or_default();
        pg_sys::GUC_check_errdetail_string = pg_sys::MemoryContextStrdup(pg_sys::ErrorContext, fault.as_ptr());
        false
    }
}

/// Nobody is shown the keys, not even who may read every setting.
unsafe extern "C-unwind" fn show_keys() -> *const c_char {
    // SAFETY: as of `FileSetting::get`.
    let is_empty = unsafe {
        let value = *TOKEN_KEYS.value.get();
        value.is_null() || *value == 0
    };
    if is_empty { c"" } else { c"********" }.as_ptr()
}

fn keys() -> Result<Rc<Keys>, ErrorReport> {
    let text = TOKEN_KEYS.get();
    let known =
        READ_KEYS.with_borrow(|read| read.as_ref().filter(|(from, _)| *from == text).map(|(_, keys)| keys.clone()));
    let keys = match known {
        Some(keys) => keys,
        None => {
            let keys =
                Rc::new(Keys::parse(&text).map_err(|fault| unaccepted(&format!("parlant.token_keys: {fault}")))?);
            READ_KEYS.set(Some((text, keys.clone())));
            keys
        }
    };
    if keys.is_empty() {
        return Err(unaccepted("parlant.token_keys holds no key."));
    }
    if keys.has_secrets() && !PRELOADED.get() {
        return Err(unaccepted(
            "parlant.token_keys holds a secret key (HS256) that every role can read while the library is not loaded.",
        ));
    }
    Ok(keys)
}

fn unaccepted(detail: &str) -> ErrorReport {
    error(
        ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "no tokens are accepted".to_owned(),
        detail.to_owned(),
        "Set parlant.token_keys and parlant.token_audience in postgresql.conf; with HS256 keys preload the library by shared_preload_libraries or session_preload_libraries there.",
    )
}

/// Enters a workspace as a signed token says, until the transaction ends. A user gets the permission that they have
/// there, which is returned; a customer gets what customers may, and NULL is returned.
///
/// # Errors
/// 22023 for NULL; 42501 for a token that is not believed, and if the workspace does not admit its bearer; 55000 if
/// the server has no keys or audience, or the transaction has entered otherwise before.
#[pg_extern(volatile, parallel_unsafe)]
fn enter_workspace_with_token(token: Option<&str>) -> Result<Option<String>, ErrorReport> {
    let Some(token) = token else {
        return Err(error(
            ERRCODE_INVALID_PARAMETER_VALUE,
            "there is no token".to_owned(),
            "It is NULL.".to_owned(),
            "Pass a signed token.",
        ));
    };
    let (keys, audience) = (keys()?, TOKEN_AUDIENCE.get());
    if audience.is_empty() {
        return Err(unaccepted("parlant.token_audience is not set."));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(f64::INFINITY, |since| since.as_secs_f64());
    let grant = verify(token, &keys, &audience, now).map_err(|reason| refused_entry(reason, &[]))?;
    let actor = match &grant.bearer {
        Bearer::User(user_id) => Actor::User(user_id),
        Bearer::Customer(customer_id) => Actor::Customer(customer_id),
    };
    enter(&grant.workspace_id, actor)
}
