// SPDX-License-Identifier: LGPL-2.1-or-later
// The tests that need no root: names, protocols over the recording filesystem, refusals.
#define BOOST_TEST_MODULE unit
#include <boost/test/unit_test.hpp>
