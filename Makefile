# SPDX-License-Identifier: LGPL-2.1-or-later
# libqubesstorage: `make help` lists the verbs. Everything that is built lands in $(BUILD).

VERSION := $(shell cat version)
SOVERSION := 0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
DESTDIR ?=
BUILD ?= build
SANITIZE ?=

CXX ?= g++
CC ?= gcc
WARNINGS := -Wall -Wextra -Wshadow -Wpedantic -Werror
OPTIMIZE ?= -O2 -g
COMMON := $(OPTIMIZE) $(WARNINGS) -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE -DQUBES_STORAGE_VERSION_STRING=\"$(VERSION)\" -Iinclude -iquote . -MMD -MP $(SANITIZE)
ALL_CXXFLAGS := $(COMMON) -std=c++20 $(CXXFLAGS)
ALL_CFLAGS := $(COMMON) -std=c99 $(CFLAGS)
ALL_LDFLAGS := $(SANITIZE) $(LDFLAGS)
LIBS := -lmount -lblkid

lib_sources := $(wildcard src/*.cc src/fs/*.cc c-api/*.cc)
lib_objects := $(lib_sources:%.cc=$(BUILD)/%.o)
tool_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tools/*.cc))
support_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/support/*.cc))
unit_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/unit/*.cc))
real_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/real/*.cc))

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

$(BUILD)/%.o: %.cc
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(ALL_CXXFLAGS) -c $< -o $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

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

$(BUILD)/tests/unit-tests: $(unit_objects) $(support_objects) $(core)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $^ $(LIBS) -lboost_unit_test_framework -pthread -o $@

$(BUILD)/tests/real-tests: $(real_objects) $(support_objects) $(core)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $^ $(LIBS) -lboost_unit_test_framework -pthread -o $@

clean: ## remove everything that was built
	rm -rf $(BUILD)

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: all clean help
.DELETE_ON_ERROR:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
