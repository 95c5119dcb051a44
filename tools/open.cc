// SPDX-License-Identifier: LGPL-2.1-or-later
// From options to handles: the pool and the volume as the command line configures them.
#include <algorithm>

#include "tools/commands.h"

namespace tool {
namespace {

bool has_kind(const Options& options) {
  return options.is_origin || options.is_volatile || options.is_snapshot ||
         options.is_origin_snapshot;
}

bool is_writable(const Options& options) {
  return !options.read_only && !options.kernels;
}

// `create` and what only asks take --size for the nominal size; for others it means something else.
bool is_size_nominal(const Options& options) {
  return options.command != "resize" && options.command != "import";
}

bool commits(const Options& options) {
  return is_saved(options) &&
         (options.command == "stop" || options.command == "import" || options.command == "resize");
}

// Nobody has said how many revisions the volume's owner wants: no fewer than there are.
void keep_what_is_there(const Volume& volume) {
  const auto count = static_cast<std::int32_t>(revision_count(volume));
  call(qubes_storage_volume_set_revisions_to_keep, volume.get(), std::max(count, 1));
}

void set_kind(qubes_storage_volume_config* config, const Options& options) {
  call(qubes_storage_volume_config_set_save_on_stop, config, is_saved(options) ? 1 : 0);
  if (options.is_snapshot || options.is_origin_snapshot) {
    call(qubes_storage_volume_config_set_snap_on_start, config, 1);
    call(qubes_storage_volume_config_set_source, config, options.source.c_str());
  }
}

}  // namespace

bool is_saved(const Options& options) {
  if (!has_kind(options)) return !options.kernels;
  return options.is_origin || options.is_origin_snapshot;
}

Pool open_pool(const Options& options) {
  const auto config = make<PoolConfig>(qubes_storage_pool_config_new, options.pool.c_str());
  if (options.kernels) {
    call(qubes_storage_pool_config_set_kind, config.get(), QUBES_STORAGE_POOL_KERNELS);
  }
  call(qubes_storage_pool_config_set_setup_check, config.get(), options.no_reflink_check ? 0 : 1);
  call(qubes_storage_pool_config_set_precache, config.get(), options.no_wait ? 0 : 1);
  return make<Pool>(qubes_storage_pool_open, config.get());
}

Volume open_volume(const Context& context) {
  const Options& options = context.options;
  const auto config = make<VolumeConfig>(qubes_storage_volume_config_new);
  set_kind(config.get(), options);
  call(qubes_storage_volume_config_set_rw, config.get(), is_writable(options) ? 1 : 0);
  if (options.revisions_to_keep) {
    call(qubes_storage_volume_config_set_revisions_to_keep, config.get(),
         *options.revisions_to_keep);
  }
  if (options.size_bytes && is_size_nominal(options)) {
    call(qubes_storage_volume_config_set_size, config.get(), *options.size_bytes);
  }
  auto volume =
      make<Volume>(qubes_storage_pool_volume, context.pool, options.vid.c_str(), config.get());
  if (commits(options) && !options.revisions_to_keep && !options.kernels) {
    keep_what_is_there(volume);
  }
  return volume;
}

Volume open_origin(const Context& context, const char* vid) {
  const auto config = make<VolumeConfig>(qubes_storage_volume_config_new);
  if (!context.options.kernels) {
    call(qubes_storage_volume_config_set_save_on_stop, config.get(), 1);
  }
  return make<Volume>(qubes_storage_pool_volume, context.pool, vid, config.get());
}

}  // namespace tool
