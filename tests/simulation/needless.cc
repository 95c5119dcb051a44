// SPDX-License-Identifier: LGPL-2.1-or-later
// The steps and orders that are not needed for safety, and why the library has them all the same. A
// mutation that is caught is never looked up here.
#include <regex>
#include <vector>

#include "tests/simulation/mutations.h"

namespace qubes::storage::simulation {
namespace {

struct Reason {
  std::regex name;
  const char* text;
};

const std::vector<Reason>& reasons() {
  static const std::vector<Reason> kReasons = {
      // The making of a file that has no name yet, or a temporary one.
      {std::regex(".*: \"name (T of )?[CDIP]\" before \"(set (size|mtime) of [CDIP]|clone C)\""),
       "a temporary, a session that is never synced, or an import that nobody holds: swept, or "
       "made "
       "anew, whatever is in it"},
      {std::regex(".*: \"set mtime of [DP]\" before \"clone C\""),
       "both come before the sync, and nobody reads the file until then"},
      {std::regex(
           ".*: \"(clone C|set size of [CDI])\" before \"(sync directory after .*|unlink [DR])\""),
       "work on a file without a name changes nothing that is there"},
      {std::regex(".*: without \"(name T of P|set mtime of P)\""),
       "no precache, or none that is valid: only slower"},
      // Changes of which either may be the first.
      {std::regex("(stop|import|shrink|revert): \"link C -> R\" before \"(sync [DI]|unlink P)\""),
       "a revision that is the committed state is swept; the other step touches neither"},
      {std::regex("import: \"unlink P\" before \"sync I\""), "no precache is only slower"},
      {std::regex("remove: \"unlink [DP]\" before \"unlink R\""),
       "all of it goes, and the committed state goes last"},
      {std::regex("remove: \"unlink C\" before \"unlink P\""),
       "a precache that is left alone is no volume, and is removed with the next one of the name"},
      {std::regex("remove: \"remove directory\" before .*"),
       "a directory that is not empty stays; one that is may stay"},
      {std::regex("stop: \"unlink D\" before \"unlink C\""),
       "of a snapshot, which the next start makes anew, from whatever is left"},
      {std::regex("start: \"(link C -> C|unlink D)\" before \"(name D|unlink C)\""),
       "of a snapshot: the same"},
      {std::regex("start: \"(rename C -> D|unlink R)\" before \"unlink P\""),
       "a precache beside a session that was started in place is swept"},
      {std::regex(
           "start: \"unlink P\" before \"(unlink R|sync directory after (nothing|unlink R))\""),
       "the same"},
      {std::regex("(grow|shrink): \"sync directory after sync D\" before \"sync D\""),
       "the session's name and content do not depend on each other; the answer comes after both"},
      {std::regex("(stop|import): \"sync directory after sync [DI]\" before \"sync [DI]\""),
       "nothing that the barrier is for was changed before it here: there is no precache, and no "
       "revision is kept"},
      // Where the operation itself changed nothing before the sync: it is for a process that died.
      {std::regex("(stop|import): (without \"sync directory after sync [DI]\"|\"rename [DI] -> C\" "
                  "before \"sync directory after sync [DI]\")"),
       "names of a dead process alone do not need the barrier; those that it shields have a row of "
       "their own: after \"unlink P\", after \"link C -> R\""},
      {std::regex("remove: (without \"sync directory after nothing\"|\"unlink C\" before \"sync "
                  "directory after nothing\")"),
       "the committed state is all there is; after \"unlink R\", \"unlink D\", \"unlink P\" the "
       "barrier is needed"},
      {std::regex("start: \"rename C -> D\" before \"sync directory after nothing\""),
       "the barrier before a start in place shields what is pruned; here is nothing to prune"},
      // The sweep does not know which operation follows; those without a barrier need its own.
      {std::regex("(?!grow).*: (without )?\"sync directory after sweep (C|D|R|R -> C)\".*"),
       "a name of a state that comes back is swept again, and this operation has a barrier of its "
       "own before it replaces that state; grow has none, and there it is caught"},
      {std::regex("(?!grow).*: \".*\" before \"sync directory after sweep (C|D|R|R -> C)\""),
       "the same"},
      {std::regex("import cancelled: .*"),
       "a cancelled import promises nothing, and what is left of it is swept"},
  };
  return kReasons;
}

}  // namespace

const char* why_needless(const std::string& name) {
  for (const Reason& reason : reasons()) {
    if (std::regex_match(name, reason.name)) return reason.text;
  }
  return nullptr;
}

}  // namespace qubes::storage::simulation
