-- session_context_json
\set n random(1, 100)
SELECT one_call_of_json(('00000000-0000-4000-8000-0001' || lpad((:n::integer * 10)::text, 8, '0'))::uuid);
