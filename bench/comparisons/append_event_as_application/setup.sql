\ir ../../setup/sessions.sql
\ir ../../conventional/sessions.sql
VACUUM ANALYZE;
