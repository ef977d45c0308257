# Databases bench_10k, bench_1m and bench_10m, loaded without triggers, with the rows that these would make.
load() {
    sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $1" -c "CREATE DATABASE $1"
    sql -d "$1" -o /dev/null <<-SQL
	CREATE EXTENSION parlant;
	INSERT INTO parlant.parlant_agent (id, workspace_id, name)
	SELECT format('00000000-0000-4000-8000-0000%s', lpad(n::text, 8, '0'))::uuid, 'acme', 'Agent ' || n FROM generate_series(0, 99) AS n;
	SET session_replication_role = replica;
	INSERT INTO parlant.parlant_session (id, workspace_id, agent_id, event_count, message_count)
	SELECT format('00000000-0000-4000-8000-0001%s', lpad(n::text, 8, '0'))::uuid, 'acme',
	       format('00000000-0000-4000-8000-0000%s', lpad((n % 100)::text, 8, '0'))::uuid, 100, 100
	FROM generate_series(1, $2) AS n;
	-- The sessions take turns, as conversations at the same time do.
	INSERT INTO parlant.parlant_event (workspace_id, session_id, "offset", event_type, content)
	SELECT 'acme', session.id, n, 'customer_message', '{"message": "A table for four at eight?"}'
	FROM generate_series(0, 99) AS n, parlant.parlant_session AS session;
	VACUUM ANALYZE;
SQL
}
load bench_10k 100
load bench_1m 10000
[ -z "${FULL:-}" ] || load bench_10m 100000
