// SPDX-License-Identifier: LGPL-2.1-or-later
#define BOOST_TEST_MODULE crash
#include "testvm/crash/log.h"

#include <boost/test/unit_test.hpp>

#include "testvm/crash/made_log.h"

using namespace qubes::storage::crash;

BOOST_AUTO_TEST_SUITE(log_of_writes)

BOOST_AUTO_TEST_CASE(writes_fall_into_windows) {
  MadeLog made;
  made.add(0, "ab");
  made.add(8, "c");
  made.flush();
  made.add(0, "d");
  const Log log = made.parsed();
  BOOST_REQUIRE_EQUAL(log.writes.size(), 3u);
  BOOST_TEST(log.writes[0].sectors == 2u);
  BOOST_TEST(log.writes[1].sector == 8u);
  BOOST_TEST(int(log.writes[2].data.data[0]) == 'd');
  BOOST_REQUIRE_EQUAL(log.windows.size(), 2u);
  BOOST_TEST(log.windows[0].size() == 2u);
  BOOST_TEST(log.windows[1].first == 2u);
  BOOST_TEST(log.windows[1].end == 3u);
}

BOOST_AUTO_TEST_CASE(marks_are_no_data) {
  MadeLog made;
  made.mark("begin");
  made.add(0, "a");
  made.mark("done");
  made.flush();
  made.mark("end");
  const Log log = made.parsed();
  BOOST_REQUIRE_EQUAL(log.marks.size(), 3u);
  BOOST_TEST(log.marks[0] == "begin");
  BOOST_TEST(log.marks[2] == "end");
  BOOST_REQUIRE_EQUAL(log.writes.size(), 1u);
  BOOST_TEST(log.writes[0].marks_before == 1u);
  BOOST_TEST(log.windows[0].marks_at_start == 0u);
  BOOST_TEST(log.windows[0].marks_at_end == 2u);
  BOOST_TEST(log.windows[1].marks_at_start == 2u);
  BOOST_TEST(log.windows[1].marks_at_end == 3u);
}

BOOST_AUTO_TEST_CASE(a_flush_with_data_covers_what_was_before_it) {
  MadeLog made;
  made.add(0, "a");
  made.add(1, "b", MadeLog::kFlush | MadeLog::kForced);
  const Log log = made.parsed();
  BOOST_REQUIRE_EQUAL(log.windows.size(), 2u);
  BOOST_TEST(log.windows[0].size() == 1u);
  BOOST_TEST(log.windows[1].size() == 1u);
  BOOST_TEST(log.writes[1].is_forced);
}

BOOST_AUTO_TEST_CASE(a_discard_carries_no_data) {
  MadeLog made;
  made.add(4, "xyz", MadeLog::kDiscard);
  made.add(0, "a");
  const Log log = made.parsed();
  BOOST_REQUIRE_EQUAL(log.writes.size(), 2u);
  BOOST_TEST(log.writes[0].sectors == 3u);
  BOOST_TEST(log.writes[0].data.data == nullptr);
  BOOST_TEST(int(log.writes[1].data.data[0]) == 'a');
}

BOOST_AUTO_TEST_CASE(what_is_no_such_log_is_refused) {
  MadeLog other_magic, other_version, other_sectors, cut, across;
  other_magic.set_super(1, 1, kSectorBytes);
  BOOST_CHECK_THROW(other_magic.parsed(), LogError);
  other_version.set_super(0x6a736677736872, 2, kSectorBytes);
  BOOST_CHECK_THROW(other_version.parsed(), LogError);
  other_sectors.set_super(0x6a736677736872, 1, 4096);
  BOOST_CHECK_THROW(other_sectors.parsed(), LogError);
  cut.add(0, "ab");
  BOOST_CHECK_THROW(parse_log(cut.bytes(1), MadeLog::kDataEnd), LogError);
  BOOST_CHECK_THROW(parse_log(cut.bytes(3 * kSectorBytes), MadeLog::kDataEnd), LogError);
  across.add(MadeLog::kDataEnd / kSectorBytes - 1, "ab");
  BOOST_CHECK_THROW(across.parsed(), LogError);
}

BOOST_AUTO_TEST_SUITE_END()
