// SPDX-License-Identifier: LGPL-2.1-or-later
// Steps as a reader wants them.
#include "tests/simulation/simulated_filesystem.h"

namespace qubes::storage::simulation {
namespace {

// Temporary names without their number, so that steps compare.
std::string readable(const std::string& name) {
  return info(intern(name)).role == Role::temporary ? name.substr(0, name.size() - 8) : name;
}

}  // namespace

std::string Step::text() const {
  switch (kind) {
    case StepKind::make_directory:
      return "make directory " + to;
    case StepKind::remove_directory:
      return "remove directory " + from;
    case StepKind::sync_directory:
      return "sync directory " + from;
    case StepKind::link_unnamed:
      return "link unnamed " + readable(to);
    case StepKind::clone:
      return "clone " + readable(from);
    case StepKind::set_size:
      return "set size " + readable(from);
    case StepKind::set_mtime:
      return "set mtime " + readable(from);
    case StepKind::sync_file:
      return "sync " + readable(from);
    case StepKind::link:
      return "link " + readable(from) + " -> " + readable(to);
    case StepKind::rename:
      return "rename " + readable(from) + " -> " + readable(to);
    case StepKind::unlink:
      return "unlink " + readable(from);
  }
  return "";
}

}  // namespace qubes::storage::simulation
