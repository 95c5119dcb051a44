// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/unit/recorded_pool.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>

#include "src/fs/real_filesystem.h"

namespace qubes::storage {
namespace {

namespace stdfs = std::filesystem;

constexpr std::uint64_t kSize = 64 * 1024;

std::string make_directory() {
  std::string path = (stdfs::temp_directory_path() / "qubes-storage-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make " + path);
  return path;
}

}  // namespace

RecordedPool::RecordedPool(FilesystemKind kind, bool reflink)
    : dir_path(make_directory()),
      fs(std::make_shared<RecordingFilesystem>(real_filesystem(), kind, reflink)) {
  PoolConfig config;
  config.dir_path = dir_path;
  config.setup_check = false;
  pool = std::make_unique<Pool>(config, fs, Worker::Mode::on_drain);
  pool->setup();
  fs->take();
}

RecordedPool::~RecordedPool() {
  pool.reset();
  stdfs::remove_all(dir_path);
}

std::shared_ptr<Volume> RecordedPool::origin(const std::string& vid, int revisions_to_keep) {
  VolumeConfig config;
  config.size_bytes = kSize;
  config.rw = true;
  config.save_on_stop = true;
  config.revisions_to_keep = revisions_to_keep;
  return pool->volume(vid, config);
}

std::shared_ptr<Volume> RecordedPool::snapshot(const std::string& vid, const std::string& source) {
  VolumeConfig config;
  config.rw = true;
  config.snap_on_start = true;
  config.source = source;
  return pool->volume(vid, config);
}

std::shared_ptr<Volume> RecordedPool::origin_snapshot(const std::string& vid,
                                                      const std::string& source) {
  VolumeConfig config;
  config.rw = true;
  config.snap_on_start = true;
  config.save_on_stop = true;
  config.source = source;
  return pool->volume(vid, config);
}

std::shared_ptr<Volume> RecordedPool::volatile_volume(const std::string& vid) {
  VolumeConfig config;
  config.size_bytes = kSize;
  config.rw = true;
  return pool->volume(vid, config);
}

std::shared_ptr<Volume> RecordedPool::created(const std::string& vid, int revisions_to_keep) {
  auto volume = origin(vid, revisions_to_keep);
  volume->create();
  drain();
  take();
  return volume;
}

void RecordedPool::write_session(const std::string& vid, const std::string& text) {
  std::fstream out(file(vid, "-dirty.img"), std::ios::in | std::ios::out | std::ios::binary);
  if (!out.write(text.data(), static_cast<std::streamsize>(text.size())).flush()) {
    throw std::runtime_error("cannot write the session of " + vid);
  }
}

void RecordedPool::session(Volume& volume, const std::string& text) {
  volume.start();
  write_session(volume.vid(), text);
  volume.stop();
  drain();
  take();
}

std::string RecordedPool::file(const std::string& vid, const std::string& suffix) const {
  return dir_path + "/" + vid + suffix;
}

bool RecordedPool::exists(const std::string& vid, const std::string& suffix) const {
  return stdfs::exists(file(vid, suffix));
}

std::string RecordedPool::read(const std::string& vid, const std::string& suffix) const {
  std::ifstream in(file(vid, suffix), std::ios::binary);
  std::string text;
  std::getline(in, text, '\0');
  return text;
}

std::vector<std::string> RecordedPool::listing(const std::string& vm) const {
  std::vector<std::string> names;
  for (const auto& entry : stdfs::directory_iterator(dir_path + "/" + vm)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::size_t count_syncs(const std::vector<std::string>& steps) {
  return static_cast<std::size_t>(std::count_if(
      steps.begin(), steps.end(), [](const auto& step) { return step.starts_with("sync"); }));
}

std::string lines(const std::vector<std::string>& steps) {
  constexpr std::size_t kTimeLength = std::string_view("2026-11-23T04:05:06Z").size();
  std::string text;
  for (std::string step : steps) {
    for (auto at = step.find('@'); at != std::string::npos; at = step.find('@', at + 1)) {
      step.replace(at + 1, kTimeLength, "TIME");
    }
    text += step + '\n';
  }
  return text;
}

}  // namespace qubes::storage
