// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/system.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>

namespace qubes::storage::crash {
namespace {

constexpr int kLoopTurns = 50;  // others take devices between our asking and our taking
constexpr int kLoopMajor = 7;

std::string options_of(const std::string& filesystem) {
  return filesystem == "xfs" ? "nouuid" : "";  // images of one capture share their UUID
}

}  // namespace

void fail(const std::string& step, const std::string& what) {
  throw SystemError("cannot " + step + " '" + what + "': " + std::strerror(errno));
}

Attached attach_loop(int file, unsigned flags) {
  const Descriptor control(
      check(::open("/dev/loop-control", O_RDWR | O_CLOEXEC), "open", "/dev/loop-control"));
  loop_config config{};
  config.fd = static_cast<__u32>(file);
  config.block_size = 512;
  config.info.lo_flags = flags;
  for (int turn = 0; turn < kLoopTurns; ++turn) {
    const int number =
        check(::ioctl(control.get(), LOOP_CTL_GET_FREE), "find", "a free loop device");
    const std::string path = "/dev/loop" + std::to_string(number);
    // Where no udev makes the node.
    ::mknod(path.c_str(), S_IFBLK | 0600, ::makedev(kLoopMajor, static_cast<unsigned>(number)));
    const int loop = check(::open(path.c_str(), O_RDWR | O_CLOEXEC), "open", path);
    if (::ioctl(loop, LOOP_CONFIGURE, &config) == 0) return {loop, path};
    const int error = errno;
    ::close(loop);
    errno = error;
    if (error != EBUSY) fail("configure", path);
  }
  fail("find", "a free loop device");
}

Mount::Mount(const std::string& device, const std::string& filesystem,
             const std::string& mount_point)
    : mount_point_(mount_point) {
  check(::mount(device.c_str(), mount_point.c_str(), filesystem.c_str(), MS_NOATIME,
                options_of(filesystem).c_str()),
        "mount", device);
  is_mounted_ = true;
}

void Mount::unmount() {
  check(::umount2(mount_point_.c_str(), 0), "unmount", mount_point_);
  is_mounted_ = false;
}

Mount::~Mount() {
  if (is_mounted_) ::umount2(mount_point_.c_str(), MNT_DETACH);
}

void leave_mount_namespace() {
  check(::unshare(CLONE_NEWNS), "leave", "the mount namespace");
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make private", "/");
}

}  // namespace qubes::storage::crash
