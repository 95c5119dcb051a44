// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/name_oracle.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace qubes::storage::fuzz {
namespace {

// The longest first, as `.img` ends them all.
const std::pair<const char*, char> kEndings[] = {
    {"-dirty.img", 'D'}, {"-precache.img", 'P'}, {"-import.img", 'I'}, {".img", 'C'}};

constexpr std::size_t kVolumeNameMax = 202;
constexpr std::size_t kNumberMax = 18;
constexpr std::size_t kTemporary = 9;  // ~XXXXXXXX

bool may_be_volume(const std::string& name) {
  if (std::any_of(name.begin(), name.end(),
                  [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return false;
  }
  if (name.empty() || name == "." || name == ".." || name.size() > kVolumeNameMax) return false;
  for (const char* end : {"-dirty", "-precache", "-import", ".img"}) {
    const std::size_t length = std::strlen(end);
    if (name.size() >= length && name.substr(name.size() - length) == end) return false;
  }
  return true;
}

Meaning fixed_name(const std::string& name) {
  for (const auto& [end, letter] : kEndings) {
    const std::size_t length = std::strlen(end);
    if (name.size() < length || name.substr(name.size() - length) != end) continue;
    const std::string volume = name.substr(0, name.size() - length);
    if (may_be_volume(volume)) return {letter, volume, 0, 0};
    return {};
  }
  return {};
}

std::string time_text(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return text;
}

// `VOLUME.img.N@TIME`. The volume's name may have `.img.` and `@` in it, too: the last count.
Meaning revision_name(const std::string& name) {
  const auto at = name.rfind('@');
  const auto image = at == std::string::npos ? at : name.rfind(".img.", at);
  if (image == std::string::npos || name.find('\0') != std::string::npos) return {};
  std::tm time{};
  if (std::sscanf(name.c_str() + at, "@%4d-%2d-%2dT%2d:%2d:%2dZ", &time.tm_year, &time.tm_mon,
                  &time.tm_mday, &time.tm_hour, &time.tm_min, &time.tm_sec) != 6) {
    return {};
  }
  if (time.tm_year < 0) return {};
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  const std::uint64_t number = std::strtoull(name.c_str() + image + 5, nullptr, 10);
  const std::int64_t seconds = timegm(&time);
  const std::string volume = name.substr(0, image);
  const std::string digits = std::to_string(number);
  const std::string again = volume + ".img." + digits + "@" + time_text(seconds);
  const bool is_it = again == name && number != 0 && digits.size() <= kNumberMax;
  if (!is_it || !may_be_volume(volume)) return {};
  return {'R', volume, number, seconds};
}

Meaning permanent_name(const std::string& name) {
  const Meaning revision = revision_name(name);
  return revision.letter != 0 ? revision : fixed_name(name);
}

}  // namespace

Meaning meaning_of(const std::string& name) {
  const Meaning own = permanent_name(name);
  if (own.letter != 0 || name.size() <= kTemporary) return own;
  const std::string tail = name.substr(name.size() - kTemporary);
  const char* const allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  if (tail[0] != '~' || tail.find_first_not_of(allowed, 1) != std::string::npos) return {};
  const Meaning of = permanent_name(name.substr(0, name.size() - kTemporary));
  if (of.letter == 0) return {};
  return {'T', of.volume, 0, 0};
}

}  // namespace qubes::storage::fuzz
