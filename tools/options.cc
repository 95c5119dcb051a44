// SPDX-License-Identifier: LGPL-2.1-or-later
// The command line: which commands there are, which options each has, and what they must look like.
#include "tools/options.h"

#include <qubes/storage.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <sstream>

#include "tools/error.h"
#include "tools/text.h"

namespace tool {
namespace {

constexpr const char* kSizeHelp = "bytes, or with K, M, G or T (powers of 1024)";

[[noreturn]] void reject(const std::string& option, const std::string& value,
                         const std::string& wanted) {
  throw CLI::ValidationError(option, "\"" + printable(value) + "\" is not " + wanted);
}

CLI::Option* add_size(CLI::App& command, Options& options, const std::string& meaning) {
  return command
      .add_option_function<std::string>(
          "--size",
          [&options](const std::string& value) {
            options.size_bytes = parse_size(value);
            if (!options.size_bytes) reject("--size", value, std::string("a size: ") + kSizeHelp);
          },
          meaning + ": " + kSizeHelp)
      ->type_name("N");
}

// `minimum` is 0 or 1, or -1 where that has a meaning of its own.
template <typename Number>
CLI::Option* add_number(CLI::App& command, const std::string& name, std::optional<Number>& target,
                        int minimum, const std::string& meaning) {
  constexpr std::uint64_t maximum = std::numeric_limits<Number>::max();
  return command
      .add_option_function<std::string>(
          name,
          [&target, name, minimum](const std::string& value) {
            if (minimum == -1 && value == "-1") {
              target = static_cast<Number>(-1);
              return;
            }
            const auto number = parse_number(value, maximum);
            if (!number || (minimum == 1 && *number == 0)) {
              reject(name, value, "a number of " + std::to_string(minimum) + " or more");
            }
            target = static_cast<Number>(*number);
          },
          meaning)
      ->type_name("N");
}

void add_pool(CLI::App& command, Options& options) {
  command.add_option("POOL", options.pool, "the directory of the pool")->required()->type_name("");
}

// The options that say how the volume is configured, which the pool does not remember.
void add_kind(CLI::App& command, Options& options) {
  const std::string group = "Kind of volume";
  const auto add = [&](const char* name, bool& target, const char* meaning) {
    command.add_flag(name, target, meaning)->group(group);
  };
  add("--origin", options.is_origin, "starts from its own state, committed at stop (the default)");
  add("--volatile", options.is_volatile, "starts empty, thrown away at stop");
  add("--snapshot", options.is_snapshot, "starts from --source, thrown away at stop");
  add("--origin-snapshot", options.is_origin_snapshot, "starts from --source, committed at stop");
  add("--read-only", options.read_only, "open the volume read-only");
  command.add_option("--source", options.source, "the volume that a snapshot starts from")
      ->type_name("VID")
      ->group(group);
  add_number(command, "--revisions-to-keep", options.revisions_to_keep, -1,
             "how many earlier states to keep (as many as there are, and 1); -1: write the "
             "committed state itself")
      ->group(group);
}

CLI::App& add_command(CLI::App& app, Options& options, const std::string& name,
                      const std::string& summary) {
  CLI::App& command = *app.add_subcommand(name, summary);
  add_pool(command, options);
  return command;
}

CLI::App& add_volume_command(CLI::App& app, Options& options, const std::string& name,
                             const std::string& summary) {
  CLI::App& command = add_command(app, options, name, summary);
  command.add_option("VID", options.vid, "the volume: PREFIX/VM/NAME")->required()->type_name("");
  add_kind(command, options);
  return command;
}

void add_pool_commands(CLI::App& app, Options& options) {
  add_command(app, options, "setup", "Make the directories of a pool")
      .add_flag("--no-reflink-check", options.no_reflink_check,
                "accept a filesystem without reflinks, where each clone is a copy");
  auto& info = add_command(app, options, "info", "Tell about a pool, or a volume");
  info.add_option("VID", options.vid, "the volume: PREFIX/VM/NAME")->type_name("");
  add_kind(info, options);
  add_size(info, options, "the nominal size");
  add_command(app, options, "list", "List the volumes; a running session of any kind is dirty");
  add_command(app, options, "recover", "Clear what crashes left, and report it");
  add_command(app, options, "included-in", "Tell which of the given places holds the pool")
      .add_option("OTHER", options.others, "a directory, or lvm:VG/POOL for an LVM thin pool")
      ->required()
      ->type_name("");
}

void add_life_commands(CLI::App& app, Options& options) {
  auto& create = add_volume_command(app, options, "create", "Make a volume");
  add_size(create, options, "its size")->required();
  add_volume_command(app, options, "remove", "Remove a volume and all its revisions");
  add_volume_command(app, options, "verify", "Check that a volume could be started");
  auto& start = add_volume_command(app, options, "start", "Begin a session, or resume it");
  add_size(start, options, "the nominal size, of a volatile volume or a snapshot");
  add_volume_command(app, options, "stop", "End a session: commit it, or throw it away");
  add_volume_command(app, options, "discard", "End a session without committing it");
  auto& revert = add_volume_command(app, options, "revert", "Go back to an earlier state");
  add_number(revert, "--revision", options.revision, 1, "its number (the newest that differs)");
  auto& resize = add_volume_command(app, options, "resize", "Change the size, also while running");
  add_size(resize, options, "the new size")->required();
  resize.add_flag("--allow-shrink", options.allow_shrink, "allow to cut off the end");
}

void add_state_commands(CLI::App& app, Options& options) {
  auto& import = add_volume_command(app, options, "import", "Replace the state by a raw image");
  import.add_option("--from", options.file, "the image; - reads standard input to its end")
      ->required()
      ->type_name("FILE");
  add_size(import, options, "refuse data that does not come to this size");
  auto& export_command = add_volume_command(app, options, "export", "Write the state out, raw");
  export_command
      .add_option("--to", options.file, "made anew, or replaced whole; - is standard output")
      ->required()
      ->type_name("FILE");
  add_volume_command(app, options, "revisions", "List the earlier states");
  auto& prune = add_volume_command(app, options, "prune", "Remove the oldest revisions");
  add_number(prune, "--keep", options.keep, 0, "how many to leave")->required();
}

void add_global_options(CLI::App& app, Options& options) {
  app.set_version_flag("--version", std::string("qubes-storage ") + qubes_storage_version());
  app.add_flag("--json", options.json, "answer in JSON");
  app.add_flag("--kernels", options.kernels, "the pool is a directory of KERNEL/modules.img");
  app.add_flag("--no-wait", options.no_wait,
               "do not prepare the next start, and do not wait for work in the background");
  app.require_subcommand(1);
  app.fallthrough();  // also for the commands added from now on: global options may come last
}

// What no single option can tell.
void check(const Options& options) {
  const int kinds = int{options.is_origin} + int{options.is_volatile} + int{options.is_snapshot} +
                    int{options.is_origin_snapshot};
  if (kinds > 1) throw UsageError("a volume is of one kind");
  const bool has_source = options.is_snapshot || options.is_origin_snapshot;
  if (has_source && options.source.empty()) throw UsageError("a snapshot needs --source");
  if (!has_source && !options.source.empty()) {
    throw UsageError("--source needs --snapshot or --origin-snapshot");
  }
}

// The way out for help, version and errors alike: CLI11 signals all of them by exceptions.
void explain(CLI::App& app, const CLI::ParseError& error, std::string& text) {
  // Said of an unknown command as well, which comes first here.
  const bool is_unknown = error.get_name() == "RequiredError" && app.get_subcommands().empty() &&
                          !app.remaining().empty();
  if (is_unknown) throw UsageError("not known: " + printable(app.remaining()[0]));
  std::ostringstream out;
  std::ostringstream failure;
  if (app.exit(error, out, failure) != 0) throw UsageError(printable(error.what()));
  text = out.str();
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, std::string& text) {
  Options options;
  CLI::App app("Keeps the disks of virtual machines as image files on a reflink filesystem.",
               "qubes-storage");
  add_global_options(app, options);
  add_pool_commands(app, options);
  add_life_commands(app, options);
  add_state_commands(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    explain(app, error, text);
    return std::nullopt;
  }
  options.command = app.get_subcommands().front()->get_name();
  check(options);
  return options;
}

}  // namespace tool
