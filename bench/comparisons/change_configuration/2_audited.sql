-- parlant_guideline
\set n random(1, 10000)
\set priority random(1, 1000)
UPDATE parlant.parlant_guideline SET priority = :priority
WHERE id = ('00000000-0000-4000-8000-' || lpad(:n::text, 12, '0'))::uuid;
