// SPDX-License-Identifier: LGPL-2.1-or-later
// What the peer asks of a pool, written from its description (docs/PEER.md §1) without our code.
#ifndef QUBES_STORAGE_TESTS_REAL_PEER_CHECKER_H
#define QUBES_STORAGE_TESTS_REAL_PEER_CHECKER_H

#include <string>
#include <vector>

namespace qubes::storage::test {

struct PeerVolume {
  enum class Kind { origin, snapshot, volatile_volume };

  std::string vid;
  Kind kind = Kind::origin;
  bool running = false;
  std::string source;  // of a snapshot
};

// Everything in the VMs' directories that the peer would stumble over, a sentence each; "" if it
// would take the pool as its own. `foreign`: files, relative to the pool, that are neither's.
std::string objections_of_the_peer(const std::string& pool, const std::vector<PeerVolume>& volumes,
                                   const std::vector<std::string>& foreign = {});

}  // namespace qubes::storage::test

#endif
