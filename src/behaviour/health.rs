//! When failures of an integration tell on its health.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::prelude::*;

static DEGRADED_AFTER: GucSetting<i32> = GucSetting::<i32>::new(1);
static UNHEALTHY_AFTER: GucSetting<i32> = GucSetting::<i32>::new(5);
static DISABLED_AFTER: GucSetting<i32> = GucSetting::<i32>::new(20);

/// Declares the settings; called when the library is loaded.
pub(crate) fn define_settings() {
    let define = |name, description, setting| {
        let detail = c"0 turns it off.";
        GucRegistry::define_int_guc(
            name,
            description,
            detail,
            setting,
            0,
            i32::MAX,
            GucContext::Userset,
            GucFlags::default(),
        );
    };
    define(
        c"parlant.tool_degraded_after",
        c"Failures in a row that make an integration of a tool degraded.",
        &DEGRADED_AFTER,
    );
    define(
        c"parlant.tool_unhealthy_after",
        c"Failures in a row that make an integration of a tool unhealthy.",
        &UNHEALTHY_AFTER,
    );
    define(
        c"parlant.tool_disabled_after",
        c"Failures in a row that disable an integration of a tool.",
        &DISABLED_AFTER,
    );
}

fn reaches(failures: i32, threshold: &GucSetting<i32>) -> bool {
    threshold.get() > 0 && failures >= threshold.get()
}

/// The health of an integration that failed so many times in a row.
#[pg_extern(stable, strict, parallel_safe)]
fn tool_health(failures: i32) -> &'static str {
    if reaches(failures, &UNHEALTHY_AFTER) {
        "unhealthy"
    } else if reaches(failures, &DEGRADED_AFTER) {
        "degraded"
    } else {
        "healthy"
    }
}

/// Whether so many failures in a row disable an integration.
#[pg_extern(stable, strict, parallel_safe)]
fn is_disabled_by(failures: i32) -> bool {
    reaches(failures, &DISABLED_AFTER)
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    #[pg_test]
    fn thresholds_tell_the_health_and_0_turns_one_off() {
        Spi::run(
            "SET parlant.tool_degraded_after = 2; SET parlant.tool_unhealthy_after = 0; SET parlant.tool_disabled_after = 3",
        )
        .unwrap();
        let health = Spi::get_one::<String>(
            "SELECT string_agg(parlant.tool_health(n) || ' ' || parlant.is_disabled_by(n), ', ' ORDER BY n)
             FROM generate_series(1, 3) AS n",
        );
        assert_eq!(health, Ok(Some("healthy false, degraded false, degraded true".to_owned())));
    }
}
