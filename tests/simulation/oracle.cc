// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading the disk, and comparing it with what is owed. The operations are in oracle_operations.cc.
#include "tests/simulation/oracle.h"

#include <algorithm>

namespace qubes::storage::simulation {
namespace {

std::string text_of(const std::optional<Content>& content) {
  return content ? content->text() : std::string("none");
}

SeenFile seen_file(const Disk& disk, const Entry& entry) {
  const Inode& inode = disk.inodes[entry.inode];
  return {entry.name, entry.inode, inode.now, inode.mtime_ns};
}

void place(Seen& seen, Role role, const SeenFile& file) {
  switch (role) {
    case Role::clean:
      seen.clean = file;
      break;
    case Role::dirty:
      seen.dirty = file;
      break;
    case Role::precache:
      seen.precache = file;
      break;
    case Role::import:
      seen.import = file;
      break;
    case Role::revision:
      seen.revisions.push_back(file);
      break;
    case Role::temporary:
      seen.temporaries.push_back(file);
      break;
    case Role::foreign:
      break;
  }
}

enum class Optional { counts, left_out };

// A session that was not flushed may hold anything, so nothing of it is owed.
std::vector<Content> contents_of(const State& state, Optional optional) {
  std::vector<Content> contents;
  if (state.committed) contents.push_back(*state.committed);
  if (state.session && !state.loose) contents.push_back(*state.session);
  for (const Revision& revision : state.revisions) {
    if (!revision.optional || optional == Optional::counts) contents.push_back(revision.content);
  }
  return contents;
}

// Stopped, it may keep a precache: a clone of the state that its own clean name is a link to, with
// an mtime that says so.
std::string leftovers_of_snapshot(const Seen& seen) {
  if (!seen.precache) return "";  // what a crash left of a session; the next start or stop ends it
  if (seen.dirty) return "";      // likewise: nothing was synced of how the session began or ended
  if (!seen.clean) return "left over: a precache of nothing";
  if (seen.precache->mtime_ns != seen.clean->mtime_ns + 1) return "left over: a stale precache";
  if (seen.precache->content != seen.clean->content) {
    return "a precache that passes for valid holds something else";
  }
  return "";
}

}  // namespace

const char* name_of(Verb verb) {
  static const char* const kNames[] = {
      "create",  "start",  "start at once", "write", "write at once", "flush",  "stop",
      "discard", "revert", "revert oldest", "grow",  "shrink",        "import", "import cancelled",
      "prune",   "remove", "recover"};
  return kNames[static_cast<std::size_t>(verb)];
}

std::string State::text() const {
  std::string text = "committed " + text_of(committed) + ", revisions";
  for (const Revision& revision : revisions) {
    text += ' ' + std::to_string(revision.number) + revision.content.text() +
            (revision.optional ? "?" : "");
  }
  if (revisions.empty()) text += " none";
  text += ", session " + text_of(session);
  if (loose) text += " (not flushed)";
  return text;
}

Seen look(const Disk& disk, const VolumeSpec& spec) {
  Seen seen;
  const InodeNumber directory = disk.resolve(spec.directory());
  for (const Entry& entry : disk.memory) {
    if (entry.directory != directory || directory == 0) continue;
    const NameInfo& meaning = info(entry.name);
    if (meaning.volume == spec.name) place(seen, meaning.role, seen_file(disk, entry));
  }
  std::sort(seen.revisions.begin(), seen.revisions.end(), [](const auto& a, const auto& b) {
    return std::pair(info(a.name).number, info(a.name).seconds) <
           std::pair(info(b.name).number, info(b.name).seconds);
  });
  return seen;
}

State read_state(const VolumeSpec& spec, const Seen& seen) {
  State state;
  if (seen.dirty) state.session = seen.dirty->content;
  if (!spec.is_saved()) return state;
  if (seen.clean) state.committed = seen.clean->content;
  for (const SeenFile& file : seen.revisions) {
    state.revisions.push_back({info(file.name).number, file.content, false});
  }
  return state;
}

std::string leftovers(const VolumeSpec& spec, const Seen& seen) {
  if (!seen.temporaries.empty()) return "left over: " + info(seen.temporaries.front().name).text;
  if (seen.import) return "left over: an import that nobody holds";
  if (!spec.is_saved())
    return spec.kind == Kind::snapshot ? leftovers_of_snapshot(seen)
           : seen.precache             ? "left over: a precache"
                                       : "";
  if (seen.clean && seen.dirty && seen.clean->inode == seen.dirty->inode) {
    return "the session is the committed state itself";
  }
  if (seen.clean && !seen.revisions.empty() && seen.revisions.back().inode == seen.clean->inode) {
    return "the newest revision is the committed state itself";
  }
  if (seen.dirty) {
    for (const SeenFile& revision : seen.revisions) {
      if (revision.inode == seen.dirty->inode) return "the session writes to a revision";
    }
  }
  for (const SeenFile& one : seen.revisions) {
    for (const SeenFile& other : seen.revisions) {
      if (one.name != other.name && one.inode == other.inode) return "two revisions are one";
    }
  }
  if (!seen.precache) return "";
  if (!seen.clean) return "left over: a precache of nothing";
  const bool passes = seen.precache->mtime_ns == seen.clean->mtime_ns &&
                      seen.precache->content.size_blocks == seen.clean->content.size_blocks;
  if (!passes) return "left over: a stale precache";
  if (seen.precache->content != seen.clean->content) {
    return "a precache that passes for valid holds something else";
  }
  return "";
}

std::vector<Revision> ghosts_of(const Disk& disk, const VolumeSpec& spec) {
  std::vector<Revision> ghosts;
  auto consider = [&](InodeNumber directory, NameId name, InodeNumber inode) {
    const NameInfo& meaning = info(name);
    if (meaning.role != Role::revision || meaning.volume != spec.name) return;
    if (disk.lookup(directory, name) == inode) return;
    const Revision ghost{meaning.number, disk.inodes[inode].now, true};
    if (std::find(ghosts.begin(), ghosts.end(), ghost) == ghosts.end()) ghosts.push_back(ghost);
  };
  for (const Entry& entry : disk.durable) consider(entry.directory, entry.name, entry.inode);
  for (const Change& one : disk.pending) {
    if (one.to != 0) consider(one.directory, one.to, one.inode);
    if (one.from != 0) consider(one.directory, one.from, one.inode);
  }
  return ghosts;
}

bool matches(const State& found, const State& wanted, const std::vector<Revision>& ghosts) {
  if (found.committed != wanted.committed) return false;
  if (found.session.has_value() != wanted.session.has_value()) return false;
  if (!wanted.loose && found.session != wanted.session) return false;
  auto same = [](const Revision& a, const Revision& b) {
    return a.number == b.number && a.content == b.content;
  };
  auto contains = [&](const std::vector<Revision>& list, const Revision& one) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& other) { return same(one, other); });
  };
  for (const Revision& one : found.revisions) {
    if (!contains(wanted.revisions, one) && !contains(ghosts, one)) return false;
  }
  for (const Revision& one : wanted.revisions) {
    if (!one.optional && !contains(found.revisions, one)) return false;
  }
  // Not doubled: each expected one accounts for one that was found.
  return found.revisions.size() <= wanted.revisions.size() + ghosts.size();
}

bool loses_nothing(const State& found, const std::vector<State>& states,
                   const std::vector<Revision>& ghosts) {
  const std::vector<Content> there = contents_of(found, Optional::counts);
  auto is_in = [](const Content& content, const std::vector<Content>& list) {
    return std::find(list.begin(), list.end(), content) != list.end();
  };
  auto all_in = [&](const std::vector<Content>& contents, const std::vector<Content>& list) {
    return std::all_of(contents.begin(), contents.end(),
                       [&](const Content& content) { return is_in(content, list); });
  };
  std::vector<Content> known;
  bool is_whole = false;
  for (const State& state : states) {
    is_whole = is_whole || all_in(contents_of(state, Optional::left_out), there);
    for (const Content& content : contents_of(state, Optional::counts)) known.push_back(content);
    if (state.loose && found.session) known.push_back(*found.session);
  }
  for (const Revision& ghost : ghosts) known.push_back(ghost.content);
  return is_whole && all_in(there, known);
}

}  // namespace qubes::storage::simulation
