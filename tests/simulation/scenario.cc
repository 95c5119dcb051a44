// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/scenario.h"

#include <algorithm>

namespace qubes::storage::simulation {
namespace {

const VolumeSpec kRootVolume = {Kind::origin, "vm-templates", "t", "root", -1, 2, 2};

const std::vector<Verb> kOriginVerbs = {
    Verb::create,        Verb::start,         Verb::start_at_once, Verb::write,
    Verb::write_at_once, Verb::flush,         Verb::stop,          Verb::discard,
    Verb::revert,        Verb::revert_oldest, Verb::import,        Verb::import_cancelled,
    Verb::prune,         Verb::remove,        Verb::recover};

// The same with a clock that moves.
const std::vector<Verb> kSlowVerbs = {
    Verb::create, Verb::start,         Verb::write,  Verb::flush, Verb::stop,   Verb::discard,
    Verb::revert, Verb::revert_oldest, Verb::import, Verb::prune, Verb::remove, Verb::recover};

const std::vector<Verb> kFewVerbs = {Verb::create, Verb::start,  Verb::write,  Verb::stop,
                                     Verb::revert, Verb::import, Verb::recover};

std::vector<Verb> with_resize(std::vector<Verb> verbs) {
  verbs.insert(verbs.end(), {Verb::grow, Verb::shrink});
  return verbs;
}

bool depends_on_keep(Verb verb) {
  return verb == Verb::start || verb == Verb::stop || verb == Verb::import ||
         verb == Verb::shrink || verb == Verb::prune || verb == Verb::discard;
}

// Which of the numbers make a difference.
std::vector<int> keeps_for(const Scenario& scenario, const VolumeSpec& spec, Verb verb) {
  if (verb == Verb::prune) return {0, 1};
  std::vector<int> keeps = scenario.keeps;
  if (spec.kind != Kind::origin) std::erase_if(keeps, [](int keep) { return keep < 0; });
  if (keeps.empty()) keeps = {0};
  const bool only_sign = verb == Verb::start || verb == Verb::discard;
  if (!depends_on_keep(verb) || !spec.is_saved())
    return {*std::max_element(keeps.begin(), keeps.end())};
  if (!only_sign) return keeps;
  std::vector<int> result;
  for (int keep : keeps) {
    if (std::none_of(result.begin(), result.end(),
                     [&](int other) { return (other < 0) == (keep < 0); })) {
      result.push_back(keep);
    }
  }
  return result;
}

bool suits(const VolumeSpec& spec, Verb verb) {
  if (spec.is_saved()) return true;
  return verb == Verb::start || verb == Verb::write || verb == Verb::stop;
}

// With keep 0 all of it falls into the tick in which the last thing happened. While it is held
// somebody recovers the pool.
void do_import(SimulatedFilesystem& fs, Pool& pool, Volume& volume, const VolumeSpec& spec,
               const Act& act) {
  volume.import_begin(spec.size_blocks * kBlockBytes);
  if (act.keep != 0) fs.advance_clock();
  pool.recover();
  fs.write(volume.import_path());
  volume.import_end(act.verb == Verb::import);
}

// Of what the volume is when what a crash left has been swept.
std::uint64_t size_of(SimulatedFilesystem& fs, const VolumeSpec& spec) {
  auto copy = std::make_shared<SimulatedFilesystem>(fs.disk(), fs.model());
  Pool(pool_config(), copy, Worker::Mode::on_drain).recover();
  const Seen seen = look(copy->disk(), spec);
  const auto image = seen.dirty ? seen.dirty : seen.clean;
  return (image ? image->content.size_blocks : spec.size_blocks) * kBlockBytes;
}

void do_verb(SimulatedFilesystem& fs, Pool& pool, Volume& volume, const VolumeSpec& spec,
             const Act& act) {
  switch (act.verb) {
    case Verb::create:
      return volume.create();
    case Verb::start:
      fs.advance_clock();
      return volume.start();
    case Verb::start_at_once:
      return volume.start();
    case Verb::write:
      fs.advance_clock();
      return fs.write(volume.path());
    case Verb::write_at_once:
      return fs.write(volume.path());
    case Verb::flush:
      return fs.flush(volume.path());
    case Verb::stop:
      return volume.stop();
    case Verb::discard:
      return volume.discard();
    case Verb::revert:
      return volume.revert(0);
    case Verb::revert_oldest: {
      const auto revisions = volume.revisions();
      return volume.revert(revisions.empty() ? 1 : revisions.front().number);
    }
    case Verb::grow:
      fs.advance_clock();
      return volume.resize(size_of(fs, spec) + kBlockBytes, false);
    case Verb::shrink:
      fs.advance_clock();
      return volume.resize(size_of(fs, spec) - kBlockBytes, true);
    case Verb::import:
    case Verb::import_cancelled:
      return do_import(fs, pool, volume, spec, act);
    case Verb::prune:
      return volume.prune(act.keep);
    case Verb::remove:
      return volume.remove();
    case Verb::recover:
      return;
  }
}

}  // namespace

std::vector<Scenario> all_scenarios() {
  const VolumeSpec snapshot = {Kind::snapshot, "appvms", "a", "root", 0, 2, 2};
  const VolumeSpec own = {Kind::origin_snapshot, "appvms", "a", "private", 0, 2, 2};
  const VolumeSpec scratch = {Kind::volatile_volume, "appvms", "a", "volatile", -1, 2, 2};
  const VolumeSpec neighbour = {Kind::origin, "vm-templates", "t", "rootX", -1, 1, 1};
  return {
      {"origin, keep 0", {kRootVolume}, {0}, kOriginVerbs, true},
      {"origin, keep 1", {kRootVolume}, {1}, kOriginVerbs, false},
      {"origin, keep 2", {kRootVolume}, {2}, kSlowVerbs, true},
      {"origin, keep -1", {kRootVolume}, {-1}, kOriginVerbs, false},
      {"origin, resized", {kRootVolume}, {1}, with_resize(kFewVerbs), false},
      {"origin, grown",
       {{Kind::origin, "vm-templates", "t", "root", -1, 1, 2}},
       {1},
       {Verb::create, Verb::start, Verb::stop, Verb::grow, Verb::revert},
       false},
      {"origin, keep changes", {kRootVolume}, {2, 0, -1}, kFewVerbs, false},
      {"origin and snapshot", {kRootVolume, snapshot}, {0, 1}, kFewVerbs, false},
      {"origin with snapshots disabled, and snapshot",
       {kRootVolume, snapshot},
       {-1},
       kFewVerbs,
       false},
      {"origin and origin_snapshot", {kRootVolume, own}, {1}, kFewVerbs, false},
      {"origin_snapshot, saved",
       {kRootVolume, own},
       {0},
       {Verb::create, Verb::start, Verb::stop, Verb::write},
       false},
      {"origin_snapshot and volatile in one directory",
       {kRootVolume, own, scratch},
       {1},
       {Verb::create, Verb::start, Verb::write, Verb::stop, Verb::recover},
       false},
      {"origin and snapshot in one directory",
       {{Kind::origin, "vm-templates", "t", "root", -1, 1, 2},
        {Kind::snapshot, "vm-templates", "t", "copy", 0, 1, 2}},
       {0, -1},
       {Verb::create, Verb::start, Verb::write, Verb::stop, Verb::grow, Verb::shrink, Verb::import,
        Verb::recover},
       false},
      {"two origins in one directory",
       {kRootVolume, neighbour},
       {1},
       {Verb::create, Verb::start, Verb::write, Verb::stop, Verb::recover},
       false},
  };
}

Disk initial_disk(const Scenario& scenario) {
  Disk disk;
  auto directory = [&](InodeNumber parent, const std::string& name) {
    disk.link(parent, name, disk.create(true));
    return disk.lookup(parent, intern(name));
  };
  const InodeNumber pool = directory(kRoot, "pool");
  directory(pool, "appvms");
  const InodeNumber templates = directory(pool, "vm-templates");
  if (scenario.has_foreign_files) {
    const InodeNumber vm = directory(templates, "t");
    for (const char* name : {"root.img.1@2020-01-01", "root.img@2020-01-01T00:00:00Z",
                             "rootX-dirty.img~00000000", "root.img~short"}) {
      disk.link(vm, name, disk.create(false));
    }
  }
  disk.settle_all();
  return disk;
}

std::string Act::text(const Scenario& scenario) const {
  std::string text = name_of(verb);
  if (verb == Verb::recover) return text;
  text += ' ' + scenario.volumes[volume].vid();
  if (depends_on_keep(verb)) text += ", keep " + std::to_string(keep);
  return text;
}

std::vector<Act> operations(const Scenario& scenario) {
  std::vector<Act> result;
  for (std::size_t volume = 0; volume < scenario.volumes.size(); ++volume) {
    const VolumeSpec& spec = scenario.volumes[volume];
    for (Verb verb : scenario.verbs) {
      if (!suits(spec, verb) || (verb == Verb::recover && volume > 0)) continue;
      for (int keep : keeps_for(scenario, spec, verb)) result.push_back({verb, volume, keep});
    }
  }
  return result;
}

PoolConfig pool_config() {
  PoolConfig config;
  config.dir_path = "/pool";
  config.setup_check = false;
  return config;
}

std::shared_ptr<Volume> open_volume(Pool& pool, const Scenario& scenario, std::size_t volume,
                                    int keep) {
  const VolumeSpec& spec = scenario.volumes[volume];
  VolumeConfig config;
  config.size_bytes = spec.size_blocks * kBlockBytes;
  config.rw = true;
  config.save_on_stop = spec.is_saved();
  config.snap_on_start = spec.source >= 0;
  if (spec.source >= 0) {
    config.source = scenario.volumes[static_cast<std::size_t>(spec.source)].vid();
  }
  config.revisions_to_keep = spec.kind == Kind::origin ? keep : std::max(keep, 0);
  return pool.volume(spec.vid(), config);
}

Answer run(const std::shared_ptr<SimulatedFilesystem>& simulated, std::shared_ptr<Filesystem> fs,
           const Scenario& scenario, const Act& act,
           const std::function<void(const Answer&)>& answered) {
  Answer answer;
  Pool pool(pool_config(), std::move(fs), Worker::Mode::on_drain);
  try {
    if (act.verb == Verb::recover) {
      for (const Finding& finding : pool.recover()) {
        if (finding.action != "could not be recovered") continue;
        refuse(Code::io, "recover", finding.vid, finding.found);
      }
    } else {
      auto volume = open_volume(pool, scenario, act.volume, act.keep);
      do_verb(*simulated, pool, *volume, scenario.volumes[act.volume], act);
    }
    answer.is_ok = true;
  } catch (const Error& error) {
    answer.code = error.code();
    answer.message = error.what();
  } catch (const std::exception& error) {
    answer.code = Code::internal;
    answer.message = error.what();
  }
  if (answered) answered(answer);
  pool.drain();
  simulated->die();
  return answer;
}

}  // namespace qubes::storage::simulation
