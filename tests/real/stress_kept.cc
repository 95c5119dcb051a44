// SPDX-License-Identifier: LGPL-2.1-or-later
// Volumes of the stress test of which the state is known at each moment: one thread at a time
// changes such a volume, while others read it, recover its pool and start snapshots from it.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "src/fs/descriptor.h"
#include "src/names.h"
#include "tests/real/stress.h"
#include "tests/support/files.h"

namespace qubes::storage::test::stress {
namespace {

// Nobody is in the way, so that it is done unless it was cancelled.
bool was_done(const char* verb, const Volume& volume, std::int32_t code, Failures& failures) {
  if (code != QUBES_STORAGE_OK && code != QUBES_STORAGE_CANCELLED) {
    failures.add(std::string(verb) + " of " + qubes_storage_volume_vid(volume.get()) +
                 " was not done: " + qubes_storage_code_name(code));
  }
  return code == QUBES_STORAGE_OK;
}

bool do_or_cancel(const char* name, const Volume& volume, const Call& call, Random& random,
                  Failures& failures) {
  return was_done(name, volume, perform(verb(name), call, random, failures), failures);
}

Call call_of(const Volume& volume) {
  return {volume.get(), nullptr, -1, 0, 1, 0};
}

// The file of the newest revision; empty where there is none.
std::string newest_revision(const std::string& image) {
  const std::filesystem::path path(image);
  const std::string volume = path.stem().string();
  std::string newest;
  std::uint64_t number = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path.parent_path())) {
    const auto name = parse_file_name(entry.path().filename().string());
    const bool is_revision =
        name && name->role == FileName::Role::revision && name->volume == volume;
    if (!is_revision || name->revision.number < number) continue;
    newest = entry.path().string();
    number = name->revision.number;
  }
  return newest;
}

}  // namespace

void Kept::committed(std::uint64_t generation) {
  before_ = committed_;
  committed_ = generation;
  states_.insert(generation);
}

void Kept::check(Failures& failures) const {
  const auto expect = [&](const std::string& what, std::uint64_t is, std::uint64_t wanted) {
    if (is == wanted) return;
    failures.add(what + " of " + kind_.vid + " is of generation " + std::to_string(is) + ", not " +
                 std::to_string(wanted));
  };
  expect("what is committed", generation_of(image(), failures), committed_);
  if (before_ == 0) return;
  const std::string newest = newest_revision(image());
  if (newest.empty()) return failures.add("no revision of " + std::string(kind_.vid));
  expect("the newest revision", generation_of(newest, failures), before_);
}

bool Kept::operate(const Volume& volume, Random& random, Failures& failures) {
  std::unique_lock lock(machine_, std::try_to_lock);
  if (!lock) return false;
  switch (random() % 8) {
    case 0:
      import(volume, random, failures);
      break;
    case 1:
      import_by_hand(volume, random, failures);
      break;
    case 2:
      revert(volume, random, failures);
      break;
    case 3: {
      Call call = call_of(volume);
      call.size_bytes = kStride * (1 + random() % kStridesMax);
      // What is cut off stays in a revision, which is of the same generation.
      if (do_or_cancel("resize", volume, call, random, failures)) before_ = 0;
      break;
    }
    case 4: {
      Call call = call_of(volume);
      call.keep = static_cast<int>(random() % 2);
      if (do_or_cancel("prune", volume, call, random, failures) && call.keep == 0) before_ = 0;
      break;
    }
    default:
      session(volume, random, failures);
      break;
  }
  check(failures);
  return true;
}

void Kept::session(const Volume& volume, Random& random, Failures& failures) {
  const std::string path = qubes_storage_volume_path(volume.get());
  const std::int32_t code = perform(verb("start"), call_of(volume), random, failures);
  // The source may be committed all the time.
  if (code != QUBES_STORAGE_OK && exists(path)) failures.add("a failed start left " + path);
  if (code == QUBES_STORAGE_BUSY && !is_origin()) return;
  if (!was_done("start", volume, code, failures)) return;
  const std::uint64_t begins_with = generation_of(path, failures);
  if (is_origin() && begins_with != committed_) {
    failures.add(path + " begins with generation " + std::to_string(begins_with) + ", not " +
                 std::to_string(committed_));
  }
  std::uint64_t written = begins_with;
  if (!chance(random, 4)) stamp(path, written = new_generation());
  end_session(volume, random, written, failures);
}

void Kept::end_session(const Volume& volume, Random& random, std::uint64_t written,
                       Failures& failures) {
  const std::string path = qubes_storage_volume_path(volume.get());
  const Verb& end = verb(chance(random, 4) ? "discard" : "stop");
  for (;;) {
    const std::int32_t code = perform(end, call_of(volume), random, failures);
    if (code == QUBES_STORAGE_CANCELLED) {
      if (generation_of(path, failures) != written) failures.add("a cancel changed " + path);
      continue;
    }
    if (code != QUBES_STORAGE_OK) return failures.add("no end of " + path);
    break;
  }
  if (exists(path)) failures.add("an end left " + path);
  if (end.name == std::string("discard")) return;
  if (written != committed_) return committed(written);
  if (!is_origin()) before_ = 0;  // another inode of the same content: one more revision of it
}

void Kept::import(const Volume& volume, Random& random, Failures& failures) {
  const std::uint64_t generation = new_generation();
  // Of the same filesystem, which may reflink, or of another, which is copied.
  const std::string from = chance(random, 2) ? pool_path_ : "/dev/shm";
  const UniqueFd file(stamped_file(from, generation, 1 + random() % kStridesMax));
  if (!file) return failures.add("cannot make a file to import in " + from);
  Call call = call_of(volume);
  call.fd = file.get();
  const bool done = do_or_cancel("import_fd", volume, call, random, failures);
  if (exists(qubes_storage_volume_import_path(volume.get()))) failures.add("an import is left");
  if (done) committed(generation);
}

void Kept::import_by_hand(const Volume& volume, Random& random, Failures& failures) {
  const std::string path = qubes_storage_volume_import_path(volume.get());
  Call call = call_of(volume);
  call.size_bytes = kStride * (1 + random() % kStridesMax);
  if (!do_or_cancel("import_begin", volume, call, random, failures)) {
    if (exists(path)) failures.add("an import that was not begun left " + path);
    return;
  }
  const std::uint64_t generation = new_generation();
  stamp(path, generation);
  call.keep = static_cast<int>(random() % 3);  // 0: it is thrown away
  std::int32_t code = 0;
  do {
    code = perform(verb("import_end"), call, random, failures);
  } while (code == QUBES_STORAGE_CANCELLED);
  if (exists(path)) failures.add("an end left " + path);
  if (was_done("import_end", volume, code, failures) && call.keep != 0) committed(generation);
}

void Kept::revert(const Volume& volume, Random& random, Failures& failures) {
  const std::int32_t code = perform(verb("revert"), call_of(volume), random, failures);
  if (code == QUBES_STORAGE_NOT_FOUND) return;  // there is no revision, or none that differs
  if (!was_done("revert", volume, code, failures)) return;
  const std::uint64_t now = generation_of(image(), failures);
  if (states_.count(now) == 0) failures.add("a revert made up generation " + std::to_string(now));
  committed(now);
}

}  // namespace qubes::storage::test::stress
