// SPDX-License-Identifier: LGPL-2.1-or-later
// What a sequence of calls works with: a directory of its own, a few handles of each type, and
// arguments that are often sensible, sometimes hostile, and sometimes NULL.
#ifndef QUBES_STORAGE_TESTS_FUZZ_SESSION_H
#define QUBES_STORAGE_TESTS_FUZZ_SESSION_H

#include <qubes/storage.h>

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <tuple>
#include <vector>

#include "tests/fuzz/bytes.h"

namespace qubes::storage::fuzz {

// Each drops one reference.
inline void drop(qubes_storage_error* handle) {
  qubes_storage_error_unref(handle);
}
inline void drop(qubes_storage_pool_config* handle) {
  qubes_storage_pool_config_unref(handle);
}
inline void drop(qubes_storage_pool* handle) {
  qubes_storage_pool_unref(handle);
}
inline void drop(qubes_storage_pool_info* handle) {
  qubes_storage_pool_info_unref(handle);
}
inline void drop(qubes_storage_volumes* handle) {
  qubes_storage_volumes_unref(handle);
}
inline void drop(qubes_storage_report* handle) {
  qubes_storage_report_unref(handle);
}
inline void drop(qubes_storage_volume_config* handle) {
  qubes_storage_volume_config_unref(handle);
}
inline void drop(qubes_storage_volume* handle) {
  qubes_storage_volume_unref(handle);
}
inline void drop(qubes_storage_volume_info* handle) {
  qubes_storage_volume_info_unref(handle);
}
inline void drop(qubes_storage_revisions* handle) {
  qubes_storage_revisions_unref(handle);
}
inline void drop(qubes_storage_job* handle) {
  qubes_storage_job_unref(handle);
}

template <typename Handle>
class Slots {
 public:
  ~Slots() { clear(); }
  void clear() {
    for (Handle*& handle : handles_) drop(take(handle));
  }
  // Mostly the first two.
  Handle* pick(Bytes& input) { return slot(input); }
  Handle* take(Bytes& input) { return take(slot(input)); }
  void put(Handle* handle, Bytes& input) {
    Handle*& place = slot(input);
    drop(take(place));
    place = handle;
  }
  void replace_first(Handle* handle) {
    drop(take(handles_[0]));
    handles_[0] = handle;
  }

 private:
  Handle*& slot(Bytes& input) {
    static constexpr std::array<std::size_t, 8> kOrder = {0, 0, 1, 0, 1, 2, 3, 0};
    return handles_[input.pick(kOrder)];
  }
  static Handle* take(Handle*& place) {
    Handle* handle = place;
    place = nullptr;
    return handle;
  }

  std::array<Handle*, 4> handles_{};  // the last is rarely filled, and gives NULL
};

class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  template <typename Handle>
  Slots<Handle>& slots() {
    return std::get<Slots<Handle>>(slots_);
  }

  std::uint32_t flags(Bytes& input);
  std::uint64_t size(Bytes& input);
  std::uint64_t small(Bytes& input) { return input.below(5); }
  std::int32_t small32(Bytes& input) { return static_cast<std::int32_t>(input.below(4)) - 1; }
  std::int32_t any32(Bytes& input) { return static_cast<std::int32_t>(input.number(4)); }
  std::int32_t keep(Bytes& input);
  std::int32_t boolean(Bytes& input);
  std::int32_t timeout(Bytes& input);
  std::size_t candidate_count(Bytes& input) { return input.below(candidates_.size() + 1); }
  const char* const* candidates(Bytes& input);
  const char* path(Bytes& input);
  const char* vid(Bytes& input);
  const char* word(Bytes& input);
  int descriptor(Bytes& input);
  qubes_storage_progress progress(Bytes& input);
  qubes_storage_log log(Bytes& input);

  template <typename Value>
  void close_given(Value& value, std::int32_t result) {
    if (result == QUBES_STORAGE_OK && value.where() != nullptr) close_descriptor(value.get());
  }

  // What is no call: the guest writes, somebody leaves something in the directory.
  void write_session(Bytes& input);
  void leave_something(Bytes& input);

 private:
  const char* keep_text(std::string text);
  void open_first();
  static void close_descriptor(int fd);

  std::string directory_;
  const std::string came_from_;
  const int descriptors_before_;
  int files_[3];                   // an image, a descriptor to write to, a pipe at its end
  std::deque<std::string> texts_;  // what is in it stays where it is
  std::vector<const char*> candidates_;
  std::tuple<
      Slots<qubes_storage_error>, Slots<qubes_storage_pool_config>, Slots<qubes_storage_pool>,
      Slots<qubes_storage_pool_info>, Slots<qubes_storage_volumes>, Slots<qubes_storage_report>,
      Slots<qubes_storage_volume_config>, Slots<qubes_storage_volume>,
      Slots<qubes_storage_volume_info>, Slots<qubes_storage_revisions>, Slots<qubes_storage_job>>
      slots_;
};

// The last argument, and what must be there after the call.
class Failure {
 public:
  explicit Failure(Bytes& input) : is_wanted_(input.below(4) != 3) {}
  ~Failure() { qubes_storage_error_unref(error_); }
  Failure(const Failure&) = delete;
  Failure& operator=(const Failure&) = delete;

  qubes_storage_error** where() { return is_wanted_ ? &error_ : nullptr; }
  // The error stays, for the functions that take one.
  void check(Session& session, std::int32_t result, const char* function);

 private:
  const bool is_wanted_;
  qubes_storage_error* error_ = nullptr;
};

// An output handle: set on success, left alone on failure.
template <typename Handle>
class Output {
 public:
  explicit Output(Bytes& input) : input_(input), is_wanted_(input.below(8) != 7) {}
  Handle** where() { return is_wanted_ ? &handle_ : nullptr; }
  void keep(Session& session, std::int32_t result) {
    const bool is_set = handle_ != nullptr;
    require(is_set == (result == QUBES_STORAGE_OK && is_wanted_), "an output handle");
    if (is_set) session.slots<Handle>().put(handle_, input_);
  }

 private:
  Bytes& input_;
  const bool is_wanted_;
  Handle* handle_ = nullptr;
};

// An output number. The one that is there before is none that any function gives.
template <typename Number>
class Value {
 public:
  explicit Value(Bytes& input) : is_wanted_(input.below(8) != 7) {}
  Number* where() { return is_wanted_ ? &value_ : nullptr; }
  Number get() const { return value_; }
  void check(std::int32_t result) const {
    const bool is_set = value_ != kBefore;
    require(is_set == (result == QUBES_STORAGE_OK && is_wanted_), "an output number");
  }

 private:
  static constexpr Number kBefore = static_cast<Number>(-77);
  const bool is_wanted_;
  Number value_ = kBefore;
};

// Reads a borrowed string to its end.
void touch(const char* text);

}  // namespace qubes::storage::fuzz

#endif
