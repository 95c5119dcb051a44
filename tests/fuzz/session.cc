// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/session.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace qubes::storage::fuzz {
namespace {

namespace stdfs = std::filesystem;

constexpr const char* kOrigin = "appvms/work/private";
constexpr std::size_t kRawMax = 40;

int open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : stdfs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

// Where the library has unnamed files, and a write costs no disk.
std::string base_directory() {
  const char* wanted = std::getenv("FUZZ_DIR");
  if (wanted != nullptr && *wanted != '\0') return wanted;
  return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

// Not over a FIFO that may be there: that would wait for its other end.
void write_new(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd == -1) return;
  require(write(fd, "left", 4) == 4 && close(fd) == 0, "leave " + path);
}

std::int32_t progress_on(void*, std::uint64_t, std::uint64_t) {
  return 0;
}

std::int32_t progress_stop(void*, std::uint64_t, std::uint64_t) {
  return 1;
}

void log_away(void*, std::int32_t, const char* message) {
  touch(message);
}

}  // namespace

void touch(const char* text) {
  require(text == nullptr || std::strlen(text) < SIZE_MAX, "a string");
}

// ---- The directory ---------------------------------------------------------------------------

Session::Session()
    : came_from_(stdfs::current_path().string()), descriptors_before_(open_descriptors()) {
  std::string pattern = base_directory() + "/qubes-storage-fuzz-XXXXXX";
  require(mkdtemp(pattern.data()) != nullptr, "a directory in " + base_directory());
  directory_ = pattern;
  require(chdir(directory_.c_str()) == 0, "enter " + directory_);
  for (const char* each : {"pool", "pool/appvms", "pool/vm-templates", "pool/appvms/work", "pool2",
                           "pool2/appvms", "kernels", "kernels/6.1"}) {
    mkdir(each, 0700);
  }
  std::ofstream("image") << std::string(10000, 'i');
  std::ofstream("kernels/6.1/modules.img") << "modules";
  files_[0] = open("image", O_RDONLY | O_CLOEXEC);
  files_[1] = open("out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "a pipe");
  require(write(ends[1], "piped", 5) == 5 && close(ends[1]) == 0, "fill the pipe");
  files_[2] = ends[0];
  open_first();
}

// So that the first call may already be one that works on a volume.
void Session::open_first() {
  qubes_storage_pool_config* pool_config = nullptr;
  qubes_storage_pool* pool = nullptr;
  qubes_storage_volume_config* config = nullptr;
  qubes_storage_volume* volume = nullptr;
  std::int32_t result = qubes_storage_pool_config_new("pool", &pool_config, nullptr);
  result |= qubes_storage_pool_config_set_setup_check(pool_config, 0, nullptr);
  result |= qubes_storage_pool_open(pool_config, &pool, nullptr);
  result |= qubes_storage_volume_config_new(&config, nullptr);
  result |= qubes_storage_volume_config_set_size(config, 8192, nullptr);
  result |= qubes_storage_volume_config_set_rw(config, 1, nullptr);
  result |= qubes_storage_volume_config_set_save_on_stop(config, 1, nullptr);
  result |= qubes_storage_pool_volume(pool, kOrigin, config, &volume, nullptr);
  result |= qubes_storage_volume_create(volume, 0, nullptr);
  require(result == 0, "a volume to begin with");
  slots<qubes_storage_pool_config>().replace_first(pool_config);
  slots<qubes_storage_pool>().replace_first(pool);
  slots<qubes_storage_volume_config>().replace_first(config);
  slots<qubes_storage_volume>().replace_first(volume);
}

Session::~Session() {
  std::apply([](auto&... all) { (all.clear(), ...); }, slots_);
  for (const int fd : files_) close(fd);
  require(open_descriptors() == descriptors_before_, "a descriptor is left");
  stdfs::current_path(came_from_);
  stdfs::remove_all(directory_);
}

// ---- Arguments -------------------------------------------------------------------------------

const char* Session::keep_text(std::string text) {
  return texts_.emplace_back(std::move(text)).c_str();
}

std::uint32_t Session::flags(Bytes& input) {
  static constexpr std::array<std::uint32_t, 6> kFlags = {0, 0, 0, 1, 2, UINT32_MAX};
  return input.pick(kFlags);
}

std::uint64_t Session::size(Bytes& input) {
  static constexpr std::array<std::uint64_t, 12> kSizes = {
      8192,    4096,       0,         1,          12288,      4095,
      1 << 20, 1ull << 40, INT64_MAX, 1ull << 63, UINT64_MAX, (1ull << 62) + 1};
  return input.pick(kSizes);
}

std::int32_t Session::keep(Bytes& input) {
  static constexpr std::array<std::int32_t, 7> kKeep = {1, 0, 2, -1, -2, INT32_MAX, INT32_MIN};
  return input.pick(kKeep);
}

std::int32_t Session::boolean(Bytes& input) {
  static constexpr std::array<std::int32_t, 6> kValues = {1, 0, 1, 0, 2, -1};
  return input.pick(kValues);
}

std::int32_t Session::timeout(Bytes& input) {
  static constexpr std::array<std::int32_t, 6> kValues = {-1, 0, 1, -2, 5, INT32_MIN};
  return input.pick(kValues);
}

// Nothing that leads out of the directory but by a defect of the library.
const char* Session::path(Bytes& input) {
  static constexpr std::array<const char*, 14> kPaths = {"pool",
                                                         "image",
                                                         "pool2",
                                                         "new",
                                                         "kernels",
                                                         "pool/appvms/work/private.img",
                                                         "other/new",
                                                         "absent/x/y",
                                                         "",
                                                         ".",
                                                         "pool/",
                                                         "kernels/6.1/modules.img",
                                                         "pool/appvms/work",
                                                         nullptr};
  const std::size_t which = input.below(kPaths.size() + 2);
  if (which < kPaths.size()) return kPaths[which];
  if (which == kPaths.size()) return keep_text(std::string(5000, 'x'));
  std::string raw = input.text(kRawMax);
  for (char& byte : raw) {
    if (byte == '/') byte = '_';
  }
  return keep_text(raw == ".." ? "x" : raw);
}

const char* Session::vid(Bytes& input) {
  static constexpr std::array<const char*, 14> kVids = {kOrigin,
                                                        "vm-templates/deb/root",
                                                        "appvms/work/root",
                                                        "appvms/work/volatile",
                                                        "6.1",
                                                        "appvms/work/x-dirty",
                                                        "",
                                                        "/",
                                                        "../pool2/a/b",
                                                        "appvms/../../pool2/a",
                                                        "appvms//x",
                                                        "other/work/private",
                                                        "appvms/w\nx/y",
                                                        nullptr};
  const std::size_t which = input.below(kVids.size() + 2);
  if (which < kVids.size()) return kVids[which];
  return keep_text((which == kVids.size() ? "appvms/work/" : "") + input.text(kRawMax));
}

const char* Session::word(Bytes& input) {
  static constexpr std::array<const char*, 6> kWords = {"other", "", "..", "a/b", "6.1", nullptr};
  const std::size_t which = input.below(kWords.size() + 1);
  return which < kWords.size() ? kWords[which] : keep_text(input.text(kRawMax));
}

const char* const* Session::candidates(Bytes& input) {
  if (input.below(8) == 7) return nullptr;
  candidates_.resize(4);
  for (const char*& each : candidates_) each = path(input);
  if (input.flag()) candidates_[0] = keep_text(directory_);
  return candidates_.data();
}

int Session::descriptor(Bytes& input) {
  const std::array<int, 6> descriptors = {files_[0], files_[1], files_[2], -1, 9999, INT32_MIN};
  return input.pick(descriptors);
}

qubes_storage_progress Session::progress(Bytes& input) {
  static constexpr std::array<qubes_storage_progress, 3> kAll = {nullptr, progress_on,
                                                                 progress_stop};
  return input.pick(kAll);
}

qubes_storage_log Session::log(Bytes& input) {
  return input.flag() ? log_away : nullptr;
}

void Session::close_descriptor(int fd) {
  require(fcntl(fd, F_GETFD) == FD_CLOEXEC, "O_CLOEXEC of a descriptor");
  require(close(fd) == 0, "a descriptor that was given away");
}

// ---- What is no call -------------------------------------------------------------------------

void Session::write_session(Bytes& input) {
  qubes_storage_volume* volume = slots<qubes_storage_volume>().pick(input);
  const char* path =
      input.flag() ? qubes_storage_volume_path(volume) : qubes_storage_volume_import_path(volume);
  if (path == nullptr) return;
  const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd == -1) return;
  const std::uint8_t byte = input.next();
  require(pwrite(fd, &byte, 1, input.next()) == 1 && close(fd) == 0, "the guest writes");
}

void Session::leave_something(Bytes& input) {
  static constexpr std::array<const char*, 10> kNames = {
      "private.img",
      "private-dirty.img",
      "private-precache.img",
      "private-import.img",
      "private.img.7@2026-01-02T03:04:05Z",
      "private.img.7@2026-01-02T03:04:06Z",
      "private.img~abcdefgh",
      "private.img.x@2026-01-02T03:04:05Z",
      "root.img",
      "private.img.999999999999999999@2026-01-02T03:04:05Z"};
  const std::string path = std::string("pool/appvms/work/") + input.pick(kNames);
  switch (input.below(6)) {
    case 0:
      write_new(path);
      break;
    case 1:
      mkdir(path.c_str(), 0700);
      break;
    case 2:
      (void)!symlink("../../../image", path.c_str());
      break;
    case 3:
      (void)!link((std::string("pool/appvms/work/") + input.pick(kNames)).c_str(), path.c_str());
      break;
    case 4:
      (void)mkfifo(path.c_str(), 0600);
      break;
    default:
      std::error_code ignored;
      stdfs::remove_all(path, ignored);
  }
}

// ---- What must hold of an answer -------------------------------------------------------------

void Failure::check(Session& session, std::int32_t result, const char* function) {
  const std::string what = std::string(function) + " answers " + std::to_string(result);
  require(result <= 0 && result >= QUBES_STORAGE_UNKNOWN_OUTCOME, what);
  require(result != QUBES_STORAGE_INTERNAL,
          what + (error_ != nullptr ? qubes_storage_error_message(error_) : ""));
  require((error_ != nullptr) == (is_wanted_ && result != 0), what + ", and its error");
  if (error_ == nullptr) return;
  require(qubes_storage_error_code(error_) == result, what + ", and the code of the error");
  const std::string message = qubes_storage_error_message(error_);
  require(!message.empty() && message.back() != '.', what + ": " + message);
  for (const char c : message) {
    require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f,
            what + ", a message with a control");
  }
  session.slots<qubes_storage_error>().replace_first(error_);
  error_ = nullptr;
}

}  // namespace qubes::storage::fuzz
