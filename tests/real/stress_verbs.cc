// SPDX-License-Identifier: LGPL-2.1-or-later
// The verbs of the stress test: what each is called with, and what the header says that it answers.
#include <poll.h>

#include <chrono>
#include <map>
#include <thread>

#include "src/fs/descriptor.h"
#include "tests/real/stress.h"

namespace qubes::storage::test::stress {
namespace {

constexpr int kPatienceMs = 120'000;

std::int32_t count_down(void* opaque, std::uint64_t /*done*/, std::uint64_t /*total*/) {
  auto& left = *static_cast<unsigned*>(opaque);
  return left > 0 && --left == 0 ? 1 : 0;
}

// The two of a verb that has a volume and flags only.
#define SIMPLE(verb)                                                                            \
  [](Call& c, qubes_storage_error** e) { return qubes_storage_volume_##verb(c.volume, 0, e); }, \
      [](Call& c, qubes_storage_job** j, qubes_storage_error** e) {                             \
        return qubes_storage_volume_##verb##_async(c.volume, 0, j, e);                          \
      }
// The two of any verb: its arguments, less the output.
#define GENERAL(verb, ...)                                                                      \
  [](Call& c, qubes_storage_error** e) { return qubes_storage_volume_##verb(__VA_ARGS__, e); }, \
      [](Call& c, qubes_storage_job** j, qubes_storage_error** e) {                             \
        return qubes_storage_volume_##verb##_async(__VA_ARGS__, j, e);                          \
      }

std::vector<Verb> lives() {
  return {
      {"create", 2, {QUBES_STORAGE_EXISTS, QUBES_STORAGE_BUSY}, SIMPLE(create)},
      {"verify",
       1,
       {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_DIRTY},
       [](Call& c, qubes_storage_error** e) { return qubes_storage_volume_verify(c.volume, e); },
       [](Call& c, qubes_storage_job** j, qubes_storage_error** e) {
         return qubes_storage_volume_verify_async(c.volume, j, e);
       }},
      {"remove", 1, {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_BUSY}, SIMPLE(remove)},
      {"start",
       4,
       {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_BUSY, QUBES_STORAGE_DIRTY},
       SIMPLE(start)},
      {"stop", 4, {QUBES_STORAGE_NOT_FOUND}, SIMPLE(stop)},
      {"discard", 2, {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_NOT_SUPPORTED}, SIMPLE(discard)},
      {"revert",
       2,
       {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_NOT_SUPPORTED, QUBES_STORAGE_DIRTY},
       GENERAL(revert, c.volume, 0, 0)},
      {"resize",
       2,
       {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_INVALID, QUBES_STORAGE_BUSY},
       GENERAL(resize, c.volume, c.size_bytes, QUBES_STORAGE_RESIZE_SHRINK)},
      {"prune",
       1,
       {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_NOT_SUPPORTED},
       GENERAL(prune, c.volume, c.keep, 0)},
      {"set_revisions_to_keep",
       1,
       {QUBES_STORAGE_DIRTY, QUBES_STORAGE_INVALID},
       GENERAL(set_revisions_to_keep, c.volume, c.keep)},
  };
}

std::vector<Verb> copies() {
  return {
      {"import_begin",
       1,
       {QUBES_STORAGE_DIRTY, QUBES_STORAGE_BUSY},
       GENERAL(import_begin, c.volume, c.size_bytes, 0)},
      {"import_end",
       2,
       {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_DIRTY, QUBES_STORAGE_BUSY},
       GENERAL(import_end, c.volume, c.keep == 0 ? 0 : 1, 0)},
      {"import_volume",
       2,
       {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_DIRTY, QUBES_STORAGE_BUSY,
        QUBES_STORAGE_NOT_SUPPORTED},
       [](Call& c, qubes_storage_error** e) {
         return qubes_storage_volume_import_volume(c.volume, c.source, count_down, &c.stop_after, 0,
                                                   e);
       },
       [](Call& c, qubes_storage_job** j, qubes_storage_error** e) {
         return qubes_storage_volume_import_volume_async(c.volume, c.source, 0, j, e);
       }},
      {"import_fd",
       3,
       {QUBES_STORAGE_DIRTY, QUBES_STORAGE_BUSY},
       [](Call& c, qubes_storage_error** e) {
         return qubes_storage_volume_import_fd(c.volume, c.fd, QUBES_STORAGE_UNKNOWN, count_down,
                                               &c.stop_after, 0, e);
       },
       [](Call& c, qubes_storage_job** j, qubes_storage_error** e) {
         return qubes_storage_volume_import_fd_async(c.volume, c.fd, QUBES_STORAGE_UNKNOWN, 0, j,
                                                     e);
       }},
      {"export_to",
       2,
       {QUBES_STORAGE_NOT_FOUND, QUBES_STORAGE_NOT_SUPPORTED, QUBES_STORAGE_DIRTY},
       [](Call& c, qubes_storage_error** e) {
         return qubes_storage_volume_export_to(c.volume, c.fd, count_down, &c.stop_after, 0, e);
       },
       [](Call& c, qubes_storage_job** j, qubes_storage_error** e) {
         return qubes_storage_volume_export_to_async(c.volume, c.fd, 0, j, e);
       }},
  };
}

}  // namespace

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> all = [] {
    std::vector<Verb> made = lives();
    for (Verb& of_copy : copies()) made.push_back(of_copy);
    return made;
  }();
  return all;
}

const Verb& verb(const std::string& name) {
  return *std::find_if(verbs().begin(), verbs().end(), [&](auto& v) { return v.name == name; });
}

void check_answer(const Verb& verb, const char* vid, std::int32_t code, const Error& error,
                  Failures& failures) {
  if (code == QUBES_STORAGE_OK || code == QUBES_STORAGE_CANCELLED) return;
  if (std::count(verb.answers.begin(), verb.answers.end(), code) != 0) return;
  failures.add(std::string(verb.name) + " of " + vid + " answered " +
               qubes_storage_code_name(code) + ": " + qubes_storage_error_message(error.get()));
}

std::int32_t result_of(const Job& job, bool polls, Error& error, Failures& failures) {
  if (polls) {
    struct pollfd waiting = {qubes_storage_job_fd(job.get()), POLLIN, 0};
    if (retry([&] { return ::poll(&waiting, 1, kPatienceMs); }) != 1) failures.add("poll: no end");
  } else if (qubes_storage_job_wait(job.get(), kPatienceMs, error.out()) != QUBES_STORAGE_OK) {
    failures.add(std::string("job_wait: ") + qubes_storage_error_message(error.get()));
  }
  return qubes_storage_job_result(job.get(), error.out());
}

std::int32_t perform(const Verb& verb, Call call, Random& random, Failures& failures) {
  const char* const vid = qubes_storage_volume_vid(call.volume);
  Error error;
  std::int32_t code = 0;
  call.stop_after = chance(random, 3) ? 1 + random() % 8 : 0;
  if (chance(random, 2)) {
    code = verb.now(call, error.out());
  } else {
    Job job;
    code = verb.later(call, job.out(), error.out());
    if (code == QUBES_STORAGE_OK) {
      if (chance(random, 2)) {
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        qubes_storage_job_cancel(job.get(), nullptr);
      }
      code = result_of(job, chance(random, 2), error, failures);
    }
  }
  check_answer(verb, vid, code, error, failures);
  return code;
}

}  // namespace qubes::storage::test::stress
