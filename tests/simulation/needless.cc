// SPDX-License-Identifier: LGPL-2.1-or-later
// The steps and orders that are not needed for safety, and why the library has them all the same. A
// mutation that is caught is never looked up here.
#include <regex>
#include <string>

#include "tests/simulation/mutations.h"

namespace qubes::storage::simulation {
namespace {

struct Reason {
  const char* mutation;  // a regular expression for its name
  const char* text;
};

constexpr Reason kReasons[] = {
    // The making of a file that has no name yet, or a temporary one.
    {".*: \"name T of ([CDP])\" before \"(set (size|mtime) of \\1|clone C)\"",
     "a temporary: swept, whatever is in it; the sync and the name come after both"},
    {"start: \"name D\" before \"(set size of D|clone C)\"",
     "of a volatile or a snapshot, whose session a crash may throw away"},
    {"import: \"name I\" before \"set size of I\"",
     "an import that nobody holds: swept, whatever is in it"},
    {".*: \"set mtime of P\" before \"clone C\"",
     "the clone sets the time anew: a precache that is not valid is only slower"},
    {".*: \"clone C\" before \"(sync directory after .*|unlink [CDPR])\"",
     "work on a file without a name changes nothing that is there"},
    {"(create: \"set size of C|import: \"set size of I|start: \"set size of D)\" before "
     "\"(sync directory after .*|unlink D)\"",
     "the same"},
    {"start: \"unlink D\" before \"(clone C|set size of D)\"",
     "of a volatile or a snapshot: the old session may go at any moment"},
    {"(stop: \"link C -> C\" before \"rename T of P -> P\"|start: \"unlink P\" before "
     "\"unlink C\")",
     "of a snapshot: the next start takes a link alone away; it refuses only where the source has "
     "that state nowhere any more"},
    {"start: (\"set mtime of C\" before \"clone C\"|without \"set mtime of C\")",
     "of a clone that takes the place of the committed state: only the time in the name of a later "
     "revision"},
    {".*: without \"(name T of P|set mtime of P)\"",
     "no precache, or none that is valid: only slower"},
    {"stop: without \"link C -> C\"",
     "the second name of a snapshot's source is looked for, and without it the precache is "
     "dropped"},
    // Changes of which either may be the first.
    {"(stop|import|shrink|revert): \"link C -> R\" before \"(sync [DI]|unlink P)\"",
     "a revision that is the committed state is swept; the other step touches neither"},
    {"import: \"unlink P\" before \"sync I\"", "no precache is only slower"},
    {"remove: \"unlink [DP]\" before \"unlink R\"",
     "all of it goes, and the committed state goes last"},
    {"remove: \"unlink C\" before \"unlink P\"",
     "a precache that is left alone is no volume, and is removed with the next one of the name"},
    {"remove: \"remove directory\" before \"(unlink [CDP]|sync directory after .*)\"",
     "a directory that is not empty stays; one that is may stay"},
    {"stop: \"unlink D\" before \"unlink C\"",
     "of a snapshot, which the next start makes anew, from whatever is left"},
    {"start: \"(link C -> C|unlink D)\" before \"(name D|unlink C)\"", "of a snapshot: the same"},
    {"start: \"(rename C -> D|unlink R)\" before \"unlink P\"",
     "a precache beside a session that was started in place is swept"},
    {"start: \"unlink P\" before \"(unlink R|sync directory after (nothing|unlink R))\"",
     "the same"},
    {"(grow|shrink): \"sync directory after sync D\" before \"sync D\"",
     "the session's name and content do not depend on each other; the answer comes after both"},
    {"(stop|import): \"sync directory after sync [DI]\" before \"sync [DI]\"",
     "nothing that the barrier is for was changed before it here: there is no precache, and no "
     "revision is kept"},
    {"shrink: (\"rename I -> C\" before \"(sync I|sync directory after sync I)\"|\"sync directory "
     "after sync I\" before \"sync I\"|without \"sync directory after sync I\")",
     "where no revision is kept and a precache becomes the shorter state: its content is durable, "
     "so "
     "either size may come of it, and nothing else was changed before the barrier"},
    {"grow: \"set size of P\" before \"sync directory after link C -> R\"",
     "a precache of another size is not valid"},
    {"start: (\"link C -> R\" before \"set mtime of C\"|\"name T of C\" before \"sync directory "
     "after link C -> R\")",
     "of the clone that takes the place of the committed state: it has no name yet, or a temporary "
     "one; the rename comes after both"},
    {"start: \"unlink P\" before \"sync directory after rename T of C -> C\"",
     "no precache is only slower"},
    // Where the operation itself changed nothing before the sync: it is for a process that died.
    {"stop: (without \"sync directory after sync D\"|\"rename D -> C\" before \"sync directory "
     "after sync D\")",
     "names of a dead process alone do not need the barrier; those that it shields have a row of "
     "their own: after \"unlink P\", after \"link C -> R\""},
    {"remove: (without \"sync directory after nothing\"|\"unlink C\" before \"sync "
     "directory after nothing\")",
     "the committed state is all there is; after \"unlink R\", \"unlink D\", \"unlink P\" the "
     "barrier is needed"},
    {"start: \"rename C -> D\" before \"sync directory after nothing\"",
     "the barrier before a start in place shields what is pruned; here is nothing to prune"},
    {"stop: (without )?\"sync directory after (unlink|sweep) P\".*",
     "a session has a precache beside it only where both names of the start were kept; that the "
     "barrier is needed after \"unlink P\" is shown by import"},
    {"start: (without )?\"sync directory after sync directory\".*",
     "the barrier of an origin_snapshot's start where it has just made its directory: nothing is "
     "there that could be lost"},
    // The sweep does not know which operation follows; grow has no barrier and needs the sweep's.
    {"(?!grow).*: (without )?\"sync directory after sweep (D|R|R -> C|P)\".*",
     "a name of a state that comes back is swept again, and this operation has a barrier of its "
     "own before it replaces that state"},
    {"(?!grow).*: \".*\" before \"sync directory after sweep (D|R|R -> C|P)\"", "the same"},
    {"grow: \"set size of P\" before \"sync directory after sweep .*\"",
     "a precache of another size is not valid"},
    {"import: (without \"(remove directory|sync directory after (name I|remove directory))\"|"
     "\"sync directory after (name I|remove directory)\" before \".*\")",
     "of an import that is cancelled, which promises nothing: what is left is swept, or is an "
     "empty directory. These lines are those of remove, where they are needed"},
};

}  // namespace

const char* why_needless(const std::string& name) {
  for (const Reason& reason : kReasons) {
    if (std::regex_match(name, std::regex(reason.mutation))) return reason.text;
  }
  return nullptr;
}

}  // namespace qubes::storage::simulation
