/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a script (scenario.txt) by the C API: `scenario SCRIPT DIRECTORY`. Prints each command with
 * its answer: "ok", a value ("-" if that is empty), or the name of the code.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <qubes/storage.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kWordsMax = 12, kVolumesMax = 16, kLineMax = 256, kPathMax = 4096, kAnswerMax = 1024 };

struct volume {
  char name[32];
  qubes_storage_volume* volume;
};

static const char* directory;
static qubes_storage_pool* pool;
static struct volume volumes[kVolumesMax];
static int is_job;              /* the command begins with `job` */
static qubes_storage_job* job;  /* of the command, if it does */
static char answer[kAnswerMax]; /* of a command that did well */

/* A script that is wrong, or a disk that is. */
static void die(const char* what) {
  perror(what);
  exit(2);
}

static uint64_t number(const char* word) {
  char* end = NULL;
  const uint64_t value = strtoull(word, &end, 10);
  if (*word == '\0' || *end != '\0') die(word);
  return value;
}

/* In one of two buffers, which are used in turn. */
static const char* file(const char* name) {
  static char paths[2][kPathMax];
  static int turn;
  turn = !turn;
  if (snprintf(paths[turn], kPathMax, "%s/%s", directory, name) >= kPathMax) die(name);
  return paths[turn];
}

static qubes_storage_volume* volume_of(const char* name) {
  for (int i = 0; i < kVolumesMax; ++i) {
    if (strcmp(volumes[i].name, name) == 0) return volumes[i].volume;
  }
  die(name);
  return NULL;
}

static void add_to_answer(const char* word) {
  const size_t used = strlen(answer);
  snprintf(answer + used, kAnswerMax - used, "%s%s", used == 0 ? "" : " ", word);
}

/* `started` is what the twin answered: the job's answer, if there is one. */
static int32_t waited(int32_t started) {
  if (started != 0) return started;
  const int32_t result = qubes_storage_job_wait(job, -1, NULL);
  return result != 0 ? result : qubes_storage_job_result(job, NULL);
}

/* The call; or the call of its twin, and what the job answers. */
#define EITHER(function, ...) \
  (is_job ? waited(function##_async(__VA_ARGS__, &job, NULL)) : function(__VA_ARGS__, NULL))

/* The same for a function with an output. */
#define OUTPUT(function, of, getter, output)                                    \
  (!is_job                                         ? function(of, output, NULL) \
   : waited(function##_async(of, &job, NULL)) == 0 ? getter(job, output, NULL)  \
                                                   : qubes_storage_job_result(job, NULL))

/* ---- Pools ----------------------------------------------------------------------------------- */

static int32_t run_pool(const char* verb) {
  int32_t result = QUBES_STORAGE_INTERNAL;
  if (strcmp(verb, "setup") == 0) return EITHER(qubes_storage_pool_setup, pool);
  if (strcmp(verb, "drain") == 0) return EITHER(qubes_storage_pool_drain, pool);
  if (strcmp(verb, "recover") == 0) {
    qubes_storage_report* report = NULL;
    result = OUTPUT(qubes_storage_pool_recover, pool, qubes_storage_job_get_report, &report);
    for (size_t i = 0; i < qubes_storage_report_count(report); ++i) {
      add_to_answer(qubes_storage_report_vid(report, i));
    }
    qubes_storage_report_unref(report);
  } else if (strcmp(verb, "list") == 0) {
    qubes_storage_volumes* list = NULL;
    result = OUTPUT(qubes_storage_pool_list, pool, qubes_storage_job_get_volumes, &list);
    for (size_t i = 0; i < qubes_storage_volumes_count(list); ++i) {
      add_to_answer(qubes_storage_volumes_vid(list, i));
    }
    qubes_storage_volumes_unref(list);
  } else {
    die(verb);
  }
  return result;
}

/* `volume NAME VID [OPTION...]` */
static int32_t set_option(qubes_storage_volume_config* config, const char* word) {
  if (strcmp(word, "rw") == 0) return qubes_storage_volume_config_set_rw(config, 1, NULL);
  if (strcmp(word, "save") == 0) {
    return qubes_storage_volume_config_set_save_on_stop(config, 1, NULL);
  }
  if (strcmp(word, "snap") == 0) {
    return qubes_storage_volume_config_set_snap_on_start(config, 1, NULL);
  }
  if (strncmp(word, "source=", 7) == 0) {
    return qubes_storage_volume_config_set_source(config, word + 7, NULL);
  }
  if (strncmp(word, "size=", 5) == 0) {
    return qubes_storage_volume_config_set_size(config, number(word + 5), NULL);
  }
  if (strncmp(word, "keep=", 5) == 0) {
    return qubes_storage_volume_config_set_revisions_to_keep(config, atoi(word + 5), NULL);
  }
  die(word);
  return QUBES_STORAGE_INTERNAL;
}

static int32_t open_volume(char** words, int count) {
  qubes_storage_volume_config* config = NULL;
  int32_t result = qubes_storage_volume_config_new(&config, NULL);
  int index = 0;
  while (index < kVolumesMax && volumes[index].volume != NULL) ++index;
  if (index == kVolumesMax || strlen(words[1]) >= sizeof volumes[0].name) die("too many volumes");
  for (int i = 3; result == 0 && i < count; ++i) result = set_option(config, words[i]);
  if (result == 0) {
    result = qubes_storage_pool_volume(pool, words[2], config, &volumes[index].volume, NULL);
  }
  if (result == 0) strcpy(volumes[index].name, words[1]);
  qubes_storage_volume_config_unref(config);
  return result;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* What a virtual machine or a person does: no business of the library. */
static void write_text(const char* path, const char* offset, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd == -1) die(path);
  const ssize_t length = (ssize_t)strlen(text);
  if (pwrite(fd, text, (size_t)length, (off_t)number(offset)) != length) die(path);
  if (close(fd) == -1) die(path);
}

static int open_new(const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd == -1) die(path);
  return fd;
}

/* 1 if it was such a command. */
static int run_by_hand(char** words, int count) {
  if (strcmp(words[0], "write") == 0 && count == 4) {
    write_text(qubes_storage_volume_path(volume_of(words[1])), words[2], words[3]);
  } else if (strcmp(words[0], "write-import") == 0 && count == 4) {
    write_text(qubes_storage_volume_import_path(volume_of(words[1])), words[2], words[3]);
  } else if (strcmp(words[0], "file") == 0 && count == 5) {
    const int fd = open_new(file(words[1]));
    if (ftruncate(fd, (off_t)number(words[2])) == -1) die(words[1]);
    close(fd);
    write_text(file(words[1]), words[3], words[4]);
  } else {
    return 0;
  }
  return 1;
}

static int32_t clone_file(char** words, int count) {
  const char* const from = file(words[1]);
  const char* const to = file(words[2]);
  const uint64_t size = count > 3 ? number(words[3]) : QUBES_STORAGE_UNKNOWN;
  int32_t is_reflink = 0, result = 0;
  if (is_job) {
    result = waited(qubes_storage_file_clone_async(from, to, size, 0, &job, NULL));
    if (result == 0) result = qubes_storage_job_get_reflinked(job, &is_reflink, NULL);
  } else {
    result = qubes_storage_file_clone(from, to, size, 0, &is_reflink, NULL);
  }
  if (result == 0) add_to_answer(is_reflink ? "reflinked" : "copied");
  return result;
}

static int32_t run_file(char** words, int count) {
  if (strcmp(words[0], "clone") == 0) return clone_file(words, count);
  const char* const path = file(words[1]);
  const uint64_t size = number(words[2]);
  if (strcmp(words[0], "create-sparse") == 0) {
    return EITHER(qubes_storage_file_create_sparse, path, size);
  }
  return EITHER(qubes_storage_file_resize, path, size);
}

/* ---- Volumes --------------------------------------------------------------------------------- */

static int32_t show(qubes_storage_volume* volume) {
  qubes_storage_volume_info* info = NULL;
  const int32_t result =
      OUTPUT(qubes_storage_volume_get_info, volume, qubes_storage_job_get_volume_info, &info);
  if (result != 0) return result;
  const char* const source = qubes_storage_volume_info_source(info);
  snprintf(answer, kAnswerMax,
           "%s size=%llu nominal=%llu rw=%d save=%d snap=%d keep=%d source=%s started=%d dirty=%d "
           "outdated=%d",
           qubes_storage_volume_info_vid(info),
           (unsigned long long)qubes_storage_volume_info_size_bytes(info),
           (unsigned long long)qubes_storage_volume_info_nominal_size_bytes(info),
           qubes_storage_volume_info_rw(info), qubes_storage_volume_info_save_on_stop(info),
           qubes_storage_volume_info_snap_on_start(info),
           qubes_storage_volume_info_revisions_to_keep(info), source == NULL ? "-" : source,
           qubes_storage_volume_info_is_started(info), qubes_storage_volume_info_is_dirty(info),
           qubes_storage_volume_info_is_outdated(info));
  qubes_storage_volume_info_unref(info);
  return result;
}

static int32_t show_revisions(qubes_storage_volume* volume) {
  qubes_storage_revisions* list = NULL;
  const int32_t result =
      OUTPUT(qubes_storage_volume_get_revisions, volume, qubes_storage_job_get_revisions, &list);
  for (size_t i = 0; i < qubes_storage_revisions_count(list); ++i) {
    char text[kLineMax];
    snprintf(text, sizeof text, "%llu:%llu",
             (unsigned long long)qubes_storage_revisions_number(list, i),
             (unsigned long long)qubes_storage_revisions_size_bytes(list, i));
    add_to_answer(text);
  }
  qubes_storage_revisions_unref(list);
  return result;
}

static int32_t run_volume(const char* verb, qubes_storage_volume* volume) {
  if (strcmp(verb, "show") == 0) return show(volume);
  if (strcmp(verb, "revisions") == 0) return show_revisions(volume);
  if (strcmp(verb, "create") == 0) return EITHER(qubes_storage_volume_create, volume, 0);
  if (strcmp(verb, "verify") == 0) return EITHER(qubes_storage_volume_verify, volume);
  if (strcmp(verb, "remove") == 0) return EITHER(qubes_storage_volume_remove, volume, 0);
  if (strcmp(verb, "start") == 0) return EITHER(qubes_storage_volume_start, volume, 0);
  if (strcmp(verb, "stop") == 0) return EITHER(qubes_storage_volume_stop, volume, 0);
  if (strcmp(verb, "discard") == 0) return EITHER(qubes_storage_volume_discard, volume, 0);
  if (strcmp(verb, "revert") == 0) return EITHER(qubes_storage_volume_revert, volume, 0, 0);
  die(verb);
  return QUBES_STORAGE_INTERNAL;
}

static int32_t import_file(qubes_storage_volume* volume, const char* name) {
  const int fd = open(file(name), O_RDONLY | O_CLOEXEC);
  if (fd == -1) die(name);
  const int32_t result = is_job ? waited(qubes_storage_volume_import_fd_async(
                                      volume, fd, QUBES_STORAGE_UNKNOWN, 0, &job, NULL))
                                : qubes_storage_volume_import_fd(volume, fd, QUBES_STORAGE_UNKNOWN,
                                                                 NULL, NULL, 0, NULL);
  close(fd);
  return result;
}

static int32_t export_to(qubes_storage_volume* volume, const char* name) {
  const int fd = open_new(file(name));
  const int32_t result =
      is_job ? waited(qubes_storage_volume_export_to_async(volume, fd, 0, &job, NULL))
             : qubes_storage_volume_export_to(volume, fd, NULL, NULL, 0, NULL);
  close(fd);
  return result;
}

static int32_t import_volume(qubes_storage_volume* volume, qubes_storage_volume* source) {
  return is_job ? waited(qubes_storage_volume_import_volume_async(volume, source, 0, &job, NULL))
                : qubes_storage_volume_import_volume(volume, source, NULL, NULL, 0, NULL);
}

static int32_t run_with_argument(char** words, int count) {
  const char* const verb = words[0];
  const char* const word = words[2];
  qubes_storage_volume* const volume = volume_of(words[1]);
  if (strcmp(verb, "revert") == 0) {
    return EITHER(qubes_storage_volume_revert, volume, number(word), 0);
  }
  if (strcmp(verb, "resize") == 0) {
    const uint32_t flags = count > 3 ? QUBES_STORAGE_RESIZE_SHRINK : 0;
    return EITHER(qubes_storage_volume_resize, volume, number(word), flags);
  }
  if (strcmp(verb, "prune") == 0) return EITHER(qubes_storage_volume_prune, volume, atoi(word), 0);
  if (strcmp(verb, "set-keep") == 0) {
    return EITHER(qubes_storage_volume_set_revisions_to_keep, volume, atoi(word));
  }
  if (strcmp(verb, "set-rw") == 0) return qubes_storage_volume_set_rw(volume, atoi(word), NULL);
  if (strcmp(verb, "import-begin") == 0) {
    return EITHER(qubes_storage_volume_import_begin, volume, number(word), 0);
  }
  if (strcmp(verb, "import-end") == 0) {
    return EITHER(qubes_storage_volume_import_end, volume, strcmp(word, "ok") == 0, 0);
  }
  if (strcmp(verb, "import-volume") == 0) return import_volume(volume, volume_of(word));
  if (strcmp(verb, "import-file") == 0) return import_file(volume, word);
  if (strcmp(verb, "export") == 0) return export_to(volume, word);
  die(verb);
  return QUBES_STORAGE_INTERNAL;
}

/* ---- The script ------------------------------------------------------------------------------ */

static int32_t run(char** words, int count) {
  if (strcmp(words[0], "volume") == 0) return open_volume(words, count);
  if (count == 1) return run_pool(words[0]);
  if (run_by_hand(words, count)) return 0;
  if (strcmp(words[0], "clone") == 0 || strcmp(words[0], "create-sparse") == 0 ||
      strcmp(words[0], "resize-file") == 0) {
    return run_file(words, count);
  }
  if (count == 2) return run_volume(words[0], volume_of(words[1]));
  return run_with_argument(words, count);
}

/* `show` and the like have an answer of their own, which may be empty. */
static int has_own_answer(const char* verb) {
  static const char* const verbs[] = {"show", "revisions", "list", "recover", "clone"};
  for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; ++i) {
    if (strcmp(verb, verbs[i]) == 0) return 1;
  }
  return 0;
}

static void run_line(const char* line) {
  char text[kLineMax];
  char* words[kWordsMax + 1];
  int count = 0;
  snprintf(text, sizeof text, "%s", line);
  for (char* word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
    if (count == kWordsMax) die(line);
    words[count++] = word;
  }
  is_job = strcmp(words[0], "job") == 0;
  answer[0] = '\0';
  const int32_t result = run(words + is_job, count - is_job);
  qubes_storage_job_unref(job);
  job = NULL;
  const char* said = has_own_answer(words[is_job]) ? answer : "ok";
  if (said[0] == '\0') said = "-";
  if (result != 0) said = qubes_storage_code_name(result);
  printf("%s -> %s\n", line, said);
}

int main(int argc, char** argv) {
  char line[kLineMax];
  qubes_storage_pool_config* config = NULL;
  FILE* const script = argc == 3 ? fopen(argv[1], "r") : NULL;
  if (script == NULL) die("usage: scenario SCRIPT DIRECTORY");
  directory = argv[2];
  if (qubes_storage_pool_config_new(file("pool"), &config, NULL) != 0 ||
      qubes_storage_pool_open(config, &pool, NULL) != 0) {
    die("pool");
  }
  qubes_storage_pool_config_unref(config);
  while (fgets(line, sizeof line, script) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (line[0] != '\0' && line[0] != '#') run_line(line);
  }
  fclose(script);
  for (int i = 0; i < kVolumesMax; ++i) qubes_storage_volume_unref(volumes[i].volume);
  qubes_storage_pool_unref(pool);
  return 0;
}
