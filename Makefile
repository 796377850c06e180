# SPDX-License-Identifier: GPL-2.0-or-later
#
# make                 builds build/poolfs and build/poolctl
# make demo            installs what is missing, mounts, sends, reclaims
# make check           runs every test; the last line counts them
# make quick           those that take a minute: before each change
# make soak            the same with much longer loops
# make fuzz            runs the libFuzzer programs; FUZZ_SECONDS=N for so long
# make bench           measures, and prints ratios
# make plots           measures, and draws docs/plots/ (needs gnuplot)
# make check-format    clang-format has nothing to change
# make install         programs, header, script, manual; DESTDIR, PREFIX
# make uninstall       removes them
# make unit tools      builds what the tests run
# make clean           removes build/
#
# V=1                  shows the commands
# WERROR=1             a warning is an error, as in make check
# SANITIZE=address,undefined | thread
#                      builds into a directory of its own
# DEBUG=1              some invariants are checked after each operation
# CC=clang             any C11 compiler that knows the GNU dialect

VERSION := 0.1.0
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
INCLUDEDIR ?= $(PREFIX)/include
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif

# The version that .clang-format was written for.
FORMAT_VERSION := 14
CLANG_FORMAT = $(shell command -v clang-format-$(FORMAT_VERSION) || echo clang-format)
FORMATTED = $(wildcard */*.[ch] */*/*.[ch] */*/*/*.[ch])

comma   := ,
BUILD   := build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))$(if $(DEBUG),/debug)
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

PKGS    := fuse3 jansson liburcu-bp libseccomp
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS   = $(shell pkg-config --libs $(PKGS))

WARN := -Wall -Wextra $(if $(WERROR),-Werror) -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wshadow -Wpointer-arith -Wwrite-strings \
	-Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough \
	-Wno-unused-parameter -Wno-sign-compare

CFLAGS  ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(WARN) -pthread -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-DPOOLFS_VERSION='"$(VERSION)"' -DFUSE_USE_VERSION=314 -I. \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer) \
	$(if $(DEBUG),-DPOOL_DEBUG) $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)

SHRINKER_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard shrinker/*.c))
POOL_OBJ     := $(patsubst %.c,$(BUILD)/%.o,$(wildcard pool/*.c pool/*/*.c))
# poolctl is a program of its own.
FS_OBJ       := $(patsubst %.c,$(BUILD)/%.o,\
		$(filter-out fs/poolctl.c fs/doctor.c,$(wildcard fs/*.c fs/*/*.c)))
UNIT         := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
# What unit programs share: all else in their directory.
UNIT_OBJ     := $(filter-out $(BUILD)/tests/unit/test_%,\
		$(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/unit/*.c)))
# Tool NAME is made of NAME.c, of NAME_parts/*.c if there are any, and of lib/*.c.
TOOLS        := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/tools/*.c))
TOOL_PARTS    = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/tools/$(1)/*.c))
LIBTOOLS     := $(BUILD)/tests/tools/libtools.a
# What tests put between a program and its libc.
PRELOAD      := $(patsubst tests/preload/%.c,$(BUILD)/tests/tools/%.so,\
		$(wildcard tests/preload/*.c))
# Each libFuzzer program is made of fuzz_NAME.c and all else in the directory;
# poolctl's other part is for fuzz_poolctl.
FUZZ         := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_OBJ     := $(BUILD)/fs/doctor.o $(filter-out $(BUILD)/tests/fuzz/fuzz_%,\
		$(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/fuzz/*.c)))
BENCH        := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
LIBBENCH     := $(BUILD)/tests/bench/libbench.a
LIBS         := $(BUILD)/libpool.a $(BUILD)/libshrinker.a
# For the unit and bench programs; the last one for units called test_fs_*.
LIBUNIT      := $(BUILD)/tests/unit/libunit.a
LIBFS        := $(BUILD)/libfs.a

.PHONY: all unit fuzz fuzz-build fuzzers tools check quick check-format bench plots soak demo install \
	uninstall clean
.SECONDARY:

all: $(BUILD)/poolfs $(BUILD)/poolctl

unit: $(UNIT)
fuzzers: $(FUZZ)
tools: $(TOOLS) $(PRELOAD)

$(BUILD)/poolfs: $(FS_OBJ) $(LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(FS_OBJ) $(LIBS) $(PKG_LIBS)

$(BUILD)/poolctl: $(BUILD)/fs/poolctl.o $(BUILD)/fs/doctor.o \
		$(BUILD)/fs/kernel/dead.o $(BUILD)/fs/kernel/mountinfo.o \
		$(BUILD)/libpool.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(BUILD)/libshrinker.a: $(SHRINKER_OBJ)
$(BUILD)/libpool.a: $(POOL_OBJ)
$(LIBFS): $(filter-out %/main.o,$(FS_OBJ))
$(LIBUNIT): $(UNIT_OBJ)
$(LIBTOOLS): $(call TOOL_PARTS,lib)
$(LIBBENCH): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/lib/*.c))
$(LIBS) $(LIBFS) $(LIBUNIT) $(LIBTOOLS) $(LIBBENCH):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIBUNIT) $(LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIBUNIT) $(LIBS) $(PKG_LIBS)

$(BUILD)/tests/unit/test_fs_%: $(BUILD)/tests/unit/test_fs_%.o $(LIBUNIT) \
		$(LIBFS) $(LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIBUNIT) $(LIBFS) $(LIBS) $(PKG_LIBS)

.SECONDEXPANSION:
$(BUILD)/tests/tools/%: $(BUILD)/tests/tools/%.o $$(call TOOL_PARTS,$$*_parts) \
		$(LIBTOOLS)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

$(BUILD)/tests/tools/json_field: ALL_LDFLAGS += $(shell pkg-config --libs jansson)
$(BUILD)/tests/tools/hang: ALL_LDFLAGS += $(shell pkg-config --libs fuse3)

$(BUILD)/tests/tools/%.so: tests/preload/%.c Makefile
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE $(CFLAGS) -fPIC -shared -o $@ $<

$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(FUZZ_OBJ) $(LIBUNIT) \
		$(LIBFS) $(LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer $(FUZZ_WRAP) -o $@ $^ $(PKG_LIBS)

# What the worker sends to the kernel comes back to the fuzzer.
$(BUILD)/tests/fuzz/fuzz_requests: FUZZ_WRAP = \
	-Wl,--wrap=write,--wrap=writev,--wrap=ioctl

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(LIBBENCH) $(LIBUNIT) $(LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

check:
	$(Q)tests/run

quick:
	$(Q)QUICK=1 tests/run

# Other versions of the formatter make other lines of the same style.
check-format:
	$(Q)if $(CLANG_FORMAT) --version | grep -q 'version $(FORMAT_VERSION)\.'; \
	then \
		$(CLANG_FORMAT) --dry-run --Werror $(FORMATTED); \
	else \
		echo "not applicable: the style is that of clang-format" \
			"$(FORMAT_VERSION), here is: $$($(CLANG_FORMAT) --version)"; \
	fi

bench: all tools $(BENCH)
	$(Q)BUILD=$(BUILD) tests/bench/run

plots: all tools $(BENCH)
	$(Q)BUILD=$(BUILD) scripts/plots

# libFuzzer is clang's.
fuzz-build:
	$(Q)$(MAKE) BUILD=$(BUILD)/fuzz CC=clang \
		SANITIZE=fuzzer-no-link$(comma)address$(comma)undefined \
		CFLAGS='-O1 -g -fno-sanitize-recover=undefined' fuzzers

fuzz: fuzz-build
	$(Q)tests/fuzz/run $(BUILD)/fuzz

soak:
	$(Q)SOAK=1 tests/run

demo:
	$(Q)BUILD=$(BUILD) SANITIZE=$(SANITIZE) scripts/demo

install: all
	install -D -m 755 $(BUILD)/poolfs $(DESTDIR)$(BINDIR)/poolfs
	install -D -m 755 $(BUILD)/poolctl $(DESTDIR)$(BINDIR)/poolctl
	install -D -m 644 fs/poolfs.h $(DESTDIR)$(INCLUDEDIR)/poolfs.h
	install -D -m 755 scripts/poolfs-recv $(DESTDIR)$(BINDIR)/poolfs-recv
	install -D -m 644 docs/poolctl.1 $(DESTDIR)$(MANDIR)/man1/poolctl.1
	install -D -m 644 docs/poolfs-recv.1 \
		$(DESTDIR)$(MANDIR)/man1/poolfs-recv.1
	install -D -m 644 docs/poolfs_range.2 \
		$(DESTDIR)$(MANDIR)/man2/poolfs_range.2
	install -D -m 644 docs/poolfs.8 $(DESTDIR)$(MANDIR)/man8/poolfs.8

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/poolfs $(DESTDIR)$(BINDIR)/poolctl \
		$(DESTDIR)$(BINDIR)/poolfs-recv \
		$(DESTDIR)$(INCLUDEDIR)/poolfs.h \
		$(DESTDIR)$(MANDIR)/man1/poolctl.1 \
		$(DESTDIR)$(MANDIR)/man1/poolfs-recv.1 \
		$(DESTDIR)$(MANDIR)/man2/poolfs_range.2 \
		$(DESTDIR)$(MANDIR)/man8/poolfs.8

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
