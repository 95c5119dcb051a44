// SPDX-License-Identifier: LGPL-2.1-or-later
// A VM's directory with anything in it, given to recovery and to each verb over the simulated
// filesystem: nothing that is not theirs is touched, no state is lost but where that is the verb.
#include <algorithm>
#include <array>
#include <memory>

#include "src/fs/error.h"
#include "src/pool.h"
#include "tests/fuzz/directory.h"
#include "tests/simulation/oracle.h"

using namespace qubes::storage;
using namespace qubes::storage::fuzz;
using simulation::Disk;
using simulation::SimulatedFilesystem;

namespace {

constexpr std::size_t kVerbsMax = 6;
using FilesystemPtr = std::shared_ptr<SimulatedFilesystem>;

PoolConfig config() {
  PoolConfig config;
  config.dir_path = "/pool";
  config.setup_check = false;
  return config;
}

// ---- Recovery --------------------------------------------------------------------------------

std::vector<Finding> recover(const FilesystemPtr& fs) {
  Pool pool(config(), fs, Worker::Mode::on_drain);
  std::vector<Finding> report = pool.recover();
  pool.drain();
  return report;
}

bool is_left(const Finding& finding) {
  return finding.action.starts_with("left") || finding.action == "could not be recovered";
}

// By the oracle of the simulation, which was written apart: each content is there still, nothing is
// that was not, and nothing is left over. It reads only what the library could recover.
void check_by_oracle(const Disk& before, const Disk& after, const std::string& volume) {
  simulation::VolumeSpec spec{simulation::Kind::origin, "appvms", "w", volume, -1, 2, 2};
  const simulation::Seen was = look(before, spec), is = look(after, spec);
  require(loses_nothing(read_state(spec, is), {read_state(spec, was)}, {}),
          "recover: " + read_state(spec, was).text() + " became " + read_state(spec, is).text());
  const std::string left = leftovers(spec, is);
  // A precache that is all there is, or a snapshot's, is left on purpose (docs/ON_DISK.md); and
  // what passes for one may have been made so by hand.
  if (left.find("precache") != std::string::npos) return;
  require(left.empty(), "recover of " + volume + ": " + left);
}

// Only files in the places of files, and each name read alike by both oracles.
bool is_plain(const Listing& listing) {
  return std::none_of(listing.begin(), listing.end(), [](const auto& each) {
    const auto& [name, found] = each;
    const simulation::Role role = simulation::info(simulation::intern(name)).role;
    return found.is_directory ||
           ((found.meaning.letter == 0) != (role == simulation::Role::foreign));
  });
}

// A precache may be the only copy of something.
void require_lone_precache_kept(const Listing& before, const Listing& after) {
  for (const auto& [name, was] : before) {
    const std::string& volume = was.meaning.volume;
    if (was.meaning.letter != 'P' || was.is_directory) continue;
    if (find_letter(before, volume, 'C') || find_letter(before, volume, 'D')) continue;
    if (find_letter(before, volume, 'R')) continue;
    require(after.contains(name), "recover removed the only file of " + volume);
  }
}

void check_recover(const FilesystemPtr& fs) {
  const Disk before = fs->disk();
  const Listing listed = list_directory(before, kVm);
  const std::vector<Finding> report = recover(fs);
  const Listing after = list_directory(fs->disk(), kVm);
  require_others_untouched(listed, after, "", 0, "recover");
  require_states_kept(listed, after, "", "recover");
  require_lone_precache_kept(listed, after);
  const bool is_whole = std::none_of(report.begin(), report.end(), [](const Finding& finding) {
    return finding.action == "could not be recovered";
  });
  if (is_whole && is_plain(listed)) {
    for (const auto& [name, found] : listed) {
      if (found.meaning.letter != 0) check_by_oracle(before, fs->disk(), found.meaning.volume);
    }
  }
  const simulation::Names names = fs->disk().memory;
  const std::vector<Finding> again = recover(fs);
  require(fs->disk().memory == names, "a second recover does something");
  for (const Finding& finding : again) {
    require(is_left(finding), "a second recover finds: " + finding.found + ": " + finding.action);
  }
}

// ---- Verbs -----------------------------------------------------------------------------------

enum class Verb {
  start,
  stop,
  discard,
  revert,
  create,
  remove,
  prune,
  grow,
  shrink,
  import,
  import_cancelled,
  look
};
constexpr std::array<const char*, 12> kVerbNames = {
    "start", "stop",   "discard", "revert", "create",           "remove",
    "prune", "resize", "shrink",  "import", "cancelled import", "look"};
constexpr std::size_t kVerbs = kVerbNames.size();

struct Choice {
  Verb verb;
  std::string volume;
  VolumeConfig config;
  std::uint64_t number;

  bool is_saved() const { return config.save_on_stop; }
  bool disables_snapshots() const { return config.revisions_to_keep == -1; }
};

Choice choose(Bytes& input, const Listing& listing) {
  static constexpr std::array<int, 5> kKeep = {1, 0, 2, -1, 1};
  Choice choice{static_cast<Verb>(input.below(kVerbs)), "root", {}, 0};
  std::vector<std::string> volumes = {"root"};
  for (const auto& [name, found] : listing) {
    if (found.meaning.letter != 0) volumes.push_back(found.meaning.volume);
  }
  choice.volume = input.pick(volumes);
  const std::size_t kind = input.below(6);
  choice.config.size_bytes = simulation::kBlockBytes * input.below(simulation::kBlocksMax);
  choice.config.rw = true;
  choice.config.save_on_stop = kind != 4 && kind != 5;
  choice.config.snap_on_start = kind == 3 || kind == 4;
  if (choice.config.snap_on_start) choice.config.source = kSourceVid;
  const int keep = input.pick(kKeep);
  choice.config.revisions_to_keep = kind < 3 ? keep : std::max(keep, 0);
  choice.number = input.below(4);
  return choice;
}

void run_verb(SimulatedFilesystem& fs, Volume& volume, const Choice& choice) {
  const std::uint64_t block = simulation::kBlockBytes;
  switch (choice.verb) {
    case Verb::start:
      return volume.start();
    case Verb::stop:
      return volume.stop();
    case Verb::discard:
      return volume.discard();
    case Verb::revert:
      return volume.revert(choice.number);
    case Verb::create:
      return volume.create();
    case Verb::remove:
      return volume.remove();
    case Verb::prune:
      return volume.prune(static_cast<int>(choice.number));
    case Verb::grow:
      return volume.resize(simulation::kBlocksMax * block, false);
    case Verb::shrink:
      return volume.resize(block, true);
    case Verb::import:
    case Verb::import_cancelled:
      volume.import_begin(block);
      if (choice.is_saved()) fs.write(volume.import_path());
      return volume.import_end(choice.verb == Verb::import);
    case Verb::look:
      volume.info();
      volume.revisions();
      return volume.verify();
  }
}

// No state may go: neither is that what the verb is for, nor does it prune.
bool keeps_all(const Choice& choice) {
  const bool never = choice.verb == Verb::look || choice.verb == Verb::revert ||
                     choice.verb == Verb::import_cancelled || choice.verb == Verb::create;
  const bool starts_anew = choice.disables_snapshots() || choice.config.snap_on_start;
  return choice.is_saved() && (never || (choice.verb == Verb::start && !starts_anew));
}

// What a verb that succeeded owes.
void check_done(const Choice& choice, const Listing& before, const Listing& after) {
  const Found* clean = find_letter(before, choice.volume, 'C');
  const Found* session = find_letter(before, choice.volume, 'D');
  const Found* now = find_letter(after, choice.volume, 'C');
  const bool is_one = clean && session && clean->inode == session->inode;
  if (choice.verb == Verb::remove) {
    for (const auto& [name, found] : after) {
      require(found.meaning.volume != choice.volume || found.is_directory, "remove left " + name);
    }
  }
  if (!choice.is_saved()) return;
  if (choice.verb == Verb::stop && session && !is_one) {
    require(now && now->content == session->content, "stop did not commit the session");
    require(!find_letter(after, choice.volume, 'D'), "stop left the session");
  }
  if (choice.verb == Verb::discard && clean) {
    require(now && now->content == clean->content, "discard changed the committed state");
  }
  if (choice.verb == Verb::create && !choice.config.snap_on_start) {
    require(now && !clean && !session, "create over something");
  }
  if (choice.verb == Verb::prune && clean) {
    require(now && now->inode == clean->inode, "prune changed the committed state");
  }
  if (choice.verb == Verb::grow && clean && !session) {
    require(now && now->content == resized(clean->content, simulation::kBlocksMax),
            "grow changed more than the size");
  }
}

// After a refusal the committed state is what it was.
void check_refused(const Choice& choice, Code code, const Listing& before, const Listing& after) {
  require(code != Code::internal, "a defect of the library");
  const Found* clean = find_letter(before, choice.volume, 'C');
  if (clean == nullptr || !choice.is_saved() || code == Code::unknown_outcome) return;
  const Found* now = find_letter(after, choice.volume, 'C');
  require(now && now->content == clean->content, "a refusal changed the committed state");
}

std::optional<Code> answer(const FilesystemPtr& fs, const Choice& choice) {
  Pool pool(config(), fs, Worker::Mode::on_drain);
  std::optional<Code> refusal;
  try {
    const auto volume = pool.volume("appvms/w/" + choice.volume, choice.config);
    run_verb(*fs, *volume, choice);
  } catch (const Error& error) {
    refusal = error.code();
  }
  pool.drain();
  return refusal;
}

void check_verb(const FilesystemPtr& fs, Bytes& input) {
  const Disk disk = fs->disk();
  const Listing before = list_directory(disk, kVm);
  const Listing source_before = list_directory(disk, "/pool/vm-templates/t");
  const Choice choice = choose(input, before);
  fs->advance_clock();
  const std::optional<Code> refusal = answer(fs, choice);
  const Listing after = list_directory(fs->disk(), kVm);
  const std::string what =
      std::string(kVerbNames[static_cast<std::size_t>(choice.verb)]) + " of " + choice.volume;
  trace("before " + what + ", keep " + std::to_string(*choice.config.revisions_to_keep) +
            (refusal ? ", refused " + std::to_string(static_cast<int>(*refusal)) : ""),
        before);
  trace("after", after);
  const Found* dirty = find_letter(before, choice.volume, 'D');
  const simulation::InodeNumber session = dirty != nullptr ? dirty->inode : 0;
  require_others_untouched(before, after, choice.volume, session, what);
  require_others_untouched(source_before, list_directory(fs->disk(), "/pool/vm-templates/t"), "-",
                           session, what);
  if (keeps_all(choice)) require_states_kept(before, after, choice.volume, what);
  if (refusal) {
    check_refused(choice, *refusal, before, after);
  } else {
    check_done(choice, before, after);
  }
  require(fs->open_handles() == 0, what + " left a file open");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array<const char*, 4> kModels = {"xfs", "btrfs", "ext4", "other"};
  simulation::forget_names();
  Bytes input(data, size);
  const auto fs = std::make_shared<SimulatedFilesystem>(make_disk(input),
                                                        simulation::model_of(input.pick(kModels)));
  Pool(config(), fs, Worker::Mode::on_drain).list();
  const bool recovers_first = input.flag();
  if (recovers_first) check_recover(fs);
  for (std::size_t i = 0; i < kVerbsMax && !input.is_empty(); ++i) check_verb(fs, input);
  check_recover(fs);
  return 0;
}
