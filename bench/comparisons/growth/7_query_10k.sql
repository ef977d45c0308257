-- a query for the same rows among 10 thousand
-- connect: dbname=bench_10k
\set n random(1, 100)
SELECT "offset", id, event_type, content, metadata, tool_call_id, journey_id, state_id, created_at FROM parlant.parlant_event WHERE workspace_id = 'acme' AND session_id = ('00000000-0000-4000-8000-0001' || lpad(:n::text, 8, '0'))::uuid ORDER BY workspace_id DESC, session_id DESC, "offset" DESC LIMIT 100;
