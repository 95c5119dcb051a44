// SPDX-License-Identifier: LGPL-2.1-or-later
// Pools laid out file by file, as the peer or this library leaves them, and what is in them in one
// line.
#ifndef QUBES_STORAGE_TESTS_SUPPORT_POOL_BUILDER_H
#define QUBES_STORAGE_TESTS_SUPPORT_POOL_BUILDER_H

#include <cstdint>
#include <string>

#include "tests/support/loop_mount.h"

namespace qubes::storage::test {

// Nothing here uses the library. A content is one letter, which fills a few blocks of a sparse
// image, and each letter has its time: the mtime of the image that it was written to, all of them
// in the year 2024, in the order of the alphabet, and never on a whole second.
std::int64_t mtime_of(char letter);  // ns
std::string utc_of(char letter);     // as in the name of a revision

// The verbs without a path are about one volume: `appvms/work/private` until volume() names
// another. Its files are called by what comes after the name of the volume. A path is relative to
// the pool.
class PoolBuilder {
 public:
  static constexpr std::uint64_t kImageBytes = 1 << 20;

  // An empty pool: the directories of the two prefixes, and nothing else.
  explicit PoolBuilder(const LoopMount& mount);

  const std::string& path() const { return scratch_.path(); }
  std::string operator/(const std::string& relative) const { return scratch_ / relative; }
  // Absolute; of a file of the present volume.
  std::string file(const std::string& suffix) const { return path() + '/' + vid_ + suffix; }

  PoolBuilder& volume(const std::string& vid);

  PoolBuilder& clean(char letter, std::uint64_t size_bytes = kImageBytes);
  PoolBuilder& dirty(char letter, std::uint64_t size_bytes = kImageBytes);
  PoolBuilder& import(char letter, std::uint64_t size_bytes = kImageBytes);
  PoolBuilder& image(const std::string& suffix, char letter,
                     std::uint64_t size_bytes = kImageBytes);
  // `SUFFIX~XXXXXXXX`, as mkstemp of the peer calls it.
  PoolBuilder& temporary(const std::string& suffix, char letter,
                         std::uint64_t size_bytes = kImageBytes);

  // A clone of C with its mtime.
  PoolBuilder& precache() { return clone("-precache.img", true); }
  // A session that wrote nothing: what a start makes of P; and what the peer makes where there is
  // no P.
  PoolBuilder& idle_session() { return clone("-dirty.img", true); }
  PoolBuilder& copied_session() { return clone("-dirty.img", false); }

  // One that some earlier session left. Of the peer it has an mtime of its own.
  PoolBuilder& revision(int number, char letter);
  // The present C as a revision: as the peer makes it, a clone, named after the mtime of C, with an
  // inode and an mtime of its own; and as we do, a second name.
  PoolBuilder& peer_revision(int number);
  PoolBuilder& our_revision(int number);

  // C as a second name of another volume's C.
  PoolBuilder& link_from(const std::string& source_vid);

  PoolBuilder& unlink(const std::string& suffix);
  PoolBuilder& rename(const std::string& from, const std::string& to);
  PoolBuilder& link(const std::string& from, const std::string& to);

  // Any file at all; makes its directory.
  PoolBuilder& foreign(const std::string& relative, char letter);
  PoolBuilder& directory(const std::string& relative);

  // Writes over what is there, as a guest does: the inode and the size stay.
  PoolBuilder& write(const std::string& suffix, char letter);
  PoolBuilder& guest_writes(char letter) { return write("-dirty.img", letter); }

  // Every file and every empty directory of the pool: "private-dirty.img D, private.img C,
  // private.img.1@B B". `appvms/work/` is left out; a time is shown as the letter that has it; the
  // content is a letter, `-` for nothing but zeros, `?` for anything else, with "/SIZE" if that is
  // not kImageBytes; "=NAME" marks a further name of the same inode; and "(stale)" a precache that
  // is not valid.
  std::string observe() const;

 private:
  PoolBuilder& clone(const std::string& suffix, bool with_mtime);
  PoolBuilder& put(const std::string& path, char letter, std::uint64_t size_bytes);
  std::string revision_suffix(int number, const std::string& time) const;

  ScratchDirectory scratch_;
  std::string vid_ = "appvms/work/private";
  int temporaries_ = 0;
};

}  // namespace qubes::storage::test

#endif
