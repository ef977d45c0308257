\ir ../../setup/sessions.sql
VACUUM ANALYZE;
