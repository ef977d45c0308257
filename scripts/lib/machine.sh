# The machine: where our files live, which user runs servers, what has to be installed.

PROJECT=$(pwd -P)
umask 022
export LC_ALL=C.UTF-8 USER="${USER:-$(id -un)}"
# A caller's PGHOST or PGOPTIONS must not reach our servers, nor may Rust's backtraces: clients would see them.
unset "${!PG@}" RUST_BACKTRACE RUST_LIB_BACKTRACE

is_root() {
    [ "$(id -u)" = 0 ]
}

project_hash() {
    printf %s "$PROJECT" | sha256sum | cut -c1-8
}

# PostgreSQL refuses to run as root.
choose_server_user() {
    if ! is_root; then
        SERVER_USER=$(id -un)
    elif id -u postgres >/dev/null 2>&1; then
        SERVER_USER=postgres
    else
        SERVER_USER=nobody
    fi
}

# From `/`, because the caller's folder may be closed to that user.
as_server_user() {
    if is_root; then
        (cd / && runuser -u "$SERVER_USER" -- "$@")
    else
        (cd / && "$@")
    fi
}

choose_home() {
    if [ -z "${PARLANT_HOME:-}" ]; then
        PARLANT_HOME=$PROJECT/.local
        if ! as_server_user test -x "$PROJECT"; then
            PARLANT_HOME=/var/tmp/parlant-$(project_hash)
            say "User $SERVER_USER cannot enter $PROJECT, so servers and their files go to $PARLANT_HOME."
        fi
    fi
    mkdir -p "$PARLANT_HOME" || die "Cannot create $PARLANT_HOME." "Name a folder you can write to in PARLANT_HOME."
    PARLANT_HOME=$(cd "$PARLANT_HOME" && pwd -P)
    local folder
    for folder in "$PARLANT_HOME" "${CARGO_TARGET_DIR:-target}"; do
        [ ! -e "$folder" ] || [ -O "$folder" ] ||
            die "$folder belongs to user $(stat -c %U "$folder")." "Run this as that user, or remove it, or set PARLANT_HOME and CARGO_TARGET_DIR."
    done
}

require_rust() {
    local wanted found
    PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    command -v cargo >/dev/null || die "There is no cargo here." "Install Rust $wanted or newer (rustup does it), then run this again."
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
        die "Rust $found is too old: $wanted is needed." "Run: rustup update stable"
}

BUILD_PACKAGES=(ca-certificates gcc libc6-dev pkg-config libclang-dev)
python3 -m pip --version >/dev/null 2>&1 || BUILD_PACKAGES+=(python3-pip)
TEST_PACKAGES=(patchelf pgbouncer tzdata)
# `cargo pgrx test` becomes another user through sudo.
! is_root || TEST_PACKAGES+=(sudo)

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# require_packages NAME…: installs those that are missing; when none is, apt is not touched.
require_packages() {
    local package missing=() apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
    if ! command -v apt-get >/dev/null; then
        say "No apt-get here, so a C compiler, pkg-config and libclang are taken to be installed."
        return
    fi
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    local by_hand="apt-get install --no-install-recommends ${missing[*]}"
    step "Installing ${missing[*]}"
    if ! is_root; then
        command -v sudo >/dev/null || die "Packages are missing, and there is no sudo to install them." "Have root run: $by_hand"
        apt=(sudo "${apt[@]}")
        sudo -v || die "Packages are missing, and sudo did not let us install them." "Have root run: $by_hand"
    fi
    quietly apt-update "${apt[@]}" update ||
        die "apt-get update failed." "Look at the lines above; is there a network?"
    quietly apt-install "${apt[@]}" install -y --no-install-recommends "${missing[@]}" ||
        die "Packages could not be installed." "Look at the lines above, or run by hand: $by_hand"
}

choose_server_user
choose_home
