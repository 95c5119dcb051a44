// SPDX-License-Identifier: LGPL-2.1-or-later
// The verbs of volumes in the C API: arguments checked and converted, nothing else. The checks of a
// verb are a function that returns what is left to do; the verb does it at once, its `_async` twin
// in a job.
#include "c-api/jobs.h"
#include "src/fs/real_filesystem.h"

namespace {

using namespace qubes::storage;         // NOLINT(google-build-using-namespace)
using namespace qubes::storage::c_api;  // NOLINT(google-build-using-namespace)

std::shared_ptr<Volume> checked(qubes_storage_volume* volume, std::uint32_t flags,
                                std::uint32_t known = 0) {
  require(volume, "volume");
  check_flags(flags, known);
  return volume->volume;
}

FilePtr duplicate(int fd) {
  if (fd < 0) refuse_argument("fd", "it is negative");
  return real_filesystem()->duplicate(fd);
}

// std::function wants what can be copied.
template <typename T>
auto shared(std::unique_ptr<T> owned) {
  return std::make_shared<std::unique_ptr<T>>(std::move(owned));
}

template <typename Call>
void start_job(qubes_storage_volume* volume, qubes_storage_job** job, Call call,
               JobThreads::Waits waits = JobThreads::Waits::disk) {
  require(job, "job");
  *job = c_api::start_job(volume->pool, volume->pool->job_threads(), with_output(std::move(call)),
                          waits);
}

// ---- The verbs, their arguments checked ----

auto create(qubes_storage_volume* volume, std::uint32_t flags) {
  return [it = checked(volume, flags)](const Progress& progress) { it->create(progress); };
}
auto verify(qubes_storage_volume* volume) {
  return [it = checked(volume, 0)](const Progress& progress) { it->verify(progress); };
}
auto remove(qubes_storage_volume* volume, std::uint32_t flags) {
  return [it = checked(volume, flags)](const Progress& progress) { it->remove(progress); };
}
auto start(qubes_storage_volume* volume, std::uint32_t flags) {
  return [it = checked(volume, flags)](const Progress& progress) { it->start(progress); };
}
auto stop(qubes_storage_volume* volume, std::uint32_t flags) {
  return [it = checked(volume, flags)](const Progress& progress) { it->stop(progress); };
}
auto discard(qubes_storage_volume* volume, std::uint32_t flags) {
  return [it = checked(volume, flags)](const Progress& progress) { it->discard(progress); };
}
auto revert(qubes_storage_volume* volume, std::uint64_t number, std::uint32_t flags) {
  return [it = checked(volume, flags), number](const Progress& progress) {
    it->revert(number, progress);
  };
}
auto resize(qubes_storage_volume* volume, std::uint64_t size_bytes, std::uint32_t flags) {
  auto it = checked(volume, flags, QUBES_STORAGE_RESIZE_SHRINK);
  const bool allow_shrink = (flags & QUBES_STORAGE_RESIZE_SHRINK) != 0;
  return [it, size = check_size(size_bytes), allow_shrink](const Progress& progress) {
    it->resize(size, allow_shrink, progress);
  };
}
auto import_begin(qubes_storage_volume* volume, std::uint64_t size_bytes, std::uint32_t flags) {
  return [it = checked(volume, flags), size = check_size(size_bytes)](const Progress& progress) {
    it->import_begin(size, progress);
  };
}
auto import_end(qubes_storage_volume* volume, std::int32_t success, std::uint32_t flags) {
  return [it = checked(volume, flags), success = to_bool(success, "success")](
             const Progress& progress) { it->import_end(success, progress); };
}
auto import_volume(qubes_storage_volume* volume, qubes_storage_volume* source,
                   std::uint32_t flags) {
  auto from = require(source, "source").volume;
  return [it = checked(volume, flags), from](const Progress& progress) {
    it->import_volume(*from, progress);
  };
}
auto import_fd(qubes_storage_volume* volume, int fd, std::uint64_t size_bytes,
               std::uint32_t flags) {
  auto it = checked(volume, flags);
  auto size = size_if_known(size_bytes);
  return [it, size, source = shared(duplicate(fd))](const Progress& progress) {
    it->import_file(std::move(*source), size, progress);
  };
}
auto export_fd(qubes_storage_volume* volume, std::uint32_t flags) {
  return [it = checked(volume, flags)](const Progress&) { return it->open_committed(); };
}
auto export_to(qubes_storage_volume* volume, int fd, std::uint32_t flags) {
  auto it = checked(volume, flags);
  return [it, target = shared(duplicate(fd))](const Progress& progress) {
    auto fs = real_filesystem();
    FilePtr content = it->open_committed();
    fs->copy_out(*content, **target, progress);
    fs->close(std::move(*target));
  };
}
auto prune(qubes_storage_volume* volume, std::int32_t keep, std::uint32_t flags) {
  if (keep < 0) refuse_argument("keep", "it is negative");
  return
      [it = checked(volume, flags), keep](const Progress& progress) { it->prune(keep, progress); };
}
auto get_info(qubes_storage_volume* volume) {
  return [it = checked(volume, 0)](const Progress&) { return it->info(); };
}
auto get_revisions(qubes_storage_volume* volume) {
  return [it = checked(volume, 0)](const Progress&) { return it->revisions(); };
}
auto set_revisions_to_keep(qubes_storage_volume* volume, std::int32_t revisions_to_keep) {
  return [it = checked(volume, 0), revisions_to_keep](const Progress&) {
    it->set_revisions_to_keep(revisions_to_keep);
  };
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
  return guarded(reterr, [&] { create(volume, flags)(nullptr); });
}
int32_t qubes_storage_volume_create_async(qubes_storage_volume* volume, uint32_t flags,
                                          qubes_storage_job** job, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, create(volume, flags)); });
}

int32_t qubes_storage_volume_verify(qubes_storage_volume* volume, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { verify(volume)(nullptr); });
}
int32_t qubes_storage_volume_verify_async(qubes_storage_volume* volume, qubes_storage_job** job,
                                          qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, verify(volume)); });
}

int32_t qubes_storage_volume_remove(qubes_storage_volume* volume, uint32_t flags,
                                    qubes_storage_error** reterr) {
  return guarded(reterr, [&] { remove(volume, flags)(nullptr); });
}
int32_t qubes_storage_volume_remove_async(qubes_storage_volume* volume, uint32_t flags,
                                          qubes_storage_job** job, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, remove(volume, flags)); });
}

int32_t qubes_storage_volume_start(qubes_storage_volume* volume, uint32_t flags,
                                   qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start(volume, flags)(nullptr); });
}
int32_t qubes_storage_volume_start_async(qubes_storage_volume* volume, uint32_t flags,
                                         qubes_storage_job** job, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, start(volume, flags)); });
}

int32_t qubes_storage_volume_stop(qubes_storage_volume* volume, uint32_t flags,
                                  qubes_storage_error** reterr) {
  return guarded(reterr, [&] { stop(volume, flags)(nullptr); });
}
int32_t qubes_storage_volume_stop_async(qubes_storage_volume* volume, uint32_t flags,
                                        qubes_storage_job** job, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, stop(volume, flags)); });
}

int32_t qubes_storage_volume_discard(qubes_storage_volume* volume, uint32_t flags,
                                     qubes_storage_error** reterr) {
  return guarded(reterr, [&] { discard(volume, flags)(nullptr); });
}
int32_t qubes_storage_volume_discard_async(qubes_storage_volume* volume, uint32_t flags,
                                           qubes_storage_job** job, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, discard(volume, flags)); });
}

int32_t qubes_storage_volume_revert(qubes_storage_volume* volume, uint64_t number, uint32_t flags,
                                    qubes_storage_error** reterr) {
  return guarded(reterr, [&] { revert(volume, number, flags)(nullptr); });
}
int32_t qubes_storage_volume_revert_async(qubes_storage_volume* volume, uint64_t number,
                                          uint32_t flags, qubes_storage_job** job,
                                          qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, revert(volume, number, flags)); });
}

int32_t qubes_storage_volume_resize(qubes_storage_volume* volume, uint64_t size_bytes,
                                    uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { resize(volume, size_bytes, flags)(nullptr); });
}
int32_t qubes_storage_volume_resize_async(qubes_storage_volume* volume, uint64_t size_bytes,
                                          uint32_t flags, qubes_storage_job** job,
                                          qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, resize(volume, size_bytes, flags)); });
}

int32_t qubes_storage_volume_import_begin(qubes_storage_volume* volume, uint64_t size_bytes,
                                          uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { import_begin(volume, size_bytes, flags)(nullptr); });
}
int32_t qubes_storage_volume_import_begin_async(qubes_storage_volume* volume, uint64_t size_bytes,
                                                uint32_t flags, qubes_storage_job** job,
                                                qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, import_begin(volume, size_bytes, flags)); });
}

int32_t qubes_storage_volume_import_end(qubes_storage_volume* volume, int32_t success,
                                        uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { import_end(volume, success, flags)(nullptr); });
}
int32_t qubes_storage_volume_import_end_async(qubes_storage_volume* volume, int32_t success,
                                              uint32_t flags, qubes_storage_job** job,
                                              qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, import_end(volume, success, flags)); });
}

int32_t qubes_storage_volume_import_volume(qubes_storage_volume* volume,
                                           qubes_storage_volume* source,
                                           qubes_storage_progress progress, void* opaque,
                                           uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr,
                 [&] { import_volume(volume, source, flags)(to_progress(progress, opaque)); });
}
int32_t qubes_storage_volume_import_volume_async(qubes_storage_volume* volume,
                                                 qubes_storage_volume* source, uint32_t flags,
                                                 qubes_storage_job** job,
                                                 qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, import_volume(volume, source, flags)); });
}

int32_t qubes_storage_volume_import_fd(qubes_storage_volume* volume, int fd, uint64_t size_bytes,
                                       qubes_storage_progress progress, void* opaque,
                                       uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr,
                 [&] { import_fd(volume, fd, size_bytes, flags)(to_progress(progress, opaque)); });
}
int32_t qubes_storage_volume_import_fd_async(qubes_storage_volume* volume, int fd,
                                             uint64_t size_bytes, uint32_t flags,
                                             qubes_storage_job** job,
                                             qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    start_job(volume, job, import_fd(volume, fd, size_bytes, flags), JobThreads::Waits::stream);
  });
}

int32_t qubes_storage_volume_export_fd(qubes_storage_volume* volume, uint32_t flags, int* fd,
                                       qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    int& result = require(fd, "fd");
    result = real_filesystem()->release(export_fd(volume, flags)(nullptr));
  });
}
int32_t qubes_storage_volume_export_fd_async(qubes_storage_volume* volume, uint32_t flags,
                                             qubes_storage_job** job,
                                             qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, export_fd(volume, flags)); });
}

int32_t qubes_storage_volume_export_to(qubes_storage_volume* volume, int fd,
                                       qubes_storage_progress progress, void* opaque,
                                       uint32_t flags, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { export_to(volume, fd, flags)(to_progress(progress, opaque)); });
}
int32_t qubes_storage_volume_export_to_async(qubes_storage_volume* volume, int fd, uint32_t flags,
                                             qubes_storage_job** job,
                                             qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    start_job(volume, job, export_to(volume, fd, flags), JobThreads::Waits::stream);
  });
}

int32_t qubes_storage_volume_prune(qubes_storage_volume* volume, int32_t keep, uint32_t flags,
                                   qubes_storage_error** reterr) {
  return guarded(reterr, [&] { prune(volume, keep, flags)(nullptr); });
}
int32_t qubes_storage_volume_prune_async(qubes_storage_volume* volume, int32_t keep, uint32_t flags,
                                         qubes_storage_job** job, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, prune(volume, keep, flags)); });
}

int32_t qubes_storage_volume_get_info(qubes_storage_volume* volume,
                                      qubes_storage_volume_info** info,
                                      qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(info, "info");
    auto made = std::make_unique<qubes_storage_volume_info>();
    made->info = get_info(volume)(nullptr);
    *info = made.release();
  });
}
int32_t qubes_storage_volume_get_info_async(qubes_storage_volume* volume, qubes_storage_job** job,
                                            qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, get_info(volume)); });
}

int32_t qubes_storage_volume_get_revisions(qubes_storage_volume* volume,
                                           qubes_storage_revisions** revisions,
                                           qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(revisions, "revisions");
    auto made = std::make_unique<qubes_storage_revisions>();
    made->revisions = get_revisions(volume)(nullptr);
    *revisions = made.release();
  });
}
int32_t qubes_storage_volume_get_revisions_async(qubes_storage_volume* volume,
                                                 qubes_storage_job** job,
                                                 qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(volume, job, get_revisions(volume)); });
}

int32_t qubes_storage_volume_set_rw(qubes_storage_volume* volume, int32_t rw,
                                    qubes_storage_error** reterr) {
  return guarded(reterr, [&] { checked(volume, 0)->set_rw(to_bool(rw, "rw")); });
}

int32_t qubes_storage_volume_set_revisions_to_keep(qubes_storage_volume* volume,
                                                   int32_t revisions_to_keep,
                                                   qubes_storage_error** reterr) {
  return guarded(reterr, [&] { set_revisions_to_keep(volume, revisions_to_keep)(nullptr); });
}
int32_t qubes_storage_volume_set_revisions_to_keep_async(qubes_storage_volume* volume,
                                                         int32_t revisions_to_keep,
                                                         qubes_storage_job** job,
                                                         qubes_storage_error** reterr) {
  return guarded(reterr,
                 [&] { start_job(volume, job, set_revisions_to_keep(volume, revisions_to_keep)); });
}

}  // extern "C"
