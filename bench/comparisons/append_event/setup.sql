\ir ../../setup/sessions.sql
CREATE TABLE bare_event (LIKE parlant.parlant_event INCLUDING DEFAULTS, PRIMARY KEY (id));
VACUUM ANALYZE;
