// SPDX-License-Identifier: LGPL-2.1-or-later
//! The thread that wakes who awaits a job: when it is there, whom it wakes, what it survives. One
//! test at a time, as they count threads and descriptors of the process.
mod support;

use std::fs;
use std::future::Future;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use qubesstorage::*;
use support::*;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    wait_until("the thread of the test before is gone", || own_threads().is_empty());
    guard
}

/// `/proc/self/task/N` of each thread of the crate.
fn own_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let paths = tasks.map(|task| task.unwrap().path().display().to_string());
    let name = |path: &str| fs::read_to_string(format!("{}/comm", path)).unwrap_or_default();
    paths.filter(|path| name(path) == "qubesstorage\n").collect()
}

/// It gives itself its name when it runs.
fn the_thread() -> String {
    wait_until("there is a thread", || !own_threads().is_empty());
    let threads = own_threads();
    assert_eq!(threads.len(), 1);
    threads[0].clone()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll_with<T>(job: &mut Job<T>, waker: &Waker) -> Poll<Result<T>> {
    Pin::new(job).poll(&mut Context::from_waker(waker))
}

#[test]
fn fifty_are_awaited_by_one_thread_which_is_gone_then() {
    let _alone = alone();
    let place = Place::new("futures-fifty");
    let pool = place.pool();
    let volumes: Vec<_> =
        (0..50).map(|index| origin(&pool, &format!("appvms/vm{}/private", index))).collect();
    for volume in &volumes {
        volume.create().unwrap();
    }
    let before = descriptors();
    let mut stalled: Vec<_> = volumes.iter().map(endless).collect();
    let none = Arc::new(Count::default());
    let waker = Waker::from(none.clone());
    for (job, _) in &mut stalled {
        assert!(poll_with(job, &waker).is_pending());
    }
    the_thread();
    assert_eq!(none.get(), 0);
    let jobs: Vec<_> = stalled.into_iter().map(|(job, _end_of_stream)| job).collect();
    assert!(block_on_all(jobs).iter().all(Result::is_ok));
    wait_until("the thread is gone", || own_threads().is_empty());

    let starts = volumes.iter().map(|volume| volume.start_async().unwrap()).collect();
    assert!(block_on_all(starts).iter().all(Result::is_ok));
    assert!(volumes.iter().all(|volume| volume.path().exists()));
    pool.drain().unwrap();
    wait_until("the thread is gone again", || own_threads().is_empty());
    wait_until("the descriptors are closed", || descriptors() <= before);
}

#[test]
fn only_the_last_waker_is_woken_and_only_once() {
    let _alone = alone();
    let place = Place::new("futures-wakers");
    let pool = place.pool();
    let (mut job, writing) = endless(&origin(&pool, PRIVATE));
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    assert!(poll_with(&mut job, &Waker::from(first.clone())).is_pending());
    assert!(poll_with(&mut job, &Waker::from(second.clone())).is_pending());
    assert_eq!(Arc::strong_count(&first), 1); // it is not kept
    drop(writing);
    wait_until("it is woken", || second.get() == 1);
    wait_until("the thread is gone", || own_threads().is_empty());
    assert_eq!((first.get(), second.get()), (0, 1));
    assert!(matches!(poll_with(&mut job, &Waker::from(first)), Poll::Ready(Ok(()))));
}

#[test]
fn a_job_that_is_dropped_is_not_watched() {
    let _alone = alone();
    let place = Place::new("futures-dropped");
    let pool = place.pool();
    let (mut job, _writing) = endless(&origin(&pool, PRIVATE));
    let count = Arc::new(Count::default());
    assert!(poll_with(&mut job, &Waker::from(count.clone())).is_pending());
    the_thread();
    drop(job);
    assert_eq!(Arc::strong_count(&count), 1);
    wait_until("the thread is gone", || own_threads().is_empty());
    assert_eq!(count.get(), 0);
}

#[test]
fn who_awaits_no_more_is_done_otherwise() {
    let _alone = alone();
    let place = Place::new("futures-otherwise");
    let pool = place.pool();
    let (mut job, writing) = endless(&origin(&pool, PRIVATE));
    let count = Arc::new(Count::default());
    assert!(poll_with(&mut job, &Waker::from(count)).is_pending());
    drop(writing);
    job.wait().unwrap();
    wait_until("the thread is gone", || own_threads().is_empty());
}

#[derive(Default)]
struct Panics(Count);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0 .0.fetch_add(1, Ordering::SeqCst);
        std::panic::panic_any(PanicsAgain);
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    let _alone = alone();
    let place = Place::new("futures-panic");
    let pool = place.pool();
    let (mut first, first_end) = endless(&origin(&pool, "appvms/a/private"));
    let (mut second, second_end) = endless(&origin(&pool, "appvms/b/private"));
    let (panics, count) = (Arc::new(Panics::default()), Arc::new(Count::default()));
    assert!(poll_with(&mut first, &Waker::from(panics.clone())).is_pending());
    assert!(poll_with(&mut second, &Waker::from(count.clone())).is_pending());
    drop(first_end);
    wait_until("the first is woken", || panics.0.get() == 1);
    first.wait().unwrap();
    drop(second_end);
    wait_until("it is woken", || count.get() == 1);
    second.wait().unwrap();
}

/// A waker may own what it wakes: when it is woken or dropped, jobs are dropped.
struct Owns(Mutex<Option<Job<()>>>);

impl Wake for Owns {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
    }
}

#[test]
fn a_waker_may_drop_other_jobs() {
    let _alone = alone();
    let place = Place::new("futures-owner");
    let pool = place.pool();
    let waker_with_job = |vid: &str| {
        let (mut inner, end) = endless(&origin(&pool, vid));
        let none = Waker::from(Arc::new(Count::default()));
        assert!(poll_with(&mut inner, &none).is_pending());
        (Waker::from(Arc::new(Owns(Mutex::new(Some(inner))))), end)
    };
    let (mut job, end) = endless(&origin(&pool, "appvms/a/private"));
    let (first, _first_end) = waker_with_job("appvms/b/private");
    assert!(poll_with(&mut job, &first).is_pending());
    drop(first); // the last one is in the list now
    let (second, _second_end) = waker_with_job("appvms/c/private");
    assert!(poll_with(&mut job, &second).is_pending()); // replaces the first, and its job
    drop(second);
    the_thread();
    drop(end); // wakes the second, which drops its job
    job.wait().unwrap();
    wait_until("the thread is gone", || own_threads().is_empty());
    assert_eq!(pool.list().unwrap(), ["appvms/a/private"]);
}

#[test]
fn the_thread_blocks_all_signals_and_the_caller_keeps_its_own() {
    let _alone = alone();
    let blocked = |path: &str| {
        let status = fs::read_to_string(format!("{}/status", path)).unwrap();
        let line = status.lines().find(|line| line.starts_with("SigBlk:")).unwrap().to_owned();
        u64::from_str_radix(line.trim_start_matches("SigBlk:").trim(), 16).unwrap()
    };
    let place = Place::new("futures-signals");
    let pool = place.pool();
    let before = blocked("/proc/thread-self");
    let (mut job, _writing) = endless(&origin(&pool, PRIVATE));
    assert!(poll_with(&mut job, &Waker::from(Arc::new(Count::default()))).is_pending());
    assert_eq!(blocked("/proc/thread-self"), before);
    // All but SIGKILL (9) and SIGSTOP (19), and the two that the C library keeps for itself.
    let of_thread = blocked(&the_thread());
    let unblockable = 1 << 8 | 1 << 18 | 1 << 31 | 1 << 32;
    assert_eq!(of_thread | unblockable, u64::MAX);
}

#[test]
fn many_threads_await_and_drop() {
    let _alone = alone();
    let place = Place::new("futures-many");
    let pool = place.pool();
    let threads: Vec<_> = (0..8)
        .map(|index| {
            let volume = origin(&pool, &format!("appvms/vm{}/private", index));
            std::thread::spawn(move || {
                volume.create().unwrap();
                for round in 0..40 {
                    block_on(volume.start_async().unwrap()).unwrap();
                    let (mut job, end) = stalled_export(&volume);
                    let waker = Waker::from(Arc::new(Count::default()));
                    let _ = poll_with(&mut job, &waker);
                    if round % 2 == 0 {
                        std::thread::sleep(Duration::from_micros(100));
                    }
                    drop((job, end));
                    block_on(volume.stop_async().unwrap()).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    wait_until("the thread is gone", || own_threads().is_empty());
}

/// An export into a stream that nobody reads: the image does not fit.
fn stalled_export(volume: &Volume) -> (Job<()>, UnixStream) {
    let (writing, reading) = UnixStream::pair().unwrap();
    (volume.export_to_async(writing).unwrap(), reading)
}
