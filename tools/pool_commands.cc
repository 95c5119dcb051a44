// SPDX-License-Identifier: LGPL-2.1-or-later
// The commands about a pool as a whole.
#include <algorithm>
#include <filesystem>
#include <string_view>

#include "tools/commands.h"
#include "tools/text.h"

namespace tool {
namespace {

constexpr std::string_view kLvm = "lvm:";

const char* kind_name(std::int32_t kind) {
  return kind == QUBES_STORAGE_POOL_KERNELS ? "kernels" : "reflink";
}

Json json_of(const qubes_storage_pool_info* info) {
  const auto sector = [](std::uint32_t bytes) { return bytes == 0 ? Json() : Json(bytes); };
  Json json;
  json["dir_path"] = qubes_storage_pool_info_dir_path(info);
  json["kind"] = kind_name(qubes_storage_pool_info_kind(info));
  json["is_online"] = qubes_storage_pool_info_is_online(info) != 0;
  json["size_bytes"] = json_size(qubes_storage_pool_info_size_bytes(info));
  json["usage_bytes"] = json_size(qubes_storage_pool_info_usage_bytes(info));
  json["filesystem_type"] = json_text(qubes_storage_pool_info_filesystem_type(info));
  json["mount_point"] = json_text(qubes_storage_pool_info_mount_point(info));
  json["device"] = json_text(qubes_storage_pool_info_device(info));
  json["device_uuid"] = json_text(qubes_storage_pool_info_device_uuid(info));
  json["logical_sector_bytes"] = sector(qubes_storage_pool_info_logical_sector_bytes(info));
  json["physical_sector_bytes"] = sector(qubes_storage_pool_info_physical_sector_bytes(info));
  json["reflink_works"] = qubes_storage_pool_info_reflink_works(info) != 0;
  return json;
}

std::string or_unknown(const std::string& text) {
  return text.empty() ? "unknown" : printable(text);
}

std::string sectors(const qubes_storage_pool_info* info) {
  const std::uint32_t logical = qubes_storage_pool_info_logical_sector_bytes(info);
  if (logical == 0) return "unknown";
  return std::to_string(logical) + " logical, " +
         std::to_string(qubes_storage_pool_info_physical_sector_bytes(info)) + " physical";
}

std::string text_of(const qubes_storage_pool_info* info) {
  std::vector<Row> rows = {
      {"directory", printable(qubes_storage_pool_info_dir_path(info))},
      {"kind", kind_name(qubes_storage_pool_info_kind(info))},
      {"state", qubes_storage_pool_info_is_online(info) != 0 ? "online" : "offline"},
  };
  if (qubes_storage_pool_info_is_online(info) != 0) {
    rows.insert(
        rows.end(),
        {
            {"filesystem", or_unknown(qubes_storage_pool_info_filesystem_type(info))},
            {"mounted on", or_unknown(qubes_storage_pool_info_mount_point(info))},
            {"device", or_unknown(qubes_storage_pool_info_device(info))},
            {"device uuid", or_unknown(qubes_storage_pool_info_device_uuid(info))},
            {"sectors", sectors(info)},
            {"size", format_exact_size(qubes_storage_pool_info_size_bytes(info))},
            {"usage", format_exact_size(qubes_storage_pool_info_usage_bytes(info))},
            {"reflinks", qubes_storage_pool_info_reflink_works(info) != 0 ? "work" : "do not work"},
        });
  }
  return format_table({Align::left, Align::left}, rows);
}

struct VolumeLine {
  Row row;
  Json json;
};

VolumeLine describe(const Context& context, const char* vid) {
  const Volume volume = open_origin(context, vid);
  const auto info = make<VolumeInfo>(qubes_storage_volume_get_info, volume.get());
  const std::uint64_t size = qubes_storage_volume_info_size_bytes(info.get());
  const std::uint64_t usage = qubes_storage_volume_info_usage_bytes(info.get());
  const bool is_dirty = qubes_storage_volume_info_is_dirty(info.get()) != 0;
  Json json;
  json["vid"] = vid;
  json["size_bytes"] = json_size(size);
  json["usage_bytes"] = json_size(usage);
  json["is_dirty"] = is_dirty;
  return {{printable(vid), format_size(size), format_size(usage), is_dirty ? "yes" : "no"}, json};
}

// As the library takes it: an absolute path, or VG/POOL.
std::string candidate(const std::string& other) {
  if (!std::string_view(other).starts_with(kLvm)) {
    if (other.empty()) throw UsageError("an empty OTHER");
    return std::filesystem::absolute(other).lexically_normal();
  }
  std::string name = other.substr(kLvm.size());
  const std::size_t slash = name.find('/');
  if (slash == 0 || slash == std::string::npos || slash + 1 == name.size() ||
      name.find('/', slash + 1) != std::string::npos) {
    throw UsageError("\"" + printable(other) + "\" is not lvm:VG/POOL");
  }
  return name;
}

}  // namespace

void setup(const Context& context) {
  call(qubes_storage_pool_setup, context.pool);
  const auto info = make<PoolInfo>(qubes_storage_pool_get_info, context.pool);
  const std::string path = qubes_storage_pool_info_dir_path(info.get());
  Json json;
  json["result"] = "ready";
  json.update(json_of(info.get()));
  context.output.answer(printable(path) + ": ready\n", json);
}

void info(const Context& context) {
  if (!context.options.vid.empty()) return volume_info(context);
  const auto info = make<PoolInfo>(qubes_storage_pool_get_info, context.pool);
  context.output.answer(text_of(info.get()), json_of(info.get()));
}

void list(const Context& context) {
  const auto volumes = make<Volumes>(qubes_storage_pool_list, context.pool);
  std::vector<Row> rows = {{"VID", "SIZE", "USAGE", "DIRTY"}};
  Json json = Json::array();
  for (std::size_t i = 0; i < qubes_storage_volumes_count(volumes.get()); ++i) {
    VolumeLine line = describe(context, qubes_storage_volumes_vid(volumes.get(), i));
    rows.push_back(std::move(line.row));
    json.push_back(std::move(line.json));
  }
  const std::vector<Align> columns = {Align::left, Align::right, Align::right, Align::left};
  context.output.answer(rows.size() > 1 ? format_table(columns, rows) : "no volumes\n", json);
}

void recover(const Context& context) {
  const auto report = make<Report>(qubes_storage_pool_recover, context.pool);
  std::string text;
  Json findings = Json::array();
  for (std::size_t i = 0; i < qubes_storage_report_count(report.get()); ++i) {
    const std::string vid = qubes_storage_report_vid(report.get(), i);
    const std::string finding = qubes_storage_report_finding(report.get(), i);
    const std::string action = qubes_storage_report_action(report.get(), i);
    text.append(printable(vid)).append(": ").append(printable(finding)).append(": ");
    text.append(printable(action)).append("\n");
    Json json;
    json["vid"] = vid;
    json["finding"] = finding;
    json["action"] = action;
    findings.push_back(std::move(json));
  }
  if (text.empty()) text = "nothing to recover\n";
  Json json;
  json["findings"] = std::move(findings);
  context.output.answer(text, json);
}

void included_in(const Context& context) {
  const std::vector<std::string>& others = context.options.others;
  std::vector<std::string> names(others.size());
  std::transform(others.begin(), others.end(), names.begin(), candidate);
  std::vector<const char*> candidates(names.size());
  std::transform(names.begin(), names.end(), candidates.begin(),
                 [](const std::string& name) { return name.c_str(); });
  std::int64_t index = -1;
  call(qubes_storage_pool_included_in, context.pool, candidates.data(), candidates.size(), &index);
  const Json found = index < 0 ? Json() : Json(others[static_cast<std::size_t>(index)]);
  const std::string text = index < 0 ? "none" : printable(others[static_cast<std::size_t>(index)]);
  Json json;
  json["included_in"] = found;
  context.output.answer(text + "\n", json);
}

}  // namespace tool
