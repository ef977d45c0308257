-- evaluate_condition
-- counts: 1000 calls
SELECT count(*) FILTER (WHERE parlant.evaluate_condition(form, document)) FROM form, document;
