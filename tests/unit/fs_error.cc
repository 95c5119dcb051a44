// SPDX-License-Identifier: LGPL-2.1-or-later
// What an error says, and which code stands for which errno.
#include <boost/test/unit_test.hpp>
#include <cerrno>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

BOOST_AUTO_TEST_SUITE(fs_error)

BOOST_AUTO_TEST_CASE(sentence_has_step_path_and_reason) {
  const Error error(Code::io, EIO, "sync directory", "/x/y", "Input/output error");
  BOOST_TEST(error.what() == "cannot sync directory '/x/y': Input/output error");
  BOOST_TEST((error.code() == Code::io));
  BOOST_TEST(error.errno_value() == EIO);
  BOOST_TEST(error.step() == "sync directory");
  BOOST_TEST(error.path() == "/x/y");
}

BOOST_AUTO_TEST_CASE(errno_gives_code_and_reason) {
  BOOST_CHECK_EXCEPTION(throw_errno(ENOSPC, "write", "/x"), Error, [](const Error& error) {
    return error.code() == Code::no_space && error.errno_value() == ENOSPC &&
           error.what() == std::string("cannot write '/x': No space left on device");
  });
}

BOOST_AUTO_TEST_CASE(refusal_has_no_errno) {
  BOOST_CHECK_EXCEPTION(refuse(Code::dirty, "start", "", "it runs"), Error, [](const Error& error) {
    return error.code() == Code::dirty && error.errno_value() == 0 &&
           error.what() == std::string("cannot start: it runs");
  });
}

BOOST_AUTO_TEST_CASE(each_errno_has_its_code) {
  const struct {
    Code code;
    std::initializer_list<int> values;
  } table[] = {
      {Code::not_found, {ENOENT}},
      {Code::exists, {EEXIST}},
      {Code::no_space, {ENOSPC, EDQUOT}},
      {Code::busy, {EBUSY, ETXTBSY, EWOULDBLOCK}},
      {Code::read_only, {EROFS}},
      {Code::not_supported, {EOPNOTSUPP, ENOTTY, ENOSYS, EXDEV}},
      {Code::no_memory, {ENOMEM, EMFILE, ENFILE}},
      {Code::invalid, {EFBIG, EINVAL, ENAMETOOLONG, EOVERFLOW}},
      {Code::corrupt, {ENOTDIR, ELOOP, EISDIR}},
      {Code::io, {EIO, EACCES, EPERM, EPIPE, EBADF, 0, 100000}},
  };
  for (const auto& row : table) {
    for (const int value : row.values) {
      BOOST_TEST_CONTEXT("errno " << value) {
        BOOST_TEST((code_of_errno(value) == row.code));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(quoting_shows_what_cannot_be_seen) {
  using namespace std::string_literals;
  BOOST_TEST(quoted("") == "''");
  BOOST_TEST(quoted("/a b/c.img") == "'/a b/c.img'");
  BOOST_TEST(quoted("it's \\ here") == R"('it\'s \\ here')");
  BOOST_TEST(quoted("a\nb\t\x1b[31m\x7f\0c"s) == R"('a\x0ab\x09\x1b[31m\x7f\x00c')");
}

BOOST_AUTO_TEST_CASE(quoting_lets_only_valid_utf8_through) {
  BOOST_TEST(quoted("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80") ==
             "'gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80'");
  const struct {
    const char* bytes;
    const char* shown;
  } table[] = {
      {"\xc3", R"('\xc3')"},                          // cut short
      {"\xc3(", R"('\xc3(')"},                        // not continued
      {"\x80", R"('\x80')"},                          // continues nothing
      {"\xc0\xaf", R"('\xc0\xaf')"},                  // overlong
      {"\xe0\x80\xaf", R"('\xe0\x80\xaf')"},          // overlong
      {"\xf0\x80\x80\xaf", R"('\xf0\x80\x80\xaf')"},  // overlong
      {"\xed\xa0\x80", R"('\xed\xa0\x80')"},          // surrogate
      {"\xf4\x90\x80\x80", R"('\xf4\x90\x80\x80')"},  // above the last
      {"\xc2\x9b", R"('\xc2\x9b')"},                  // CSI as a C1 control character
      {"\xe2\x80\xae"
       "a",
       R"('\xe2\x80\xaea')"},                 // right-to-left override
      {"\xe2\x81\xa6", R"('\xe2\x81\xa6')"},  // left-to-right isolate
  };
  for (const auto& row : table) BOOST_TEST(quoted(row.bytes) == row.shown);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
