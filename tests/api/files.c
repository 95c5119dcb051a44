/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files, listings and the process's own resources for the API tests. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

enum { kLinesMax = 4096 };

static char* lines[kLinesMax];
static size_t line_count;
static size_t root_length;

void make_directory(const char* path) {
  if (mkdir(path, 0700) == -1 && errno != EEXIST) die(path);
}

void make_file(const char* path, uint64_t size, const char* text) {
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd == -1 || ftruncate(fd, (off_t)size) == -1) die(path);
  close(fd);
  if (text != NULL) write_text(path, 0, text);
}

void write_text(const char* path, off_t offset, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  const ssize_t length = (ssize_t)strlen(text);
  if (fd == -1 || pwrite(fd, text, (size_t)length, offset) != length) die(path);
  close(fd);
}

int fd_has_text(int fd, off_t offset, const char* text) {
  char buffer[256];
  const size_t length = strlen(text);
  return pread(fd, buffer, length, offset) == (ssize_t)length && memcmp(buffer, text, length) == 0;
}

int has_text(const char* path, off_t offset, const char* text) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd == -1) return 0;
  const int same = fd_has_text(fd, offset, text);
  close(fd);
  return same;
}

static struct stat status_of(const char* path) {
  struct stat status;
  if (lstat(path, &status) == -1) memset(&status, 0xff, sizeof status);
  return status;
}

int is_there(const char* path) {
  return access(path, F_OK) == 0;
}
uint64_t size_of(const char* path) {
  return (uint64_t)status_of(path).st_size;
}
uint64_t allocated(const char* path) {
  return (uint64_t)status_of(path).st_blocks * 512;
}
ino_t inode_of(const char* path) {
  return status_of(path).st_ino;
}

static int add_line(const char* path, const struct stat* status, int type, struct FTW* where) {
  char line[8192];
  (void)where;
  /* A directory's size and links are the filesystem's own affair. */
  const int is_directory = type == FTW_D;
  snprintf(line, sizeof line, "%s mode %o size %lld inode %llu links %llu\n", path + root_length,
           (unsigned)status->st_mode, is_directory ? 0LL : (long long)status->st_size,
           (unsigned long long)status->st_ino,
           is_directory ? 0ULL : (unsigned long long)status->st_nlink);
  if (line_count == kLinesMax) die("too many files");
  lines[line_count++] = strdup(line);
  return 0;
}

static int compare_lines(const void* a, const void* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}

char* listing(const char* directory) {
  size_t length = 1;
  line_count = 0;
  root_length = strlen(directory);
  if (is_there(directory) && nftw(directory, add_line, 16, FTW_PHYS) != 0) die(directory);
  qsort(lines, line_count, sizeof lines[0], compare_lines);
  for (size_t i = 0; i < line_count; ++i) length += strlen(lines[i]);
  char* text = malloc(length);
  if (text == NULL) die("malloc");
  text[0] = '\0';
  for (size_t i = 0; i < line_count; ++i) {
    strcat(text, lines[i]);
    free(lines[i]);
  }
  return text;
}

int is_unchanged(const char* directory, char* before) {
  char* now = listing(directory);
  const int same = strcmp(before, now) == 0;
  if (!same) printf("--- before\n%s--- now\n%s", before, now);
  free(before);
  free(now);
  return same;
}

static int count_entries(const char* directory) {
  DIR* stream = opendir(directory);
  int count = 0;
  if (stream == NULL) die(directory);
  while (readdir(stream) != NULL) ++count;
  closedir(stream);
  return count;
}

int count_descriptors(void) {
  return count_entries("/proc/self/fd");
}
int count_threads(void) {
  return count_entries("/proc/self/task");
}

int closed_descriptor(void) {
  const int fd = open("/dev/null", O_RDONLY);
  if (fd == -1 || close(fd) == -1) die("/dev/null");
  return fd;
}
