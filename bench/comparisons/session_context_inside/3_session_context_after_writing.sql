-- session_context in a transaction that has written
\set n random(1, 100)
SELECT one_call(CASE WHEN pg_current_xact_id() IS NOT NULL THEN ('00000000-0000-4000-8000-0001' || lpad((:n::integer * 10)::text, 8, '0'))::uuid END);
