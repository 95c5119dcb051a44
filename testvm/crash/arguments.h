// SPDX-License-Identifier: LGPL-2.1-or-later
// `--name value` on the command line of the rig's programs, up to `--` or the first other word; and
// what comes in files of lines.
#ifndef QUBES_STORAGE_TESTVM_CRASH_ARGUMENTS_H
#define QUBES_STORAGE_TESTVM_CRASH_ARGUMENTS_H

#include <cstdint>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace qubes::storage::crash {

class Arguments {
 public:
  Arguments(int count, char** values) {
    int i = 1;
    for (; i < count && std::string(values[i]).rfind("--", 0) == 0; i += 2) {
      const std::string name = std::string(values[i]).substr(2);
      if (name.empty()) {
        ++i;
        break;
      }
      if (i + 1 >= count) throw std::invalid_argument("--" + name + " needs a value");
      named_[name] = values[i + 1];
    }
    rest.assign(values + i, values + count);
  }

  std::string text(const std::string& name, const std::string& otherwise) const {
    const auto found = named_.find(name);
    return found == named_.end() ? otherwise : found->second;
  }
  std::string text(const std::string& name) const {
    if (named_.count(name) == 0) throw std::invalid_argument("--" + name + " is missing");
    return named_.at(name);
  }
  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const {
    return named_.count(name) == 0 ? otherwise : std::stoull(named_.at(name));
  }
  std::uint64_t number(const std::string& name) const { return std::stoull(text(name)); }

  std::vector<std::string> rest;

 private:
  std::map<std::string, std::string> named_;
};

inline std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  if (!file) throw std::invalid_argument("cannot read " + path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

}  // namespace qubes::storage::crash

#endif
