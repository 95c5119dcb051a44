/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is behind the macros of check.h. */
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

qubes_storage_error* err = NULL;

static pthread_mutex_t counts = PTHREAD_MUTEX_INITIALIZER; /* threads check as well */
static unsigned long passed = 0;
static unsigned long failed = 0;

static int count(int is_good, const char* text, const char* file, int line) {
  pthread_mutex_lock(&counts);
  if (is_good) {
    ++passed;
  } else {
    ++failed;
    printf("%s:%d: failed: %s\n", file, line, text);
    fflush(stdout);
  }
  pthread_mutex_unlock(&counts);
  return is_good;
}

int check_true(int is_true, const char* text, const char* file, int line) {
  return count(is_true, text, file, line);
}

int check_u64(uint64_t is, uint64_t wanted, const char* text, const char* file, int line) {
  if (!count(is == wanted, text, file, line)) {
    printf("    is %llu, not %llu\n", (unsigned long long)is, (unsigned long long)wanted);
  }
  return is == wanted;
}

int check_i64(int64_t is, int64_t wanted, const char* text, const char* file, int line) {
  if (!count(is == wanted, text, file, line)) {
    printf("    is %lld, not %lld\n", (long long)is, (long long)wanted);
  }
  return is == wanted;
}

int check_text(const char* is, const char* wanted, const char* text, const char* file, int line) {
  const int same = is == wanted || (is != NULL && wanted != NULL && strcmp(is, wanted) == 0);
  if (!count(same, text, file, line)) {
    printf("    is \"%s\", not \"%s\"\n", is == NULL ? "(NULL)" : is,
           wanted == NULL ? "(NULL)" : wanted);
  }
  return same;
}

/* One sentence for people, without a final full stop, in printable UTF-8. */
static int is_sentence(const char* message) {
  const size_t length = strlen(message);
  if (length == 0 || message[length - 1] == '.') return 0;
  for (const unsigned char* c = (const unsigned char*)message; *c != 0;) {
    int more = *c < 0x80 ? 0 : *c >= 0xc2 && *c < 0xe0 ? 1 : *c < 0xf0 ? 2 : 3;
    if (*c < 0x20 || *c == 0x7f || (*c >= 0x80 && *c < 0xc2) || *c > 0xf4) return 0;
    for (++c; more > 0; --more, ++c) {
      if ((*c & 0xc0) != 0x80) return 0;
    }
  }
  return 1;
}

static void explain(const qubes_storage_error* error) {
  printf("    %s, errno %d, step \"%s\", path \"%.200s\": %.400s\n",
         qubes_storage_code_name(qubes_storage_error_code(error)),
         (int)qubes_storage_error_errno(error), qubes_storage_error_step(error),
         qubes_storage_error_path(error), qubes_storage_error_message(error));
}

int check_works(int32_t result, const char* text, const char* file, int line) {
  const int good = count(result == QUBES_STORAGE_OK && err == NULL, text, file, line);
  if (!good) printf("    answered %s\n", qubes_storage_code_name(result));
  if (err != NULL) explain(err);
  qubes_storage_error_unref(err);
  err = NULL;
  return good;
}

void check_code(int32_t result, int32_t wanted, const char* text, const char* file, int line) {
  if (count(result == wanted, text, file, line)) return;
  printf("    with reterr NULL: answered %s, not %s\n", qubes_storage_code_name(result),
         qubes_storage_code_name(wanted));
}

void check_fails(int32_t result, struct failure wanted, const char* text, const char* file,
                 int line) {
  int good = result == wanted.code && err != NULL && qubes_storage_error_code(err) == result;
  if (good && wanted.errno_value != ANY_ERRNO) {
    good = qubes_storage_error_errno(err) == wanted.errno_value;
  }
  if (good && wanted.step != NULL) {
    good = strcmp(qubes_storage_error_step(err), wanted.step) == 0;
  }
  if (good && wanted.path != NULL) {
    good = strcmp(qubes_storage_error_path(err), wanted.path) == 0;
  }
  if (good) {
    const char* const message = qubes_storage_error_message(err);
    good = is_sentence(message) && qubes_storage_error_step(err)[0] != '\0' &&
           strstr(message, qubes_storage_error_step(err)) != NULL;
  }
  if (!count(good, text, file, line)) {
    printf("    answered %s, not %s\n", qubes_storage_code_name(result),
           qubes_storage_code_name(wanted.code));
    if (err != NULL) explain(err);
  }
  qubes_storage_error_unref(err);
  err = NULL;
}

qubes_storage_error** check_reterr(void) {
  static unsigned calls = 0;
  return ++calls % 4 == 0 ? NULL : &err;
}

int check_summary(void) {
  printf("%lu passed, %lu failed\n", passed, failed);
  fflush(stdout); /* a leak checker may end the program its own way */
  return failed == 0 ? 0 : 1;
}
