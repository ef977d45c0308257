\ir ../../setup/behaviour.sql
\ir ../../conventional/behaviour.sql
VACUUM ANALYZE;
