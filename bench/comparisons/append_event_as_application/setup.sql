\ir ../../setup/sessions.sql
\ir ../../conventional/sessions.sql
CREATE TABLE bare_event (LIKE parlant.parlant_event INCLUDING DEFAULTS, PRIMARY KEY (id));
GRANT SELECT, INSERT ON bare_event TO application;
VACUUM ANALYZE;
