// SPDX-License-Identifier: LGPL-2.1-or-later
// The first process in User Mode Linux: mounts what programs expect, loads /modules, runs the
// command that /job holds (a word a line), says its exit status and switches off.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <vector>

#include "testvm/crash/system.h"

namespace qubes::storage::crash {
namespace {

void mount_new(const char* type, const char* where) {
  ::mkdir(where, 0755);
  check(::mount(type, where, type, 0, nullptr), "mount", where);
}

void load_modules() {
  for (const auto& entry : std::filesystem::directory_iterator("/modules")) {
    const std::string path = entry.path();
    const Descriptor file(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open", path));
    check(::syscall(SYS_finit_module, file.get(), "", 0), "load", path);
  }
}

int run_job() {
  std::vector<std::string> words;
  std::ifstream stream("/job");
  for (std::string line; std::getline(stream, line);) words.push_back(line);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = check(::fork(), "start", words.at(0));
  if (child == 0) {
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  while (check(::wait(&status), "wait for", words[0]) != child) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run() {
  mount_new("proc", "/proc");
  mount_new("sysfs", "/sys");
  mount_new("devtmpfs", "/dev");
  mount_new("tmpfs", "/scratch");
  load_modules();
  return run_job();
}

}  // namespace
}  // namespace qubes::storage::crash

int main() {
  int status = 2;
  try {
    status = qubes::storage::crash::run();
  } catch (const std::exception& error) {
    std::cout << "@ failed " << error.what() << std::endl;
  }
  std::cout << "@ status " << status << std::endl;
  ::sync();
  ::reboot(RB_POWER_OFF);
  return 1;
}
