// SPDX-License-Identifier: LGPL-2.1-or-later
// The search; what happens during one operation is in visit.cc.
#include "tests/simulation/explorer.h"

#include <algorithm>

#include "tests/simulation/visit.h"
#include "tests/simulation/world_bytes.h"

namespace qubes::storage::simulation {

Explorer::Explorer(Scenario scenario, CrashModel model, Limits limits, const Mutation* mutation)
    : scenario_(std::move(scenario)),
      model_(std::move(model)),
      limits_(limits),
      mutation_(mutation),
      acts_(operations(scenario_)),
      queues_(static_cast<std::size_t>(limits.crashes_max) + 1) {}

Explorer::~Explorer() = default;

bool Explorer::is_full() const {
  return visited_.size() >= limits_.states_max ||
         violations_.size() >= static_cast<std::size_t>(limits_.violations_max);
}

void Explorer::to_normal_form(const Scenario& scenario, World& world) {
  Renaming renaming = normalize(world.disk);
  for (std::size_t i = 0; i < world.models.size(); ++i) {
    VolumeModel& model = world.models[i];
    const std::string& volume = scenario.volumes[i].name;
    model.now = renamed(renaming, volume, model.now);
    for (State& state : model.fallback) state = renamed(renaming, volume, state);
  }
}

std::string Explorer::serialized_world(World& world) {
  to_normal_form(scenario_, world);
  std::string bytes = serialized(world.disk);
  for (const VolumeModel& model : world.models) {
    append(bytes, model.now);
    append(bytes, model.fallback);
    bytes.push_back(model.is_running ? 1 : 0);
  }
  return bytes;
}

World Explorer::deserialized_world(std::string_view bytes) const {
  World world;
  world.disk = deserialized(bytes);
  world.models.resize(scenario_.volumes.size());
  for (VolumeModel& model : world.models) {
    model.now = take_state(bytes);
    model.fallback = take_states(bytes);
    model.is_running = bytes.front() != 0;
    bytes.remove_prefix(1);
  }
  return world;
}

// What the kernel does by itself every few seconds.
void Explorer::commit_names(World& world) {
  world.disk.durable = world.disk.memory;
  world.disk.pending.clear();
  for (VolumeModel& model : world.models) model.fallback.clear();
}

void Explorer::add(World world, std::uint32_t parent, const Edge& edge, int crashes) {
  if (world.disk.pending.size() > limits_.pending_max) {
    commit_names(world);
  }
  const std::string bytes = serialized_world(world);
  const auto [known, is_new] = visited_.try_emplace(hash_of(bytes), crashes);
  if (!is_new && known->second <= crashes) return;
  known->second = crashes;
  const auto id = static_cast<std::uint32_t>(nodes_.size());
  nodes_.push_back({parent, edge, crashes, false});
  if (keeps_worlds) worlds_.push_back(bytes);
  queues_[static_cast<std::size_t>(crashes)].emplace_back(id, bytes);
}

void Explorer::visit(const VisitId& id, const World& world, int crashes) {
  const Act& act = acts_[id.act];
  Edge edge{act, 0};
  Visit visit(scenario_, model_, world, act, mutation_);
  if (!visit.makes_sense()) return;
  ++operations_run_;
  if (on_visit) on_visit(id);
  visit.on_complaint = [&](std::uint32_t crash, const std::string& complaint) {
    edge.crash = crash;
    report(id.node, edge, complaint);
  };
  if (crashes < limits_.crashes_max) {
    visit.checked = &checked_;
    visit.on_crash = [&](std::uint32_t crash, World after) {
      edge.crash = crash;
      add(std::move(after), id.node, edge, crashes + 1);
    };
  }
  visit.run();
  edge.crash = 0;
  if (visit.is_good()) add(visit.result(), id.node, edge, crashes);
}

void Explorer::expand(std::uint32_t id, const World& world, int crashes) {
  for (std::uint32_t act = 0; act < acts_.size(); ++act) {
    if (violations_.size() >= static_cast<std::size_t>(limits_.violations_max)) return;
    visit({id, act}, world, crashes);
  }
}

void Explorer::run() {
  World root{initial_disk(scenario_), std::vector<VolumeModel>(scenario_.volumes.size())};
  add(std::move(root), 0, {}, 0);
  explore_queues();
}

void Explorer::run_from(const Explorer& sound, const std::vector<VisitId>& visits) {
  nodes_ = sound.nodes_;
  for (Node& node : nodes_) node.is_sound = true;
  visited_ = sound.visited_;
  for (const VisitId& id : visits) {
    if (is_full()) return;
    visit(id, deserialized_world(sound.worlds_[id.node]), nodes_[id.node].crashes);
  }
  explore_queues();
}

void Explorer::explore_queues() {
  for (std::size_t crashes = 0; crashes < queues_.size(); ++crashes) {
    auto& queue = queues_[crashes];
    while (!queue.empty() && !is_full()) {
      auto [id, bytes] = std::move(queue.front());
      queue.pop_front();
      if (visited_[hash_of(bytes)] < static_cast<int>(crashes)) continue;  // found a shorter way
      expand(id, deserialized_world(bytes), static_cast<int>(crashes));
    }
    if (!queue.empty()) is_complete_ = false;
    by_crashes_.push_back(visited_.size());
  }
}

void Explorer::report(std::uint32_t parent, const Edge& edge, const std::string& complaint) {
  const std::string kind = std::string(name_of(edge.act.verb)) + complaint.substr(0, 40);
  if (!complaints_.insert(kind).second) return;  // one trace of each
  violations_.push_back({complaint, trace(parent, edge)});
}

// From the first state again, so that nothing but the way has to be kept.
std::string Explorer::trace(std::uint32_t parent, const Edge& edge) {
  std::vector<std::pair<Edge, const Mutation*>> way = {{edge, mutation_}};
  for (std::uint32_t at = parent; at != 0; at = nodes_[at].parent) {
    way.emplace_back(nodes_[at].edge, nodes_[at].is_sound ? nullptr : mutation_);
  }
  std::reverse(way.begin(), way.end());
  World world{initial_disk(scenario_), std::vector<VolumeModel>(scenario_.volumes.size())};
  std::string text = "scenario " + scenario_.name + ", filesystem " + model_.name + '\n';
  for (const auto& [one, mutation] : way) {
    world = deserialized_world(serialized_world(world));
    Visit visit(scenario_, model_, world, one.act, mutation);
    visit.narrated_crash = one.crash;
    visit.on_crash = [&](std::uint32_t crash, World after) {
      if (crash == one.crash) world = std::move(after);
    };
    visit.on_complaint = [](std::uint32_t, const std::string&) {};
    visit.run();
    text += visit.narration();
    if (one.crash == 0) world = visit.result();
    if (world.disk.pending.size() > limits_.pending_max) {
      commit_names(world);
      text += "  (the filesystem makes all names durable by itself)\n";
    }
  }
  return text;
}

}  // namespace qubes::storage::simulation
