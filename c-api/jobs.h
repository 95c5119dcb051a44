// SPDX-License-Identifier: LGPL-2.1-or-later
// One verb, two functions: a verb whose arguments have been checked is a Call, which the plain
// function runs at once and the `_async` twin gives to a job.
#ifndef QUBES_STORAGE_C_API_JOBS_H
#define QUBES_STORAGE_C_API_JOBS_H

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "c-api/handles.h"
#include "src/job.h"
#include "src/job_threads.h"

namespace qubes::storage::c_api {

// What verbs give back, each type for one kind of output.
struct Container {
  std::optional<std::size_t> index;
};
inline std::int64_t index_of(Container container) {
  return container.index ? static_cast<std::int64_t>(*container.index) : -1;
}
struct Reflinked {
  bool value;
};
struct Supported {
  bool value;
};
using Volumes = std::vector<std::string>;
using Report = std::vector<Finding>;
using Revisions = std::vector<RevisionInfo>;
using Output = std::variant<std::monostate, PoolInfo, Volumes, Report, Container, VolumeInfo,
                            Revisions, FilePtr, Reflinked, Supported>;

// What a job came to. Read by others once the job has finished, not before.
struct Outcome {
  ~Outcome() { unref(error); }

  std::int32_t code = QUBES_STORAGE_OK;
  qubes_storage_error* error = nullptr;
  Output output;
};

// The job and its outcome: kept by the handle, and by the thread as long as it runs.
struct RunningJob {
  explicit RunningJob(std::function<Output(const Progress&)> call)
      : job([this, call = std::move(call)](const Progress& progress) { run(call, progress); }) {}

  void run(const std::function<Output(const Progress&)>& call, const Progress& progress);

  Outcome outcome;
  std::mutex output_mutex;  // of a descriptor, which is given away
  Job job;                  // last, so that it has finished with the outcome
};

}  // namespace qubes::storage::c_api

struct qubes_storage_job : qubes_storage_of_process {
  // The pool with its threads: goes last, and waits for the job then.
  std::shared_ptr<void> owner;
  std::shared_ptr<qubes::storage::c_api::RunningJob> running;
};

namespace qubes::storage::c_api {

// A new job that runs `call` on `threads`, which `owner` keeps.
qubes_storage_job* start_job(std::shared_ptr<void> owner, JobThreads& threads,
                             std::function<Output(const Progress&)> call,
                             JobThreads::Waits waits = JobThreads::Waits::disk);

// A Call as one that gives an Output.
template <typename Call>
std::function<Output(const Progress&)> with_output(Call call) {
  if constexpr (std::is_void_v<std::invoke_result_t<Call, const Progress&>>) {
    return [call = std::move(call)](const Progress& progress) {
      call(progress);
      return Output();
    };
  } else {
    return [call = std::move(call)](const Progress& progress) {
      return Output(std::in_place_type<std::invoke_result_t<Call, const Progress&>>,
                    call(progress));
    };
  }
}

}  // namespace qubes::storage::c_api

#endif
