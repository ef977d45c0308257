-- append_event among 10 thousand
-- connect: dbname=bench_10k
\set n random(1, 100)
SELECT * FROM parlant.append_event(('00000000-0000-4000-8000-0001' || lpad(:n::text, 8, '0'))::uuid, 'customer_message', '{"message": "A table for four at eight?"}');
