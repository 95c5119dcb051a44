// SPDX-License-Identifier: LGPL-2.1-or-later
// The building blocks in the C API: arguments checked and converted, nothing else.
#include "src/files.h"

#include "c-api/handles.h"
#include "src/fs/real_filesystem.h"

using namespace qubes::storage;         // NOLINT(google-build-using-namespace)
using namespace qubes::storage::c_api;  // NOLINT(google-build-using-namespace)

extern "C" {

int32_t qubes_storage_file_clone(const char* source, const char* target, uint64_t size_bytes,
                                 uint32_t flags, int32_t* reflinked, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(source, "source");
    require(target, "target");
    check_flags(flags, QUBES_STORAGE_CLONE_KEEP_MTIME);
    const bool keep_mtime = (flags & QUBES_STORAGE_CLONE_KEEP_MTIME) != 0;
    const bool shared =
        file_clone(*real_filesystem(), source, target, size_if_known(size_bytes), keep_mtime);
    if (reflinked != nullptr) *reflinked = shared ? 1 : 0;
  });
}

int32_t qubes_storage_file_create_sparse(const char* path, uint64_t size_bytes,
                                         qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(path, "path");
    file_create_sparse(*real_filesystem(), path, check_size(size_bytes));
  });
}

int32_t qubes_storage_file_resize(const char* path, uint64_t size_bytes,
                                  qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(path, "path");
    file_resize(*real_filesystem(), path, check_size(size_bytes));
  });
}

int32_t qubes_storage_loop_refresh(const char* path, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { loop_refresh(*real_filesystem(), &require(path, "path")); });
}

int32_t qubes_storage_reflink_supported(const char* target_dir, const char* source_dir,
                                        int32_t* supported, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(target_dir, "target_dir");
    require(supported, "supported");
    auto fs = real_filesystem();
    DirectoryPtr target = fs->open_directory(target_dir);
    DirectoryPtr source = source_dir != nullptr ? fs->open_directory(source_dir) : target;
    *supported = fs->reflink_works(*target, *source) ? 1 : 0;
  });
}

}  // extern "C"
