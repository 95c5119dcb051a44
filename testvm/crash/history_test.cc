// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/history.h"

#include <boost/test/unit_test.hpp>

using namespace qubes::storage::crash;
using qubes::storage::simulation::Content;
using qubes::storage::simulation::State;

namespace {

History history(const std::vector<std::string>& marks) {
  std::vector<std::string> all = {"volume origin vm-templates t root -1 2 3", "ready"};
  all.insert(all.end(), marks.begin(), marks.end());
  return History::of(all);
}

// Whether a crash after the last mark may leave this, told as an answer is.
bool allows(const History& history, std::size_t marks, const std::string& state) {
  return history.belief(marks + 2, 0).allows(parse_answer("OK " + state).state);
}

const std::vector<std::string> kCommitted = {"begin create 0 1 0 0", "done OK 2.0.0 -",  // 2 marks
                                             "begin start 0 1 0 0",  "done OK 2.0.0 2.0.0",  // 4
                                             "begin write 0 1 7 3",  "done OK 2.0.0 2.7.7",  // 6
                                             "begin flush 0 1 0 0",  "done OK 2.0.0 2.7.7",  // 8
                                             "begin stop 0 1 0 0",   "done OK 2.7.7 - 1 2.0.0"};

}  // namespace

BOOST_AUTO_TEST_SUITE(history_of_marks)

BOOST_AUTO_TEST_CASE(what_was_answered_is_durable) {
  const History made = history(kCommitted);
  BOOST_TEST(made.complaint() == "");
  BOOST_TEST(allows(made, 2, "2.0.0 -"));
  BOOST_TEST(!allows(made, 2, "- -"));
  BOOST_TEST(allows(made, 10, "2.7.7 - 1 2.0.0"));
  BOOST_TEST(!allows(made, 10, "2.0.0 2.7.7"));
  BOOST_TEST(!allows(made, 10, "2.7.7 -"));
}

BOOST_AUTO_TEST_CASE(what_was_begun_has_happened_or_not) {
  const History made = history(kCommitted);
  BOOST_TEST(allows(made, 9, "2.0.0 2.7.7"));
  BOOST_TEST(allows(made, 9, "2.7.7 - 1 2.0.0"));
  BOOST_TEST(!allows(made, 9, "2.0.0 -"));
  BOOST_TEST(!allows(made, 9, "2.7.0 - 1 2.0.0"));
}

BOOST_AUTO_TEST_CASE(a_session_may_lose_what_was_not_flushed_and_nothing_else) {
  std::vector<std::string> marks(kCommitted.begin(), kCommitted.begin() + 8);
  marks.insert(marks.end(), {"begin write 0 1 8 1", "done OK 2.0.0 2.8.7"});
  const History made = history(marks);
  BOOST_TEST(made.complaint() == "");
  BOOST_TEST(allows(made, 6, "2.0.0 2.0.255"));
  BOOST_TEST(!allows(made, 8, "2.0.0 2.0.7"));
  for (const char* found : {"2.0.0 2.8.7", "2.0.0 2.7.7", "2.0.0 2.255.7"}) {
    BOOST_TEST(allows(made, 10, found), found);
  }
  for (const char* found : {"2.0.0 2.8.0", "2.0.0 2.8.255", "2.0.0 1.8", "2.0.0 -"}) {
    BOOST_TEST(!allows(made, 10, found), found);
  }
}

BOOST_AUTO_TEST_CASE(a_session_that_is_resized_may_have_its_size_before_what_was_not_flushed) {
  std::vector<std::string> marks(kCommitted.begin(), kCommitted.begin() + 6);
  marks.emplace_back("begin grow 0 1 0 0");
  const History growing = history(marks);
  BOOST_TEST(allows(growing, 7, "2.0.0 2.0.0"));
  BOOST_TEST(allows(growing, 7, "2.0.0 3.0.7.0"));
  BOOST_TEST(!allows(growing, 7, "2.0.0 3.0.7.7"));
  marks.emplace_back("done OK 2.0.0 3.7.7.0");
  const History grown = history(marks);
  BOOST_TEST(allows(grown, 8, "2.0.0 3.7.7.0"));
  BOOST_TEST(!allows(grown, 8, "2.0.0 3.0.7.0"));
  BOOST_TEST(!allows(grown, 8, "2.0.0 2.7.7"));
}

BOOST_AUTO_TEST_CASE(a_revision_that_a_commit_pruned_may_come_back_until_the_next_sync) {
  std::vector<std::string> marks = kCommitted;
  marks.insert(marks.end(), {"begin import 0 1 9 0", "done OK 2.9.9 - 2 2.7.7",
                             "begin start 0 1 0 0", "done OK 2.9.9 2.9.9 2 2.7.7"});
  const History made = history(marks);
  BOOST_TEST(made.complaint() == "");
  BOOST_TEST(allows(made, 12, "2.9.9 - 1 2.0.0 2 2.7.7"));
  BOOST_TEST(allows(made, 12, "2.9.9 - 2 2.7.7"));
  BOOST_TEST(!allows(made, 12, "2.9.9 - 1 2.0.0"));
  BOOST_TEST(!allows(made, 14, "2.9.9 2.9.9 1 2.0.0 2 2.7.7"));
}

BOOST_AUTO_TEST_CASE(a_wrong_answer_is_a_complaint) {
  std::vector<std::string> marks(kCommitted.begin(), kCommitted.begin() + 9);
  for (const char* answer : {"done OK 2.0.0 -", "done OK 2.7.7 -", "done BUSY 2.0.0 2.7.7"}) {
    marks.push_back(answer);
    BOOST_TEST(history(marks).complaint() != "", answer);
    marks.pop_back();
  }
}

BOOST_AUTO_TEST_CASE(an_import_brings_the_content_and_size_of_its_source) {
  std::vector<std::string> marks = kCommitted;
  marks.insert(marks.begin(), "volume origin appvms a data -1 2 3");
  marks.insert(marks.end(), {"begin create 1 1 0 0", "done OK 2.0.0 -", "begin import 1 1 9 0 0"});
  const History made = history(marks);
  const auto allows_of_target = [&](const std::string& state) {
    return made.belief(made.marks(), 1).allows(parse_answer("OK " + state).state);
  };
  BOOST_TEST(allows_of_target("2.0.0 -"));
  BOOST_TEST(allows_of_target("2.7.7 - 1 2.0.0"));
  BOOST_TEST(!allows_of_target("2.9.9 - 1 2.0.0"));
}

BOOST_AUTO_TEST_CASE(after_a_reset_it_goes_on_from_what_was_found) {
  const std::vector<std::string> after = {"volume origin vm-templates t root -1 2 3",
                                          "found 0 2.7.7 2.8.0 1 2.0.0", "ready",
                                          "begin write 0 1 9 1", "done OK 2.7.7 2.9.0 1 2.0.0"};
  const History made = History::of(after);
  BOOST_TEST(made.complaint() == "");
  BOOST_TEST(made.belief(3, 0).allows(parse_answer("OK 2.7.7 2.8.0 1 2.0.0").state));
  BOOST_TEST(!made.belief(3, 0).allows(parse_answer("OK 2.7.7 2.7.0 1 2.0.0").state));
  BOOST_TEST(made.belief(5, 0).allows(parse_answer("OK 2.7.7 2.8.0 1 2.0.0").state));
  BOOST_TEST(!made.belief(5, 0).allows(parse_answer("OK 2.7.7 - 1 2.0.0").state));
  BOOST_TEST(made.uses(8));
  BOOST_TEST(!made.uses(6));
}

BOOST_AUTO_TEST_CASE(what_the_workload_says_is_wrong_is_a_complaint) {
  BOOST_TEST(history({"wrong export"}).complaint() == "export");
}

BOOST_AUTO_TEST_CASE(marks_that_make_no_sense_are_refused) {
  for (const char* mark : {"done OK - -", "begin nothing 0 0 0 0", "begin stop 7 0 0 0", "hello",
                           "volume origin", "begin stop", "found 3 - -", "found 0"}) {
    BOOST_CHECK_THROW(history({mark}), std::invalid_argument);
  }
}

BOOST_AUTO_TEST_SUITE_END()
