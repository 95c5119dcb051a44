// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/names.h"

#include <cstdio>
#include <ctime>
#include <deque>
#include <map>
#include <stdexcept>
#include <tuple>
#include <unordered_map>

namespace qubes::storage::simulation {
namespace {

constexpr std::size_t kSuffixLength = 9;  // ~XXXXXXXX

struct Table {
  std::deque<NameInfo> infos = std::deque<NameInfo>(1);
  std::unordered_map<std::string, NameId> ids;
  std::map<std::tuple<NameId, std::int64_t, std::int64_t>, NameId> renamed;
};

Table& table() {
  static Table the_table;
  return the_table;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Reads `VOLUME.img.N@YYYY-MM-DDTHH:MM:SSZ`, with what it writes back as the test.
bool read_revision(const std::string& text, NameInfo& info) {
  const auto image = text.find(".img.");
  if (image == std::string::npos || image == 0) return false;
  long long number = 0;
  std::tm time{};
  int used = 0;
  const char* rest = text.c_str() + image + 5;
  const int fields =
      std::sscanf(rest, "%lld@%4d-%2d-%2dT%2d:%2d:%2dZ%n", &number, &time.tm_year, &time.tm_mon,
                  &time.tm_mday, &time.tm_hour, &time.tm_min, &time.tm_sec, &used);
  if (fields != 7 || rest[used] != '\0' || number < 1) return false;
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  info.role = Role::revision;
  info.volume = text.substr(0, image);
  info.number = number;
  info.seconds = timegm(&time);
  return true;
}

void read(const std::string& text, NameInfo& info) {
  static const std::pair<const char*, Role> kEndings[] = {{"-dirty.img", Role::dirty},
                                                          {"-precache.img", Role::precache},
                                                          {"-import.img", Role::import},
                                                          {".img", Role::clean}};
  if (read_revision(text, info)) return;
  for (const auto& [ending, role] : kEndings) {
    if (!ends_with(text, ending)) continue;
    info.role = role;
    info.volume = text.substr(0, text.size() - std::string(ending).size());
    return;
  }
  if (text.size() <= kSuffixLength || text[text.size() - kSuffixLength] != '~') return;
  NameInfo of;
  read(text.substr(0, text.size() - kSuffixLength), of);
  if (of.role == Role::foreign) return;
  info.role = Role::temporary;
  info.volume = of.volume;
}

}  // namespace

NameId intern(const std::string& text) {
  Table& names = table();
  auto [found, added] = names.ids.try_emplace(text, NameId{0});
  if (added) {
    if (names.infos.size() > 0xFFFF) throw std::length_error("too many names");
    NameInfo fresh;
    fresh.text = text;
    read(text, fresh);
    found->second = static_cast<NameId>(names.infos.size());
    names.infos.push_back(fresh);
  }
  return found->second;
}

void forget_names() {
  table() = Table();
}

const NameInfo& info(NameId name) {
  return table().infos[name];
}

NameId renamed_revision(NameId name, std::int64_t number, std::int64_t seconds) {
  NameId& id = table().renamed[{name, number, seconds}];
  if (id != 0) return id;
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[40];
  std::strftime(text, sizeof text, "@%Y-%m-%dT%H:%M:%SZ", &parts);
  return id = intern(info(name).volume + ".img." + std::to_string(number) + text);
}

}  // namespace qubes::storage::simulation
