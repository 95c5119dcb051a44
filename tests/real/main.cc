// SPDX-License-Identifier: LGPL-2.1-or-later
// The tests on real filesystems. Without root not one of them would mean anything: say so, fail.
#define BOOST_TEST_MODULE real
#include <boost/test/unit_test.hpp>

#include "tests/support/loop_mount.h"

namespace {

struct AsRoot {
  void setup() const {
    try {
      qubes::storage::test::require_root();
    } catch (const std::exception& error) {
      throw boost::unit_test::framework::setup_error(error.what());
    }
  }
};

BOOST_TEST_GLOBAL_FIXTURE(AsRoot);

}  // namespace
