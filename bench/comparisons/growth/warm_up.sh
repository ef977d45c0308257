# One more event for each session: after a checkpoint the first change of a page writes it to the log as a whole.
for database in bench_10k bench_1m ${FULL:+bench_10m}; do
    sql -d "$database" -o /dev/null <<-SQL
	SELECT FROM parlant.parlant_session AS session,
	    LATERAL parlant.append_event(session.id, 'customer_message', '{"message": "A table for four at eight?"}');
SQL
done
