// SPDX-License-Identifier: LGPL-2.1-or-later
// The commands that tell what is known of a volume, and change nothing.
#include "tools/commands.h"
#include "tools/text.h"

namespace tool {
namespace {

const char* kind_name(const qubes_storage_volume_info* info) {
  const bool saved = qubes_storage_volume_info_save_on_stop(info) != 0;
  const bool snap = qubes_storage_volume_info_snap_on_start(info) != 0;
  if (snap) return saved ? "origin-snapshot" : "snapshot";
  return saved ? "origin" : "volatile";
}

std::string kept(std::int32_t revisions) {
  if (revisions < 0) return "none, a session writes the committed state itself";
  return std::to_string(revisions) + (revisions == 1 ? " revision" : " revisions");
}

Json json_of(const qubes_storage_volume_info* info) {
  const char* source = qubes_storage_volume_info_source(info);
  Json json;
  json["vid"] = qubes_storage_volume_info_vid(info);
  json["path"] = qubes_storage_volume_info_path(info);
  json["size_bytes"] = json_size(qubes_storage_volume_info_size_bytes(info));
  json["usage_bytes"] = json_size(qubes_storage_volume_info_usage_bytes(info));
  json["nominal_size_bytes"] = json_size(qubes_storage_volume_info_nominal_size_bytes(info));
  json["rw"] = qubes_storage_volume_info_rw(info) != 0;
  json["save_on_stop"] = qubes_storage_volume_info_save_on_stop(info) != 0;
  json["snap_on_start"] = qubes_storage_volume_info_snap_on_start(info) != 0;
  json["revisions_to_keep"] = qubes_storage_volume_info_revisions_to_keep(info);
  json["ephemeral"] = qubes_storage_volume_info_ephemeral(info) != 0;
  json["source"] = source == nullptr ? Json() : Json(source);
  json["is_started"] = qubes_storage_volume_info_is_started(info) != 0;
  json["is_dirty"] = qubes_storage_volume_info_is_dirty(info) != 0;
  json["is_outdated"] = qubes_storage_volume_info_is_outdated(info) != 0;
  return json;
}

std::string text_of(const qubes_storage_volume_info* info) {
  const auto yes_or_no = [](std::int32_t flag) { return flag != 0 ? "yes" : "no"; };
  const char* source = qubes_storage_volume_info_source(info);
  std::vector<Row> rows = {
      {"volume", printable(qubes_storage_volume_info_vid(info))},
      {"kind", kind_name(info)},
      {"path", printable(qubes_storage_volume_info_path(info))},
      {"size", format_exact_size(qubes_storage_volume_info_size_bytes(info))},
      {"usage", format_exact_size(qubes_storage_volume_info_usage_bytes(info))},
      {"writable", yes_or_no(qubes_storage_volume_info_rw(info))},
      {"keeps", kept(qubes_storage_volume_info_revisions_to_keep(info))},
      {"started", yes_or_no(qubes_storage_volume_info_is_started(info))},
      {"dirty", yes_or_no(qubes_storage_volume_info_is_dirty(info))},
      {"outdated", yes_or_no(qubes_storage_volume_info_is_outdated(info))},
  };
  if (source != nullptr) rows.insert(rows.begin() + 2, Row{"source", printable(source)});
  return format_table({Align::left, Align::left}, rows);
}

}  // namespace

void volume_info(const Context& context) {
  const Volume volume = open_volume(context);
  const auto info = make<VolumeInfo>(qubes_storage_volume_get_info, volume.get());
  context.output.answer(text_of(info.get()), json_of(info.get()));
}

void revisions(const Context& context) {
  const Volume volume = open_volume(context);
  const auto list = make<Revisions>(qubes_storage_volume_get_revisions, volume.get());
  std::vector<Row> rows = {{"NUMBER", "CREATED", "SIZE"}};
  Json json = Json::array();
  for (std::size_t i = 0; i < qubes_storage_revisions_count(list.get()); ++i) {
    const std::uint64_t number = qubes_storage_revisions_number(list.get(), i);
    const std::string created = format_time(qubes_storage_revisions_created_ns(list.get(), i));
    const std::uint64_t size = qubes_storage_revisions_size_bytes(list.get(), i);
    rows.push_back({std::to_string(number), created, format_size(size)});
    Json revision;
    revision["number"] = number;
    revision["created"] = created;
    revision["size_bytes"] = json_size(size);
    json.push_back(std::move(revision));
  }
  const std::vector<Align> columns = {Align::right, Align::left, Align::right};
  context.output.answer(rows.size() > 1 ? format_table(columns, rows) : "no revisions\n", json);
}

}  // namespace tool
