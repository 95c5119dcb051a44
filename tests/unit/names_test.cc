// SPDX-License-Identifier: LGPL-2.1-or-later
// The names on disk: which vids are allowed, and which file is whose.
#include "src/names.h"

#include <boost/test/unit_test.hpp>
#include <string>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

const std::vector<std::string> kPrefixes = {"appvms", "vm-templates"};

bool is_invalid(const std::string& vid) {
  try {
    parse_vid(vid, kPrefixes);
    return false;
  } catch (const Error& error) {
    return error.code() == Code::invalid;
  }
}

BOOST_AUTO_TEST_SUITE(names)

BOOST_AUTO_TEST_CASE(a_vid_has_three_parts) {
  Vid vid = parse_vid("appvms/work/private", kPrefixes);
  BOOST_TEST(vid.prefix == "appvms");
  BOOST_TEST(vid.vm == "work");
  BOOST_TEST(vid.name == "private");
  BOOST_TEST(vid.text() == "appvms/work/private");
}

BOOST_AUTO_TEST_CASE(a_vid_cannot_leave_the_pool) {
  for (const char* vid :
       {"", "/", "//", "///", "appvms", "appvms/work", "appvms/work/", "appvms//private",
        "/appvms/work/private", "appvms/../private", "appvms/work/..", "appvms/work/.",
        "appvms/./private", "../work/private", "other/work/private", "appvms/work/private/x",
        "appvms/work/pri\nvate", "appvms/wo\trk/private", "appvms/work/pri\x7fvate"}) {
    BOOST_TEST(is_invalid(vid), "vid " << vid);
  }
  BOOST_TEST(is_invalid(std::string("appvms/work/pri\0vate", 20)));
  BOOST_TEST(is_invalid("appvms/" + std::string(256, 'v') + "/private"));
}

BOOST_AUTO_TEST_CASE(a_name_cannot_collide_with_another_volumes_files) {
  for (const char* name : {"private-dirty", "private-precache", "private-import", "private.img",
                           "-dirty", ".img", "a.img.img"}) {
    BOOST_TEST(is_invalid("appvms/work/" + std::string(name)), "name " << name);
  }
  for (const char* name : {"dirty", "private-dirty2", "private.img2", "p~aaaaaaaa", "a@b", "-"}) {
    BOOST_TEST(!is_invalid("appvms/work/" + std::string(name)), "name " << name);
  }
}

BOOST_AUTO_TEST_CASE(every_file_of_the_longest_name_fits_into_a_directory) {
  std::size_t longest = 0;
  while (!is_invalid("appvms/work/" + std::string(longest + 1, 'n'))) ++longest;
  BOOST_TEST(longest >= 150u);
  std::string name(longest, 'n');
  RevisionName last{999'999'999'999'999'999u, 0};
  BOOST_TEST((revision_file_name(name, last) + "~abcdefgh").size() == 255u);
}

BOOST_AUTO_TEST_CASE(every_name_is_recognised_as_what_it_is) {
  using Role = FileName::Role;
  ImageNames names("private");
  auto role = [](const std::string& name) { return parse_file_name(name).value().role; };
  BOOST_TEST((role(names.clean) == Role::clean));
  BOOST_TEST((role(names.dirty) == Role::dirty));
  BOOST_TEST((role(names.precache) == Role::precache));
  BOOST_TEST((role(names.import) == Role::import));
  for (const std::string& name : {names.clean, names.dirty, names.precache, names.import,
                                  std::string("private.img.7@2026-11-23T04:05:06Z")}) {
    BOOST_TEST(parse_file_name(name)->volume == "private");
    BOOST_TEST((role(name + "~a0_zZ9xy") == Role::temporary));
    BOOST_TEST(parse_file_name(name + "~a0_zZ9xy")->volume == "private");
  }
}

BOOST_AUTO_TEST_CASE(a_revision_reads_back_as_it_was_written) {
  for (std::int64_t seconds : {0LL, 1LL, 951827696LL, 1700000000LL, 253402300799LL}) {
    for (std::uint64_t number : {1ull, 9ull, 10ull, 18446744073ull, 999999999999999999ull}) {
      RevisionName revision{number, seconds};
      auto parsed = parse_file_name(revision_file_name("a.img.1@x", revision));
      BOOST_REQUIRE(parsed.has_value());
      BOOST_TEST((parsed->role == FileName::Role::revision));
      BOOST_TEST(parsed->volume == "a.img.1@x");
      BOOST_TEST(parsed->revision.number == number);
      BOOST_TEST(parsed->revision.created_seconds == seconds);
    }
  }
  BOOST_TEST(revision_file_name("v", {3, 1763870706}) == "v.img.3@2025-11-23T04:05:06Z");
}

BOOST_AUTO_TEST_CASE(times_outside_of_what_a_name_can_hold_are_clamped) {
  BOOST_TEST(revision_seconds(-1) == 0);
  BOOST_TEST(revision_seconds(INT64_MIN) == 0);
  BOOST_TEST(revision_seconds(1'999'999'999) == 1);
  // INT64_MAX nanoseconds are in the year 2262.
  BOOST_TEST(format_utc(revision_seconds(INT64_MAX)) == "2262-04-11T23:47:16Z");
}

BOOST_AUTO_TEST_CASE(look_alikes_are_foreign) {
  for (const char* name :
       {"private.img@2026-11-23T04:05:06Z",     // the old form
        "private.img.0@2026-11-23T04:05:06Z",   // not a natural number
        "private.img.01@2026-11-23T04:05:06Z",  // two spellings of one number
        "private.img.-1@2026-11-23T04:05:06Z",
        "private.img.+1@2026-11-23T04:05:06Z",
        "private.img.1x@2026-11-23T04:05:06Z",
        "private.img.x@2026-11-23T04:05:06Z",
        "private.img.@2026-11-23T04:05:06Z",
        "private.img.1@2026-11-23T04:05:06",
        "private.img.1@2026-11-23 04:05:06Z",
        "private.img.1@2026-13-23T04:05:06Z",
        "private.img.1@2026-02-30T04:05:06Z",
        "private.img.1@2026-11-23T24:05:06Z",
        "private.img.1@2026-11-23T04:60:06Z",
        "private.img.1@2026-11-23T04:05:60Z",
        "private.img.1@26-11-23T04:05:06Z",
        "private.img.1@garbageZ",
        "private.img.1000000000000000000@2026-11-23T04:05:06Z",  // a number we never make
        "private.img.99999999999999999999@2026-11-23T04:05:06Z",
        ".img",
        "-dirty.img",
        "-dirty.img.1@2026-11-23T04:05:06Z",
        "private.IMG",
        "private.img~",
        "private.img~1",
        "private.img~1234567",
        "private.img~123456789",
        "private.img~1234567.",
        "private.img.bak",
        "private.img.1",
        "private.qcow2",
        "private.img~12345678~12345678",
        "..img.img",
        "firewall.xml",
        "",
        ".",
        ".."}) {
    BOOST_TEST(!parse_file_name(name).has_value(), "name " << name);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
