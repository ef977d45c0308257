-- the copy, and the bare rows of a trail, which are there already
BEGIN;
UPDATE unaudited_guideline SET priority = priority % 1000 + 1;
INSERT INTO bare_log
SELECT parlant.uuidv7(), workspace_id, now(), transaction_id, user_id, customer_id, database_role, table_name, row_id,
       action, old_values, new_values
FROM entry;
COMMIT;
