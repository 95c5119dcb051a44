/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The harness of the API tests: prints each expression that fails, counts, and goes on. */
#ifndef QUBES_STORAGE_TESTS_API_CHECK_H
#define QUBES_STORAGE_TESTS_API_CHECK_H

#include <errno.h>
#include <qubes/storage.h>
#include <stddef.h>
#include <stdint.h>

/* The error that WORKS and FAILS hand in. It is NULL between two of them. */
extern qubes_storage_error* err;

/* An output that was not set yet, and must not be set by what fails. */
#define UNTOUCHED ((void*)(uintptr_t)0x5a5a5a50u)

/* Both return what they found, for the rare test that cannot go on. */
int check_true(int is_true, const char* text, const char* file, int line);
int check_u64(uint64_t is, uint64_t wanted, const char* text, const char* file, int line);
int check_i64(int64_t is, int64_t wanted, const char* text, const char* file, int line);
int check_text(const char* is, const char* wanted, const char* text, const char* file, int line);
int check_works(int32_t result, const char* text, const char* file, int line);

struct failure {
  int32_t code;
  int errno_value;  /* ANY_ERRNO: not looked at */
  const char* step; /* NULL: not looked at */
  const char* path; /* NULL: not looked at */
};
#define ANY_ERRNO (-1)

void check_fails(int32_t result, struct failure wanted, const char* text, const char* file,
                 int line);
void check_code(int32_t result, int32_t wanted, const char* text, const char* file, int line);

/* Prints "N passed, N failed" and returns the exit status. */
int check_summary(void);

/* Alternates, so that every call is made with `reterr` NULL as well. */
qubes_storage_error** check_reterr(void);

#define CHECK(expression) check_true(!!(expression), #expression, __FILE__, __LINE__)
#define CHECK_U64(is, wanted) check_u64((is), (wanted), #is, __FILE__, __LINE__)
#define CHECK_I64(is, wanted) check_i64((is), (wanted), #is, __FILE__, __LINE__)
#define CHECK_TEXT(is, wanted) check_text((is), (wanted), #is, __FILE__, __LINE__)

/* The call of `function` with these arguments and a `reterr` answers OK, and makes no error. */
#define WORKS(function, ...)                                                                   \
  check_works(function(__VA_ARGS__, check_reterr()), #function "(" #__VA_ARGS__ ")", __FILE__, \
              __LINE__)

/*
 * The call fails so, twice: with a place for the error, which says the same, and without. `as` is
 * a struct failure without its braces' type: FAILS(INVALID(...), ...).
 */
#define FAILS(as, function, ...)                                                                \
  do {                                                                                          \
    const struct failure wanted_ = as;                                                          \
    check_fails(function(__VA_ARGS__, &err), wanted_, #function "(" #__VA_ARGS__ ")", __FILE__, \
                __LINE__);                                                                      \
    check_code(function(__VA_ARGS__, NULL), wanted_.code, #function "(" #__VA_ARGS__ ")",       \
               __FILE__, __LINE__);                                                             \
  } while (0)

/* A refusal of the library: the kernel had no part in it. */
#define REFUSED(name) \
  { QUBES_STORAGE_##name, 0, NULL, NULL }
#define REFUSED_AT(name, step, path) \
  { QUBES_STORAGE_##name, 0, (step), (path) }
/* The kernel's own word. */
#define KERNEL(name, number) \
  { QUBES_STORAGE_##name, (number), NULL, NULL }
#define CODE(name) \
  { QUBES_STORAGE_##name, ANY_ERRNO, NULL, NULL }
/* An argument that can never be right; the path of the error is the argument's name. */
#define BAD(argument) \
  { QUBES_STORAGE_INVALID, 0, "check argument", (argument) }

#endif
