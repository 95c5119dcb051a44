// SPDX-License-Identifier: LGPL-2.1-or-later
// qubes-storage: the command, a thin user of the C API. From arguments to an exit status.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iterator>
#include <new>
#include <string_view>

#include "tools/commands.h"
#include "tools/interrupt.h"

namespace {

using tool::Command;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Entry {
  std::string_view name;
  Command run;
};

constexpr Entry kCommands[] = {
    {"setup", tool::setup},
    {"info", tool::info},
    {"list", tool::list},
    {"recover", tool::recover},
    {"included-in", tool::included_in},
    {"create", tool::create},
    {"remove", tool::remove},
    {"verify", tool::verify},
    {"start", tool::start},
    {"stop", tool::stop},
    {"discard", tool::discard},
    {"revert", tool::revert},
    {"resize", tool::resize},
    {"prune", tool::prune},
    {"revisions", tool::revisions},
    {"import", tool::import_image},
    {"export", tool::export_image},
};

// A caller may have closed any of the three; without this the first file that is opened, a volume
// perhaps, would get its number and be written to. What stands in fails as a closed one does.
void occupy_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) != -1) continue;
    if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) _exit(kFailed);
  }
}

Command find_command(std::string_view name) {
  for (const Entry& entry : kCommands) {
    if (entry.name == name) return entry.run;
  }
  throw tool::UsageError("no such command: " + std::string(name));
}

void run(const tool::Options& options, tool::Output& output) {
  const tool::Pool pool = tool::open_pool(options);
  find_command(options.command)({options, output, pool.get()});
  if (!options.no_wait) tool::call(qubes_storage_pool_drain, pool.get());
}

int usage(const tool::UsageError& error) {
  const std::string text =
      std::string("qubes-storage: ") + error.what() + "\nTry `qubes-storage --help`.\n";
  tool::write_all(STDERR_FILENO, text);
  return kUsage;
}

// Failures that could come from anywhere, as the library would call them.
tool::Error translated(const std::exception& error, const std::string& command) {
  const bool is_memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr;
  return {is_memory ? QUBES_STORAGE_NO_MEMORY : QUBES_STORAGE_INTERNAL, 0, command, "",
          error.what()};
}

int guarded_run(const tool::Options& options) {
  tool::Output output(options.json);
  try {
    run(options, output);
    return kDone;
  } catch (const tool::UsageError&) {
    throw;
  } catch (const tool::Error& error) {
    output.failure(error);
  } catch (const std::exception& error) {
    output.failure(translated(error, options.command));
  }
  if (const int signal = tool::InterruptGuard::signal()) tool::end_by_signal(signal);
  return kFailed;
}

int checked_main(int argc, char** argv) {
  try {
    std::string text;
    const auto options = tool::parse_options(argc, argv, text);
    if (options) return guarded_run(*options);
    tool::write_all(STDOUT_FILENO, text);
    return kDone;
  } catch (const tool::UsageError& error) {
    return usage(error);
  }
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_descriptors();
  // A reader that went away is an error of the write, not the end of the process: what is half
  // done is still to be cleared.
  static_cast<void>(signal(SIGPIPE, SIG_IGN));
  try {
    return checked_main(argc, argv);
  } catch (const std::exception& error) {
    tool::Output(false).failure(translated(error, "run"));
    return kFailed;
  }
}
