// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

constexpr std::string_view kImage = ".img";
constexpr std::string_view kDirty = "-dirty";
constexpr std::string_view kPrecache = "-precache";
constexpr std::string_view kImport = "-import";

constexpr std::size_t kComponentMax = 255;  // NAME_MAX of every filesystem that matters
constexpr std::size_t kTimeLength = std::string_view("YYYY-MM-DDTHH:MM:SSZ").size();
constexpr std::size_t kNumberLengthMax = 18;  // so that "highest + 1" can never overflow
constexpr std::size_t kTemporarySuffixLength = std::string_view("~XXXXXXXX").size();

// The longest file name that a volume can have: a temporary of a revision.
constexpr std::size_t kVolumeNameMax =
    kComponentMax - kImage.size() - 1 - kNumberLengthMax - 1 - kTimeLength - kTemporarySuffixLength;

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::int64_t kLastSecondOf9999 = 253402300799;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool cut_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

// A natural number without leading zeros, so that there is one spelling for each.
std::optional<std::uint64_t> parse_natural(std::string_view text) {
  if (text.empty() || text.size() > kNumberLengthMax || text.front() == '0') return std::nullopt;
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int> parse_digits(std::string_view text) {
  if (!std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Exactly `YYYY-MM-DDTHH:MM:SSZ`, and a moment that exists.
std::optional<std::int64_t> parse_utc(std::string_view text) {
  if (text.size() != kTimeLength || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
      text[13] != ':' || text[16] != ':' || text[19] != 'Z') {
    return std::nullopt;
  }
  auto year = parse_digits(text.substr(0, 4)), month = parse_digits(text.substr(5, 2)),
       day = parse_digits(text.substr(8, 2)), hour = parse_digits(text.substr(11, 2)),
       minute = parse_digits(text.substr(14, 2)), second = parse_digits(text.substr(17, 2));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*year),
                                   std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  auto moment = std::chrono::sys_days(date) + std::chrono::hours(*hour) +
                std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  return std::chrono::duration_cast<std::chrono::seconds>(moment.time_since_epoch()).count();
}

// `V.img.N@TIME`
std::optional<FileName> parse_revision(std::string_view name) {
  auto at = name.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  auto seconds = parse_utc(name.substr(at + 1));
  name = name.substr(0, at);
  auto dot = name.rfind('.');
  if (!seconds || dot == std::string_view::npos) return std::nullopt;
  auto number = parse_natural(name.substr(dot + 1));
  name = name.substr(0, dot);
  if (!number || !cut_suffix(name, kImage) || !is_volume_name(name)) return std::nullopt;
  return FileName{FileName::Role::revision, std::string(name), {*number, *seconds}};
}

std::optional<FileName> parse_image(std::string_view name) {
  using Role = FileName::Role;
  if (!cut_suffix(name, kImage)) return std::nullopt;
  Role role = cut_suffix(name, kDirty)      ? Role::dirty
              : cut_suffix(name, kPrecache) ? Role::precache
              : cut_suffix(name, kImport)   ? Role::import
                                            : Role::clean;
  if (!is_volume_name(name)) return std::nullopt;
  return FileName{role, std::string(name), {}};
}

std::optional<FileName> parse_permanent(std::string_view name) {
  auto image = parse_image(name);
  return image ? image : parse_revision(name);
}

// `NAME~XXXXXXXX`, as mkstemp and the peer's tempfile module make them.
std::optional<FileName> parse_temporary(std::string_view name) {
  if (name.size() <= kTemporarySuffixLength) return std::nullopt;
  auto suffix = name.substr(name.size() - kTemporarySuffixLength);
  auto is_random = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (suffix[0] != '~' || !std::all_of(suffix.begin() + 1, suffix.end(), is_random)) {
    return std::nullopt;
  }
  auto of = parse_permanent(name.substr(0, name.size() - kTemporarySuffixLength));
  if (!of) return std::nullopt;
  return FileName{FileName::Role::temporary, of->volume, {}};
}

}  // namespace

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

void check_component(std::string_view part, std::string_view what) {
  const char* reason = nullptr;
  if (part.empty()) {
    reason = "is empty";
  } else if (part == "." || part == "..") {
    reason = "is a name of the filesystem's own";
  } else if (part.find('/') != std::string_view::npos) {
    reason = "holds a slash";
  } else if (has_control_character(part)) {
    reason = "holds a control character";
  } else if (part.size() > kComponentMax) {
    reason = "is too long";
  }
  if (reason != nullptr) {
    refuse(Code::invalid, "check name", std::string(part), std::string(what) + " " + reason);
  }
}

bool is_volume_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= kVolumeNameMax &&
         !name.ends_with(kDirty) && !name.ends_with(kPrecache) && !name.ends_with(kImport) &&
         !name.ends_with(kImage) && !has_control_character(name);
}

Vid parse_vid(std::string_view text, const std::vector<std::string>& allowed_prefixes) {
  auto reject = [&](std::string_view reason) {
    refuse(Code::invalid, "check vid", std::string(text), reason);
  };
  auto first = text.find('/');
  auto second = first == std::string_view::npos ? first : text.find('/', first + 1);
  if (second == std::string_view::npos) reject("it is not PREFIX/VM/NAME");
  Vid vid{std::string(text.substr(0, first)),
          std::string(text.substr(first + 1, second - first - 1)),
          std::string(text.substr(second + 1))};
  check_component(vid.prefix, "the prefix of the vid");
  check_component(vid.vm, "the VM of the vid");
  check_component(vid.name, "the name of the vid");
  if (std::find(allowed_prefixes.begin(), allowed_prefixes.end(), vid.prefix) ==
      allowed_prefixes.end()) {
    reject("its prefix is not allowed in this pool");
  }
  if (vid.name.size() > kVolumeNameMax) reject("its name is too long");
  if (!is_volume_name(vid.name)) {
    reject("its name ends in -dirty, -precache, -import or .img, which mark a volume's files");
  }
  return vid;
}

ImageNames::ImageNames(const std::string& volume_name)
    : volume(volume_name),
      clean(volume_name + std::string(kImage)),
      dirty(volume_name + std::string(kDirty) + std::string(kImage)),
      precache(volume_name + std::string(kPrecache) + std::string(kImage)),
      import(volume_name + std::string(kImport) + std::string(kImage)) {}

std::int64_t revision_seconds(std::int64_t mtime_ns) {
  return std::clamp<std::int64_t>(mtime_ns / kNanosecondsPerSecond, 0, kLastSecondOf9999);
}

std::string format_utc(std::int64_t seconds) {
  std::chrono::sys_seconds moment{std::chrono::seconds(seconds)};
  auto day = std::chrono::floor<std::chrono::days>(moment);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss time(moment - day);
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                      static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                      static_cast<int>(time.minutes().count()),
                      static_cast<int>(time.seconds().count()));
  return text.data();
}

std::string revision_file_name(const std::string& volume_name, const RevisionName& revision) {
  return volume_name + std::string(kImage) + "." + std::to_string(revision.number) + "@" +
         format_utc(revision.created_seconds);
}

std::optional<FileName> parse_file_name(std::string_view name) {
  auto permanent = parse_permanent(name);
  return permanent ? permanent : parse_temporary(name);
}

}  // namespace qubes::storage
