# SPDX-License-Identifier: LGPL-2.1-or-later
# Fuzzing (tests/fuzz/README.md). The targets are built twice: by clang with its fuzzer and the
# sanitizers, and as everything else is, to give them the corpus in `make check`.

FUZZ_TARGETS := names listing calls
SECONDS ?= 60
fuzz_support := $(patsubst %.cc,$(BUILD)/%.o, \
  $(filter-out %_fuzz.cc %_main.cc,$(wildcard tests/fuzz/*.cc)))
# The simulated filesystem and its oracle.
fuzz_simulation := $(patsubst %,$(BUILD)/tests/simulation/%.o, \
  crash disk names oracle simulated_filesystem step)
fuzz_programs := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz-%)
# Our own main, where the fuzzer brings none.
FUZZ_MAIN ?= $(BUILD)/tests/fuzz/replay_main.o
FUZZ_LINK ?=

$(BUILD)/tests/fuzz/calls_table.inc: tests/fuzz/make_calls.py include/qubes/storage.h \
  $(wildcard scripts/reference/*.py)
	@mkdir -p $(@D)
	$(Q)tests/fuzz/make_calls.py >$@

$(BUILD)/tests/fuzz/calls_fuzz.o: $(BUILD)/tests/fuzz/calls_table.inc
$(BUILD)/tests/fuzz/calls_fuzz.o: ALL_CXXFLAGS += -I$(BUILD)/tests/fuzz

$(fuzz_programs): $(BUILD)/tests/fuzz-%: $(BUILD)/tests/fuzz/%_fuzz.o $(fuzz_support) $(FUZZ_MAIN) \
  $(fuzz_simulation) $(core)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(FUZZ_LINK) $^ $(LIBS) -pthread -o $@

fuzz-programs: $(fuzz_programs)

fuzz: ## fuzz names, directories and calls with clang's fuzzer: SECONDS=N for each [T=names|listing|calls]
	@scripts/install-deps lint
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)-fuzz CXX=clang++ OPTIMIZE='-O1 -g' \
	  SANITIZE='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all' \
	  FUZZ_MAIN= FUZZ_LINK=-fsanitize=fuzzer fuzz-programs
	@tests/fuzz/run $(BUILD)-fuzz $(SECONDS) $(or $(T),$(FUZZ_TARGETS))

.PHONY: fuzz fuzz-programs
