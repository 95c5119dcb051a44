// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading and writing what has no offset: pipes, sockets, devices; blocking or not.
#ifndef QUBES_STORAGE_SRC_FS_STREAM_H
#define QUBES_STORAGE_SRC_FS_STREAM_H

#include <cstddef>
#include <functional>

#include "src/fs/transfer.h"

namespace qubes::storage {

// Reads until `length` bytes are there or the stream ends; returns how many there are.
// `alive` is called with the bytes so far after each read, and now and then while there is nothing
// to read; it cancels by throwing.
std::size_t read_stream(OpenFile source, std::byte* data, std::size_t length,
                        const std::function<void(std::size_t read)>& alive);

class StreamWriter {
 public:
  explicit StreamWriter(OpenFile target);

  // Writes all of it. `alive` is called now and then while nobody reads; it cancels by throwing.
  // EPIPE is thrown like any error; SIGPIPE does not reach the process.
  void write(const std::byte* data, std::size_t length, const std::function<void()>& alive);

 private:
  ssize_t write_some(const std::byte* data, std::size_t length) const;

  OpenFile target_;
  bool is_socket_;
  std::size_t chunk_bytes_;
};

}  // namespace qubes::storage

#endif
