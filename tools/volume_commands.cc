// SPDX-License-Identifier: LGPL-2.1-or-later
// The commands that make up the life of a volume.
#include "tools/commands.h"
#include "tools/text.h"

namespace tool {
namespace {

constexpr std::uint32_t kNoFlags = 0;
constexpr const char* kNothing = "nothing to do";

bool is_started(const Volume& volume) {
  const auto info = make<VolumeInfo>(qubes_storage_volume_get_info, volume.get());
  return qubes_storage_volume_info_is_started(info.get()) != 0;
}

}  // namespace

std::size_t revision_count(const Volume& volume) {
  const auto list = make<Revisions>(qubes_storage_volume_get_revisions, volume.get());
  return qubes_storage_revisions_count(list.get());
}

void answer(const Context& context, const std::string& result, const Json& more,
            const std::string& detail) {
  Json json;
  json["vid"] = context.options.vid;
  json["result"] = result;
  json.update(more);
  const std::string tail = detail.empty() ? "" : " " + detail;
  context.output.answer(printable(context.options.vid + ": " + result + tail) + "\n", json);
}

void create(const Context& context) {
  const Volume volume = open_volume(context);
  call(qubes_storage_volume_create, volume.get(), kNoFlags);
  const bool makes_image = is_saved(context.options) && !context.options.is_origin_snapshot;
  if (!makes_image) return answer(context, kNothing);
  const std::uint64_t size = context.options.size_bytes.value_or(0);
  answer(context, "created", {{"size_bytes", size}}, format_size(size));
}

void remove(const Context& context) {
  const Volume volume = open_volume(context);
  call(qubes_storage_volume_remove, volume.get(), kNoFlags);
  answer(context, "removed");
}

void verify(const Context& context) {
  const Volume volume = open_volume(context);
  call(qubes_storage_volume_verify, volume.get());
  answer(context, "can be started");
}

void start(const Context& context) {
  const Volume volume = open_volume(context);
  const bool resumes = is_saved(context.options) && is_started(volume);
  call(qubes_storage_volume_start, volume.get(), kNoFlags);
  const std::string path = qubes_storage_volume_path(volume.get());
  answer(context, resumes ? "resumed" : "started", {{"path", path}}, path);
}

void stop(const Context& context) {
  const Volume volume = open_volume(context);
  const bool was_started = is_started(volume);
  call(qubes_storage_volume_stop, volume.get(), kNoFlags);
  if (!was_started) return answer(context, kNothing);
  answer(context, is_saved(context.options) ? "committed" : "thrown away");
}

void discard(const Context& context) {
  const Volume volume = open_volume(context);
  const bool was_started = is_started(volume);
  call(qubes_storage_volume_discard, volume.get(), kNoFlags);
  answer(context, was_started ? "thrown away" : kNothing);
}

void revert(const Context& context) {
  const Volume volume = open_volume(context);
  const auto number = static_cast<std::uint64_t>(context.options.revision.value_or(0));
  call(qubes_storage_volume_revert, volume.get(), number, kNoFlags);
  if (number == 0) return answer(context, "reverted");
  answer(context, "reverted", {{"number", number}}, "to revision " + std::to_string(number));
}

void resize(const Context& context) {
  const Volume volume = open_volume(context);
  const std::uint64_t size = context.options.size_bytes.value();
  const std::uint32_t flags = context.options.allow_shrink ? QUBES_STORAGE_RESIZE_SHRINK : kNoFlags;
  call(qubes_storage_volume_resize, volume.get(), size, flags);
  answer(context, "resized", {{"size_bytes", size}}, "to " + format_size(size));
}

void prune(const Context& context) {
  const Volume volume = open_volume(context);
  call(qubes_storage_volume_prune, volume.get(), context.options.keep.value(), kNoFlags);
  const std::size_t left = revision_count(volume);
  answer(context, "pruned", {{"revisions_left", left}},
         "to " + std::to_string(left) + (left == 1 ? " revision" : " revisions"));
}

}  // namespace tool
