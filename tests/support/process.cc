// SPDX-License-Identifier: LGPL-2.1-or-later
// posix_spawn with both outputs drained at once, so that neither can block the child.
#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "src/fs/descriptor.h"

namespace qubes::storage::test {
namespace {

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) == -1) throw std::runtime_error("no pipe for a child process");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Returns 0 or an errno, as posix_spawnp does.
int spawn(const std::vector<std::string>& command, int output, int errors, pid_t* child) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  const int error =
      ::posix_spawnp(child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  return error;
}

void drain(int output, int errors, ProcessResult& result) {
  struct pollfd ends[] = {{output, POLLIN, 0}, {errors, POLLIN, 0}};
  std::string* const texts[] = {&result.output, &result.errors};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (retry([&] { return ::poll(ends, 2, -1); }) == -1) throw std::runtime_error("poll failed");
    for (int i = 0; i < 2; ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t got = retry([&] { return ::read(ends[i].fd, buffer, sizeof buffer); });
      if (got > 0) texts[i]->append(buffer, static_cast<std::size_t>(got));
      if (got <= 0) ends[i].fd = -1;  // poll ignores it
    }
  }
}

}  // namespace

ProcessResult run(const std::vector<std::string>& command) {
  Pipe output = make_pipe();
  Pipe errors = make_pipe();
  ProcessResult result;
  pid_t child = -1;
  if (const int error = spawn(command, output.writer.get(), errors.writer.get(), &child)) {
    return {127, {}, command[0] + " could not be started: errno " + std::to_string(error)};
  }
  output.writer = UniqueFd();
  errors.writer = UniqueFd();
  drain(output.reader.get(), errors.reader.get(), result);
  int status = 0;
  if (retry([&] { return ::waitpid(child, &status, 0); }) == -1) {
    throw std::runtime_error("waitpid failed");
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string run_checked(const std::vector<std::string>& command) {
  ProcessResult result = run(command);
  if (result.status != 0) {
    std::string words;
    for (const std::string& word : command) words += word + ' ';
    throw std::runtime_error(words + "failed with status " + std::to_string(result.status) + ": " +
                             result.errors);
  }
  if (result.output.ends_with('\n')) result.output.pop_back();
  return result.output;
}

bool true_in_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == -1) throw std::runtime_error("fork failed");
  if (child == 0) {
    bool answer = false;
    try {
      answer = body();
    } catch (...) {
    }
    ::_exit(answer ? 0 : 1);  // nothing of the parent is torn down here
  }
  int status = 0;
  if (retry([&] { return ::waitpid(child, &status, 0); }) == -1) {
    throw std::runtime_error("waitpid failed");
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace qubes::storage::test
