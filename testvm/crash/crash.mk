# SPDX-License-Identifier: LGPL-2.1-or-later
# The block-level crash rig: included by the Makefile of the root.

crash_dir := $(BUILD)/testvm/crash
crash_objects := $(patsubst %.cc,$(BUILD)/%.o, \
  $(filter-out %_main.cc %_test.cc,$(wildcard testvm/crash/*.cc)))
crash_oracle := $(patsubst %,$(BUILD)/tests/simulation/%.o,oracle oracle_operations disk names)
crash_programs := $(patsubst testvm/crash/%_main.cc,$(crash_dir)/crash-%, \
  $(wildcard testvm/crash/*_main.cc))

crash_preload := $(crash_dir)/crash-preload.so
crash_preload_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard testvm/crash/preload/*.cc))

$(BUILD)/testvm/%.o: ALL_CXXFLAGS += -DBOOST_TEST_DYN_LINK

$(BUILD)/testvm/crash/preload/%.o: ALL_CXXFLAGS += -fPIC

$(crash_preload): $(crash_preload_objects)
	$(call say,LINK,$@)
	$(Q)$(CXX) -shared $(ALL_LDFLAGS) $^ -o $@

# Each program takes from it what it needs: those that handle states alone need no library.
$(crash_dir)/libcrash.a: $(crash_objects) $(crash_oracle)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(crash_programs): $(crash_dir)/crash-%: $(BUILD)/testvm/crash/%_main.o $(crash_dir)/libcrash.a \
  $(library)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o %.a,$^) -L$(BUILD) -Wl,--as-needed -lqubesstorage \
	  -Wl,-rpath,'$$ORIGIN/../..' -o $@

crash_test_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard testvm/crash/*_test.cc))

$(crash_test_objects): OPTIMIZE = -O0

$(crash_dir)/crash-tests: $(crash_test_objects) $(crash_dir)/libcrash.a
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $^ -lboost_unit_test_framework -o $@

crash-programs: $(crash_programs) $(crash_preload) $(crash_dir)/crash-tests

# Not as root: no root is needed. Seconds.
BUDGET ?= 600

crash: deps ## power cuts at the block level on XFS, Btrfs and ext4: self-test, then BUDGET=seconds
	@$(MAKE) --no-print-directory -j$(JOBS) all crash-programs
	@$(crash_dir)/crash-tests --log_level=error
	@testvm/crash/crash run --build $(BUILD) --budget $(BUDGET) $(CRASH_OPTIONS)

.PHONY: crash crash-programs
