//! Keys of rows.

use pgrx::prelude::*;

/// A new UUID of version 7 (RFC 9562): its first 48 bits are the time in milliseconds, so keys made one after
/// another lie together in an index. Within a connection each is greater than the one before.
#[pg_extern(volatile, parallel_safe)]
pub(crate) fn uuidv7() -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(*uuid::Uuid::now_v7().as_bytes())
}

/// As `to_string` writes it, with fewer instructions.
pub(crate) fn text(id: pgrx::Uuid) -> String {
    uuid::Uuid::from_bytes(*id.as_bytes()).to_string()
}

#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
#[allow(clippy::disallowed_methods)]
mod tests {
    use pgrx::prelude::*;

    #[pg_test]
    fn uuidv7_has_version_and_variant() {
        let texts =
            Spi::get_one::<String>("SELECT string_agg(parlant.uuidv7()::text, ' ') FROM generate_series(1, 100)");
        for text in texts.unwrap().unwrap().split(' ') {
            assert_eq!(&text[14..15], "7", "{text}");
            assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
        }
    }

    #[pg_test]
    fn uuidv7_increases_within_a_connection() {
        let ascending = Spi::get_one::<bool>(
            "SELECT bool_and(id > previous) FROM (
                SELECT id, lag(id) OVER (ORDER BY n) AS previous
                FROM (SELECT n, parlant.uuidv7() AS id FROM generate_series(1, 10000) n) made) pairs
             WHERE previous IS NOT NULL",
        );
        assert_eq!(ascending, Ok(Some(true)));
    }

    #[pg_test]
    fn uuidv7_begins_with_the_time() {
        let distance = Spi::get_one::<f64>(
            "SELECT abs(('x' || translate(left(parlant.uuidv7()::text, 13), '-', ''))::bit(48)::bigint / 1000.0
                        - extract(epoch FROM clock_timestamp()))::float8",
        );
        assert!(distance.unwrap().unwrap() < 60.0);
    }
}
