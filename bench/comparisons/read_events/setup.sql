\ir ../../setup/sessions.sql
-- A hundred events in a hundred sessions of each workspace.
SELECT FROM parlant.parlant_session AS session,
    LATERAL parlant.append_events(session.id, (
        SELECT jsonb_agg(jsonb_build_object('event_type', 'customer_message', 'content',
                                            jsonb_build_object('message', 'A table for four at eight?', 'n', n)))
        FROM generate_series(1, 100) AS n))
WHERE right(session.id::text, 8)::integer <= 100;
VACUUM ANALYZE;
