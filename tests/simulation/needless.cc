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
      {std::regex(".*sync directory after unlink (T of .|I)\".*"),
       "a temporary or an abandoned import that comes back is swept again; the sweep's barrier is "
       "there for the other leftovers and is paid after a crash only"},
      {std::regex(".*: \"set (size|mtime) of [CDPI]\" before .*"),
       "of a file that nothing reads before it is synced and renamed"},
      {std::regex(".*: \"name (T of )?[PDIC]\" before \"(set|clone).*"),
       "a temporary name, a session that is never synced or an import that nobody holds: swept, or "
       "made anew, whatever is in it"},
      {std::regex(".*: \"clone C\" before .*"),
       "a clone into a file without a name changes nothing that is there"},
      {std::regex(".*: without \"(name T of P|set mtime of P)\""),
       "no precache, or none that is valid: only slower"},
      {std::regex(".*: \"link C -> R\" before \"(sync [DI]|unlink P)\""),
       "a revision that is the committed state is swept; the other step touches neither"},
      {std::regex(".*: \"unlink [PDR]\" before \"(unlink [PRC]|sync [DI])\""),
       "what goes first is not told from what goes second: both go, or are swept"},
      {std::regex("remove: .*remove directory.*"), "the directory may stay, or go: it is empty"},
      {std::regex("remove: \"unlink C\" before \"(unlink P|sync directory after nothing)\""),
       "a precache left alone is not a volume; nothing else was pending at that barrier"},
      {std::regex("grow: \"rename P -> C\" before \"sync P\""),
       "growing adds zeros only: every mixture is the old state or the new one"},
      {std::regex("import cancelled: .*"),
       "a cancelled import promises nothing, and what is left of it is swept"},
      {std::regex("(grow|shrink): \"sync directory after sync D\" before \"sync D\""),
       "name and content of a session are independent; the answer comes after both"},
      {std::regex(".*sync directory after sync directory.*"),
       "a settle right after a barrier: nothing was changed in between"},
      {std::regex(".*: \"sync directory after [^\"]*\" before \"(unlink [PDRI]|sync I)\""),
       "what the sync then misses is swept, or told by its mtime"},
      {std::regex(
           "(remove|start.*|import|stop|revert.*): .*sync directory after (nothing|sync [DI])\".*"),
       "the barrier before which this operation changed nothing: for names of a process that died, "
       "explored by sim --uncommitted-deaths"},
      {std::regex("start: \"(link C -> C|rename C -> D)\" before .*"),
       "nothing of a snapshot outlives a crash; a precache beside a session in place is swept"},
      {std::regex("(import|stop): without \"sync directory after unlink D\""),
       "the sweep's barrier, for operations that have no other; commit has one of its own"},
      {std::regex("create: without \"sync directory after nothing\""),
       "for the directory that a process made which died, explored by sim --uncommitted-deaths"},
      {std::regex("(recover|prune): without \"sync directory after unlink D\""),
       "only leftovers were removed: what comes back of them is swept again"},
      {std::regex("start.*: .*sync directory after unlink D.*"),
       "what was removed is a second name of the state; where it comes back it is swept again"},
      {std::regex("prune: without \"sync directory after nothing\""), "nothing was pruned"},
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
