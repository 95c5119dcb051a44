// SPDX-License-Identifier: LGPL-2.1-or-later
// The building blocks in the C API: arguments checked and converted, nothing else.
#include "src/files.h"

#include "c-api/jobs.h"
#include "src/fs/real_filesystem.h"

namespace {

using namespace qubes::storage;         // NOLINT(google-build-using-namespace)
using namespace qubes::storage::c_api;  // NOLINT(google-build-using-namespace)

// There is no pool, so the job has a thread of its own.
template <typename Call>
void start_job(qubes_storage_job** job, Call call) {
  require(job, "job");
  auto threads = std::make_shared<JobThreads>();
  *job = c_api::start_job(threads, *threads, with_output(std::move(call)));
}

// ---- What they do, their arguments checked ----

auto clone(const char* source, const char* target, std::uint64_t size_bytes, std::uint32_t flags) {
  check_flags(flags, QUBES_STORAGE_CLONE_KEEP_MTIME);
  const bool keep_mtime = (flags & QUBES_STORAGE_CLONE_KEEP_MTIME) != 0;
  return
      [from = std::string(&require(source, "source")), to = std::string(&require(target, "target")),
       size = size_if_known(size_bytes), keep_mtime](const Progress& progress) {
        return Reflinked{file_clone(*real_filesystem(), from, to, size, keep_mtime, progress)};
      };
}
auto create_sparse(const char* path, std::uint64_t size_bytes) {
  return [path = std::string(&require(path, "path")), size = check_size(size_bytes)](
             const Progress&) { file_create_sparse(*real_filesystem(), path, size); };
}
auto resize(const char* path, std::uint64_t size_bytes) {
  return [path = std::string(&require(path, "path")), size = check_size(size_bytes)](
             const Progress&) { file_resize(*real_filesystem(), path, size); };
}
auto refresh(const char* path) {
  return [path = std::string(&require(path, "path"))](const Progress&) {
    loop_refresh(*real_filesystem(), path);
  };
}
auto reflink_supported(const char* target_dir, const char* source_dir) {
  const std::string target = &require(target_dir, "target_dir");
  return [target, source = source_dir != nullptr ? source_dir : target](const Progress&) {
    auto fs = real_filesystem();
    return Supported{fs->reflink_works(*fs->open_directory(target), *fs->open_directory(source))};
  };
}

}  // namespace

extern "C" {

int32_t qubes_storage_file_clone(const char* source, const char* target, uint64_t size_bytes,
                                 uint32_t flags, int32_t* reflinked, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    const Reflinked done = clone(source, target, size_bytes, flags)(nullptr);
    if (reflinked != nullptr) *reflinked = done.value ? 1 : 0;
  });
}

int32_t qubes_storage_file_clone_async(const char* source, const char* target, uint64_t size_bytes,
                                       uint32_t flags, qubes_storage_job** job,
                                       qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(job, clone(source, target, size_bytes, flags)); });
}

int32_t qubes_storage_file_create_sparse(const char* path, uint64_t size_bytes,
                                         qubes_storage_error** reterr) {
  return guarded(reterr, [&] { create_sparse(path, size_bytes)(nullptr); });
}

int32_t qubes_storage_file_create_sparse_async(const char* path, uint64_t size_bytes,
                                               qubes_storage_job** job,
                                               qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(job, create_sparse(path, size_bytes)); });
}

int32_t qubes_storage_file_resize(const char* path, uint64_t size_bytes,
                                  qubes_storage_error** reterr) {
  return guarded(reterr, [&] { resize(path, size_bytes)(nullptr); });
}

int32_t qubes_storage_file_resize_async(const char* path, uint64_t size_bytes,
                                        qubes_storage_job** job, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(job, resize(path, size_bytes)); });
}

int32_t qubes_storage_loop_refresh(const char* path, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { refresh(path)(nullptr); });
}

int32_t qubes_storage_loop_refresh_async(const char* path, qubes_storage_job** job,
                                         qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(job, refresh(path)); });
}

int32_t qubes_storage_reflink_supported(const char* target_dir, const char* source_dir,
                                        int32_t* supported, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(supported, "supported");
    *supported = reflink_supported(target_dir, source_dir)(nullptr).value ? 1 : 0;
  });
}

int32_t qubes_storage_reflink_supported_async(const char* target_dir, const char* source_dir,
                                              qubes_storage_job** job,
                                              qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(job, reflink_supported(target_dir, source_dir)); });
}

}  // extern "C"
