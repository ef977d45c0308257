# The server that `scripts/start` shows the extension on: data in $PARLANT_HOME/server, reached by its Unix socket only.

SERVER_VERSION=16
SERVER_HOME=$PARLANT_HOME/server
SERVER_DATA=$SERVER_HOME/data
SERVER_LOG=$SERVER_HOME/server.log

server_ctl() {
    as_server_user "$(bin_of $SERVER_VERSION)/pg_ctl" -D "$SERVER_DATA" "$@"
}

server_runs() {
    [ -d "$SERVER_DATA" ] && server_ctl status >/dev/null
}

# Only the user who runs the server (and root) can enter the socket's folder, hence no passwords.
make_private_folder() {
    is_root && set -- "$1" -o "$SERVER_USER"
    [ -d "$1" ] || install -d -m 700 "${@:2}" "$1"
    [ "$(stat -c %U "$1")" = "$SERVER_USER" ] ||
        die "$1 belongs to user $(stat -c %U "$1"), but servers run as $SERVER_USER." "Remove it, or set PARLANT_HOME to another folder."
}

init_server() {
    [ ! -s "$SERVER_DATA/PG_VERSION" ] || return 0
    step "Creating a database cluster in $SERVER_DATA"
    rm -rf "$SERVER_DATA.part"
    quietly initdb as_server_user "$(bin_of $SERVER_VERSION)/initdb" -D "$SERVER_DATA.part" -U postgres -A trust -E UTF8 --locale=C.UTF-8 ||
        die "The database cluster could not be created." "Look at the lines above."
    mv "$SERVER_DATA.part" "$SERVER_DATA"
}

start_server() {
    make_private_folder "$SERVER_HOME"
    init_server
    if ! server_runs; then
        local socket=$SERVER_HOME name=/.s.PGSQL.5432
        if [ $((${#socket} + ${#name})) -gt 107 ]; then
            socket=${TMPDIR:-/tmp}/parlant-$(project_hash)
            make_private_folder "$socket"
        fi
        step "Starting PostgreSQL"
        quietly pg_ctl server_ctl start -l "$SERVER_LOG" -o "-h '' -k '$socket' -p 5432" ||
            die "PostgreSQL did not start." "Its log says why: $SERVER_LOG"
    fi
    sql postgres -c 'SELECT' >/dev/null ||
        die "The server in $SERVER_DATA does not answer." "Its log is $SERVER_LOG; scripts/stop stops it."
}

# The command that connects to DATABASE: its words, one a line.
connect_command() {
    printf '%s\n' "$(bin_of $SERVER_VERSION)/psql" -h "$(sed -n 5p "$SERVER_DATA/postmaster.pid")" -U postgres "$1"
}

# sql DATABASE PSQL_ARGUMENT…
sql() {
    local psql
    mapfile -t psql < <(connect_command "$1")
    "${psql[@]}" -X -q -P pager=off -v ON_ERROR_STOP=1 "${@:2}"
}
