/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resize of each kind, with and without a session, up and down, and the loop device on it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

#define VID "appvms/work/private"
#define SHRINK QUBES_STORAGE_RESIZE_SHRINK

static void resize_refusals(void) {
  const struct kind read_only = {1, NULL, KEEP_OF_POOL, 0};
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  qubes_storage_volume* fixed = new_volume(pool, VID, &read_only);
  for (int turn = 0; turn < 2; ++turn) {
    WORKS(qubes_storage_pool_drain, pool);
    char* before = listing(place("pool"));
    FAILS(REFUSED(READ_ONLY), qubes_storage_volume_resize, fixed, 2 * kMiB, 0);
    FAILS(BAD("size_bytes"), qubes_storage_volume_resize, volume, (uint64_t)INT64_MAX + 1, 0);
    FAILS(BAD("size_bytes"), qubes_storage_volume_resize, volume, QUBES_STORAGE_UNKNOWN, SHRINK);
    FAILS(REFUSED(INVALID), qubes_storage_volume_resize, volume, SIZE_OF_VOLUME - 1, 0);
    FAILS(REFUSED(INVALID), qubes_storage_volume_resize, volume, 0, 0);
    CHECK(is_unchanged(place("pool"), before));
    CHECK_U64(volume_size(volume), SIZE_OF_VOLUME);
    WORKS(qubes_storage_volume_start, volume, 0);
  }
  qubes_storage_volume_unref(fixed);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void resize_stopped(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  const char* const image = image_of(volume, ".img");
  write_text(image, SIZE_OF_VOLUME - 3, "end");
  WORKS(qubes_storage_volume_resize, volume, SIZE_OF_VOLUME, 0); /* the same */
  WORKS(qubes_storage_volume_resize, volume, 3 * kMiB, 0);
  CHECK_U64(size_of(image), 3 * kMiB);
  CHECK_U64(volume_size(volume), 3 * kMiB);
  CHECK(has_text(image, 0, "one"));
  CHECK_U64(revisions_of(volume), 0);
  WORKS(qubes_storage_volume_resize, volume, kMiB / 2 + 5, SHRINK); /* any number of bytes */
  CHECK_U64(size_of(image), kMiB / 2 + 5);
  CHECK_U64(revisions_of(volume), 1); /* keeps what was cut off */
  WORKS(qubes_storage_volume_revert, volume, 0, 0);
  CHECK_U64(volume_size(volume), 3 * kMiB);
  CHECK(has_text(image, SIZE_OF_VOLUME - 3, "end"));
  WORKS(qubes_storage_volume_resize, volume, 0, SHRINK);
  CHECK_U64(volume_size(volume), 0);
  WORKS(qubes_storage_volume_start, volume, 0);
  CHECK_U64(size_of(qubes_storage_volume_path(volume)), 0);
  WORKS(qubes_storage_volume_stop, volume, 0);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void resize_session(void) {
  const struct kind* const kinds[] = {&origin_kind, &origin_snapshot_kind, &snapshot_kind,
                                      &volatile_kind, &in_place_kind};
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* source = new_origin(pool, SOURCE, "one");
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
    qubes_storage_volume* volume = new_volume(pool, VID, kinds[i]);
    WORKS(qubes_storage_volume_create, volume, 0);
    WORKS(qubes_storage_volume_start, volume, 0);
    WORKS(qubes_storage_volume_resize, volume, 3 * kMiB, 0);
    CHECK_U64(size_of(qubes_storage_volume_path(volume)), 3 * kMiB);
    CHECK_U64(volume_size(volume), 3 * kMiB);
    FAILS(REFUSED(INVALID), qubes_storage_volume_resize, volume, 2 * kMiB, 0);
    WORKS(qubes_storage_volume_resize, volume, 2 * kMiB, SHRINK);
    CHECK_U64(size_of(qubes_storage_volume_path(volume)), 2 * kMiB);
    if (kinds[i]->save_on_stop && kinds[i] != &in_place_kind) {
      CHECK(!is_there(image_of(volume, ".img")) ||
            size_of(image_of(volume, ".img")) == SIZE_OF_VOLUME);
    }
    WORKS(qubes_storage_volume_stop, volume, 0);
    CHECK_U64(volume_size(volume), 2 * kMiB);
    WORKS(qubes_storage_volume_remove, volume, 0);
    qubes_storage_volume_unref(volume);
  }
  CHECK_U64(volume_size(source), SIZE_OF_VOLUME);
  qubes_storage_volume_unref(source);
  qubes_storage_pool_unref(pool);
}

/* Without an image only the nominal size changes; the next start has it. */
static void resize_nominal(void) {
  const struct kind* const kinds[] = {&volatile_kind, &snapshot_kind, &origin_snapshot_kind};
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* source = new_origin(pool, SOURCE, "one");
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
    qubes_storage_volume* volume = new_volume(pool, VID, kinds[i]);
    WORKS(qubes_storage_pool_drain, pool);
    char* before = listing(place("pool"));
    WORKS(qubes_storage_volume_resize, volume, 4 * kMiB, 0);
    FAILS(REFUSED(INVALID), qubes_storage_volume_resize, volume, 3 * kMiB, 0);
    WORKS(qubes_storage_volume_resize, volume, 2 * kMiB, SHRINK);
    CHECK(is_unchanged(place("pool"), before));
    CHECK_U64(volume_size(volume), 2 * kMiB);
    WORKS(qubes_storage_volume_start, volume, 0);
    CHECK_U64(size_of(qubes_storage_volume_path(volume)), 2 * kMiB);
    WORKS(qubes_storage_volume_discard, volume, 0);
    if (i + 1 < sizeof kinds / sizeof kinds[0]) WORKS(qubes_storage_volume_remove, volume, 0);
    qubes_storage_volume_unref(volume);
  }
  qubes_storage_volume_unref(source);
  qubes_storage_pool_unref(pool);
}

/* Saved and stopped: of the committed state, whatever it once started from. */
static void resize_stopped_origin_snapshot(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* source = new_origin(pool, SOURCE, "one");
  qubes_storage_volume* volume = new_volume(pool, VID, &origin_snapshot_kind);
  run_session(volume, "two");
  WORKS(qubes_storage_volume_resize, volume, 2 * kMiB, 0);
  CHECK_U64(size_of(image_of(volume, ".img")), 2 * kMiB);
  CHECK_U64(volume_size(volume), 2 * kMiB);
  WORKS(qubes_storage_volume_start, volume, 0);
  CHECK_U64(volume_size(volume), 2 * kMiB);
  WORKS(qubes_storage_volume_stop, volume, 0);
  qubes_storage_volume_unref(volume);
  qubes_storage_volume_unref(source);
  qubes_storage_pool_unref(pool);
}

/* The device, or -1 where this process may not make one. */
static int bind_loop_device(const char* path, int* backing) {
  const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  int device = -1;
  *backing = open(path, O_RDWR | O_CLOEXEC);
  for (int turn = 0; control != -1 && turn < 20 && device == -1; ++turn) {
    char name[64];
    snprintf(name, sizeof name, "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));
    device = open(name, O_RDWR | O_CLOEXEC);
    if (device != -1 && ioctl(device, LOOP_SET_FD, *backing) == -1) {
      close(device); /* somebody else was faster */
      device = -1;
    }
  }
  if (control != -1) close(control);
  return device;
}

static uint64_t device_size(int device) {
  uint64_t size = 0;
  CHECK_I64(ioctl(device, BLKGETSIZE64, &size), 0);
  return size;
}

static void resize_reaches_loop_device(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  int backing = -1;
  WORKS(qubes_storage_volume_start, volume, 0);
  const char* const path = qubes_storage_volume_path(volume);
  const int device = bind_loop_device(path, &backing);
  if (device != -1) {
    CHECK_U64(device_size(device), SIZE_OF_VOLUME);
    WORKS(qubes_storage_volume_resize, volume, 3 * kMiB, 0);
    CHECK_U64(device_size(device), 3 * kMiB);
    WORKS(qubes_storage_file_resize, path, 5 * kMiB); /* of itself it tells nobody */
    CHECK_U64(device_size(device), 3 * kMiB);
    WORKS(qubes_storage_loop_refresh, path);
    CHECK_U64(device_size(device), 5 * kMiB);
    CHECK_I64(ioctl(device, LOOP_CLR_FD, 0), 0);
    close(device);
  } else {
    printf("note: no loop device to be had, not tested\n");
  }
  if (backing != -1) close(backing);
  WORKS(qubes_storage_volume_stop, volume, 0);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

const struct test resize_tests[] = {
    {"resize_refusals", resize_refusals},
    {"resize_stopped", resize_stopped},
    {"resize_session", resize_session},
    {"resize_nominal", resize_nominal},
    {"resize_stopped_origin_snapshot", resize_stopped_origin_snapshot},
    {"resize_reaches_loop_device", resize_reaches_loop_device},
    {NULL, NULL},
};
