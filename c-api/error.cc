// SPDX-License-Identifier: LGPL-2.1-or-later
// Errors of the C API, and the version.
#include <cerrno>
#include <new>
#include <system_error>

#include "c-api/handles.h"

namespace {

using qubes::storage::Code;
using qubes::storage::Error;

constexpr bool agree(Code code, std::int32_t value) {
  return static_cast<std::int32_t>(code) == value;
}
static_assert(agree(Code::ok, QUBES_STORAGE_OK));
static_assert(agree(Code::invalid, QUBES_STORAGE_INVALID));
static_assert(agree(Code::not_found, QUBES_STORAGE_NOT_FOUND));
static_assert(agree(Code::exists, QUBES_STORAGE_EXISTS));
static_assert(agree(Code::busy, QUBES_STORAGE_BUSY));
static_assert(agree(Code::dirty, QUBES_STORAGE_DIRTY));
static_assert(agree(Code::read_only, QUBES_STORAGE_READ_ONLY));
static_assert(agree(Code::not_supported, QUBES_STORAGE_NOT_SUPPORTED));
static_assert(agree(Code::no_space, QUBES_STORAGE_NO_SPACE));
static_assert(agree(Code::io, QUBES_STORAGE_IO));
static_assert(agree(Code::corrupt, QUBES_STORAGE_CORRUPT));
static_assert(agree(Code::offline, QUBES_STORAGE_OFFLINE));
static_assert(agree(Code::cancelled, QUBES_STORAGE_CANCELLED));
static_assert(agree(Code::timeout, QUBES_STORAGE_TIMEOUT));
static_assert(agree(Code::no_memory, QUBES_STORAGE_NO_MEMORY));
static_assert(agree(Code::internal, QUBES_STORAGE_INTERNAL));
static_assert(agree(Code::unknown_outcome, QUBES_STORAGE_UNKNOWN_OUTCOME));

// Handed out when not even an error can be allocated. The texts fit into the strings themselves.
qubes_storage_error* out_of_memory() {
  static qubes_storage_error& error = []() -> qubes_storage_error& {
    static qubes_storage_error made;
    made.code = QUBES_STORAGE_NO_MEMORY;
    made.errno_value = ENOMEM;
    made.step = "allocate";
    made.message = "out of memory";
    return made;
  }();
  error.references.fetch_add(1, std::memory_order_relaxed);  // the first is never dropped
  return &error;
}

std::int32_t report(qubes_storage_error** reterr, Code code, int errno_value,
                    const std::string& step, const std::string& path, const char* message) {
  const auto value = static_cast<std::int32_t>(code);
  if (reterr == nullptr) return value;
  try {
    auto error = std::make_unique<qubes_storage_error>();
    error->code = value;
    error->errno_value = errno_value;
    error->step = step;
    error->path = path;
    error->message = message;
    *reterr = error.release();
  } catch (const std::bad_alloc&) {
    *reterr = out_of_memory();  // The code that is returned is right all the same.
  }
  return value;
}

std::int32_t report_current(qubes_storage_error** reterr) {
  try {
    throw;
  } catch (const Error& error) {
    return report(reterr, error.code(), error.errno_value(), error.step(), error.path(),
                  error.what());
  } catch (const std::bad_alloc&) {
    return report(reterr, Code::no_memory, ENOMEM, "allocate", "", "out of memory");
  } catch (const std::system_error& error) {
    return report(reterr, Code::no_memory, error.code().value(), "start thread", "", error.what());
  } catch (const std::exception& error) {
    return report(reterr, Code::internal, 0, "", "", error.what());
  } catch (...) {
    return report(reterr, Code::internal, 0, "", "", "unknown exception");
  }
}

}  // namespace

namespace qubes::storage::c_api {

std::int32_t report_exception(qubes_storage_error** reterr) noexcept {
  try {
    return report_current(reterr);
  } catch (...) {
    if (reterr != nullptr) *reterr = out_of_memory();
    return QUBES_STORAGE_NO_MEMORY;
  }
}

Progress to_progress(qubes_storage_progress progress, void* opaque) {
  if (progress == nullptr) return nullptr;
  return [progress, opaque](std::uint64_t done, std::optional<std::uint64_t> total) {
    if (progress(opaque, done, total.value_or(QUBES_STORAGE_UNKNOWN)) != 0) {
      refuse(Code::cancelled, "copy", "", "the progress function asked to stop");
    }
  };
}

}  // namespace qubes::storage::c_api

using qubes::storage::c_api::ref;
using qubes::storage::c_api::unref;

extern "C" {

const char* qubes_storage_version(void) {
  return QUBES_STORAGE_VERSION_STRING;
}

const char* qubes_storage_code_name(int32_t code) {
  switch (code) {
    case QUBES_STORAGE_OK:
      return "OK";
    case QUBES_STORAGE_INVALID:
      return "INVALID";
    case QUBES_STORAGE_NOT_FOUND:
      return "NOT_FOUND";
    case QUBES_STORAGE_EXISTS:
      return "EXISTS";
    case QUBES_STORAGE_BUSY:
      return "BUSY";
    case QUBES_STORAGE_DIRTY:
      return "DIRTY";
    case QUBES_STORAGE_READ_ONLY:
      return "READ_ONLY";
    case QUBES_STORAGE_NOT_SUPPORTED:
      return "NOT_SUPPORTED";
    case QUBES_STORAGE_NO_SPACE:
      return "NO_SPACE";
    case QUBES_STORAGE_IO:
      return "IO";
    case QUBES_STORAGE_CORRUPT:
      return "CORRUPT";
    case QUBES_STORAGE_OFFLINE:
      return "OFFLINE";
    case QUBES_STORAGE_CANCELLED:
      return "CANCELLED";
    case QUBES_STORAGE_TIMEOUT:
      return "TIMEOUT";
    case QUBES_STORAGE_NO_MEMORY:
      return "NO_MEMORY";
    case QUBES_STORAGE_INTERNAL:
      return "INTERNAL";
    case QUBES_STORAGE_UNKNOWN_OUTCOME:
      return "UNKNOWN_OUTCOME";
    default:
      return "UNKNOWN_CODE";
  }
}

qubes_storage_error* qubes_storage_error_ref(qubes_storage_error* error) {
  return ref(error);
}
void qubes_storage_error_unref(qubes_storage_error* error) {
  unref(error);
}

int32_t qubes_storage_error_code(const qubes_storage_error* error) {
  return error != nullptr ? error->code : QUBES_STORAGE_INVALID;
}

int32_t qubes_storage_error_errno(const qubes_storage_error* error) {
  return error != nullptr ? error->errno_value : 0;
}

const char* qubes_storage_error_step(const qubes_storage_error* error) {
  return error != nullptr ? error->step.c_str() : "";
}

const char* qubes_storage_error_path(const qubes_storage_error* error) {
  return error != nullptr ? error->path.c_str() : "";
}

const char* qubes_storage_error_message(const qubes_storage_error* error) {
  return error != nullptr ? error->message.c_str() : "";
}

}  // extern "C"
