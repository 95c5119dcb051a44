// SPDX-License-Identifier: LGPL-2.1-or-later
// The input of a fuzz target, taken from the front. At its end all choices are the first.
#ifndef QUBES_STORAGE_TESTS_FUZZ_BYTES_H
#define QUBES_STORAGE_TESTS_FUZZ_BYTES_H

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace qubes::storage::fuzz {

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  bool is_empty() const { return at_ == size_; }
  std::uint8_t next() { return at_ < size_ ? data_[at_++] : std::uint8_t{0}; }
  bool flag() { return (next() & 1) != 0; }
  std::size_t below(std::size_t count) { return next() % count; }
  std::uint64_t number(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | next();
    return value;
  }
  // Any bytes, as many as the first of them says.
  std::string text(std::size_t length_max) {
    std::string result(below(length_max + 1), '\0');
    for (char& byte : result) byte = static_cast<char>(next());
    return result;
  }
  std::string rest() {
    std::string result(reinterpret_cast<const char*>(data_) + at_, size_ - at_);
    at_ = size_;
    return result;
  }
  template <typename List>
  const auto& pick(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

// What must hold of every input. Ends the program where it does not, so that the input is kept.
inline void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: does not hold: %s\n", what.c_str());
  std::abort();
}

}  // namespace qubes::storage::fuzz

#endif
