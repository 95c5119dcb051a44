// SPDX-License-Identifier: LGPL-2.1-or-later
// What the parts of the stress test share: the public handles as values, the content of images, and
// the verbs with what each may answer.
#ifndef QUBES_STORAGE_TESTS_REAL_STRESS_H
#define QUBES_STORAGE_TESTS_REAL_STRESS_H

#include <qubes/storage.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace qubes::storage::test::stress {

using Random = std::mt19937;

inline bool chance(Random& random, unsigned one_in) {
  return random() % one_in == 0;
}
template <typename Container>
auto& any_of(Random& random, Container& from) {
  return from[random() % from.size()];
}

// What went wrong, in any thread.
class Failures {
 public:
  void add(const std::string& what);
  std::vector<std::string> take();

 private:
  std::mutex mutex_;
  std::vector<std::string> found_;
};

// One reference to a handle. The count is the library's.
template <typename T, T* (*add)(T*), void (*drop)(T*)>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* owned) : handle_(owned) {}
  Ref(const Ref& other) : handle_(add(other.handle_)) {}
  Ref(Ref&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Ref() { drop(handle_); }
  T* get() const { return handle_; }
  // For an output, or a place for an error.
  T** out() {
    drop(std::exchange(handle_, nullptr));
    return &handle_;
  }

 private:
  T* handle_ = nullptr;
};
using Error = Ref<qubes_storage_error, qubes_storage_error_ref, qubes_storage_error_unref>;
using Pool = Ref<qubes_storage_pool, qubes_storage_pool_ref, qubes_storage_pool_unref>;
using Volume = Ref<qubes_storage_volume, qubes_storage_volume_ref, qubes_storage_volume_unref>;
using Job = Ref<qubes_storage_job, qubes_storage_job_ref, qubes_storage_job_unref>;

// A handle of the pool in that directory; of a volume there.
Pool open_pool(const std::string& path);

struct Kind {
  const char* vid;
  bool save_on_stop;
  const char* source;  // null: not snap_on_start
  int revisions_to_keep;
};
Volume open_volume(const Pool& pool, const Kind& kind);

// ---- Content ----
// Each image is of one generation: a block of it at each stride from the beginning, and nothing but
// zeros after the last one (an image may be made longer). Generation 0 is all zeros.

constexpr std::uint64_t kStride = 64 << 10;
constexpr std::uint64_t kStridesMax = 32;

// A generation that no image has yet, of this process or another.
std::uint64_t new_generation();
void stamp(const std::string& path, std::uint64_t generation);  // in the size that it has
// A descriptor of a new file of that generation, without a name; -1 with errno.
int stamped_file(const std::string& directory, std::uint64_t generation, std::uint64_t strides);
// Adds a failure where the image is of more than one generation, or of none that is known.
std::uint64_t generation_of(int fd, const std::string& what, Failures& failures);
std::uint64_t generation_of(const std::string& path, Failures& failures);

// ---- Verbs ----

// What a verb is called with.
struct Call {
  qubes_storage_volume* volume;
  qubes_storage_volume* source;  // of an import
  int fd;                        // of an import or an export
  std::uint64_t size_bytes;
  int keep;
  unsigned stop_after;  // the progress function stops then; 0: it does not
};

struct Verb {
  const char* name;
  unsigned weight;
  std::vector<std::int32_t> answers;  // that the header lists; beside OK and CANCELLED
  std::int32_t (*now)(Call& call, qubes_storage_error** error);
  std::int32_t (*later)(Call& call, qubes_storage_job** job, qubes_storage_error** error);
};
const std::vector<Verb>& verbs();
const Verb& verb(const std::string& name);

// Adds a failure if the verb may not answer that.
void check_answer(const Verb& verb, const char* vid, std::int32_t code, const Error& error,
                  Failures& failures);

// Waits for the job: by its descriptor or by job_wait. Adds a failure if it does not end.
std::int32_t result_of(const Job& job, bool polls, Error& error, Failures& failures);

// Makes the call, at once or in a job that may be cancelled at any moment. What it answered.
std::int32_t perform(const Verb& verb, Call call, Random& random, Failures& failures);

// ---- Volumes of which the state is known ----

class Kept {
 public:
  Kept(Kind kind, std::string pool_path) : kind_(kind), pool_path_(std::move(pool_path)) {}

  const Kind& kind() const { return kind_; }
  bool is_origin() const { return kind_.source == nullptr; }

  // One operation that changes it, and the look at what it left. False where somebody else is at
  // it: the machine that a session belongs to.
  bool operate(const Volume& volume, Random& random, Failures& failures);

  // What is committed is what was committed last, and what was before it is a revision.
  void check(Failures& failures) const;

 private:
  void session(const Volume& volume, Random& random, Failures& failures);
  void import(const Volume& volume, Random& random, Failures& failures);
  void import_by_hand(const Volume& volume, Random& random, Failures& failures);
  void revert(const Volume& volume, Random& random, Failures& failures);
  void end_session(const Volume& volume, Random& random, std::uint64_t written, Failures& failures);
  void committed(std::uint64_t generation);
  std::string image() const { return pool_path_ + "/" + kind_.vid + ".img"; }

  const Kind kind_;
  const std::string pool_path_;
  std::mutex machine_;
  std::uint64_t committed_ = 0;
  std::set<std::uint64_t> states_ = {0};  // that were ever committed
  std::uint64_t before_ = 0;              // must be the newest revision, unless 0
};

}  // namespace qubes::storage::test::stress

#endif
