// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/judge_files.h"

#include <fcntl.h>

#include <cerrno>
#include <sstream>
#include <stdexcept>

#include "testvm/crash/judge_pool.h"
#include "testvm/crash/stamp.h"
#include "testvm/crash/system.h"

namespace qubes::storage::crash {

using simulation::Content;
using simulation::Symbol;

FilesJudge::FilesJudge(const std::vector<std::string>& marks) : owed_(1) {
  for (const std::string& mark : marks) add(mark);
}

void FilesJudge::add(const std::string& mark) {
  Files files = owed_.back();
  std::istringstream stream(mark);
  std::string verb, name;
  unsigned version = 0;
  stream >> verb >> name >> version;
  if (verb == "file") {
    files[name];
  } else if (verb == "ready") {
    ready_at_ = owed_.size();
  } else if ((verb == "begin" || verb == "done") && files.count(name) > 0 && version > 0) {
    Versions& versions = files[name];
    (verb == "begin" ? versions.begun : versions.done) = static_cast<Symbol>(version);
  } else if (verb != "end") {
    throw std::invalid_argument("an unknown mark: " + mark);
  }
  owed_.push_back(files);
}

std::string FilesJudge::judge(const std::string& path, const Versions& versions) const {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() == -1) {
    if (errno != ENOENT) fail("open", path);
    return versions.done == 0 ? "" : "it is not there";
  }
  const Content found = read_content(file.get(), path);
  for (const Symbol version : {versions.done, versions.begun}) {
    if (version != 0 && found == simulation::filled(simulation::kBlocksMax, version)) return "";
  }
  return "found " + found.text() + ", which is neither version " + std::to_string(versions.done) +
         " (acknowledged) nor " + std::to_string(versions.begun) + " (begun)";
}

std::string FilesJudge::after_crash(const CrashState& state, const std::string& root) const {
  for (const Moment& moment : state.moments) {
    for (std::size_t marks = moment.first_mark; marks <= moment.last_mark; ++marks) {
      for (const auto& [name, versions] : owed_[marks]) {
        const std::string complaint = judge(root + '/' + name, versions);
        if (!complaint.empty()) return name + ": " + complaint;
      }
    }
  }
  return "";
}

std::unique_ptr<Judge> make_judge(const std::vector<std::string>& marks) {
  if (marks.empty()) throw LogError("the recording has no marks");
  if (marks.front().rfind("file ", 0) == 0) return std::make_unique<FilesJudge>(marks);
  return std::make_unique<PoolJudge>(marks);
}

}  // namespace qubes::storage::crash
