-- a copy with only a primary key
\set n random(1, 10000)
UPDATE bare_session SET tokens_used = tokens_used + 7, cost = cost + 1
WHERE id = ('00000000-0000-4000-8000-' || lpad(:n::text, 12, '0'))::uuid;
