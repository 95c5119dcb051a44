// SPDX-License-Identifier: LGPL-2.1-or-later
// In the guest whose disks are recorded: for each job mounts a disk and runs a program on it, with
// noise. A boot costs more than a job, so there may be several.
//
// usage: crash-stage JOBS
//
// JOBS is a file with a job a line, its words separated by spaces:
//
//   --device DEV --fs KIND --marks OFFSET [--noise SPEC] [--mistake NAME] [--preload FILE]
//     -- PROGRAM [ARGUMENT...]
//
// The program runs in the root of the filesystem; $CRASH_MARKS tells it where marks go. For each
// job there is a line "@ job N STATUS".
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "testvm/crash/arguments.h"
#include "testvm/crash/system.h"

namespace qubes::storage::crash {
namespace {

void set(const char* name, const std::string& value) {
  if (!value.empty()) ::setenv(name, value.c_str(), 1);
}

// 128 + the signal where it was killed by one, as a shell has it.
int run_program(const Arguments& arguments) {
  const pid_t child = check(::fork(), "start", arguments.rest[0]);
  if (child == 0) {
    set("CRASH_NOISE", arguments.text("noise", ""));
    set("CRASH_MISTAKE", arguments.text("mistake", ""));
    set("LD_PRELOAD", arguments.text("preload", ""));
    std::vector<char*> words;
    for (const std::string& word : arguments.rest) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    std::cerr << "crash-stage: cannot run " << words[0] << std::endl;
    ::_exit(127);
  }
  int status = 0;
  check(::waitpid(child, &status, 0), "wait for", arguments.rest[0]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_job(const std::string& line, const std::string& mount_point) {
  std::istringstream stream(line);
  std::vector<std::string> words = {"crash-stage"};
  for (std::string word; stream >> word;) words.push_back(word);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  const Arguments arguments(static_cast<int>(pointers.size()), pointers.data());
  if (arguments.rest.empty()) throw std::invalid_argument("a job without a program: " + line);
  const std::string device = arguments.text("device");
  Mount mount(device, arguments.text("fs"), mount_point);
  check(::chdir(mount_point.c_str()), "enter", mount_point);
  set("CRASH_MARKS", device + ":" + arguments.text("marks"));
  const int status = run_program(arguments);
  check(::chdir("/"), "leave", mount_point);
  return status;
}

int run(const std::string& jobs_path) {
  const std::string mount_point = "/tmp/crash-stage";
  ::mkdir("/tmp", 01777);
  ::mkdir(mount_point.c_str(), 0700);
  std::ifstream jobs(jobs_path);
  if (!jobs) throw std::invalid_argument("cannot read " + jobs_path);
  int number = 0;
  for (std::string line; std::getline(jobs, line); ++number) {
    std::cout << "@ job " << number << ' ' << run_job(line, mount_point) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace qubes::storage::crash

int main(int count, char** values) {
  using namespace qubes::storage::crash;
  try {
    if (count != 2) throw std::invalid_argument("usage: crash-stage JOBS");
    return run(values[1]);
  } catch (const std::exception& error) {
    std::cout << "crash-stage: " << error.what() << std::endl;
    return 2;
  }
}
