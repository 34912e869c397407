# A shim that watches its own memory: make -f src/shim/sanitize.mk, then run the
# process tests with VIBE_SHIM=src/shim/vibe_shim_asan.

SHIM_ASAN ?= src/shim/vibe_shim_asan

$(SHIM_ASAN): $(wildcard src/shim/*.c src/shim/*.h src/shim/sanitize/*.c)
	$(CC) -std=gnu11 -O1 -g -Wall -Wextra -D_GNU_SOURCE -DVIBE_VERSION='"asan"' \
	  -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	  -o $@ $(filter %.c,$^) -ljansson
