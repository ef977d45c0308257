-- read_events among 1 million
-- connect: dbname=bench_1m
\set n random(1, 10000)
SELECT * FROM parlant.read_events(('00000000-0000-4000-8000-0001' || lpad(:n::text, 8, '0'))::uuid, -100);
