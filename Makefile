# vibe_orchestrator: `make help` lists the targets. What takes more than a line is in scripts/.

EXTENSION  = vibe_orchestrator
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)

MODULE_big  = $(EXTENSION)
OBJS        = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
DATA        = $(wildcard sql/$(EXTENSION)--*--*.sql)
SCRIPTS     = src/notify/vibe_notify
DATA_built  = sql/$(EXTENSION)--$(EXTVERSION).sql
SHIM        = src/shim/vibe_shim
SHIM_OBJS   = $(patsubst %.c,%.o,$(sort $(wildcard src/shim/*.c)))
EXTRA_CLEAN = $(SHIM) $(SHIM_OBJS) log/ dist/

# := because pgxs asks whether these are set, not whether they are empty
REGRESS        := $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
ISOLATION      := $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
REGRESS_OPTS   = --inputdir=test
# pgxs sends isolation output to output_iso; expected/ is shared with pg_regress
ISOLATION_OPTS = --inputdir=test --outputdir=.
TAP_TESTS      = 1
PROVE_TESTS    = $(sort $(wildcard test/t/*.pl))

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
	cat $^ > $@

all: $(SHIM)

# the shim shares nothing with the server: plain C and a JSON library
SHIM_CFLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Wmissing-prototypes -D_GNU_SOURCE \
	-DVIBE_VERSION='"$(EXTVERSION)"' $(if $(WERROR),-Werror)

src/shim/%.o: src/shim/%.c
	$(CC) $(SHIM_CFLAGS) -c -o $@ $<

$(SHIM): $(SHIM_OBJS)
	$(CC) $(SHIM_CFLAGS) -o $@ $^ -ljansson

install: install-shim
uninstall: uninstall-shim

install-shim: $(SHIM)
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $(SHIM) '$(DESTDIR)$(bindir)/vibe_shim'

uninstall-shim:
	rm -f '$(DESTDIR)$(bindir)/vibe_shim'

.PHONY: all install install-shim uninstall uninstall-shim help test pgtap lint format format-check \
	bench-handover demo demo-shell setup-server reference ack checkver dist
.DEFAULT_GOAL := all

all: ## build the library, the SQL script and the supervisor program
install: ## install into the PostgreSQL that PG_CONFIG names (root)
uninstall: ## remove what install has put there
installcheck: ## pg_regress, isolation and TAP tests against what is installed and running
clean: ## remove what a build or a test run has made

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | sort | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

test: ## every test in a throw-away cluster (SUITES="regress pgtap" picks)
	@test/run $(SUITES)

pgtap: ## only the pgTAP tests (PGTAP_TESTS="test/pgtap/x/y.sql" picks)
	@test/run pgtap

ack: ## accept the new expected output of regress and isolation tests, once read
	@scripts/accept-expected

lint: ## cppcheck, clang-tidy, shellcheck, perl -c and codespell, where they are installed
	@scripts/lint

format: ## lay out the C files as PostgreSQL does
	@scripts/format write

format-check: ## fail if `make format` would change a file
	@scripts/format check

bench-handover: ## milliseconds from the end of one step's agent to the start of the next one's
	@scripts/install-deps test && scripts/scratch-cluster test/bench/handover

demo: ## watch a campaign go from keywords to finished articles (RUNNER="/your/cmd --flag")
	@scripts/demo run

demo-shell: ## psql in the demo's cluster, afterwards
	@scripts/demo shell

setup-server: ## write the settings and the runner file of a real server (root)
	@scripts/setup-server

reference: ## print README's SQL reference from the comments on the objects
	@scripts/reference

checkver: ## control file, changelog and upgrade scripts name the same version
	@scripts/check-version

dist: checkver ## a source archive in dist/
	@scripts/make-dist $(EXTVERSION)
