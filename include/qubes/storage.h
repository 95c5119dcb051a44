/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libqubesstorage: virtual machine disks as image files on a reflink filesystem.
 *
 * A *pool* is a directory. A *volume* is one disk in it, named by its vid: `PREFIX/VM/NAME`, for
 * example `appvms/work/private`. A *session* lasts from start to stop; while it lasts, the virtual
 * machine has the file that qubes_storage_volume_path names. A *revision* is an earlier committed
 * state. What a session does follows from two flags of the volume:
 *
 *   snap_on_start  save_on_stop   kind              a session
 *   0              0              volatile          starts empty, is thrown away
 *   1              0              snapshot          starts from the source volume, is thrown away
 *   0              1              origin            starts from the own state, is committed
 *   1              1              origin_snapshot   starts from the source volume, is committed
 *
 * CONVENTIONS, for all that follows
 *
 * Results.    A function that can fail returns int32_t: QUBES_STORAGE_OK (0) or one of the negative
 *             codes. On success it sets its outputs; on failure it leaves them alone. Codes may be
 *             added in later releases: treat an unknown one as QUBES_STORAGE_INTERNAL.
 * Errors.     The last argument, `reterr`, may be NULL. If it is not, a failure stores a new error
 *             there, for qubes_storage_error_unref; a success leaves it alone. There is no "last
 *             error". QUBES_STORAGE_INVALID (NULL where it is not allowed, an unknown flag bit, a
 *             number out of range), NO_MEMORY and INTERNAL can come from every function and are not
 *             listed again; nor are IO, NO_MEMORY (also: out of descriptors) and CORRUPT, which can
 *             come from every function that touches the disk; nor, of those that change it,
 *             READ_ONLY (the filesystem is mounted so) and UNKNOWN_OUTCOME. After any code but
 *             UNKNOWN_OUTCOME the committed state is what it was before the call.
 * Ownership.  Handles are opaque and counted: `_new`, `_open` and every function with an output
 *             handle give one reference, `_ref` adds one and returns its argument, `_unref` drops
 *             one. Both accept NULL. Everything else that is returned (strings, above all) is
 *             borrowed from the handle that it was asked of and lives as long; nothing is for
 *             free(). A volume keeps its pool alive.
 * Units.      Sizes are bytes, uint64_t, at most INT64_MAX; QUBES_STORAGE_UNKNOWN stands for a size
 *             or usage that is not known, which is not 0. Times are int64_t, nanoseconds since the
 *             epoch. Booleans are int32_t, 0 or 1; anything else is INVALID.
 * Strings.    NUL-terminated bytes. Paths are what the kernel takes; those that are returned are
 *             absolute.
 * Threads.    Every function may be called from any thread at any time. Operations on one volume
 *             exclude each other, in this process and among processes (flock on the directory of
 *             the VM): a call waits for the one before it. Operations on different volumes run in
 *             parallel. Configurations are the exception: one belongs to one thread at a time.
 * Fork.       A child of fork() must not use the pools, volumes and jobs of its parent: functions
 *             that can fail answer INVALID there, and `_unref` does nothing. It may open its own.
 * Durability. When an operation has answered, what it did survives a power cut. What a crash may
 *             throw away anyway (the sessions of volatile and snapshot volumes) is never synced. An
 *             operation that was cut off by a crash has happened in full or not at all; what it
 *             left over is cleared by the next operation on that volume, or by
 *             qubes_storage_pool_recover.
 * Jobs.       A function that may block on the disk has a twin `..._async` with the same arguments,
 *             less the outputs and the progress function, which stores a job and returns at once.
 *             What is wrong with the arguments the twin answers itself, and there is no job then;
 *             everything else the job answers (qubes_storage_job_result). Descriptors are
 *             duplicated, strings copied. A job runs on a thread of the library, which blocks all
 *             signals, is started when it is needed and gone with the last handle of the pool.
 * Flags.      A `flags` argument without named bits must be 0.
 * Since.      Everything here is there since 0.1.0, unless it says "Since X.Y.Z".
 */
#ifndef QUBES_STORAGE_H
#define QUBES_STORAGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Codes --------------------------------------------------------------------------------- */

#define QUBES_STORAGE_OK 0                 /* it was done */
#define QUBES_STORAGE_INVALID (-1)         /* an argument that can never be right */
#define QUBES_STORAGE_NOT_FOUND (-2)       /* no such volume, image, revision, file */
#define QUBES_STORAGE_EXISTS (-3)          /* it is there already */
#define QUBES_STORAGE_BUSY (-4)            /* somebody else is using it: an import, an export */
#define QUBES_STORAGE_DIRTY (-5)           /* the volume has a session that was not committed */
#define QUBES_STORAGE_READ_ONLY (-6)       /* the volume or the pool may not be written */
#define QUBES_STORAGE_NOT_SUPPORTED (-7)   /* this kind of volume, pool, filesystem cannot */
#define QUBES_STORAGE_NO_SPACE (-8)        /* the filesystem or the quota is full */
#define QUBES_STORAGE_IO (-9)              /* the kernel failed or refused: see the errno */
#define QUBES_STORAGE_CORRUPT (-10)        /* what is on disk is not what it must be */
#define QUBES_STORAGE_OFFLINE (-11)        /* the directory of the pool is absent */
#define QUBES_STORAGE_CANCELLED (-12)      /* the progress function, or a cancel, asked to stop */
#define QUBES_STORAGE_TIMEOUT (-13)        /* the time given was over */
#define QUBES_STORAGE_NO_MEMORY (-14)      /* out of memory, descriptors or threads */
#define QUBES_STORAGE_INTERNAL (-15)       /* a defect of the library */
/* The new state is in place, but the sync that makes it durable failed: look again after the
 * filesystem has been mended. */
#define QUBES_STORAGE_UNKNOWN_OUTCOME (-16)

/* Stands for a size or a usage that is not known. */
#define QUBES_STORAGE_UNKNOWN UINT64_MAX

/* ---- Handles ------------------------------------------------------------------------------- */

/* All are opaque and counted: see Ownership. */
typedef struct qubes_storage_error qubes_storage_error;
typedef struct qubes_storage_pool_config qubes_storage_pool_config;
typedef struct qubes_storage_pool qubes_storage_pool;
typedef struct qubes_storage_pool_info qubes_storage_pool_info;
typedef struct qubes_storage_volumes qubes_storage_volumes;
typedef struct qubes_storage_report qubes_storage_report;
typedef struct qubes_storage_volume_config qubes_storage_volume_config;
typedef struct qubes_storage_volume qubes_storage_volume;
typedef struct qubes_storage_volume_info qubes_storage_volume_info;
typedef struct qubes_storage_revisions qubes_storage_revisions;
typedef struct qubes_storage_job qubes_storage_job;

/*
 * Told of a long copy, from the thread that called: bytes done, and bytes in all or
 * QUBES_STORAGE_UNKNOWN. Return 0 to go on; anything else ends the copy with CANCELLED, and nothing
 * of it is left. It must not call the library with the same volume.
 */
typedef int32_t (*qubes_storage_progress)(void *opaque, uint64_t bytes_done, uint64_t bytes_total);

/* ---- The library, errors ------------------------------------------------------------------- */

/* The version of the library in use, "MAJOR.MINOR.PATCH". */
const char *qubes_storage_version(void);

/*
 * The name of a code without the prefix, for example "DIRTY"; "UNKNOWN_CODE" for any other number.
 */
const char *qubes_storage_code_name(int32_t code);

qubes_storage_error *qubes_storage_error_ref(qubes_storage_error *error);
void qubes_storage_error_unref(qubes_storage_error *error);

/* One of the codes, never 0. INVALID if `error` is NULL. */
int32_t qubes_storage_error_code(const qubes_storage_error *error);

/* The errno of the kernel behind it, 0 where there was none or `error` is NULL. */
int32_t qubes_storage_error_errno(const qubes_storage_error *error);

/*
 * What was being done, for example "sync directory"; on which path, volume or argument ("" if on
 * none); and the whole as one sentence without a final full stop. "" if `error` is NULL.
 */
const char *qubes_storage_error_step(const qubes_storage_error *error);
const char *qubes_storage_error_path(const qubes_storage_error *error);
const char *qubes_storage_error_message(const qubes_storage_error *error);

/* ---- Pools: configuration ------------------------------------------------------------------ */

#define QUBES_STORAGE_POOL_REFLINK 0 /* image files, the pool that this library is about */
#define QUBES_STORAGE_POOL_KERNELS 1 /* read-only: DIR/KERNEL/modules.img, the vid is KERNEL */

/*
 * On the volumes of a kernels pool every verb that changes something answers READ_ONLY, sessions do
 * nothing and succeed, verify, export and info work.
 */

/*
 * A configuration for the pool in the directory `dir_path` (made absolute against the current
 * directory now). Defaults: kind REFLINK, name "", revisions_to_keep 1, setup_check 1, precache 1,
 * prefixes `appvms` and `vm-templates`. The setters copy what they are given.
 */
int32_t qubes_storage_pool_config_new(const char *dir_path, qubes_storage_pool_config **config,
                                      qubes_storage_error **reterr);
qubes_storage_pool_config *qubes_storage_pool_config_ref(qubes_storage_pool_config *config);
void qubes_storage_pool_config_unref(qubes_storage_pool_config *config);

/* A label of the caller's. It has no meaning here; pool_info gives it back. */
int32_t qubes_storage_pool_config_set_name(qubes_storage_pool_config *config, const char *name,
                                           qubes_storage_error **reterr);

/* QUBES_STORAGE_POOL_REFLINK or QUBES_STORAGE_POOL_KERNELS. */
int32_t qubes_storage_pool_config_set_kind(qubes_storage_pool_config *config, int32_t kind,
                                           qubes_storage_error **reterr);

/* What volumes get that do not say themselves; see the setter of the volume. */
int32_t qubes_storage_pool_config_set_revisions_to_keep(qubes_storage_pool_config *config,
                                                        int32_t revisions_to_keep,
                                                        qubes_storage_error **reterr);

/* Whether qubes_storage_pool_setup refuses a filesystem without reflinks. */
int32_t qubes_storage_pool_config_set_setup_check(qubes_storage_pool_config *config,
                                                  int32_t setup_check,
                                                  qubes_storage_error **reterr);

/*
 * Whether a clone of the committed state is made ahead, in the background, so that the next start
 * is a rename. It costs no space but the metadata; on a filesystem without reflinks none is made.
 */
int32_t qubes_storage_pool_config_set_precache(qubes_storage_pool_config *config, int32_t precache,
                                               qubes_storage_error **reterr);

/*
 * A listener for what happens in the background: precaches made, blocks freed, and why not. The
 * level is one of the two below. It is called from any thread, also the library's own, until the
 * last handle of the pool is gone, and must not call the library. NULL for none.
 */
#define QUBES_STORAGE_LOG_WARNING 1 /* it failed: something will be slower */
#define QUBES_STORAGE_LOG_INFO 2    /* it was done */
typedef void (*qubes_storage_log)(void *opaque, int32_t level, const char *message);
int32_t qubes_storage_pool_config_set_log(qubes_storage_pool_config *config, qubes_storage_log log,
                                          void *opaque, qubes_storage_error **reterr);

/* Allows one more PREFIX in vids: a single path component. */
int32_t qubes_storage_pool_config_add_prefix(qubes_storage_pool_config *config, const char *prefix,
                                             qubes_storage_error **reterr);

/* ---- Pools --------------------------------------------------------------------------------- */

/*
 * Opens a pool. The disk is not touched: a pool whose directory is absent opens, and answers
 * OFFLINE to what needs it until the directory is (back) there. The configuration is copied.
 */
int32_t qubes_storage_pool_open(const qubes_storage_pool_config *config, qubes_storage_pool **pool,
                                qubes_storage_error **reterr);
qubes_storage_pool *qubes_storage_pool_ref(qubes_storage_pool *pool);

/* The last unref, counting those held by volumes, waits for work in the background. */
void qubes_storage_pool_unref(qubes_storage_pool *pool);

/*
 * Makes the directory of the pool, one level deep, and the directories of the prefixes, where they
 * are absent. If setup_check is set and the filesystem cannot reflink, removes again what it made.
 * Durability: the directories, when it returns.
 * Errors: OFFLINE (the parent is absent), NOT_SUPPORTED (no reflinks; a kernels pool), NO_SPACE.
 */
int32_t qubes_storage_pool_setup(qubes_storage_pool *pool, qubes_storage_error **reterr);
int32_t qubes_storage_pool_setup_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                       qubes_storage_error **reterr);

/*
 * What is known of the pool now. An absent directory is no error: is_online is 0, numbers are
 * unknown.
 */
int32_t qubes_storage_pool_get_info(qubes_storage_pool *pool, qubes_storage_pool_info **info,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_pool_get_info_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                          qubes_storage_error **reterr);

/* All volumes that have an image, a session or a revision, sorted by vid. Errors: OFFLINE. */
int32_t qubes_storage_pool_list(qubes_storage_pool *pool, qubes_storage_volumes **volumes,
                                qubes_storage_error **reterr);
int32_t qubes_storage_pool_list_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                      qubes_storage_error **reterr);

/*
 * Clears what crashes left, for every volume of the pool, and reports each finding: stale
 * temporaries, imports that nobody holds, half-done commits. It never removes a committed state, a
 * session, or a revision that is not a second name of either or of another revision. Sessions found
 * are reported ("session"): the caller decides to stop (commit), start (resume) or discard them. A
 * volume that fails is reported too, and does not keep the others from being recovered. Not all of
 * it is synced: what a power cut brings back, the next operation clears. On a kernels pool: nothing
 * to do.
 * Errors: OFFLINE.
 */
int32_t qubes_storage_pool_recover(qubes_storage_pool *pool, qubes_storage_report **report,
                                   qubes_storage_error **reterr);
int32_t qubes_storage_pool_recover_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                         qubes_storage_error **reterr);

/*
 * Waits until the work in the background has been done. Its failures are no errors: they make the
 * next start slower.
 */
int32_t qubes_storage_pool_drain(qubes_storage_pool *pool, qubes_storage_error **reterr);
int32_t qubes_storage_pool_drain_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                       qubes_storage_error **reterr);

/*
 * Which of the given places contains this pool, so that its space is not counted twice: the deepest
 * directory that encloses the pool's directory (and is not it), else the LVM thin pool below the
 * device that carries it. `candidates` has `count` entries: an absolute path, or "VG/POOL". Stores
 * the index of the one, or -1 for none.
 * Errors: OFFLINE.
 */
int32_t qubes_storage_pool_included_in(qubes_storage_pool *pool, const char *const *candidates,
                                       size_t count, int64_t *index, qubes_storage_error **reterr);
int32_t qubes_storage_pool_included_in_async(qubes_storage_pool *pool,
                                             const char *const *candidates, size_t count,
                                             qubes_storage_job **job, qubes_storage_error **reterr);

/*
 * A handle for the volume `vid`. The disk is not touched: the volume need not exist. `config` is
 * copied; NULL stands for one with the defaults. Several handles for one volume may exist; the
 * properties set on one are its own.
 * Errors: INVALID (a vid that is not PREFIX/VM/NAME, that could leave the pool, whose NAME ends in
 * -dirty, -precache, -import or .img, or with a part too long; a prefix that is not allowed; flags
 * that contradict each other), READ_ONLY (a kernels pool and a volume that is saved).
 */
int32_t qubes_storage_pool_volume(qubes_storage_pool *pool, const char *vid,
                                  const qubes_storage_volume_config *config,
                                  qubes_storage_volume **volume, qubes_storage_error **reterr);

/* ---- Pools: information -------------------------------------------------------------------- */

/* Pool information: an immutable snapshot. Strings are "" where unknown, or if `info` is NULL. */
qubes_storage_pool_info *qubes_storage_pool_info_ref(qubes_storage_pool_info *info);
void qubes_storage_pool_info_unref(qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_name(const qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_dir_path(const qubes_storage_pool_info *info);
int32_t qubes_storage_pool_info_kind(const qubes_storage_pool_info *info);
int32_t qubes_storage_pool_info_revisions_to_keep(const qubes_storage_pool_info *info);
int32_t qubes_storage_pool_info_is_online(const qubes_storage_pool_info *info);
/* Of the whole filesystem that the pool lies on. */
uint64_t qubes_storage_pool_info_size_bytes(const qubes_storage_pool_info *info);
uint64_t qubes_storage_pool_info_usage_bytes(const qubes_storage_pool_info *info);
/* Which filesystem that is ("xfs"), where it is mounted, and the device below it. */
const char *qubes_storage_pool_info_filesystem_type(const qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_mount_point(const qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_device(const qubes_storage_pool_info *info);
/* Of the filesystem on that device; "" also where the caller may not read the device. */
const char *qubes_storage_pool_info_device_uuid(const qubes_storage_pool_info *info);
/* 0 where unknown. */
uint32_t qubes_storage_pool_info_logical_sector_bytes(const qubes_storage_pool_info *info);
uint32_t qubes_storage_pool_info_physical_sector_bytes(const qubes_storage_pool_info *info);
/*
 * Tried on unnamed files when the information was taken; 0 as well where that was not possible (a
 * full or read-only filesystem).
 */
int32_t qubes_storage_pool_info_reflink_works(const qubes_storage_pool_info *info);
/*
 * The pieces of work in the background (precaches to make, blocks to free) of this handle of the
 * pool that waited and that ran when the information was taken.
 */
uint64_t qubes_storage_pool_info_background_waiting(const qubes_storage_pool_info *info);
uint64_t qubes_storage_pool_info_background_running(const qubes_storage_pool_info *info);

/* The list: an immutable snapshot. An index out of range gives NULL. */
qubes_storage_volumes *qubes_storage_volumes_ref(qubes_storage_volumes *volumes);
void qubes_storage_volumes_unref(qubes_storage_volumes *volumes);
size_t qubes_storage_volumes_count(const qubes_storage_volumes *volumes);
const char *qubes_storage_volumes_vid(const qubes_storage_volumes *volumes, size_t index);

/* The report of a recovery: one line a finding. An index out of range gives NULL. */
qubes_storage_report *qubes_storage_report_ref(qubes_storage_report *report);
void qubes_storage_report_unref(qubes_storage_report *report);
size_t qubes_storage_report_count(const qubes_storage_report *report);
/* Of a directory that cannot be read: PREFIX/VM. */
const char *qubes_storage_report_vid(const qubes_storage_report *report, size_t index);
/* What was found, with the file's name, and what was done about it: words for people. */
const char *qubes_storage_report_finding(const qubes_storage_report *report, size_t index);
const char *qubes_storage_report_action(const qubes_storage_report *report, size_t index);

/* ---- Volumes: configuration ---------------------------------------------------------------- */

/*
 * Defaults: size 0, and 0 for rw, save_on_stop, snap_on_start and ephemeral; no source;
 * revisions_to_keep of the pool. That is a volatile volume. The setters copy what they are given.
 */
int32_t qubes_storage_volume_config_new(qubes_storage_volume_config **config,
                                        qubes_storage_error **reterr);
qubes_storage_volume_config *qubes_storage_volume_config_ref(qubes_storage_volume_config *config);
void qubes_storage_volume_config_unref(qubes_storage_volume_config *config);

/*
 * The nominal size: of the image that create makes and of a volatile volume's; a snapshot is
 * started with the size of its source or this one, whichever is larger.
 */
int32_t qubes_storage_volume_config_set_size(qubes_storage_volume_config *config,
                                             uint64_t size_bytes, qubes_storage_error **reterr);
/* Whether it may be resized. What a machine may do with its file is the caller's business. */
int32_t qubes_storage_volume_config_set_rw(qubes_storage_volume_config *config, int32_t rw,
                                           qubes_storage_error **reterr);
/* Whether stop commits the session. */
int32_t qubes_storage_volume_config_set_save_on_stop(qubes_storage_volume_config *config,
                                                     int32_t save_on_stop,
                                                     qubes_storage_error **reterr);
/* Whether start begins from the source. Needs one. */
int32_t qubes_storage_volume_config_set_snap_on_start(qubes_storage_volume_config *config,
                                                      int32_t snap_on_start,
                                                      qubes_storage_error **reterr);
/* The vid of a volume of the same pool, "" for none. Needs snap_on_start. */
int32_t qubes_storage_volume_config_set_source(qubes_storage_volume_config *config,
                                               const char *source_vid,
                                               qubes_storage_error **reterr);
/*
 * How many earlier states to keep: 0 or more. -1, on an origin only, disables snapshots: a session
 * then writes the committed state itself, and can be neither discarded nor reverted. Its start
 * removes all revisions.
 */
int32_t qubes_storage_volume_config_set_revisions_to_keep(qubes_storage_volume_config *config,
                                                          int32_t revisions_to_keep,
                                                          qubes_storage_error **reterr);
/*
 * A mark of the caller's (encrypt the session with a key that is thrown away); volume_info gives it
 * back. Only for a volatile volume that is rw.
 */
int32_t qubes_storage_volume_config_set_ephemeral(qubes_storage_volume_config *config,
                                                  int32_t ephemeral, qubes_storage_error **reterr);

/* ---- Volumes: life ------------------------------------------------------------------------- */

qubes_storage_volume *qubes_storage_volume_ref(qubes_storage_volume *volume);

/* An import that this handle holds is given up with the last reference. */
void qubes_storage_volume_unref(qubes_storage_volume *volume);

/* The vid that the handle was opened with. NULL if `volume` is. */
const char *qubes_storage_volume_vid(const qubes_storage_volume *volume);

/*
 * The file that the virtual machine gets, there now or not: `.../NAME-dirty.img`. NULL if `volume`
 * is.
 */
const char *qubes_storage_volume_path(const qubes_storage_volume *volume);

/*
 * Makes the volume: for one that is saved and starts from its own state, an empty (sparse) image of
 * the nominal size. For the others there is nothing to make.
 * Errors: EXISTS (an image, session or revision of that vid is there: remove it first), OFFLINE,
 * NO_SPACE, BUSY (an import is held), READ_ONLY (a kernels pool).
 */
int32_t qubes_storage_volume_create(qubes_storage_volume *volume, uint32_t flags,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_volume_create_async(qubes_storage_volume *volume, uint32_t flags,
                                          qubes_storage_job **job, qubes_storage_error **reterr);

/*
 * Checks that the volume could be started: its image, or that of its source, is there and is a
 * regular file.
 * Errors: NOT_FOUND, DIRTY (the source runs with snapshots disabled), BUSY (a program that is not
 * this library has locked the image of the source), OFFLINE.
 */
int32_t qubes_storage_volume_verify(qubes_storage_volume *volume, qubes_storage_error **reterr);
int32_t qubes_storage_volume_verify_async(qubes_storage_volume *volume, qubes_storage_job **job,
                                          qubes_storage_error **reterr);

/*
 * Removes the image, the session, all revisions and the directory of the VM if it is empty then. A
 * crash in the middle leaves a volume that can be removed again.
 * Errors: NOT_FOUND (a saved volume of which nothing is there), BUSY (an import is held), OFFLINE,
 * READ_ONLY (a kernels pool).
 */
int32_t qubes_storage_volume_remove(qubes_storage_volume *volume, uint32_t flags,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_volume_remove_async(qubes_storage_volume *volume, uint32_t flags,
                                          qubes_storage_job **job, qubes_storage_error **reterr);

/*
 * Begins a session. For a saved volume that has one, left by a crash or started before, that
 * session is resumed. For one that is not saved, a session that is there is thrown away and a new
 * one begun. The virtual machine may write to qubes_storage_volume_path once this has returned, not
 * before.
 * Errors: INVALID (the volume is not saved, but holds a committed state that is no other volume's:
 * it may be an origin, or a snapshot that a crash cut off long ago; remove it first),
 * NOT_FOUND (no image; no source), BUSY (an import is held; snapshots are disabled, and an export
 * or an import from this volume reads the image, or another process is just making a snapshot of
 * it), DIRTY (the source runs with snapshots disabled), NO_SPACE, OFFLINE. Where snapshots are
 * disabled, an error may come after the revisions were removed; the committed state is there.
 */
int32_t qubes_storage_volume_start(qubes_storage_volume *volume, uint32_t flags,
                                   qubes_storage_error **reterr);
int32_t qubes_storage_volume_start_async(qubes_storage_volume *volume, uint32_t flags,
                                         qubes_storage_job **job, qubes_storage_error **reterr);

/*
 * Ends the session: commits it where the volume is saved, throws it away where not. The virtual
 * machine must have closed the file. The state before it is kept as a revision, unless nothing was
 * written in the session; then those beyond revisions_to_keep are removed. Without a session:
 * nothing to do, OK. Works on a full filesystem.
 * Errors: NOT_FOUND, OFFLINE, NO_SPACE, UNKNOWN_OUTCOME. After IO or NO_SPACE from the step "sync
 * session" what the virtual machine wrote last may be lost, and a sync that is repeated would not
 * say so: this handle refuses to commit that session from then on (IO); discard it, or open the
 * volume anew to look. After any other NO_SPACE the session goes on: stop it again.
 */
int32_t qubes_storage_volume_stop(qubes_storage_volume *volume, uint32_t flags,
                                  qubes_storage_error **reterr);
int32_t qubes_storage_volume_stop_async(qubes_storage_volume *volume, uint32_t flags,
                                        qubes_storage_job **job, qubes_storage_error **reterr);

/*
 * Ends the session of a saved volume without committing it; for others the same as stop. Works on a
 * full filesystem. Without a session: nothing to do, OK.
 * Errors: NOT_SUPPORTED (snapshots are disabled, or there is no committed state to go back to: the
 * session is all there is), NOT_FOUND, OFFLINE.
 */
int32_t qubes_storage_volume_discard(qubes_storage_volume *volume, uint32_t flags,
                                     qubes_storage_error **reterr);
int32_t qubes_storage_volume_discard_async(qubes_storage_volume *volume, uint32_t flags,
                                           qubes_storage_job **job, qubes_storage_error **reterr);

/*
 * Makes revision `number` the committed state; 0 stands for the newest that differs from it. The
 * state before is kept as a new revision, whatever revisions_to_keep says.
 * Errors: DIRTY (there is a session), NOT_FOUND (no such revision), NOT_SUPPORTED (the volume is
 * not saved), OFFLINE, NO_SPACE, UNKNOWN_OUTCOME.
 */
int32_t qubes_storage_volume_revert(qubes_storage_volume *volume, uint64_t number, uint32_t flags,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_volume_revert_async(qubes_storage_volume *volume, uint64_t number,
                                          uint32_t flags, qubes_storage_job **job,
                                          qubes_storage_error **reterr);

/* Allows resize to make a volume smaller, which cuts off its end. */
#define QUBES_STORAGE_RESIZE_SHRINK 1u

/*
 * Changes the size. With a session: of its file, and of every loop device on that file. Without,
 * for a saved volume: of the committed state (shrinking keeps the longer state as a revision,
 * unless revisions_to_keep is 0 or -1). Without an image: only the nominal size, which the next
 * start uses.
 * Errors: READ_ONLY (rw is 0), INVALID (smaller without QUBES_STORAGE_RESIZE_SHRINK; a snapshot
 * that would start smaller than its source), BUSY (an import is held), NOT_FOUND, OFFLINE,
 * NO_SPACE, UNKNOWN_OUTCOME; IO with the path of a loop device: the file has the new size, the
 * device does not. After IO or NO_SPACE from the step "sync session": as stop.
 */
int32_t qubes_storage_volume_resize(qubes_storage_volume *volume, uint64_t size_bytes,
                                    uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_resize_async(qubes_storage_volume *volume, uint64_t size_bytes,
                                          uint32_t flags, qubes_storage_job **job,
                                          qubes_storage_error **reterr);

/* ---- Volumes: import and export ------------------------------------------------------------ */

/*
 * Begins an import: makes an empty file of the given size at qubes_storage_volume_import_path, for
 * anybody to fill. This handle holds it until import_end or its last unref (a crash gives it up).
 * On a volume that is not saved: nothing to do, OK.
 * Errors: DIRTY (there is a session), BUSY (an import is held), OFFLINE, NO_SPACE, READ_ONLY (a
 * kernels pool).
 */
int32_t qubes_storage_volume_import_begin(qubes_storage_volume *volume, uint64_t size_bytes,
                                          uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_begin_async(qubes_storage_volume *volume, uint64_t size_bytes,
                                                uint32_t flags, qubes_storage_job **job,
                                                qubes_storage_error **reterr);

/* The file to fill, there now or not: `.../NAME-import.img`. NULL if `volume` is. */
const char *qubes_storage_volume_import_path(const qubes_storage_volume *volume);

/*
 * Ends the import that this handle holds. `success` 1 commits it: what was committed before becomes
 * a revision, as at stop. 0 throws it away. On a volume that is not saved: nothing to do, OK.
 * Errors: NOT_FOUND (this handle holds none), BUSY (it holds one that is still being copied, by
 * import_volume or import_fd), DIRTY (cannot happen while it is held, unless somebody made a
 * session by hand), NO_SPACE, UNKNOWN_OUTCOME. After an error the import is still held, unless it
 * is NOT_FOUND or UNKNOWN_OUTCOME: end it again. After IO or NO_SPACE from the step "sync session"
 * it can only be thrown away.
 */
int32_t qubes_storage_volume_import_end(qubes_storage_volume *volume, int32_t success,
                                        uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_end_async(qubes_storage_volume *volume, int32_t success,
                                              uint32_t flags, qubes_storage_job **job,
                                              qubes_storage_error **reterr);

/*
 * Imports the committed state of `source`, a volume of any pool: by reflink if both lie on one
 * filesystem that can, else by a sparse copy. Between two volumes of kernels pools, and into a
 * volume that is not saved: nothing to do, OK. `progress` may be NULL.
 * Errors: those of import_begin; those of export_fd for the source; CANCELLED, NO_SPACE.
 */
int32_t qubes_storage_volume_import_volume(qubes_storage_volume *volume,
                                           qubes_storage_volume *source,
                                           qubes_storage_progress progress, void *opaque,
                                           uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_volume_async(qubes_storage_volume *volume,
                                                 qubes_storage_volume *source, uint32_t flags,
                                                 qubes_storage_job **job,
                                                 qubes_storage_error **reterr);

/*
 * Imports from a descriptor: a regular file whole, anything else from where it stands to its end.
 * Blocks of zeros become holes. `size_bytes` is what the data must come to, or
 * QUBES_STORAGE_UNKNOWN. The descriptor stays the caller's. `progress` may be NULL.
 * Errors: those of import_begin; INVALID (the data is shorter or longer than `size_bytes`),
 * CANCELLED, NO_SPACE.
 */
int32_t qubes_storage_volume_import_fd(qubes_storage_volume *volume, int fd, uint64_t size_bytes,
                                       qubes_storage_progress progress, void *opaque,
                                       uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_fd_async(qubes_storage_volume *volume, int fd,
                                             uint64_t size_bytes, uint32_t flags,
                                             qubes_storage_job **job, qubes_storage_error **reterr);

/*
 * A read-only descriptor of the committed state, which the caller closes. It is pinned: what is
 * committed later does not change what it reads.
 * Errors: NOT_FOUND, DIRTY (the volume runs with snapshots disabled, so nothing is committed now),
 * BUSY (a program that is not this library has locked the image), NOT_SUPPORTED (a volume that is
 * not saved), OFFLINE.
 */
int32_t qubes_storage_volume_export_fd(qubes_storage_volume *volume, uint32_t flags, int *fd,
                                       qubes_storage_error **reterr);
int32_t qubes_storage_volume_export_fd_async(qubes_storage_volume *volume, uint32_t flags,
                                             qubes_storage_job **job, qubes_storage_error **reterr);

/*
 * Writes the committed state to a descriptor: holes stay holes in a regular file (what it held is
 * replaced) and are zeros anywhere else. The descriptor stays the caller's; nothing is synced.
 * `progress` may be NULL.
 * Errors: those of export_fd; CANCELLED, NO_SPACE.
 */
int32_t qubes_storage_volume_export_to(qubes_storage_volume *volume, int fd,
                                       qubes_storage_progress progress, void *opaque,
                                       uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_export_to_async(qubes_storage_volume *volume, int fd, uint32_t flags,
                                             qubes_storage_job **job, qubes_storage_error **reterr);

/* ---- Volumes: properties ------------------------------------------------------------------- */

/*
 * Removes the oldest revisions until `keep` (0 or more) are left.
 * Errors: NOT_SUPPORTED (a volume that is not saved), NOT_FOUND, OFFLINE.
 */
int32_t qubes_storage_volume_prune(qubes_storage_volume *volume, int32_t keep, uint32_t flags,
                                   qubes_storage_error **reterr);
int32_t qubes_storage_volume_prune_async(qubes_storage_volume *volume, int32_t keep, uint32_t flags,
                                         qubes_storage_job **job, qubes_storage_error **reterr);

/*
 * What is known of the volume now. Waits for no operation. An absent pool or image is no error:
 * numbers are unknown, or the nominal ones.
 */
int32_t qubes_storage_volume_get_info(qubes_storage_volume *volume,
                                      qubes_storage_volume_info **info,
                                      qubes_storage_error **reterr);
int32_t qubes_storage_volume_get_info_async(qubes_storage_volume *volume, qubes_storage_job **job,
                                            qubes_storage_error **reterr);

/* The revisions, oldest number first. Waits for no operation. None where nothing is there. */
int32_t qubes_storage_volume_get_revisions(qubes_storage_volume *volume,
                                           qubes_storage_revisions **revisions,
                                           qubes_storage_error **reterr);
int32_t qubes_storage_volume_get_revisions_async(qubes_storage_volume *volume,
                                                 qubes_storage_job **job,
                                                 qubes_storage_error **reterr);

/*
 * See the setter of the configuration.
 * Errors: READ_ONLY (a kernels pool), INVALID (0 on an ephemeral volume).
 */
int32_t qubes_storage_volume_set_rw(qubes_storage_volume *volume, int32_t rw,
                                    qubes_storage_error **reterr);

/*
 * See the setter of the configuration. Lowering it removes nothing until the next commit or prune;
 * -1 nothing until the next start.
 * Errors: DIRTY (turning -1 on or off while there is a session), INVALID (less than -1; -1 where
 * the volume is not an origin), READ_ONLY (a kernels pool), OFFLINE.
 */
int32_t qubes_storage_volume_set_revisions_to_keep(qubes_storage_volume *volume,
                                                   int32_t revisions_to_keep,
                                                   qubes_storage_error **reterr);
int32_t qubes_storage_volume_set_revisions_to_keep_async(qubes_storage_volume *volume,
                                                         int32_t revisions_to_keep,
                                                         qubes_storage_job **job,
                                                         qubes_storage_error **reterr);

/* ---- Volumes: information ------------------------------------------------------------------ */

/* Volume information: an immutable snapshot. If `info` is NULL: 0, or NULL. */
qubes_storage_volume_info *qubes_storage_volume_info_ref(qubes_storage_volume_info *info);
void qubes_storage_volume_info_unref(qubes_storage_volume_info *info);
const char *qubes_storage_volume_info_vid(const qubes_storage_volume_info *info);
const char *qubes_storage_volume_info_path(const qubes_storage_volume_info *info);
/* The size of the session's file, else of the committed state, else the nominal size. */
uint64_t qubes_storage_volume_info_size_bytes(const qubes_storage_volume_info *info);
/*
 * What is allocated to the same file, blocks shared with other files included; UNKNOWN where there
 * is none.
 */
uint64_t qubes_storage_volume_info_usage_bytes(const qubes_storage_volume_info *info);
/* What the configuration says, or has been set since. */
uint64_t qubes_storage_volume_info_nominal_size_bytes(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_rw(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_save_on_stop(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_snap_on_start(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_revisions_to_keep(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_ephemeral(const qubes_storage_volume_info *info);
/* The vid, NULL where there is none. */
const char *qubes_storage_volume_info_source(const qubes_storage_volume_info *info);
/* Whether a session's file is there. */
int32_t qubes_storage_volume_info_is_started(const qubes_storage_volume_info *info);
/* Whether it is there and the volume is saved: something that was not committed. */
int32_t qubes_storage_volume_info_is_dirty(const qubes_storage_volume_info *info);
/*
 * Whether the source of a started snapshot volume has been committed anew since. Always 0 for other
 * kinds.
 */
int32_t qubes_storage_volume_info_is_outdated(const qubes_storage_volume_info *info);

/* The revisions: an immutable snapshot. An index out of range gives 0. */
qubes_storage_revisions *qubes_storage_revisions_ref(qubes_storage_revisions *revisions);
void qubes_storage_revisions_unref(qubes_storage_revisions *revisions);
size_t qubes_storage_revisions_count(const qubes_storage_revisions *revisions);
uint64_t qubes_storage_revisions_number(const qubes_storage_revisions *revisions, size_t index);
/*
 * When its content was last written, in whole seconds, though in the unit of all times. It orders
 * nothing.
 */
int64_t qubes_storage_revisions_created_ns(const qubes_storage_revisions *revisions, size_t index);
/* Of the image, as it was committed. */
uint64_t qubes_storage_revisions_size_bytes(const qubes_storage_revisions *revisions, size_t index);

/* ---- Jobs ---------------------------------------------------------------------------------- */

/*
 * A job keeps its pool and volume alive. To drop it does not end it: whichever handle of the pool
 * is dropped last (a volume, a job, the pool itself) waits for all jobs, then for the background.
 */
qubes_storage_job *qubes_storage_job_ref(qubes_storage_job *job);
void qubes_storage_job_unref(qubes_storage_job *job);

/*
 * An eventfd that becomes readable when the job has finished and stays so: for poll(2) and every
 * event loop. It is the job's: do not read or close it. -1 if `job` is NULL.
 */
int qubes_storage_job_fd(const qubes_storage_job *job);

/*
 * Waits until the job has finished, well or not, for at most `timeout_ms` milliseconds; -1 stands
 * for ever, 0 only looks.
 * Errors: TIMEOUT.
 */
int32_t qubes_storage_job_wait(qubes_storage_job *job, int32_t timeout_ms,
                               qubes_storage_error **reterr);

/*
 * Bytes done, and bytes in all or QUBES_STORAGE_UNKNOWN. Only what moves or clones data counts: 0
 * and UNKNOWN before that.
 */
int32_t qubes_storage_job_progress(const qubes_storage_job *job, uint64_t *bytes_done,
                                   uint64_t *bytes_total, qubes_storage_error **reterr);

/*
 * Asks the job to end with CANCELLED, and returns at once. It takes effect between steps, never in
 * the middle of one, and as long as nothing has been published: nothing of the operation is left
 * then. A job that has come further, or has finished, ends as it would have.
 */
int32_t qubes_storage_job_cancel(qubes_storage_job *job, qubes_storage_error **reterr);

/*
 * What the operation answered, any number of times.
 * Errors: BUSY (the job has not finished; some operations answer it, too: wait first), CANCELLED,
 * and those of the operation.
 */
int32_t qubes_storage_job_result(const qubes_storage_job *job, qubes_storage_error **reterr);

/*
 * The output of a job, each for the functions that have such an output: a new reference. (get_fd
 * gives the descriptor away, once.)
 * Errors: those of qubes_storage_job_result; INVALID (the job is of a function without such an
 * output), NOT_FOUND (get_fd: it has been given away).
 */
int32_t qubes_storage_job_get_pool_info(const qubes_storage_job *job,
                                        qubes_storage_pool_info **info,
                                        qubes_storage_error **reterr);
int32_t qubes_storage_job_get_volumes(const qubes_storage_job *job,
                                      qubes_storage_volumes **volumes,
                                      qubes_storage_error **reterr);
int32_t qubes_storage_job_get_report(const qubes_storage_job *job, qubes_storage_report **report,
                                     qubes_storage_error **reterr);
int32_t qubes_storage_job_get_index(const qubes_storage_job *job, int64_t *index,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_job_get_volume_info(const qubes_storage_job *job,
                                          qubes_storage_volume_info **info,
                                          qubes_storage_error **reterr);
int32_t qubes_storage_job_get_revisions(const qubes_storage_job *job,
                                        qubes_storage_revisions **revisions,
                                        qubes_storage_error **reterr);
int32_t qubes_storage_job_get_fd(qubes_storage_job *job, int *fd, qubes_storage_error **reterr);
int32_t qubes_storage_job_get_reflinked(const qubes_storage_job *job, int32_t *reflinked,
                                        qubes_storage_error **reterr);
int32_t qubes_storage_job_get_supported(const qubes_storage_job *job, int32_t *supported,
                                        qubes_storage_error **reterr);

/* ---- Building blocks for other drivers ----------------------------------------------------- */

/* Gives the clone the mtime of the source instead of the current time. */
#define QUBES_STORAGE_CLONE_KEEP_MTIME 1u

/*
 * Clones a regular file: by reflink, at one moment, or by a sparse copy where that cannot be. (A
 * job clones in pieces, so that it can be cancelled: the source must not change.) `target` is
 * replaced in one step, or made, mode 0600; its parent directory is made if it is absent (one
 * level). The clone gets the size `size_bytes`, or that of the source if QUBES_STORAGE_UNKNOWN.
 * Stores in `*reflinked`, which may be NULL, whether blocks are shared.
 * Durability: content and name, when it returns. A crash before leaves the old target, whole, and
 * perhaps a temporary `TARGET~XXXXXXXX`.
 * Errors: NOT_FOUND, CORRUPT (either is something else than a regular file), NO_SPACE,
 * UNKNOWN_OUTCOME.
 */
int32_t qubes_storage_file_clone(const char *source, const char *target, uint64_t size_bytes,
                                 uint32_t flags, int32_t *reflinked, qubes_storage_error **reterr);
int32_t qubes_storage_file_clone_async(const char *source, const char *target, uint64_t size_bytes,
                                       uint32_t flags, qubes_storage_job **job,
                                       qubes_storage_error **reterr);

/* Makes (or replaces, as file_clone does) a file of zeros that takes no space. */
int32_t qubes_storage_file_create_sparse(const char *path, uint64_t size_bytes,
                                         qubes_storage_error **reterr);
int32_t qubes_storage_file_create_sparse_async(const char *path, uint64_t size_bytes,
                                               qubes_storage_job **job,
                                               qubes_storage_error **reterr);

/*
 * Changes the size of a file in place, either way. Durable when it returns. Errors: NOT_FOUND,
 * NO_SPACE.
 */
int32_t qubes_storage_file_resize(const char *path, uint64_t size_bytes,
                                  qubes_storage_error **reterr);
int32_t qubes_storage_file_resize_async(const char *path, uint64_t size_bytes,
                                        qubes_storage_job **job, qubes_storage_error **reterr);

/* Tells every loop device on the file that its size has changed. Errors: NOT_FOUND. */
int32_t qubes_storage_loop_refresh(const char *path, qubes_storage_error **reterr);
int32_t qubes_storage_loop_refresh_async(const char *path, qubes_storage_job **job,
                                         qubes_storage_error **reterr);

/*
 * Whether files of `source_dir` can be cloned into `target_dir` by sharing blocks; NULL for
 * `source_dir` stands for the same directory. Tried on unnamed files.
 * Errors: NOT_FOUND, NO_SPACE, READ_ONLY.
 */
int32_t qubes_storage_reflink_supported(const char *target_dir, const char *source_dir,
                                        int32_t *supported, qubes_storage_error **reterr);
int32_t qubes_storage_reflink_supported_async(const char *target_dir, const char *source_dir,
                                              qubes_storage_job **job,
                                              qubes_storage_error **reterr);

#ifdef __cplusplus
}
#endif

#endif
