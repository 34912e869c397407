# vibe_orchestrator: `make help` lists the targets. What takes more than a line is in scripts/.

EXTENSION  = vibe_orchestrator
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)

MODULE_big  = $(EXTENSION)
OBJS        = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
# the full script of this version is built; those of released ones are frozen in sql/, beside the steps between them
DATA_built  = build/$(EXTENSION)--$(EXTVERSION).sql
DATA        = $(filter-out sql/$(notdir $(DATA_built)),$(wildcard sql/$(EXTENSION)--*.sql))
SCRIPTS     = src/notify/vibe_notify
SHIM        = src/shim/vibe_shim
SHIM_OBJS   = $(patsubst %.c,%.o,$(sort $(wildcard src/shim/*.c)))
EXTRA_CLEAN = $(SHIM) $(SHIM_OBJS) build/ log/ dist/ bench-out/

# := because pgxs asks whether these are set, not whether they are empty
REGRESS        := $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
ISOLATION      := $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
REGRESS_OPTS   = --inputdir=test
# pgxs sends isolation output to output_iso; expected/ is shared with pg_regress
ISOLATION_OPTS = --inputdir=test --outputdir=.
TAP_TESTS      = 1
PROVE_TESTS    = $(sort $(wildcard test/t/*.pl))
CHAOS_TESTS    = $(sort $(wildcard test/chaos/*.pl))

# no bitcode: the worker's hot path is in SPI, not in our C
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
# without a server's headers only the targets that need none of them are left (help, test, demo)
ifneq ($(PGXS),)
include $(PGXS)
else
all install installcheck clean:
	$(error $(PG_CONFIG) knows no server headers; scripts/install-deps installs them on Debian)
endif

override CFLAGS += -Wall -Wextra -Wmissing-prototypes -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers
override CPPFLAGS += -DVIBE_VERSION='"$(EXTVERSION)"' -DVIBE_SHIM_PATH='"$(bindir)/vibe_shim"'

# pgxs tracks no headers (its Debian build has no --enable-depend)
$(OBJS): $(wildcard src/*.h)
$(SHIM_OBJS): $(wildcard src/shim/*.h)

$(DATA_built): $(sort $(wildcard sql/schema/*.sql))
	mkdir -p $(@D)
	cat $^ > $@

all: $(SHIM)

# the shim shares nothing with the server: plain C and a JSON library
SHIM_CFLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Wmissing-prototypes -D_GNU_SOURCE \
	-DVIBE_VERSION='"$(EXTVERSION)"' $(if $(WERROR),-Werror)

src/shim/%.o: src/shim/%.c
	$(CC) $(SHIM_CFLAGS) -c -o $@ $<

$(SHIM): $(SHIM_OBJS)
	$(CC) $(SHIM_CFLAGS) -o $@ $^ -ljansson

install: install-shim install-skills
uninstall: uninstall-shim uninstall-skills

install-shim: $(SHIM)
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $(SHIM) '$(DESTDIR)$(bindir)/vibe_shim'

uninstall-shim:
	rm -f '$(DESTDIR)$(bindir)/vibe_shim'

# vibe._share_directory() leads agents there
SKILL_DIR = $(DESTDIR)$(datadir)/vibe_orchestrator/skills

install-skills:
	for skill in skills/*; do \
		$(MKDIR_P) "$(SKILL_DIR)/$${skill##*/}/scripts" && \
		$(INSTALL_DATA) $$skill/*.md "$(SKILL_DIR)/$${skill##*/}/" && \
		$(INSTALL_SCRIPT) $$skill/scripts/* "$(SKILL_DIR)/$${skill##*/}/scripts/" || exit; \
	done

uninstall-skills:
	rm -rf '$(DESTDIR)$(datadir)/vibe_orchestrator'

.PHONY: all install install-shim install-skills uninstall uninstall-shim uninstall-skills help test test-clients \
	test-runner test-plans pgtap fuzz chaos lint format format-check bench bench-quick demo demo-shell setup-server \
	install-agent-user reference ack checkver freeze sql-only dist
.DEFAULT_GOAL := all

all: ## build the library, the SQL script and the supervisor program
install: ## install into the PostgreSQL that PG_CONFIG names (root)
uninstall: ## remove what install has put there
installcheck: ## pg_regress, isolation and TAP tests against what is installed and running
clean: ## remove what a build or a test run has made

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | sort | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

test: ## every test in a throw-away cluster (SUITES="regress pgtap" picks)
	@test/run $(SUITES)

test-clients: ## node-postgres and psycopg as callers, directly and through PgBouncer
	@scripts/install-deps clients && scripts/scratch-cluster test/clients/run

test-plans: ## what calls cost beside a million rows (PLANS_LARGE=1000, in thousands)
	@scripts/install-deps test && scripts/scratch-cluster test/plans/run

pgtap: ## only the pgTAP tests (PGTAP_TESTS="test/pgtap/x/y.sql" picks)
	@test/run pgtap

fuzz: ## feed the supervisor's parsers garbage for FUZZ_SECONDS=20
	@scripts/fuzz

ack: ## accept the new expected output of regress and isolation tests, once read
	@scripts/accept-expected

lint: ## cppcheck, clang-tidy, shellcheck, perl -c and codespell, where they are installed
	@scripts/lint

format: ## lay out the C files as PostgreSQL does
	@scripts/format write

format-check: ## fail if `make format` would change a file
	@scripts/format check

bench: ## measure speed against baselines (BENCHES="06_handover" picks), table and JSON in bench-out/
	@scripts/bench $(BENCHES)

bench-quick: ## the same in two minutes, at small sizes
	@QUICK=1 scripts/bench $(BENCHES)

demo: ## watch a campaign go from keywords to finished articles (RUNNER="/your/cmd --flag")
	@scripts/demo run

demo-shell: ## psql in the demo's cluster, afterwards
	@scripts/demo shell

setup-server: ## write the settings and the runner file of a real server (root)
	@scripts/setup-server

install-agent-user: ## make the user that agents run as, and its sudo rule (root)
	@scripts/install-agent-user

test-runner: ## check a runner of your own: RUNNER=name (RUNNER_FILE=...)
	@scripts/test-runner $(RUNNER)

chaos: ## the long tests by violence; sizes in test/chaos/*.pl (CHAOS_TESTS picks)
	@PROVE_TESTS="$(CHAOS_TESTS)" test/run tap

reference: ## print README's SQL reference from the comments on the objects
	@scripts/reference

checkver: ## control file, changelog, frozen scripts and upgrade steps agree
	@scripts/check-version

freeze: ## keep the full script of the version that is released now
	@scripts/freeze-version

sql-only: ## write the schema as a plain script for databases that load no library, into dist/
	mkdir -p dist
	scripts/make-sql-only >dist/$(EXTENSION)-$(EXTVERSION)-sql-only.sql

dist: checkver ## a source archive in dist/
	@scripts/make-dist $(EXTVERSION)
