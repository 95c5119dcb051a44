// SPDX-License-Identifier: LGPL-2.1-or-later
// Between text and values: sizes and numbers as people type them, sizes, times and tables as they
// read them.
#include "tools/text.h"

#include <qubes/storage.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace tool {
namespace {

constexpr std::uint64_t kSizeMax = INT64_MAX;
constexpr std::string_view kSuffixes = "KMGT";
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

// Of characters, not of bytes: UTF-8 continuation bytes take no column.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string with_decimal(double number) {
  std::array<char, 32> buffer;
  const auto [end, failure] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                            std::chars_format::fixed, 1);
  return failure == std::errc() ? std::string(buffer.data(), end) : std::string("?");
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t maximum) {
  // from_chars takes no sign and no space for unsigned numbers, and reports overflow.
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc() || stop != end || number > maximum) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty()) {
    const std::size_t unit = kSuffixes.find(text.back());
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  const auto number = parse_number(text, kSizeMax >> shift);
  if (!number) return std::nullopt;
  return *number << shift;
}

std::string format_size(std::uint64_t bytes) {
  if (bytes == QUBES_STORAGE_UNKNOWN) return "-";
  std::size_t unit = 0;
  while (unit < kSuffixes.size() && bytes >> (10 * (unit + 1)) != 0) ++unit;
  const std::uint64_t divisor = std::uint64_t{1} << (10 * unit);
  std::string text = bytes % divisor == 0
                         ? std::to_string(bytes / divisor)
                         : with_decimal(static_cast<double>(bytes) / static_cast<double>(divisor));
  if (unit > 0) text += kSuffixes[unit - 1];
  return text;
}

std::string format_exact_size(std::uint64_t bytes) {
  if (bytes == QUBES_STORAGE_UNKNOWN) return "unknown";
  return format_size(bytes) + " (" + std::to_string(bytes) + " bytes)";
}

std::string format_time(std::int64_t nanoseconds_since_epoch) {
  std::int64_t seconds = nanoseconds_since_epoch / kNanosecondsPerSecond;
  if (nanoseconds_since_epoch % kNanosecondsPerSecond < 0) --seconds;
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 32> buffer;
  const std::size_t length =
      std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {buffer.data(), length};
}

std::string printable(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string result;
  for (const char c : text) {
    if (!is_control(c)) {
      result += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    result += "\\x";
    result += kHex[byte >> 4];
    result += kHex[byte & 0xF];
  }
  return result;
}

std::string format_table(const std::vector<Align>& columns, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width(row[i]), ' ');
      if (i > 0) line += "  ";
      line += columns[i] == Align::left ? row[i] + padding : padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace tool
