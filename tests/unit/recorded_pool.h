// SPDX-License-Identifier: LGPL-2.1-or-later
// A pool in a fresh temporary directory whose every step is recorded.
#ifndef QUBES_STORAGE_TESTS_UNIT_RECORDED_POOL_H
#define QUBES_STORAGE_TESTS_UNIT_RECORDED_POOL_H

#include <memory>
#include <string>
#include <vector>

#include "src/pool.h"
#include "tests/support/recording_filesystem.h"

namespace qubes::storage {

class RecordedPool {
 public:
  explicit RecordedPool(FilesystemKind kind, bool reflink = true);
  ~RecordedPool();
  RecordedPool(const RecordedPool&) = delete;
  RecordedPool& operator=(const RecordedPool&) = delete;

  std::shared_ptr<Volume> origin(const std::string& vid, int revisions_to_keep = 1);
  std::shared_ptr<Volume> snapshot(const std::string& vid, const std::string& source);
  std::shared_ptr<Volume> origin_snapshot(const std::string& vid, const std::string& source);
  std::shared_ptr<Volume> volatile_volume(const std::string& vid);

  // A created origin with its precache, nothing left in the record.
  std::shared_ptr<Volume> created(const std::string& vid, int revisions_to_keep = 1);

  // Writes `text` at the start of the session's file, long after the session began.
  void write_session(const std::string& vid, const std::string& text);
  // A whole session, with its background work.
  void session(Volume& volume, const std::string& text);

  std::string file(const std::string& vid, const std::string& suffix) const;  // a path
  bool exists(const std::string& vid, const std::string& suffix) const;
  std::string read(const std::string& vid, const std::string& suffix) const;
  std::vector<std::string> listing(const std::string& vm) const;

  // The steps since the last call; drains the background work before or not.
  std::vector<std::string> take() { return fs->take(); }
  void drain() { pool->drain(); }

  std::string dir_path;
  std::shared_ptr<RecordingFilesystem> fs;
  std::unique_ptr<Pool> pool;
};

// How many of the steps are syncs.
std::size_t count_syncs(const std::vector<std::string>& steps);

// The steps, a line each, with the times in revisions' names replaced by TIME.
std::string lines(const std::vector<std::string>& steps);

}  // namespace qubes::storage

#endif
