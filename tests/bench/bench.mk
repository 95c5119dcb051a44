# SPDX-License-Identifier: LGPL-2.1-or-later
# The benchmark: included by the Makefile of the root.

bench_programs := $(patsubst tests/bench/%.cc,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.cc))

$(bench_programs): $(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(library)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $< -L$(BUILD) -Wl,--as-needed -lqubesstorage \
	  -Wl,-rpath,'$$ORIGIN/../..' -pthread -o $@

bench-programs: $(bench_programs)

# As root: it mounts its own filesystems. The variables are the options of tests/bench/bench.
bench_options := $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(EXTENTS),--extents '$(EXTENTS)') \
  $(if $(PEER),--peer '$(PEER)') $(if $(DIR),--directory '$(DIR)') $(if $(JSON),--json '$(JSON)') \
  $(if $(MARKDOWN),--markdown '$(MARKDOWN)') $(if $(SECTIONS),--sections '$(SECTIONS)')

bench: ## time and requests of each operation, against the bare system calls and PEER=checkout
	@scripts/install-deps bench
	@$(MAKE) --no-print-directory -j$(JOBS) all bench-programs
	@tests/bench/bench --build $(BUILD) $(bench_options)

.PHONY: bench bench-programs
