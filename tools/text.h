// SPDX-License-Identifier: LGPL-2.1-or-later
// Between text and values: sizes and numbers as people type them, sizes, times and tables as they
// read them.
#ifndef QUBES_STORAGE_TOOLS_TEXT_H
#define QUBES_STORAGE_TOOLS_TEXT_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tool {

// Decimal digits and nothing else (no sign, no space, no prefix), at most `maximum`.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t maximum);

// A number of bytes, or of powers of 1024 by one of the suffixes K M G T; at most INT64_MAX.
std::optional<std::uint64_t> parse_size(std::string_view text);

// In the largest unit that leaves a number of 1 or more, with a decimal where that is not exact:
// "512", "1.5K", "10G". "-" for QUBES_STORAGE_UNKNOWN.
std::string format_size(std::uint64_t bytes);

// The same with the exact number: "1.5K (1536 bytes)". "unknown" for QUBES_STORAGE_UNKNOWN.
std::string format_exact_size(std::uint64_t bytes);

// `2026-11-23T04:05:06Z`
std::string format_time(std::int64_t nanoseconds_since_epoch);

// `text` with control characters as \xNN, so that a name on disk cannot talk to a terminal.
std::string printable(std::string_view text);

// Columns as wide as their widest cell, two spaces apart. No row is longer than `columns`.
using Row = std::vector<std::string>;
enum class Align { left, right };
std::string format_table(const std::vector<Align>& columns, const std::vector<Row>& rows);

}  // namespace tool

#endif
