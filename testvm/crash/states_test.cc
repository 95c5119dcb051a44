// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/states.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <set>

#include "testvm/crash/disk_image.h"
#include "testvm/crash/made_log.h"

using namespace qubes::storage::crash;

namespace {

// The first letter of each of the first sectors, '.' for zeros.
std::string disk_of(const Log& log, const std::string& name, const Enumeration& how,
                    std::size_t sectors = 4) {
  StateImage image(log, "/dev/null", how, MadeLog::kDataEnd);
  image.go_to(parse_state_name(name));
  std::string text;
  for (std::size_t i = 0; i < sectors; ++i) {
    const char letter = static_cast<char>(image.content().data()[i * kSectorBytes]);
    text += letter == 0 ? '.' : letter;
  }
  return text;
}

const CrashState& named(const States& states, const std::string& name) {
  for (const CrashState& state : states.distinct) {
    if (state.name.text() == name) return state;
  }
  throw std::out_of_range(name);
}

MadeLog three_writes() {
  MadeLog made;
  made.add(0, "a");
  made.flush();
  made.mark("one");
  made.add(1, "b");
  made.mark("two");
  made.add(2, "c");
  made.add(3, "d");
  made.flush();
  made.mark("three");
  return made;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(crash_states)

BOOST_AUTO_TEST_CASE(each_name_makes_its_disk) {
  MadeLog made = three_writes();
  const Log log = made.parsed();
  const Enumeration how;
  BOOST_TEST(disk_of(log, "w0:none", how) == "....");
  BOOST_TEST(disk_of(log, "w1:none", how) == "a...");
  BOOST_TEST(disk_of(log, "w1:first:2", how) == "abc.");
  BOOST_TEST(disk_of(log, "w1:without:2", how) == "ab.d");
  BOOST_TEST(disk_of(log, "w1:only:3", how) == "a..d");
  BOOST_TEST(disk_of(log, "w2:none", how) == "abcd");
}

BOOST_AUTO_TEST_CASE(names_are_read_as_they_are_written) {
  for (const char* name :
       {"w3:none", "w0:first:7", "w12:without:1", "w1:only:2", "w1:random:9", "w5:torn:2:31"}) {
    BOOST_TEST(parse_state_name(name).text() == name);
  }
  for (const char* name : {"", "w", "3:none", "w3", "w3:none:1", "w3:first", "w3:other:1"}) {
    BOOST_CHECK_THROW(parse_state_name(name), std::invalid_argument);
  }
}

BOOST_AUTO_TEST_CASE(going_back_and_forth_makes_the_same_disk) {
  MadeLog made = three_writes();
  const Log log = made.parsed();
  StateImage image(log, "/dev/null", {}, MadeLog::kDataEnd);
  const auto letter = [&](std::size_t sector) {
    return static_cast<char>(image.content().data()[sector * kSectorBytes]);
  };
  image.go_to(parse_state_name("w1:first:3"));
  BOOST_TEST(letter(3) == 'd');
  image.go_to(parse_state_name("w1:none"));
  BOOST_TEST(letter(3) == '\0');
  image.go_to(parse_state_name("w2:none"));
  BOOST_TEST(letter(3) == 'd');
  image.go_to(parse_state_name("w0:none"));
  BOOST_TEST(letter(0) == '\0');
}

BOOST_AUTO_TEST_CASE(all_subsets_of_two_writes_are_there_once) {
  MadeLog made;
  made.add(0, "a");
  made.add(1, "b");
  const Log log = made.parsed();
  const States states = enumerate(log, 0, {kSectorBytes, 4, 4});
  std::set<std::string> disks;
  for (const CrashState& state : states.distinct) {
    BOOST_TEST(disks.insert(disk_of(log, state.name.text(), {}, 2)).second);
  }
  BOOST_TEST((disks == std::set<std::string>{"..", "a.", ".b", "ab"}));
  BOOST_TEST(states.named > states.distinct.size());
}

BOOST_AUTO_TEST_CASE(the_moments_of_a_state_are_those_in_which_it_can_be_left) {
  MadeLog made = three_writes();
  const Log log = made.parsed();
  const States states = enumerate(log, 0, {kSectorBytes, 0, 0});
  // After b and "one", and until the flush was complete: "two" is there, "three" is not.
  BOOST_TEST((named(states, "w1:first:1").moments == std::vector<Moment>{{1, 2}}));
  BOOST_TEST((named(states, "w1:only:3").moments == std::vector<Moment>{{2, 2}}));
  // All of a window, and nothing of the next, are one disk.
  BOOST_TEST((named(states, "w1:first:3").moments == std::vector<Moment>{{2, 2}, {2, 3}}));
}

BOOST_AUTO_TEST_CASE(states_before_the_first_promise_are_left_out) {
  MadeLog made = three_writes();
  const States states = enumerate(made.parsed(), 3, {kSectorBytes, 0, 0});
  BOOST_REQUIRE_EQUAL(states.distinct.size(), 1u);
  BOOST_TEST(states.distinct[0].name.text() == "w2:none");
}

BOOST_AUTO_TEST_CASE(a_forced_write_is_always_there) {
  MadeLog made;
  made.add(0, "a");
  made.add(1, "b", MadeLog::kForced);
  made.add(2, "c");
  const Log log = made.parsed();
  BOOST_TEST(disk_of(log, "w0:only:3", {}) == ".bc.");
  BOOST_TEST(disk_of(log, "w0:without:2", {}) == "abc.");
}

BOOST_AUTO_TEST_CASE(a_torn_write_has_whole_units) {
  MadeLog made;
  made.add(0, std::string(16, 'a'));
  const Log log = made.parsed();
  std::set<std::string> disks;
  for (int seed = 0; seed < 20; ++seed) {
    const std::string disk = disk_of(log, "w0:torn:1:" + std::to_string(seed), {4096, 0, 0}, 16);
    const std::string first = disk.substr(0, 8), second = disk.substr(8);
    BOOST_TEST(first == std::string(8, first[0]));
    BOOST_TEST(second == std::string(8, second[0]));
    disks.insert(disk);
  }
  BOOST_TEST(disks.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_discard_leaves_zeros) {
  MadeLog made;
  made.add(0, "ab");
  made.flush();
  made.add(0, "x", MadeLog::kDiscard);
  BOOST_TEST(disk_of(made.parsed(), "w1:first:1", {}) == ".b..");
}

BOOST_AUTO_TEST_SUITE_END()
