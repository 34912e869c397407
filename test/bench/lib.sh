# What the benches share; read with `. test/bench/lib.sh` from the top of the tree, in a scratch cluster.
# shellcheck shell=sh
#
# A bench is a script with two arguments' worth of behaviour: "setup" fills the fresh database $PGDATABASE once,
# "round" measures once and prints one line per figure. What a round leaves behind, the next one must not feel.

. scripts/lib.sh

query() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

# figure NAME UNIT BASELINE CANDIDATE TARGET: one measured pair, for the driver. BASELINE "-": there is none.
# TARGET is ">= 0.5" or "<= 2.5" for candidate / baseline; without a baseline, for the candidate itself.
figure() { printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5"; }

# The extension, a project, agents agent-1 … agent-$1 that are worked through the pull API, and the bench's own
# functions.
install_vibe() {
    query -v agents="$1" -f test/bench/setup.sql >/dev/null
}

# Transactions per second of a pgbench script: rate CLIENTS TRANSACTIONS-PER-CLIENT 'script' [pgbench option ...]
rate() {
    clients=$1
    each=$2
    printf '%s\n' "$3" >"$SCRATCH/script.sql"
    shift 3
    pgbench -n -M prepared -c "$clients" -j 2 -t "$each" -f "$SCRATCH/script.sql" "$@" >"$SCRATCH/pgbench.out" 2>"$SCRATCH/pgbench.err" ||
        { cat "$SCRATCH/pgbench.err" >&2; return 1; }
    sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$SCRATCH/pgbench.out"
}

# Milliseconds that a statement takes in the server, the median of $1 times.
milliseconds() {
    query -v times="$1" -v statement="$2" <<'SQL'
SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY bench.time_of(:'statement'))::numeric, 3) FROM generate_series(1, :times);
SQL
}

# The dispatcher of this database, which is to run with $1 slots and the runner file that stands on standard input.
start_dispatcher() {
    cat >"$SCRATCH/runners.conf"
    query -c "ALTER SYSTEM SET vibe_orchestrator.max_runs = $1" -c "ALTER SYSTEM SET vibe_orchestrator.databases = '$PGDATABASE'" \
        -c "SELECT pg_reload_conf()" >/dev/null
    wait_for "a dispatcher" dispatcher_pid
}

dispatcher_pid() {
    query -c "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'vibe dispatcher%' AND datname = current_database()" | grep .
}

# wait_for WHAT COMMAND ...: until the command succeeds, whose output it prints.
wait_for() {
    what=$1
    shift
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ $tries -gt 3000 ]; then
            tail -n 30 "$SCRATCH/server.log" >&2
            die "$what does not come"
        fi
        sleep 0.05
    done
}

# The p-th percentile of the numbers on standard input: percentile 99
percentile() { sort -n | awk -v p="$1" '{ v[NR] = $1 } END { i = int(NR * p / 100 + 0.5); print v[i < 1 ? 1 : i] }'; }

# Resident memory of a process that is its own, in KB.
own_memory() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status"; }
