// SPDX-License-Identifier: LGPL-2.1-or-later
// Any calls of the C API in any order, with any arguments that the header allows a program to make
// (a handle is one that it owns, or NULL), in a real directory. The calls are made from the header.
#include <algorithm>
#include <array>

#include "tests/fuzz/session.h"

namespace qubes::storage::fuzz {

struct Call {
  std::uint16_t opcode;
  const char* name;
  void (*run)(Session& session, Bytes& input);
};

#include "calls_table.inc"  // in the directory of what was built

namespace {

constexpr std::size_t kCallsMax = 60;
constexpr std::uint8_t kWrites = 250;  // an opcode from here on is no call

// The function whose opcode is the next: so most stay what they were when another is added.
void call(Session& session, Bytes& input, std::uint8_t first) {
  const auto opcode = static_cast<std::uint16_t>(first << 8 | input.next());
  const Call* found =
      std::lower_bound(std::begin(kCalls), std::end(kCalls), opcode,
                       [](const Call& each, std::uint16_t wanted) { return each.opcode < wanted; });
  const Call& chosen = found == std::end(kCalls) ? kCalls[0] : *found;
  if (std::getenv("FUZZ_TRACE") != nullptr) std::fprintf(stderr, "%s\n", chosen.name);
  chosen.run(session, input);
}

}  // namespace
}  // namespace qubes::storage::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qubes::storage::fuzz;
  Bytes input(data, size);
  Session session;
  for (std::size_t calls = 0; calls < kCallsMax && !input.is_empty(); ++calls) {
    const std::uint8_t first = input.next();
    if (first < kWrites) {
      call(session, input, first);
    } else if (first % 2 == 0) {
      session.write_session(input);
    } else {
      session.leave_something(input);
    }
  }
  return 0;
}
