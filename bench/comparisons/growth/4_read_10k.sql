-- read_events among 10 thousand
-- connect: dbname=bench_10k
\set n random(1, 100)
SELECT * FROM parlant.read_events(('00000000-0000-4000-8000-0001' || lpad(:n::text, 8, '0'))::uuid, -100);
