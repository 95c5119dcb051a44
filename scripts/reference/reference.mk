# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual: pages and HTML made from the public header and the command's own help.

reference_scripts := $(wildcard scripts/reference/*.py)
man_pages := $(BUILD)/man/.made

man: $(man_pages) ## the man pages, in build/man

$(man_pages): $(reference_scripts) docs/manual/qubes-storage.1.in include/qubes/storage.h \
  CHANGELOG.md version $(tool)
	$(call say,MAN,$(BUILD)/man)
	$(Q)scripts/reference/man3.py $(BUILD)/man/man3
	$(Q)scripts/reference/man1.py $(tool) $(BUILD)/man/man1
	@touch $@

# What doxygen brings to fold and search is left out: the pages run no script.
html: $(BUILD)/html/.made ## the HTML reference, in build/html

$(BUILD)/html/.made: $(reference_scripts) docs/Doxyfile docs/manual/header.html \
  include/qubes/storage.h version
	$(call say,HTML,$(BUILD)/html)
	@rm -rf $(BUILD)/html
	$(Q)BUILD=$(BUILD) VERSION=$(VERSION) doxygen docs/Doxyfile
	@rm -f $(BUILD)/html/*.js
	@touch $@

.PHONY: man html
