// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/precaches.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

struct Taken {};  // leads out of the clone

}  // namespace

bool same_state(const FileStatus& a, const FileStatus& b) {
  return a.same_inode(b) && a.size_bytes == b.size_bytes && a.mtime_ns == b.mtime_ns;
}

std::uint64_t Precaches::request(const std::string& vid) {
  std::lock_guard guard(mutex_);
  return requests_[vid] = ++last_request_;
}

bool Precaches::is_requested(const std::string& vid, std::uint64_t number) {
  std::lock_guard guard(mutex_);
  auto found = requests_.find(vid);
  return found != requests_.end() && found->second == number;
}

void Precaches::make(Filesystem& fs, const std::string& vid, FilePtr source, FilePtr target) {
  auto entry = std::make_shared<Entry>();
  entry->source = fs.status(*source);
  std::optional<Reading> reading(std::in_place, *this, entry->source);
  {
    std::lock_guard guard(mutex_);
    entries_[vid] = entry;
  }
  std::exception_ptr failure;
  try {
    clone(fs, *entry, *source, *target);
  } catch (...) {
    failure = std::current_exception();
    target.reset();
  }
  source.reset();  // and its lock, if it has one
  reading.reset();
  {
    std::lock_guard guard(mutex_);
    entry->clone.file = std::move(target);
    entry->is_idle = true;
    changed_.notify_all();
  }
  if (failure) std::rethrow_exception(failure);
}

void Precaches::clone(Filesystem& fs, Entry& entry, File& source, File& target) {
  const auto after_piece = [&](std::uint64_t done, std::optional<std::uint64_t>) {
    std::lock_guard guard(mutex_);
    entry.clone.done_bytes = done;
    if (entry.is_taken) throw Taken();
  };
  try {
    if (fs.clone_shared(source, target, 0, after_piece)) {
      entry.clone.done_bytes = entry.source.size_bytes;
      return;
    }
  } catch (const Taken&) {
    return;
  }
  refuse(Code::not_supported, "make precache", "",
         "a copy that shares no blocks would cost as much as the start that it is for");
}

std::optional<Precaches::Clone> Precaches::take(const std::string& vid, const FileStatus& source) {
  std::unique_lock lock(mutex_);
  auto found = entries_.find(vid);
  if (found == entries_.end()) return std::nullopt;
  const EntryPtr entry = found->second;
  entries_.erase(found);
  entry->is_taken = true;
  if (!same_state(entry->source, source)) return std::nullopt;
  changed_.wait(lock, [&] { return entry->is_idle; });
  if (!entry->clone.file) return std::nullopt;
  return std::move(entry->clone);
}

void Precaches::drop(const std::string& vid) {
  std::lock_guard guard(mutex_);
  requests_.erase(vid);
  auto found = entries_.find(vid);
  if (found == entries_.end()) return;
  found->second->is_taken = true;
  entries_.erase(found);
}

Precaches::Reading::Reading(Precaches& precaches, const FileStatus& source)
    : precaches_(precaches), entry_([&] {
        std::lock_guard guard(precaches.mutex_);
        return precaches.readings_.insert(precaches.readings_.end(), source);
      }()) {}

Precaches::Reading::~Reading() {
  std::lock_guard guard(precaches_.mutex_);
  precaches_.readings_.erase(entry_);
  precaches_.changed_.notify_all();
}

void Precaches::drop_readers(const FileStatus& source) {
  std::unique_lock lock(mutex_);
  const auto is_of_source = [&](const FileStatus& one) { return one.same_inode(source); };
  changed_.wait(lock, [&] {
    for (const auto& [vid, entry] : entries_) {  // also those that come meanwhile
      if (is_of_source(entry->source)) entry->is_taken = true;
    }
    return std::none_of(readings_.begin(), readings_.end(), is_of_source);
  });
  std::erase_if(entries_, [&](const auto& item) { return is_of_source(item.second->source); });
}

}  // namespace qubes::storage
