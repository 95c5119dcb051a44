// SPDX-License-Identifier: LGPL-2.1-or-later
// A recorded run: the filesystem as it was made, the log of the writes since, and how its crash
// states are made. What every program that handles states is told on its command line.
#ifndef QUBES_STORAGE_TESTVM_CRASH_RECORDING_H
#define QUBES_STORAGE_TESTVM_CRASH_RECORDING_H

#include <string>

#include "testvm/crash/arguments.h"
#include "testvm/crash/disk_image.h"
#include "testvm/crash/log.h"
#include "testvm/crash/states.h"

namespace qubes::storage::crash {

struct Recording {
  // --base FILE --log FILE --data-end BYTES --tear BYTES --random N --torn N
  explicit Recording(const Arguments& arguments)
      : base_path(arguments.text("base")),
        log_file(Buffer::read(arguments.text("log"))),
        log(parse_log(log_file.bytes(), arguments.number("data-end"))) {
    how.tear_bytes = arguments.number("tear", how.tear_bytes);
    how.random_per_window = arguments.number("random", how.random_per_window);
    how.torn_per_window = arguments.number("torn", how.torn_per_window);
  }

  const std::string base_path;
  const Buffer log_file;
  const Log log;
  Enumeration how;
};

}  // namespace qubes::storage::crash

#endif
