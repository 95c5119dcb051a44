// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/states.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <unordered_map>

#include "testvm/crash/random.h"

namespace qubes::storage::crash {
namespace {

struct CutName {
  Cut cut;
  const char* text;
  bool has_index, has_seed;
};

constexpr CutName kCutNames[] = {
    {Cut::none, "none", false, false},      {Cut::first, "first", true, false},
    {Cut::without, "without", true, false}, {Cut::only, "only", true, false},
    {Cut::random, "random", false, true},   {Cut::torn, "torn", true, true},
};

std::uint64_t hash_of_sector(std::uint64_t sector, const std::byte* data) {
  std::uint64_t hash = mixed(sector + 1);
  for (std::size_t i = 0; i < kSectorBytes; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;  // a discard and a write of zeros are one
    if (data != nullptr) std::memcpy(&word, data + i, sizeof word);
    hash = mixed(hash ^ word);
  }
  return hash;
}

// The hash of a state is the XOR of those of its sectors that were ever written; a sector as the
// base image has it counts as 0.
class Hasher {
 public:
  explicit Hasher(const Log& log) : log_(log) {}

  std::uint64_t durable() const { return hash_; }

  void make_durable(const Write& write) {
    for_each_run(write, {}, kSectorBytes, [&](auto sector, auto sectors, auto data) {
      for (std::uint64_t i = 0; i < sectors; ++i) {
        const std::byte* from = data == nullptr ? nullptr : data + i * kSectorBytes;
        std::uint64_t& now = sectors_[sector + i];
        const std::uint64_t next = hash_of_sector(sector + i, from);
        hash_ ^= now ^ next;
        now = next;
      }
    });
  }

  // Of the durable writes and these pieces.
  std::uint64_t with(const std::vector<Piece>& pieces, std::size_t tear_bytes) {
    std::unordered_map<std::uint64_t, std::uint64_t> changed;
    for (const Piece& piece : pieces) {
      const Write& write = log_.writes[piece.write];
      const std::vector<std::uint64_t>& hashes = hashes_of(piece.write);
      for_each_run(write, piece, tear_bytes, [&](auto sector, auto sectors, auto) {
        for (std::uint64_t at = sector; at < sector + sectors; ++at) {
          changed[at] = hashes[at - write.sector];
        }
      });
    }
    std::uint64_t hash = hash_;
    for (const auto& [sector, next] : changed) {
      const auto now = sectors_.find(sector);
      hash ^= next ^ (now == sectors_.end() ? 0 : now->second);
    }
    return hash;
  }

  void forget_writes() { cache_.clear(); }

 private:
  const std::vector<std::uint64_t>& hashes_of(std::size_t index) {
    auto [found, is_new] = cache_.try_emplace(index);
    const Write& write = log_.writes[index];
    for (std::uint64_t i = 0; is_new && i < write.sectors; ++i) {
      const std::byte* data = write.data.data;
      found->second.push_back(
          hash_of_sector(write.sector + i, data == nullptr ? nullptr : data + i * kSectorBytes));
    }
    return found->second;
  }

  const Log& log_;
  std::uint64_t hash_ = 0;
  std::unordered_map<std::uint64_t, std::uint64_t> sectors_;
  std::unordered_map<std::size_t, std::vector<std::uint64_t>> cache_;  // of the present window
};

std::vector<StateName> names_in(std::size_t number, std::size_t size, const Enumeration& how) {
  std::vector<StateName> names = {{number, Cut::none, 0, 0}};
  for (std::size_t i = 1; i <= size; ++i) names.push_back({number, Cut::first, i, 0});
  for (std::size_t i = 1; i < size; ++i) names.push_back({number, Cut::without, i, 0});
  for (std::size_t i = 2; i <= size; ++i) names.push_back({number, Cut::only, i, 0});
  for (std::size_t i = 0; size > 2 && i < how.random_per_window; ++i) {
    names.push_back({number, Cut::random, 0, i});
  }
  for (std::size_t i = 0; size > 0 && i < how.torn_per_window; ++i) {
    Random random(number * 1000 + i);
    names.push_back({number, Cut::torn, 1 + random.below(size), i});
  }
  return names;
}

// When the power may have gone: after the last of the pieces was written, before the flush that
// ends the window was complete.
Moment moment_of(const Log& log, const Window& window, const std::vector<Piece>& pieces) {
  if (pieces.empty()) return {window.marks_at_start, window.marks_at_end};
  return {log.writes[pieces.back().write].marks_before, window.marks_at_end};
}

void add_random_subset(const Window& window, std::size_t except, Random& random,
                       std::vector<bool>& is_there) {
  const std::size_t percent = 10 + random.below(81);
  for (std::size_t i = 0; i < window.size(); ++i) {
    if (i != except) is_there[i] = random.below(100) < percent;
  }
}

std::vector<bool> tear(const Write& write, std::size_t tear_bytes, Random& random) {
  const std::size_t per_unit = tear_bytes / kSectorBytes;
  std::vector<bool> units((write.sectors + per_unit - 1) / per_unit);
  for (std::size_t i = 0; i < units.size(); ++i) units[i] = random.below(2) == 1;
  return units;
}

}  // namespace

std::string StateName::text() const {
  const CutName& name = kCutNames[static_cast<std::size_t>(cut)];
  std::string text = "w" + std::to_string(window) + ":" + name.text;
  if (name.has_index) text += ":" + std::to_string(index);
  if (name.has_seed) text += ":" + std::to_string(seed);
  return text;
}

StateName parse_state_name(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t colon = std::min(text.find(':', start), text.size());
    parts.push_back(text.substr(start, colon - start));
    start = colon + 1;
  }
  const auto refused = std::invalid_argument("'" + text + "' is not the name of a crash state");
  if (parts.size() < 2 || parts[0].size() < 2 || parts[0][0] != 'w') throw refused;
  for (const CutName& one : kCutNames) {
    if (parts[1] != one.text) continue;
    if (parts.size() != 2u + (one.has_index ? 1 : 0) + (one.has_seed ? 1 : 0)) throw refused;
    StateName name{std::stoul(parts[0].substr(1)), one.cut, 0, 0};
    if (one.has_index) name.index = std::stoul(parts[2]);
    if (one.has_seed) name.seed = std::stoull(parts.back());
    return name;
  }
  throw refused;
}

std::vector<Piece> pieces_of(const Log& log, const StateName& name, const Enumeration& how) {
  if (name.window >= log.windows.size()) {
    throw std::invalid_argument("no window " + std::to_string(name.window) + " in this log");
  }
  const Window& window = log.windows[name.window];
  const bool has_index = kCutNames[static_cast<std::size_t>(name.cut)].has_index;
  if (has_index && (name.index < 1 || name.index > window.size())) {
    throw std::invalid_argument(name.text() + ": no such write in this window");
  }
  std::vector<bool> is_there(window.size());
  const std::size_t chosen = name.index - 1;
  Random random(name.seed * 1'000'003 + name.window * 4099 + name.index);
  for (std::size_t i = 0; i < window.size(); ++i) {
    is_there[i] = (name.cut == Cut::first && i <= chosen) ||
                  (name.cut == Cut::without && i != chosen) ||
                  (name.cut == Cut::only && i == chosen) || (name.cut == Cut::torn && i <= chosen);
  }
  const bool among_random = name.cut == Cut::torn && name.seed % 2 == 1;
  if (name.cut == Cut::random || among_random) {
    add_random_subset(window, among_random ? chosen : window.size(), random, is_there);
  }
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < window.size(); ++i) {
    const Write& write = log.writes[window.first + i];
    if (!is_there[i] && !write.is_forced) continue;
    Piece piece{window.first + i, {}};
    if (name.cut == Cut::torn && i == chosen && !write.is_forced) {
      piece.units = tear(write, how.tear_bytes, random);
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

States enumerate(const Log& log, std::size_t marks_min, const Enumeration& how) {
  States states;
  Hasher hasher(log);
  std::unordered_map<std::uint64_t, std::size_t> known;
  for (std::size_t number = 0; number < log.windows.size(); ++number) {
    const Window& window = log.windows[number];
    if (window.marks_at_end >= marks_min) {
      for (const StateName& name : names_in(number, window.size(), how)) {
        const std::vector<Piece> pieces = pieces_of(log, name, how);
        Moment moment = moment_of(log, window, pieces);
        moment.first_mark = std::max(moment.first_mark, marks_min);
        const std::uint64_t hash = hasher.with(pieces, how.tear_bytes);
        auto [found, is_new] = known.try_emplace(hash, states.distinct.size());
        if (is_new) states.distinct.push_back({name, hash, {}});
        std::vector<Moment>& moments = states.distinct[found->second].moments;
        if (moments.empty() || !(moments.back() == moment)) moments.push_back(moment);
        ++states.named;
      }
    }
    for (std::size_t i = window.first; i < window.end; ++i) hasher.make_durable(log.writes[i]);
    hasher.forget_writes();
  }
  return states;
}

}  // namespace qubes::storage::crash
