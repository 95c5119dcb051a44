// SPDX-License-Identifier: LGPL-2.1-or-later
// Looks into a recording, and makes the disk of one of its crash states. Needs no root.
//
// usage: crash-states RECORDING list          the names of all distinct states
//        crash-states RECORDING marks         what was done, and between which writes
//        crash-states RECORDING writes NAME   which writes this state has, of its window
//        crash-states RECORDING image NAME FILE
//
// RECORDING is --base FILE --log FILE --data-end BYTES [--tear BYTES] [--random N] [--torn N]
#include <fcntl.h>

#include <iostream>

#include "testvm/crash/recording.h"
#include "testvm/crash/system.h"

namespace qubes::storage::crash {
namespace {

void list(const Recording& recording) {
  for (const CrashState& state : enumerate(recording.log, 0, recording.how).distinct) {
    std::cout << state.name.text();
    for (const Moment& moment : state.moments) {
      std::cout << ' ' << moment.first_mark << '-' << moment.last_mark;
    }
    std::cout << '\n';
  }
}

void list_marks(const Log& log) {
  for (std::size_t number = 0; number < log.windows.size(); ++number) {
    const Window& window = log.windows[number];
    std::cout << "w" << number << ": " << window.size() << " writes\n";
    for (std::size_t i = window.marks_at_start; i < window.marks_at_end; ++i) {
      std::cout << "  " << i + 1 << ' ' << log.marks[i] << '\n';
    }
  }
}

void list_writes(const Recording& recording, const StateName& name) {
  for (const Piece& piece : pieces_of(recording.log, name, recording.how)) {
    const Write& write = recording.log.writes[piece.write];
    std::cout << piece.write - recording.log.windows[name.window].first + 1 << ": sector "
              << write.sector << ", " << write.sectors << " sectors"
              << (write.data.data == nullptr ? ", discarded" : "")
              << (piece.units.empty() ? "" : ", torn") << '\n';
  }
}

void write_image(const Recording& recording, const StateName& name, const std::string& path) {
  StateImage image(recording.log, recording.base_path, recording.how);
  image.go_to(name);
  const Buffer& content = image.content();
  const Descriptor file(
      check(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), "make", path));
  check(::ftruncate(file.get(), static_cast<off_t>(content.size())), "size", path);
  for (std::size_t page = 0; page * kPageBytes < content.size(); ++page) {
    if (!content.is_written(page)) continue;
    const std::size_t at = page * kPageBytes;
    const std::size_t size = std::min(kPageBytes, content.size() - at);
    const auto done = check(::pwrite(file.get(), content.data() + at, size, static_cast<off_t>(at)),
                            "write", path);
    if (done != static_cast<ssize_t>(size)) throw SystemError("a short write to " + path);
  }
}

int run(const Arguments& arguments) {
  const Recording recording(arguments);
  const auto& words = arguments.rest;
  const std::string verb = words.empty() ? "" : words[0];
  if (verb == "list" && words.size() == 1) {
    list(recording);
  } else if (verb == "marks" && words.size() == 1) {
    list_marks(recording.log);
  } else if (verb == "writes" && words.size() == 2) {
    list_writes(recording, parse_state_name(words[1]));
  } else if (verb == "image" && words.size() == 3) {
    write_image(recording, parse_state_name(words[1]), words[2]);
  } else {
    throw std::invalid_argument("list, marks, writes NAME, or image NAME FILE");
  }
  return 0;
}

}  // namespace
}  // namespace qubes::storage::crash

int main(int count, char** values) {
  using namespace qubes::storage::crash;
  try {
    return run(Arguments(count, values));
  } catch (const std::exception& error) {
    std::cerr << "crash-states: " << error.what() << std::endl;
    return 2;
  }
}
