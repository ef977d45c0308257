# CREATE EXTENSION parlant
sql -c "CREATE EXTENSION parlant"
