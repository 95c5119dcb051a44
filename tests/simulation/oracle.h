// SPDX-License-Identifier: LGPL-2.1-or-later
// What a user is owed, whatever the power does: written from what docs/ON_DISK.md and the public
// header promise, with no code of the library. A volume is told as a user would tell it (State);
// each operation says which states it may end in, and which a crash in the middle of it may leave
// once the volume was recovered (Expectation).
#ifndef QUBES_STORAGE_TESTS_SIMULATION_ORACLE_H
#define QUBES_STORAGE_TESTS_SIMULATION_ORACLE_H

#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/disk.h"

namespace qubes::storage::simulation {

enum class Kind { origin, snapshot, volatile_volume, origin_snapshot };

struct VolumeSpec {
  Kind kind = Kind::origin;
  std::string prefix;
  std::string vm;
  std::string name;
  int source = -1;  // index of another volume
  std::uint8_t size_blocks = 2;
  std::uint8_t size_max = 2;  // of growing

  bool is_saved() const { return kind == Kind::origin || kind == Kind::origin_snapshot; }
  std::string vid() const { return prefix + '/' + vm + '/' + name; }
  std::string directory() const { return "/pool/" + prefix + '/' + vm; }
};

enum class Verb {
  create,
  start,
  start_at_once,  // within the tick in which the last thing happened
  write,
  write_at_once,
  flush,
  stop,
  discard,
  revert,         // to the newest
  revert_oldest,  // by number
  grow,
  shrink,
  import,
  import_cancelled,
  prune,  // to `keep`
  remove,
  recover,
};
const char* name_of(Verb verb);

struct Revision {
  std::int64_t number = 0;
  Content content;
  bool optional = false;  // in an expectation: it may be there or not
  bool operator==(const Revision&) const = default;
};

struct State {
  std::optional<Content> committed;
  std::optional<Content> session;
  std::vector<Revision> revisions;  // oldest first
  // What a user knows of the session and the disk does not tell:
  bool maybe_written = false;  // else it equals what it started from
  bool loose = false;          // written and not flushed: after a power cut it may hold anything
  bool operator==(const State&) const = default;
  std::string text() const;
};

struct Expectation {
  bool may_succeed = false;
  bool may_refuse = false;
  std::vector<State> after;   // one of these when it has answered
  std::vector<State> during;  // one of these after a crash in the middle and recovery
  bool is_durable = true;     // a power cut after the answer changes nothing
};

// `fresh` is the symbol that a write will use; `states` those of all volumes.
Expectation expect(const std::vector<VolumeSpec>& specs, const std::vector<State>& states,
                   std::size_t volume, Verb verb, int keep, Symbol fresh);

// Where a snapshot lies beside its source, what replaces the source's committed state may keep the
// state before as a revision until the new one is durable: a crash may leave that, or bring it
// back.
std::optional<Revision> secured_revision(const std::vector<VolumeSpec>& specs,
                                         const std::vector<State>& states, std::size_t volume);

// ---- What is on the disk
// --------------------------------------------------------------------------

struct SeenFile {
  NameId name = 0;
  InodeNumber inode = 0;
  Content content;
  std::int64_t mtime_ns = 0;
};

struct Seen {
  std::optional<SeenFile> clean, dirty, precache, import;
  std::vector<SeenFile> revisions;  // by number
  std::vector<SeenFile> temporaries;
};

Seen look(const Disk& disk, const VolumeSpec& spec);
// As it is read where nothing was left over.
State read_state(const VolumeSpec& spec, const Seen& seen);

// The rest are complaints; empty means that all is well.

// What no operation may leave when it has answered.
std::string leftovers(const VolumeSpec& spec, const Seen& seen);
// Revisions that are not there any more, but that a power cut could bring back.
std::vector<Revision> ghosts_of(const Disk& disk, const VolumeSpec& spec);
// `wanted` may have optional revisions, `ghosts` are further ones. A loose session equals any.
bool matches(const State& found, const State& wanted, const std::vector<Revision>& ghosts);
// Where a process died before the names that it changed were durable, another operation came, and
// then the power went: the changes of both may be mixed. Then it is only owed that every content
// of one of the states is there, under whichever name, and nothing that was never one.
bool loses_nothing(const State& found, const std::vector<State>& states,
                   const std::vector<Revision>& ghosts);

}  // namespace qubes::storage::simulation

#endif
