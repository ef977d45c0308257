# the same functions and tables by a plain script
sql -f "$SCRATCH/plain.sql"
