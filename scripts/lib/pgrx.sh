# The extension: built with a private cargo-pgrx of the version that Cargo.toml names, installed into a server's tree.

provide_cargo_pgrx() {
    local version
    version=$(sed -n 's/^pgrx = "=\(.*\)"/\1/p' Cargo.toml)
    PATH=$PARLANT_HOME/tools/bin:$PATH
    [ "$("$PARLANT_HOME/tools/bin/cargo-pgrx" pgrx --version 2>/dev/null)" != "cargo-pgrx $version" ] || return 0
    step "Building cargo-pgrx $version (a minute or two, once)"
    CARGO_TARGET_DIR=$PARLANT_HOME/tools/build CARGO_PROFILE_DEV_DEBUG=0 quietly cargo-pgrx \
        cargo install cargo-pgrx --version "=$version" --locked --debug --no-default-features --force --root "$PARLANT_HOME/tools" ||
        die "cargo-pgrx $version could not be built." "Look at the lines above; is there a network?"
    rm -rf "$PARLANT_HOME/tools/build"
}

# A PGRX_HOME a version: pgrx builds everything anew when its configuration changes.
use_postgres() {
    local config
    export PGRX_HOME=$PARLANT_HOME/pgrx/$1
    config="configs.pg$1 = '$(pg_config_of "$1")'"
    mkdir -p "$PGRX_HOME"
    [ "$(cat "$PGRX_HOME/config.toml" 2>/dev/null)" = "$config" ] || echo "$config" >"$PGRX_HOME/config.toml"
}

# install_extension VERSION [--release]
install_extension() {
    local pg_config folder
    pg_config=$(pg_config_of "$1")
    for folder in "$("$pg_config" --pkglibdir)" "$("$pg_config" --sharedir)/extension"; do
        [ -w "$folder" ] || die "No permission to install the extension into $folder." "Allow it, or unset PARLANT_PG_CONFIG_$1 to have a private server fetched."
    done
    use_postgres "$1"
    cargo pgrx install "${@:2}" --pg-config "$pg_config"
}
