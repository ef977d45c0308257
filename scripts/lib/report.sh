# What the commands say while they work, and how they fail.

# A header with the seconds since the command began.
step() {
    printf '\n== [%4d s] %s\n' "$SECONDS" "$*"
}

say() {
    printf '   %s\n' "$*"
}

# die WHAT_FAILED WHAT_TO_DO
die() {
    printf '\nerror: %s\n       %s\n' "$1" "$2" >&2
    exit 1
}

# quietly NAME COMMAND…: the output goes to a log; its end is shown when the command fails.
quietly() {
    local log=$PARLANT_HOME/log/$1.log
    shift
    mkdir -p "$PARLANT_HOME/log"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        say "(all of it: $log)" >&2
        return 1
    fi
}
