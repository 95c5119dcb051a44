// SPDX-License-Identifier: LGPL-2.1-or-later
// Jobs in the C API.
#include "c-api/jobs.h"
#include "src/fs/real_filesystem.h"

namespace qubes::storage::c_api {

void RunningJob::run(const std::function<Output(const Progress&)>& call, const Progress& progress) {
  outcome.code = guarded(&outcome.error, [&] {
    progress(0, std::nullopt);  // cancelled before it began?
    outcome.output = call(progress);
  });
}

qubes_storage_job* start_job(std::shared_ptr<void> owner, JobThreads& threads,
                             std::function<Output(const Progress&)> call, JobThreads::Waits waits) {
  auto made = std::make_unique<qubes_storage_job>();
  made->owner = std::move(owner);
  made->running = std::make_shared<RunningJob>(std::move(call));
  threads.run([running = made->running] { running->job.run(); }, waits);
  return made.release();
}

namespace {

const RunningJob& finished(const qubes_storage_job* job) {
  const RunningJob& running = *require(job, "job").running;
  if (!running.job.finished()) refuse(Code::busy, "look at job", "", "it has not finished");
  return running;
}

// Calls `use` with the output of type T of a job that has finished well, else answers what the job
// did.
template <typename T, typename Use>
std::int32_t with_output_of(const qubes_storage_job* job, qubes_storage_error** reterr, Use use) {
  const std::int32_t code = qubes_storage_job_result(job, reterr);
  if (code != QUBES_STORAGE_OK) return code;
  return guarded(reterr, [&] {
    T* found = std::get_if<T>(&job->running->outcome.output);
    if (found == nullptr) refuse_argument("job", "it is not of a function with that output");
    use(*found);
  });
}

// A new handle with a copy of it, for the caller.
template <typename Handle, typename T>
std::int32_t give(const qubes_storage_job* job, Handle** handle, T Handle::*member,
                  const char* name, qubes_storage_error** reterr) {
  return with_output_of<T>(job, reterr, [&](const T& output) {
    require(handle, name);
    auto made = std::make_unique<Handle>();
    (*made).*member = output;
    *handle = made.release();
  });
}

}  // namespace
}  // namespace qubes::storage::c_api

using namespace qubes::storage;         // NOLINT(google-build-using-namespace)
using namespace qubes::storage::c_api;  // NOLINT(google-build-using-namespace)

extern "C" {

qubes_storage_job* qubes_storage_job_ref(qubes_storage_job* job) {
  return ref(job);
}
void qubes_storage_job_unref(qubes_storage_job* job) {
  unref(job);
}

int qubes_storage_job_fd(const qubes_storage_job* job) {
  return job != nullptr ? job->running->job.fd() : -1;
}

int32_t qubes_storage_job_wait(qubes_storage_job* job, int32_t timeout_ms,
                               qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    Job& waited = require(job, "job").running->job;
    if (timeout_ms < -1) refuse_argument("timeout_ms", "it is less than -1");
    std::optional<std::chrono::milliseconds> timeout;
    if (timeout_ms >= 0) timeout = std::chrono::milliseconds(timeout_ms);
    if (!waited.wait(timeout)) refuse(Code::timeout, "wait for job", "", "the time was over");
  });
}

int32_t qubes_storage_job_progress(const qubes_storage_job* job, uint64_t* bytes_done,
                                   uint64_t* bytes_total, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    const Job& watched = require(job, "job").running->job;
    require(bytes_done, "bytes_done");
    require(bytes_total, "bytes_total");
    const Job::Bytes bytes = watched.progress();
    *bytes_done = bytes.done;
    *bytes_total = bytes.total.value_or(QUBES_STORAGE_UNKNOWN);
  });
}

int32_t qubes_storage_job_cancel(qubes_storage_job* job, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { require(job, "job").running->job.cancel(); });
}

int32_t qubes_storage_job_result(const qubes_storage_job* job, qubes_storage_error** reterr) {
  const Outcome* outcome = nullptr;
  const std::int32_t code = guarded(reterr, [&] { outcome = &finished(job).outcome; });
  if (code != QUBES_STORAGE_OK) return code;
  if (reterr != nullptr && outcome->error != nullptr) *reterr = ref(outcome->error);
  return outcome->code;
}

int32_t qubes_storage_job_get_pool_info(const qubes_storage_job* job,
                                        qubes_storage_pool_info** info,
                                        qubes_storage_error** reterr) {
  return give(job, info, &qubes_storage_pool_info::info, "info", reterr);
}

int32_t qubes_storage_job_get_volumes(const qubes_storage_job* job, qubes_storage_volumes** volumes,
                                      qubes_storage_error** reterr) {
  return give(job, volumes, &qubes_storage_volumes::vids, "volumes", reterr);
}

int32_t qubes_storage_job_get_report(const qubes_storage_job* job, qubes_storage_report** report,
                                     qubes_storage_error** reterr) {
  return give(job, report, &qubes_storage_report::findings, "report", reterr);
}

int32_t qubes_storage_job_get_volume_info(const qubes_storage_job* job,
                                          qubes_storage_volume_info** info,
                                          qubes_storage_error** reterr) {
  return give(job, info, &qubes_storage_volume_info::info, "info", reterr);
}

int32_t qubes_storage_job_get_revisions(const qubes_storage_job* job,
                                        qubes_storage_revisions** revisions,
                                        qubes_storage_error** reterr) {
  return give(job, revisions, &qubes_storage_revisions::revisions, "revisions", reterr);
}

int32_t qubes_storage_job_get_index(const qubes_storage_job* job, int64_t* index,
                                    qubes_storage_error** reterr) {
  return with_output_of<Container>(
      job, reterr, [&](const Container& output) { require(index, "index") = index_of(output); });
}

int32_t qubes_storage_job_get_fd(qubes_storage_job* job, int* fd, qubes_storage_error** reterr) {
  return with_output_of<FilePtr>(job, reterr, [&](FilePtr& output) {
    require(fd, "fd");
    std::lock_guard guard(job->running->output_mutex);
    if (!output) refuse(Code::not_found, "get descriptor", "", "it has been given away");
    *fd = real_filesystem()->release(std::move(output));
  });
}

int32_t qubes_storage_job_get_reflinked(const qubes_storage_job* job, int32_t* reflinked,
                                        qubes_storage_error** reterr) {
  return with_output_of<Reflinked>(job, reterr, [&](Reflinked output) {
    require(reflinked, "reflinked") = output.value ? 1 : 0;
  });
}

int32_t qubes_storage_job_get_supported(const qubes_storage_job* job, int32_t* supported,
                                        qubes_storage_error** reterr) {
  return with_output_of<Supported>(job, reterr, [&](Supported output) {
    require(supported, "supported") = output.value ? 1 : 0;
  });
}

}  // extern "C"
