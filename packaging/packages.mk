# SPDX-License-Identifier: LGPL-2.1-or-later
# The packages: included by the Makefile of the root.

packages_dir := $(BUILD)/packages

# Its output is long: it is shown if it fails.
quietly = @mkdir -p $(packages_dir); \
  if ! $(2) >$(packages_dir)/$(1).log 2>&1; then \
    tail -n 60 $(packages_dir)/$(1).log; echo "failed: $(packages_dir)/$(1).log"; exit 1; \
  fi

deb: package-deps ## the Debian packages, in build/packages/deb
	$(call quietly,deb,packaging/build-deb $(packages_dir)/deb)
	@ls $(packages_dir)/deb/*.deb

rpm: package-deps ## the RPM packages, in build/packages/rpm
	$(call quietly,rpm,packaging/build-rpm $(packages_dir)/rpm)
	@ls $(packages_dir)/rpm/RPMS/*/*.rpm

# What they are and do: installed, used, upgraded and removed, in roots of their own. As root.
check-packages: deb rpm ## tests of both, installed into fresh roots (tests/packages/suite)
	@tests/packages/suite $(BUILD)

package-deps:
	@scripts/install-deps packages

.PHONY: deb rpm check-packages package-deps
