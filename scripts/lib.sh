# Helpers of the scripts beside this file; read with `. scripts/lib.sh` from the top of the tree.
# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# Runs a command as root; a person who is not root needs sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root is needed for: $* (no sudo found)"
    fi
}

# The user who owns the throw-away cluster: initdb refuses root.
server_user() {
    if [ "$(id -u)" = 0 ]; then echo postgres; else id -un; fi
}

# Runs a command as that user, in a directory that everybody may read.
as_server_user() (
    cd / || exit
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
)

# The major version to work with: PGVERSION, else the newest one whose server headers are
# installed, else what this distribution's "postgresql" package stands for.
pg_version() {
    if [ -n "${PGVERSION:-}" ]; then
        echo "$PGVERSION"
        return
    fi
    for dir in $(printf "%s\n" /usr/include/postgresql/*/server | sort -rV); do
        [ -d "$dir" ] || continue
        dir=${dir%/server}
        echo "${dir##*/}"
        return
    done
    apt-cache show postgresql 2>/dev/null |
        sed -n 's/^Depends:.* postgresql-\([0-9][0-9]*\).*/\1/p' | head -n 1
}

# The pg_config of that version.
pg_config_path() {
    echo "${PG_CONFIG:-/usr/lib/postgresql/$(pg_version)/bin/pg_config}"
}

# The version that the control file names.
control_version() {
    sed -n "s/^default_version *= *'\(.*\)'/\1/p" vibe_orchestrator.control
}

# The full script of the tree as it is, as `make` builds it.
full_script() {
    LC_ALL=C sh -c 'cat sql/schema/*.sql'
}

# Copies the tree to a directory, without what a build or a test run left in it.
copy_tree() {
    mkdir -p "$1"
    tar -cf - --exclude=./.git --exclude=./demo-out --exclude=./build --exclude=./dist --exclude=./bench-out --exclude=./tmp_check \
        --exclude=./results \
        --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude=./src/shim/vibe_shim . |
        tar -C "$1" -xf -
}

# Ends what agents left running: processes whose environment names a run below a directory.
# A supervisor outlives its server on purpose (vibe_orchestrator.orphan_grace); here nobody waits.
end_agents_below() {
    for process in /proc/[0-9]*; do
        if grep -qszE "^VIBE_(RUN_DIR|WORKSPACE)=$1/" "$process/environ"; then
            kill -KILL "${process#/proc/}" 2>/dev/null || true
        fi
    done
}

# Puts standard input into a file, unless somebody has edited that file.
# usage: write_file MODE OWNER FILE
write_file() {
    mkdir -p "$(dirname "$3")"
    new=$(mktemp "$3.XXXXXX")
    cat >"$new"
    chown "$2" "$new"
    chmod "$1" "$new"
    if [ ! -e "$3" ]; then
        mv "$new" "$3"
        say "wrote $3"
    elif cmp -s "$new" "$3"; then
        rm "$new"
        say "$3 is up to date"
    else
        mv "$new" "$3.new"
        say "left $3 alone, since it differs; compare it with $3.new"
    fi
}

# A name that can stand in a sudo rule and in a command.
# usage: check_user_name VARIABLE NAME
check_user_name() {
    case $2 in "" | [!a-z_]* | *[!a-z0-9_-]*) die "$1: \"$2\" is not a plain user name" ;; esac
}
