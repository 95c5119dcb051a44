// SPDX-License-Identifier: LGPL-2.1-or-later
// A new process that opens a pool which somebody else left, as far as a test can be one.
#ifndef QUBES_STORAGE_TESTS_REAL_PEER_SESSION_H
#define QUBES_STORAGE_TESTS_REAL_PEER_SESSION_H

#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "src/pool.h"
#include "tests/real/fs_place.h"
#include "tests/support/pool_builder.h"

namespace qubes::storage::test {

// Who was cut off: the peer makes a revision by cloning C, we by linking it.
enum class Maker { peer, ours };

inline std::ostream& operator<<(std::ostream& stream, Maker maker) {
  return stream << (maker == Maker::peer ? "peer" : "ours");
}

inline const auto kMakers = boost::unit_test::data::make({Maker::peer, Maker::ours});

// C got a revision, and nothing was published yet.
inline void leave_unpublished_revision(PoolBuilder& pool, Maker maker, int number) {
  maker == Maker::peer ? pool.peer_revision(number) : pool.our_revision(number);
}

struct Opened {
  // Without precaches a listing is the same on every filesystem.
  explicit Opened(const PoolBuilder& builder, bool precache = false)
      : pool(config_of(builder, precache), real_filesystem(), Worker::Mode::on_drain) {}

  static PoolConfig config_of(const PoolBuilder& builder, bool precache) {
    PoolConfig config;
    config.dir_path = builder.path();
    config.precache = precache;
    return config;
  }

  static VolumeConfig saved(int revisions_to_keep) {
    VolumeConfig config;
    config.size_bytes = PoolBuilder::kImageBytes;
    config.rw = true;
    config.save_on_stop = true;
    config.revisions_to_keep = revisions_to_keep;
    return config;
  }

  std::shared_ptr<Volume> origin(int revisions_to_keep,
                                 const std::string& vid = "appvms/work/private") {
    return pool.volume(vid, saved(revisions_to_keep));
  }

  std::shared_ptr<Volume> snapshot(const std::string& vid, const std::string& source) {
    VolumeConfig config;
    config.snap_on_start = true;
    config.source = source;
    return pool.volume(vid, config);
  }

  std::shared_ptr<Volume> volatile_volume(const std::string& vid) {
    VolumeConfig config;
    config.size_bytes = PoolBuilder::kImageBytes;
    config.rw = true;
    return pool.volume(vid, config);
  }

  Pool pool;
};

// What the Qubes daemon does first: stop each volume that does not run.
inline void boot(const PoolBuilder& builder, int revisions_to_keep) {
  Opened(builder).origin(revisions_to_keep)->stop();
}

inline void recover(const PoolBuilder& builder) {
  Opened(builder).pool.recover();
}

inline void idle_session(const PoolBuilder& builder, int revisions_to_keep) {
  Opened opened(builder);
  const auto volume = opened.origin(revisions_to_keep);
  volume->start();
  volume->stop();
}

inline void write_session(PoolBuilder& builder, int revisions_to_keep, char letter) {
  Opened opened(builder);
  const auto volume = opened.origin(revisions_to_keep);
  volume->start();
  builder.guest_writes(letter);
  volume->stop();
}

inline void import_letter(PoolBuilder& builder, int revisions_to_keep, char letter) {
  Opened opened(builder);
  const auto volume = opened.origin(revisions_to_keep);
  volume->import_begin(PoolBuilder::kImageBytes);
  builder.write("-import.img", letter);
  volume->import_end(true);
}

}  // namespace qubes::storage::test

#endif
