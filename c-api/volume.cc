// SPDX-License-Identifier: LGPL-2.1-or-later
// The verbs of volumes in the C API: arguments checked and converted, nothing else.
#include "c-api/handles.h"
#include "src/fs/real_filesystem.h"

namespace {

using namespace qubes::storage;         // NOLINT(google-build-using-namespace)
using namespace qubes::storage::c_api;  // NOLINT(google-build-using-namespace)

Volume& checked(qubes_storage_volume* volume, std::uint32_t flags, std::uint32_t known = 0) {
  Volume& result = *require(volume, "volume").volume;
  check_flags(flags, known);
  return result;
}

void check_descriptor(int fd) {
  if (fd < 0) refuse_argument("fd", "it is negative");
}

}  // namespace

extern "C" {

qubes_storage_volume* qubes_storage_volume_ref(qubes_storage_volume* volume) {
  return ref(volume);
}
void qubes_storage_volume_unref(qubes_storage_volume* volume) {
  unref(volume);
}

const char* qubes_storage_volume_vid(const qubes_storage_volume* volume) {
  return volume != nullptr ? volume->vid.c_str() : nullptr;
}
const char* qubes_storage_volume_path(const qubes_storage_volume* volume) {
  return volume != nullptr ? volume->path.c_str() : nullptr;
}
const char* qubes_storage_volume_import_path(const qubes_storage_volume* volume) {
  return volume != nullptr ? volume->import_path.c_str() : nullptr;
}

int32_t qubes_storage_volume_create(qubes_storage_volume* volume, uint32_t flags,
                                    qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, flags).create(); });
}

int32_t qubes_storage_volume_verify(qubes_storage_volume* volume, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, 0).verify(); });
}

int32_t qubes_storage_volume_remove(qubes_storage_volume* volume, uint32_t flags,
                                    qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, flags).remove(); });
}

int32_t qubes_storage_volume_start(qubes_storage_volume* volume, uint32_t flags,
                                   qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, flags).start(); });
}

int32_t qubes_storage_volume_stop(qubes_storage_volume* volume, uint32_t flags,
                                  qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, flags).stop(); });
}

int32_t qubes_storage_volume_discard(qubes_storage_volume* volume, uint32_t flags,
                                     qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, flags).discard(); });
}

int32_t qubes_storage_volume_revert(qubes_storage_volume* volume, uint64_t number, uint32_t flags,
                                    qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, flags).revert(number); });
}

int32_t qubes_storage_volume_resize(qubes_storage_volume* volume, uint64_t size_bytes,
                                    uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    Volume& checked_volume = checked(volume, flags, QUBES_STORAGE_RESIZE_SHRINK);
    checked_volume.resize(check_size(size_bytes), (flags & QUBES_STORAGE_RESIZE_SHRINK) != 0);
  });
}

int32_t qubes_storage_volume_import_begin(qubes_storage_volume* volume, uint64_t size_bytes,
                                          uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, flags).import_begin(check_size(size_bytes)); });
}

int32_t qubes_storage_volume_import_end(qubes_storage_volume* volume, int32_t success,
                                        uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, flags).import_end(to_bool(success, "success")); });
}

int32_t qubes_storage_volume_import_volume(qubes_storage_volume* volume,
                                           qubes_storage_volume* source,
                                           qubes_storage_progress progress, void* opaque,
                                           uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    Volume& from = *require(source, "source").volume;
    checked(volume, flags).import_volume(from, to_progress(progress, opaque));
  });
}

int32_t qubes_storage_volume_import_fd(qubes_storage_volume* volume, int fd, uint64_t size_bytes,
                                       qubes_storage_progress progress, void* opaque,
                                       uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    Volume& into = checked(volume, flags);
    check_descriptor(fd);
    auto size = size_if_known(size_bytes);
    into.import_file(real_filesystem()->duplicate(fd), size, to_progress(progress, opaque));
  });
}

int32_t qubes_storage_volume_export_fd(qubes_storage_volume* volume, uint32_t flags, int* fd,
                                       qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    Volume& from = checked(volume, flags);
    int& result = require(fd, "fd");
    result = real_filesystem()->release(from.open_committed());
  });
}

int32_t qubes_storage_volume_export_to(qubes_storage_volume* volume, int fd,
                                       qubes_storage_progress progress, void* opaque,
                                       uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    Volume& from = checked(volume, flags);
    check_descriptor(fd);
    auto fs = real_filesystem();
    FilePtr target = fs->duplicate(fd);
    FilePtr content = from.open_committed();
    fs->copy_out(*content, *target, to_progress(progress, opaque));
    fs->close(std::move(target));
  });
}

int32_t qubes_storage_volume_prune(qubes_storage_volume* volume, int32_t keep, uint32_t flags,
                                   qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, flags).prune(keep); });
}

int32_t qubes_storage_volume_get_info(qubes_storage_volume* volume,
                                      qubes_storage_volume_info** info,
                                      qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    Volume& of = checked(volume, 0);
    require(info, "info");
    auto made = std::make_unique<qubes_storage_volume_info>();
    made->info = of.info();
    *info = made.release();
  });
}

int32_t qubes_storage_volume_get_revisions(qubes_storage_volume* volume,
                                           qubes_storage_revisions** revisions,
                                           qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    Volume& of = checked(volume, 0);
    require(revisions, "revisions");
    auto made = std::make_unique<qubes_storage_revisions>();
    made->revisions = of.revisions();
    *revisions = made.release();
  });
}

int32_t qubes_storage_volume_set_rw(qubes_storage_volume* volume, int32_t rw,
                                    qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, 0).set_rw(to_bool(rw, "rw")); });
}

int32_t qubes_storage_volume_set_revisions_to_keep(qubes_storage_volume* volume,
                                                   int32_t revisions_to_keep,
                                                   qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, 0).set_revisions_to_keep(revisions_to_keep); });
}

}  // extern "C"
