// SPDX-License-Identifier: LGPL-2.1-or-later
// The commands, one function each.
#ifndef QUBES_STORAGE_TOOLS_COMMANDS_H
#define QUBES_STORAGE_TOOLS_COMMANDS_H

#include "tools/handles.h"
#include "tools/options.h"
#include "tools/output.h"

namespace tool {

struct Context {
  const Options& options;
  Output& output;
  qubes_storage_pool* pool;
};

using Command = void (*)(const Context&);

// About the pool (pool_commands.cc).
void setup(const Context& context);
void info(const Context& context);
void list(const Context& context);
void recover(const Context& context);
void included_in(const Context& context);

// The life of a volume (volume_commands.cc).
void create(const Context& context);
void remove(const Context& context);
void verify(const Context& context);
void start(const Context& context);
void stop(const Context& context);
void discard(const Context& context);
void revert(const Context& context);
void resize(const Context& context);
void prune(const Context& context);

// What is known of a volume (volume_info.cc).
void volume_info(const Context& context);
void revisions(const Context& context);

// Images in and out (copy_commands.cc).
void import_image(const Context& context);
void export_image(const Context& context);

// The pool and the volume that the options are about (open.cc).
Pool open_pool(const Options& options);
Volume open_volume(const Context& context);
std::size_t revision_count(const Volume& volume);
// The volume `vid` of the pool, as an origin: enough to ask for its files.
Volume open_origin(const Context& context, const char* vid);

bool is_saved(const Options& options);

// Answers "VID: RESULT", or the same in JSON with `more` fields.
void answer(const Context& context, const std::string& result, const Json& more = Json::object(),
            const std::string& detail = "");

}  // namespace tool

#endif
