// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells loop devices that the file behind them has another size.
#ifndef QUBES_STORAGE_SRC_FS_LOOP_H
#define QUBES_STORAGE_SRC_FS_LOOP_H

#include "src/fs/transfer.h"

namespace qubes::storage {

// Every loop device over this inode takes the size of the file, and has taken it when this
// returns. Returns how many there are. An error names the device.
int refresh_loop_devices(OpenFile file);

}  // namespace qubes::storage

#endif
