// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/library.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>

#include "testvm/crash/disk_image.h"
#include "testvm/crash/stamp.h"

namespace qubes::storage::crash {
namespace {

using simulation::Kind;
using simulation::State;
using simulation::Verb;
using simulation::VolumeSpec;

// Calls a function of the C API; the last argument is where it puts the error.
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
  qubes_storage_error* error = nullptr;
  const int32_t code = function(arguments..., &error);
  if (code == QUBES_STORAGE_OK) return;
  const std::string message = qubes_storage_error_message(error);
  qubes_storage_error_unref(error);
  throw LibraryError(code, message);
}

using PoolConfig =
    std::unique_ptr<qubes_storage_pool_config, Unref<qubes_storage_pool_config_unref>>;
using VolumeConfig =
    std::unique_ptr<qubes_storage_volume_config, Unref<qubes_storage_volume_config_unref>>;
using Report = std::unique_ptr<qubes_storage_report, Unref<qubes_storage_report_unref>>;
using Revisions = std::unique_ptr<qubes_storage_revisions, Unref<qubes_storage_revisions_unref>>;

PoolHandle open_pool(const std::string& path) {
  qubes_storage_pool_config* raw = nullptr;
  call(qubes_storage_pool_config_new, path.c_str(), &raw);
  const PoolConfig config(raw);
  call(qubes_storage_pool_config_set_setup_check, config.get(), 0);  // ext4 copies
  qubes_storage_pool* pool = nullptr;
  call(qubes_storage_pool_open, config.get(), &pool);
  return PoolHandle(pool);
}

std::uint64_t oldest_revision(qubes_storage_volume* volume) {
  qubes_storage_revisions* raw = nullptr;
  call(qubes_storage_volume_get_revisions, volume, &raw);
  const Revisions revisions(raw);
  if (qubes_storage_revisions_count(raw) == 0) return 1;
  return qubes_storage_revisions_number(raw, 0);
}

void resize(qubes_storage_volume* volume, const State& now, int change) {
  const auto& content = now.session ? now.session : now.committed;
  if (!content) throw std::logic_error("resize of a volume without an image");
  const auto chunks = static_cast<std::uint64_t>(content->size_blocks + change);
  const std::uint32_t flags = change < 0 ? QUBES_STORAGE_RESIZE_SHRINK : 0u;
  call(qubes_storage_volume_resize, volume, chunks * kChunkBytes, flags);
}

void write_chunk(int file, std::size_t chunk, simulation::Symbol symbol, const std::string& path) {
  struct alignas(kPageBytes) Aligned {  // as O_DIRECT wants it
    std::array<std::byte, kChunkBytes> bytes;
  };
  const std::vector<std::byte> stamps = stamped(symbol, chunk);
  const auto aligned = std::make_unique<Aligned>();
  std::array<std::byte, kChunkBytes>& data = aligned->bytes;
  std::copy(stamps.begin(), stamps.end(), data.begin());
  const auto at = static_cast<off_t>(chunk * kChunkBytes);
  const auto done = check(::pwrite(file, data.data(), data.size(), at), "write to", path);
  if (done != static_cast<ssize_t>(data.size())) throw SystemError("a short write to " + path);
}

}  // namespace

// ---- Library ----

Library::Library(const std::string& pool, const std::vector<VolumeSpec>& specs)
    : pool_path_(pool), specs_(specs), pool_(open_pool(pool)) {}

void Library::set_up() {
  call(qubes_storage_pool_setup, pool_.get());
}

void Library::drain() {
  call(qubes_storage_pool_drain, pool_.get());
}

void Library::choose(bool through_loop, ImportWay way) {
  through_loop_ = through_loop;
  import_way_ = way;
}

std::string Library::recover() {
  qubes_storage_report* raw = nullptr;
  call(qubes_storage_pool_recover, pool_.get(), &raw);
  const Report report(raw);
  std::string text;
  for (std::size_t i = 0; i < qubes_storage_report_count(raw); ++i) {
    const std::string action = qubes_storage_report_action(raw, i);
    const std::string line = std::string(qubes_storage_report_vid(raw, i)) + ": " +
                             qubes_storage_report_finding(raw, i) + ": " + action;
    if (action == "could not be recovered") throw LibraryError(QUBES_STORAGE_IO, line);
    text += "    " + line + '\n';
  }
  return text;
}

VolumeHandle Library::open(std::size_t index, int keep) const {
  const VolumeSpec& spec = specs_[index];
  qubes_storage_volume_config* raw = nullptr;
  call(qubes_storage_volume_config_new, &raw);
  const VolumeConfig config(raw);
  call(qubes_storage_volume_config_set_size, raw, spec.size_blocks * std::uint64_t{kChunkBytes});
  call(qubes_storage_volume_config_set_rw, raw, 1);
  call(qubes_storage_volume_config_set_save_on_stop, raw, spec.is_saved() ? 1 : 0);
  if (spec.source >= 0) {
    const std::string source = specs_[static_cast<std::size_t>(spec.source)].vid();
    call(qubes_storage_volume_config_set_snap_on_start, raw, 1);
    call(qubes_storage_volume_config_set_source, raw, source.c_str());
  }
  const int revisions = spec.kind == Kind::origin ? keep : std::max(keep, 0);
  call(qubes_storage_volume_config_set_revisions_to_keep, raw, revisions);
  qubes_storage_volume* volume = nullptr;
  call(qubes_storage_pool_volume, pool_.get(), spec.vid().c_str(), raw, &volume);
  return VolumeHandle(volume);
}

std::string Library::file_of(std::size_t volume) const {
  return qubes_storage_volume_path(open(volume, 0).get());
}

Descriptor Library::export_pinned(std::size_t volume) const {
  int fd = -1;
  call(qubes_storage_volume_export_fd, open(volume, 0).get(), 0u, &fd);
  return Descriptor(fd);
}

Descriptor Library::export_copy(std::size_t volume) const {
  Descriptor copy(check(::memfd_create("export", MFD_CLOEXEC), "make", "a memory file"));
  call(qubes_storage_volume_export_to, open(volume, 0).get(), copy.get(),
       qubes_storage_progress{nullptr}, static_cast<void*>(nullptr), 0u);
  return copy;
}

std::string Library::perform(const Act& act, const State& now, std::string* message) {
  try {
    if (act.verb == Verb::recover) {
      recover();
    } else if (act.is_guest()) {
      guest(act);
    } else {
      perform(open(act.volume, act.keep).get(), act, now);
    }
  } catch (const LibraryError& error) {
    if (message != nullptr) *message = error.what();
    return qubes_storage_code_name(error.code);
  }
  return "OK";
}

void Library::perform(qubes_storage_volume* volume, const Act& act, const State& now) {
  const bool ends_session = act.verb == Verb::stop || act.verb == Verb::discard ||
                            act.verb == Verb::remove || act.verb == Verb::start;
  // The machine is gone by then, or is there not yet.
  if (ends_session) guests_.erase(act.volume);
  switch (act.verb) {
    case Verb::create:
      return call(qubes_storage_volume_create, volume, 0u);
    case Verb::start:
    case Verb::start_at_once:
      return call(qubes_storage_volume_start, volume, 0u);
    case Verb::stop:
      return call(qubes_storage_volume_stop, volume, 0u);
    case Verb::discard:
      return call(qubes_storage_volume_discard, volume, 0u);
    case Verb::revert:
      return call(qubes_storage_volume_revert, volume, std::uint64_t{0}, 0u);
    case Verb::revert_oldest:
      return call(qubes_storage_volume_revert, volume, oldest_revision(volume), 0u);
    case Verb::grow:
    case Verb::shrink:
      return resize(volume, now, act.verb == Verb::grow ? 1 : -1);
    case Verb::import:
    case Verb::import_cancelled:
      return import(volume, act);
    case Verb::prune:
      return call(qubes_storage_volume_prune, volume, std::int32_t{act.keep}, 0u);
    case Verb::remove:
      return call(qubes_storage_volume_remove, volume, 0u);
    default:
      throw std::logic_error("not an operation of the library");
  }
}

void Library::import(qubes_storage_volume* volume, const Act& act) {
  if (act.source >= 0) {
    const VolumeHandle source = open(static_cast<std::size_t>(act.source), 1);
    return call(qubes_storage_volume_import_volume, volume, source.get(),
                qubes_storage_progress{nullptr}, static_cast<void*>(nullptr), 0u);
  }
  const std::size_t chunks = specs_[act.volume].size_blocks;
  const std::uint64_t size_bytes = chunks * kChunkBytes;
  if (import_way_ != ImportWay::from_descriptor || act.verb == Verb::import_cancelled) {
    return import_in_place(volume, act, size_bytes);
  }
  const Descriptor source(check(::memfd_create("import", MFD_CLOEXEC), "make", "a memory file"));
  for (std::size_t i = 0; i < chunks; ++i) write_chunk(source.get(), i, act.fresh, "memory file");
  call(qubes_storage_volume_import_fd, volume, source.get(), size_bytes,
       qubes_storage_progress{nullptr}, static_cast<void*>(nullptr), 0u);
}

void Library::import_in_place(qubes_storage_volume* volume, const Act& act,
                              std::uint64_t size_bytes) {
  call(qubes_storage_volume_import_begin, volume, size_bytes, 0u);
  if (import_way_ == ImportWay::in_place_recovering) recover();  // must leave it alone
  {
    const std::string path = qubes_storage_volume_import_path(volume);
    const Descriptor file(check(::open(path.c_str(), O_WRONLY | O_CLOEXEC), "open", path));
    for (std::size_t i = 0; i < size_bytes / kChunkBytes; ++i) {
      write_chunk(file.get(), i, act.fresh, path);
    }
  }
  const std::int32_t success = act.verb == Verb::import ? 1 : 0;
  call(qubes_storage_volume_import_end, volume, success, 0u);
}

void Library::guest(const Act& act) {
  std::unique_ptr<Guest>& guest = guests_[act.volume];
  if (!guest) guest = std::make_unique<Guest>(file_of(act.volume), through_loop_);
  if (act.verb == Verb::flush) {
    guest->flush();
  } else if (act.fresh == 0) {
    guest->discard(act.chunks);
  } else {
    guest->write(act.chunks, act.fresh);
  }
}

// ---- Guest ----

template <typename Do>
void Guest::for_each_chunk(unsigned chunks, Do act) {
  for (std::size_t i = 0; i < simulation::kBlocksMax; ++i) {
    if ((chunks >> i & 1) != 0) act(i);
  }
}

Guest::Guest(const std::string& path, bool through_loop) : path_(path) {
  file_ = Descriptor(check(::open(path.c_str(), O_RDWR | O_CLOEXEC), "open", path));
  if (!through_loop) return;
  const Attached attached = attach_loop(file_.get(), 0);
  file_ = Descriptor(attached.descriptor);
  is_loop_ = true;
  // What the machine writes is then in the file, though not durable.
  check(::fcntl(file_.get(), F_SETFL, O_DIRECT), "write directly to", attached.path);
}

Guest::~Guest() {
  if (is_loop_) ::ioctl(file_.get(), LOOP_CLR_FD, 0);
}

void Guest::discard(unsigned chunks) {
  for_each_chunk(chunks, [&](std::size_t i) {
    const std::uint64_t range[2] = {i * kChunkBytes, kChunkBytes};
    if (is_loop_) {
      check(::ioctl(file_.get(), BLKDISCARD, range), "discard blocks of", path_);
      return;
    }
    check(::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(range[0]), static_cast<off_t>(range[1])),
          "discard blocks of", path_);
  });
}

void Guest::write(unsigned chunks, simulation::Symbol symbol) {
  for_each_chunk(chunks, [&](std::size_t i) { write_chunk(file_.get(), i, symbol, path_); });
}

void Guest::flush() {
  check(::fsync(file_.get()), "flush", path_);
}

}  // namespace qubes::storage::crash
