-- append_events, one call for 100 events
-- counts: 100 events
\set w random(1, 10)
\set n random(1, 1000)
SELECT * FROM parlant.append_events(('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid,
                                    (SELECT events::jsonb FROM batch));
