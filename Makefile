# SPDX-License-Identifier: LGPL-2.1-or-later
# libqubesstorage: `make help` lists the verbs. Everything that is built lands in $(BUILD).

VERSION := $(shell cat version)
SOVERSION := 0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
PYTHONDIR ?= $(PREFIX)/lib/python3/dist-packages
DESTDIR ?=
BUILD ?= build
JOBS ?= $(shell nproc)
SANITIZE ?=

CXX ?= g++
CC ?= gcc
WARNINGS := -Wall -Wextra -Wshadow -Wpedantic -Werror
OPTIMIZE ?= -O2 -g
COMMON := $(WARNINGS) -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE -DQUBES_STORAGE_VERSION_STRING=\"$(VERSION)\" -Iinclude -iquote . -MMD -MP $(SANITIZE)
ALL_CXXFLAGS := $(COMMON) -std=c++20 $(CPPFLAGS) $(CXXFLAGS)
ALL_CFLAGS := $(COMMON) -std=c99 $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS := $(SANITIZE) $(LDFLAGS)
LIBS := -lmount -lblkid

lib_sources := $(wildcard src/*.cc src/fs/*.cc c-api/*.cc)
lib_objects := $(lib_sources:%.cc=$(BUILD)/%.o)
tool_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tools/*.cc))
support_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/support/*.cc))
unit_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/unit/*.cc))
real_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/real/*.cc))

simulation_objects := $(patsubst %.cc,$(BUILD)/%.o, \
  $(filter-out %_main.cc %_test.cc,$(wildcard tests/simulation/*.cc)))
simulation_test_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/simulation/*_test.cc))
simulation_programs := $(patsubst tests/simulation/%_main.cc,$(BUILD)/tests/%, \
  $(wildcard tests/simulation/*_main.cc))

soname := libqubesstorage.so.$(SOVERSION)
library := $(BUILD)/libqubesstorage.so.$(VERSION)
# The tests link the library's objects, so that they reach below the C API.
core := $(BUILD)/libcore.a
tool := $(BUILD)/qubes-storage

# V=1 shows the commands.
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '%-5s %s\n' $(1) $(2))

all: $(library) $(tool) ## build the library and the command

$(BUILD)/src/%.o $(BUILD)/c-api/%.o: ALL_CXXFLAGS += -fPIC -fvisibility=hidden -fvisibility-inlines-hidden
$(BUILD)/tests/%.o: ALL_CXXFLAGS += -DBOOST_TEST_DYN_LINK
# The command only calls the library. Most tests take less time than to compile them does; what
# explores states runs long.
$(BUILD)/tools/%.o: OPTIMIZE = -O1
$(unit_objects) $(real_objects) $(simulation_test_objects): OPTIMIZE = -O0
$(BUILD)/tests/fuzz/%.o: OPTIMIZE = -O0
$(BUILD)/tests/%.o $(BUILD)/testvm/%.o: OPTIMIZE = -O2

$(BUILD)/%.o: %.cc
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(OPTIMIZE) $(ALL_CXXFLAGS) -c $< -o $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(OPTIMIZE) $(ALL_CFLAGS) -c $< -o $@

$(core): $(lib_objects)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(library): $(lib_objects) c-api/libqubesstorage.map
	$(call say,LINK,$@)
	$(Q)$(CXX) -shared -Wl,-soname,$(soname) -Wl,--version-script,c-api/libqubesstorage.map \
	  -Wl,-z,defs -Wl,--as-needed $(ALL_LDFLAGS) $(lib_objects) $(LIBS) -o $@
	@ln -sf $(@F) $(BUILD)/$(soname)
	@ln -sf $(soname) $(BUILD)/libqubesstorage.so

$(tool): $(tool_objects) $(library)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(tool_objects) -L$(BUILD) -lqubesstorage -Wl,-rpath,'$$ORIGIN' -o $@

# The command as it is installed: it finds the library as every program does.
$(BUILD)/installed/qubes-storage: $(tool_objects) $(library)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(tool_objects) -L$(BUILD) -lqubesstorage -o $@

$(BUILD)/tests/unit-tests: $(unit_objects) $(support_objects) $(core)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $^ $(LIBS) -lboost_unit_test_framework -pthread -o $@

$(BUILD)/tests/real-tests: $(real_objects) $(support_objects) $(core)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $^ $(LIBS) -lboost_unit_test_framework -pthread -o $@

$(BUILD)/tests/simulation-tests: $(simulation_test_objects) $(simulation_objects) \
  $(support_objects) $(core)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $^ $(LIBS) -lboost_unit_test_framework -pthread -o $@

$(simulation_programs): $(BUILD)/tests/%: $(BUILD)/tests/simulation/%_main.o \
  $(simulation_objects) $(support_objects) $(core)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $^ $(LIBS) -pthread -o $@

# ---- Tests --------------------------------------------------------------------------------------

test_programs := $(BUILD)/tests/unit-tests $(BUILD)/tests/real-tests

check: deps ## build and run all tests (without root: in guests)
	@$(MAKE) --no-print-directory -j$(JOBS) all man html $(test_programs) simulation crash-programs \
	  fuzz-programs
	@tests/run $(BUILD) unit crash simulation sim teeth faults random guest real api header command install \
	  rust examples scenario python-static python manual html abi documents corpus

check-one: ## run one: T=unit/SUITE/CASE, real/SUITE/CASE, command/NAME, python/NAME [SEED=N], or a suite
	@$(MAKE) --no-print-directory -j$(JOBS) all $(test_programs)
	@case "$(T)" in \
	  unit/*|real/*) $(BUILD)/tests/$(firstword $(subst /, ,$(T)))-tests \
	    --run_test='$(patsubst unit/%,%,$(patsubst real/%,%,$(T)))' $(if $(SEED),--random=$(SEED)) ;; \
	  command/*) tests/cli/test_command.py $(BUILD) -t '$(T:command/%=%)' ;; \
	  python/*) tests/python/test_python.py $(BUILD) -t '$(T:python/%=%)' ;; \
	  *) tests/run $(BUILD) '$(T)' ;; \
	esac

simulation: $(BUILD)/tests/simulation-tests $(simulation_programs)

sim: deps ## explore every crash of every operation under each model of a filesystem
	@$(MAKE) --no-print-directory -j$(JOBS) simulation
	@$(BUILD)/tests/sim --jobs $(JOBS)

teeth: deps ## each sync dropped, each step swapped: is it caught?
	@$(MAKE) --no-print-directory -j$(JOBS) simulation
	@$(BUILD)/tests/teeth

faults: deps ## each primitive of each operation fails with each errno (as root: on loop mounts too)
	@$(MAKE) --no-print-directory -j$(JOBS) simulation
	@$(BUILD)/tests/faults

random: deps ## long random sequences of operations, crashes and faults: SEED=N
	@$(MAKE) --no-print-directory -j$(JOBS) simulation
	@$(BUILD)/tests/random $(or $(SEED),1) 40 150

include testvm/crash/crash.mk
include tests/bench/bench.mk
include scripts/reference/reference.mk
include packaging/packages.mk
include tests/fuzz/fuzz.mk

asan: deps ## the tests under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-asan OPTIMIZE='-O1 -g' sanitized \
	  SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all' SUITES='unit real api corpus'

tsan: deps ## the tests with many threads under the thread sanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-tsan OPTIMIZE='-O1 -g' sanitized \
	  SANITIZE='-fsanitize=thread' SUITES='unit threads'

sanitized:
	@$(MAKE) --no-print-directory -j$(JOBS) all $(test_programs) fuzz-programs
	@tests/run $(BUILD) $(SUITES)

lint: ## formatting, clang-tidy, and the rules of docs/HACKING.md
	@scripts/install-deps lint
	@scripts/lint

abi: deps ## compare the ABI with that of the releases in abi/, and test the comparison
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@tests/run $(BUILD) abi abi-variants

abi-keep: $(library) ## keep the ABI of this version in abi/, for a release
	@scripts/abi keep $(library)

evidence: ## docs/EVIDENCE.md from docs/evidence.json (scripts/evidence says how that gets its figures)
	@scripts/evidence page

release-notes: $(library) ## the figures of the library in CHANGELOG.md
	@scripts/release-notes $(library)

# ---- Demonstration, installation ------------------------------------------------------------------

demo: deps ## a whole life of a volume on a real reflink filesystem, step by step
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@scripts/demo $(BUILD)

deps:
	@scripts/install-deps test

install: all man $(BUILD)/installed/qubes-storage ## install under DESTDIR, PREFIX, LIBDIR, MANDIR
	install -d $(DESTDIR)$(INCLUDEDIR)/qubes $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(BINDIR)
	install -m 644 include/qubes/storage.h $(DESTDIR)$(INCLUDEDIR)/qubes/
	install -m 755 $(library) $(DESTDIR)$(LIBDIR)/
	ln -sf $(notdir $(library)) $(DESTDIR)$(LIBDIR)/$(soname)
	ln -sf $(soname) $(DESTDIR)$(LIBDIR)/libqubesstorage.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	  -e 's|@VERSION@|$(VERSION)|' packaging/qubesstorage.pc.in \
	  >$(DESTDIR)$(LIBDIR)/pkgconfig/qubesstorage.pc
	install -m 755 $(BUILD)/installed/qubes-storage $(DESTDIR)$(BINDIR)/
	install -d $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3
	install -m 644 $(BUILD)/man/man1/* $(DESTDIR)$(MANDIR)/man1/
	install -m 644 $(BUILD)/man/man3/* $(DESTDIR)$(MANDIR)/man3/

python_metadata = $(DESTDIR)$(PYTHONDIR)/qubesstorage-$(VERSION).dist-info

# Without pip: so it works for each Python, and touches nothing but the two directories. A test
# compares what is installed with what pyproject.toml makes.
install-python: ## install the Python package under DESTDIR, PYTHONDIR
	install -d $(DESTDIR)$(PYTHONDIR)/qubesstorage $(python_metadata)
	install -m 644 bindings/python/qubesstorage/*.py bindings/python/qubesstorage/py.typed \
	  $(DESTDIR)$(PYTHONDIR)/qubesstorage/
	printf 'Metadata-Version: 2.1\nName: qubesstorage\nVersion: $(VERSION)\n' \
	  >$(python_metadata)/METADATA
	printf '[qubes.storage]\nfile-reflink-native = qubesstorage.qubes_driver:ReflinkPool\n' \
	  >$(python_metadata)/entry_points.txt

uninstall-python: ## remove what install-python put there
	rm -rf $(DESTDIR)$(PYTHONDIR)/qubesstorage $(python_metadata)

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(INCLUDEDIR)/qubes/storage.h $(DESTDIR)$(LIBDIR)/$(notdir $(library)) \
	  $(DESTDIR)$(LIBDIR)/$(soname) $(DESTDIR)$(LIBDIR)/libqubesstorage.so \
	  $(DESTDIR)$(LIBDIR)/pkgconfig/qubesstorage.pc $(DESTDIR)$(BINDIR)/$(notdir $(tool)) \
	  $(DESTDIR)$(MANDIR)/man1/qubes-storage.1 $(DESTDIR)$(MANDIR)/man3/libqubesstorage.3 \
	  $(DESTDIR)$(MANDIR)/man3/qubes_storage_*.3

clean: ## remove everything that was built
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz

help: ## list the verbs
	@sed -n 's|^\([a-z-]*\):.*## |  \1\t|p' Makefile $(filter %.mk,$(MAKEFILE_LIST)) | expand -t 14

.PHONY: all abi abi-keep evidence release-notes simulation sim teeth faults random check check-one asan tsan sanitized lint demo deps install install-python uninstall uninstall-python clean help
.DELETE_ON_ERROR:

# Not in the roots that the packages are installed into.
-include $(shell find $(BUILD) -path $(BUILD)/packages -prune -o -name '*.d' -type f -print 2>/dev/null)
