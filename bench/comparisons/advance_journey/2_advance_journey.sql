-- advance_journey
\set n random(1, 100)
SELECT * FROM parlant.advance_journey(('00000000-0000-4000-8000-0001' || lpad((:n::integer * 10)::text, 8, '0'))::uuid);
