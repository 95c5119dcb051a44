// SPDX-License-Identifier: LGPL-2.1-or-later
// The library with one mistake in it: a step left out, two neighbouring steps swapped (made from
// what the library was seen to do), or one of the realistic ones of mistakes.cc.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_MUTATIONS_H
#define QUBES_STORAGE_TESTS_SIMULATION_MUTATIONS_H

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/explorer.h"

namespace qubes::storage::simulation {

// Of the library: some verbs differ in the arguments or in when they come only.
std::string operation_of(Verb verb);

// "rename D -> C": roles for names. A sync of a directory is told by what came before it.
std::string signature(const Step& step, const std::string& before);

// What operations were seen to do, and where: by operation and step, and by two steps in a row.
struct Recorded {
  template <typename Step>
  using Places = std::map<std::pair<std::string, Step>, std::vector<VisitId>>;

  VisitId now;  // what is being recorded
  Places<std::string> steps;
  Places<std::pair<std::string, std::string>> pairs;
};

// Makes no mistake; writes down the steps.
std::unique_ptr<Mutation> recording(Recorded& recorded);

std::unique_ptr<Mutation> without(std::string operation, std::string step);
std::unique_ptr<Mutation> swapped(std::string operation, std::string first, std::string second);

std::vector<std::unique_ptr<Mutation>> realistic_mistakes();

// Why a mutation of this name, where it is not caught, does no harm; null where no reason is known.
const char* why_needless(const std::string& name);

}  // namespace qubes::storage::simulation

#endif
