// SPDX-License-Identifier: LGPL-2.1-or-later
// The commands that copy images in and out.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/new_file.h"
#include "tools/progress.h"
#include "tools/text.h"

namespace tool {
namespace {

constexpr std::uint32_t kNoFlags = 0;
constexpr const char* kStandardStream = "-";

class InputFile {
 public:
  explicit InputFile(const std::string& name) : fd_(open_input(name)) {}
  ~InputFile() {
    if (fd_ != STDIN_FILENO) close(fd_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  int fd() const { return fd_; }

 private:
  static int open_input(const std::string& name) {
    if (name == kStandardStream) return STDIN_FILENO;
    const int fd = open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd == -1) throw_errno(errno, "open image", name);
    return fd;
  }

  int fd_;
};

// Says what ended the copy: the signal, also where its consequences (a pipe that lost its other
// end) were noticed first.
void throw_if_interrupted(const char* step, const std::string& path) {
  if (InterruptGuard::signal() == 0) return;
  throw Error(QUBES_STORAGE_CANCELLED, 0, step, path, "interrupted, nothing was changed");
}

template <typename Copy>
void interruptible(const char* step, const std::string& path, const Copy& copy) {
  try {
    copy();
  } catch (const Error&) {
    throw_if_interrupted(step, path);
    throw;
  }
}

void export_to(const Volume& volume, int fd, Progress& progress) {
  call(qubes_storage_volume_export_to, volume.get(), fd, &Progress::report,
       static_cast<void*>(&progress), kNoFlags);
}

void answer_size(const Context& context, const char* result, std::uint64_t bytes) {
  answer(context, result, {{"size_bytes", bytes}}, format_size(bytes));
}

std::uint64_t export_to_file(const Context& context, const Volume& volume) {
  NewFile file(context.options.file);
  Progress progress("exporting");
  export_to(volume, file.fd(), progress);
  throw_if_interrupted("export volume", context.options.vid);
  const std::uint64_t size = file.size_bytes();
  file.publish();
  return size;
}

std::uint64_t export_to_stream(const Volume& volume) {
  Progress progress("exporting");
  export_to(volume, STDOUT_FILENO, progress);
  return progress.bytes_done();
}

}  // namespace

void import_image(const Context& context) {
  const std::string& name = context.options.file;
  if (name == kStandardStream && isatty(STDIN_FILENO) == 1) {
    throw UsageError("refusing to read an image from a terminal");
  }
  const InputFile input(name);
  const Volume volume = open_volume(context);
  const std::uint64_t size = context.options.size_bytes.value_or(QUBES_STORAGE_UNKNOWN);
  interruptible("import volume", context.options.vid, [&] {
    Progress progress("importing");
    call(qubes_storage_volume_import_fd, volume.get(), input.fd(), size, &Progress::report,
         static_cast<void*>(&progress), kNoFlags);
  });
  if (!is_saved(context.options)) return answer(context, "nothing to do");
  // Not what was reported as done: an image that is cloned is never reported.
  const auto info = make<VolumeInfo>(qubes_storage_volume_get_info, volume.get());
  answer_size(context, "imported", qubes_storage_volume_info_size_bytes(info.get()));
}

void export_image(const Context& context) {
  const bool streams = context.options.file == kStandardStream;
  if (streams && isatty(STDOUT_FILENO) == 1) {
    throw UsageError("refusing to write an image to a terminal");
  }
  if (streams) context.output.leave_standard_output();
  const Volume volume = open_volume(context);
  std::uint64_t done = 0;
  interruptible("export volume", context.options.vid, [&] {
    done = streams ? export_to_stream(volume) : export_to_file(context, volume);
  });
  answer_size(context, "exported", done);
}

}  // namespace tool
