// SPDX-License-Identifier: LGPL-2.1-or-later
// In the guest whose disks are recorded: for each job mounts a disk and runs a program on it, with
// noise. A boot costs more than a job, so there may be several.
//
// usage: crash-stage [--together 1] [--clock SECONDS] [--sysrq LETTER --after MS] JOBS
//
// One after the other, or all together; then each program finds in $CRASH_READY the number of a
// descriptor. When all have written a byte to it, or ended, there is a line "@ ready", and so many
// milliseconds later the letter goes to the kernel: b resets the guest, c makes its kernel crash.
// --clock sets the clock: it must not run backwards from one boot to the next.
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
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

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

int run_job(const std::string& line, int number) {
  const std::string mount_point = "/tmp/crash-stage-" + std::to_string(number);
  ::mkdir("/tmp", 01777);
  ::mkdir(mount_point.c_str(), 0700);
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

void say_done(int number, int status) {
  std::cout << "@ job " + std::to_string(number) + ' ' + std::to_string(status) + '\n'
            << std::flush;
}

void start_job(const std::string& line, int number, int ready) {
  if (check(::fork(), "start", line) != 0) return;
  int status = 2;
  try {
    set("CRASH_READY", std::to_string(ready));
    status = run_job(line, number);
  } catch (const std::exception& error) {
    std::cout << std::string("@ job failed: ") + error.what() + '\n';
  }
  say_done(number, status);
  ::_exit(::write(ready, "e", 1) == 1 ? 0 : 1);
}

void send_to_kernel(const std::string& letter) {
  std::ofstream("/proc/sysrq-trigger") << letter << std::flush;
}

void run_together(const std::vector<std::string>& jobs, const Arguments& arguments) {
  int ready[2];
  check(::pipe(ready), "make", "a pipe");  // inherited by the programs
  std::cout << "@ begin" << std::endl;
  for (std::size_t i = 0; i < jobs.size(); ++i) start_job(jobs[i], static_cast<int>(i), ready[1]);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    char byte = 0;
    check(::read(ready[0], &byte, 1), "read from", "the pipe");
  }
  std::cout << "@ ready" << std::endl;
  if (const std::string letter = arguments.text("sysrq", ""); !letter.empty()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(arguments.number("after")));
    send_to_kernel(letter);
  }
  while (::wait(nullptr) != -1) continue;
}

int run(const Arguments& arguments) {
  if (arguments.rest.size() != 1) throw std::invalid_argument("a file of JOBS is needed");
  const std::vector<std::string> jobs = lines_of(arguments.rest[0]);
  if (const auto seconds = static_cast<time_t>(arguments.number("clock", 0)); seconds != 0) {
    const timespec now{seconds, 0};
    check(::clock_settime(CLOCK_REALTIME, &now), "set", "the clock");
  }
  if (arguments.number("together", 0) != 0) {
    run_together(jobs, arguments);
    return 0;
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    say_done(static_cast<int>(i), run_job(jobs[i], static_cast<int>(i)));
  }
  return 0;
}

}  // namespace
}  // namespace qubes::storage::crash

int main(int count, char** values) {
  using namespace qubes::storage::crash;
  try {
    leave_mount_namespace();
    return run(Arguments(count, values));
  } catch (const std::exception& error) {
    std::cout << "crash-stage: " << error.what() << std::endl;
    return 2;
  }
}
