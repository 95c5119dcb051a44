/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools, volumes, files and listings for the API tests. What fails here ends the program. */
#ifndef QUBES_STORAGE_TESTS_API_FIXTURE_H
#define QUBES_STORAGE_TESTS_API_FIXTURE_H

#include <qubes/storage.h>
#include <sys/types.h>

enum { kKiB = 1024, kMiB = 1024 * 1024 };
#define SIZE_OF_VOLUME ((uint64_t)kMiB)
#define KEEP_OF_POOL (-100)

/* The directory given to the program, absolute, and whether its filesystem shares blocks. */
extern const char* root;
extern int has_reflink;

/* A test and the directory that it has for itself. */
struct test {
  const char* name;
  void (*run)(void);
};
extern const struct test error_tests[], config_tests[], pool_tests[], vid_tests[], life_tests[],
    kind_tests[], import_tests[], export_tests[], property_tests[], kernel_tests[], block_tests[],
    thread_tests[], resize_tests[], null_tests[], job_tests[], fork_tests[];

/* `ROOT/NAME-OF-THE-TEST` + `/` + `name`, in one of a few buffers that are used in turn. */
const char* place(const char* name);
const char* joined(const char* directory, const char* name);
void enter_test(const char* name);

struct kind {
  int save_on_stop;
  const char* source; /* NULL: not snap_on_start */
  int32_t revisions_to_keep;
  int rw;
};
extern const struct kind volatile_kind, origin_kind, in_place_kind; /* all rw */
extern const struct kind snapshot_kind, origin_snapshot_kind;       /* of SOURCE */
#define SOURCE "vm-templates/debian/root"

/* The pool `place("pool")`: opened; set up as well. */
qubes_storage_pool* open_pool(void);
qubes_storage_pool* new_pool(void);
qubes_storage_volume* new_volume(qubes_storage_pool* pool, const char* vid,
                                 const struct kind* kind);
/* A saved volume whose committed state begins with `text`. Its handle; it has no revision. */
qubes_storage_volume* new_origin(qubes_storage_pool* pool, const char* vid, const char* text);
/* A session that writes `text` at the beginning. */
void run_session(qubes_storage_volume* volume, const char* text);

void make_directory(const char* path);
void make_file(const char* path, uint64_t size, const char* text);
void write_text(const char* path, off_t offset, const char* text);
int has_text(const char* path, off_t offset, const char* text);
int fd_has_text(int fd, off_t offset, const char* text);
int is_there(const char* path);
uint64_t size_of(const char* path);
uint64_t allocated(const char* path);
ino_t inode_of(const char* path);
/* The path of the volume's file with another ending: ".img", "-import.img", "-precache.img". */
const char* image_of(const qubes_storage_volume* volume, const char* ending);

/* All below `directory`: name, type, mode, size, inode, links. For free(). Drain the pool before.
 */
char* listing(const char* directory);
/* Whether it is what `before` says; frees that, and prints both where not. */
int is_unchanged(const char* directory, char* before);

/* Numbers of a volume's snapshot, asked anew each time. */
uint64_t volume_size(qubes_storage_volume* volume);
int volume_is_started(qubes_storage_volume* volume);
size_t revisions_of(qubes_storage_volume* volume);
uint64_t newest_revision(qubes_storage_volume* volume);

/* Entries in /proc/self/fd and /proc/self/task. */
int count_descriptors(void);
int count_threads(void);
/* A descriptor number that is surely closed. */
int closed_descriptor(void);

/* A progress function that counts its calls in *(int *)opaque, and one that stops the second. */
int32_t count_calls(void* opaque, uint64_t bytes_done, uint64_t bytes_total);
int32_t stop_at_once(void* opaque, uint64_t bytes_done, uint64_t bytes_total);

void die(const char* what);

#endif
