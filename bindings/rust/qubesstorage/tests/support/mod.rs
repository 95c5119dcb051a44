// SPDX-License-Identifier: LGPL-2.1-or-later
//! What the tests stand on: a directory on a real reflink filesystem, named by
//! `QUBES_STORAGE_TEST_DIRECTORY`, and a place of its own in it for each test.
#![allow(dead_code)] // each test program uses a part

use std::env;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::os::raw::{c_int, c_short, c_ulong};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::io::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use qubesstorage::{Code, Error, Job, Pool, Volume, VolumeOptions};

pub const MIB: u64 = 1 << 20;
pub const PRIVATE: &str = "appvms/work/private";
pub const TEMPLATE: &str = "vm-templates/debian/root";
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory for one test, gone with it.
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Place {
        let root = env::var_os("QUBES_STORAGE_TEST_DIRECTORY")
            .expect("QUBES_STORAGE_TEST_DIRECTORY names no directory on XFS or Btrfs");
        let path = Path::new(&root).join(format!("rust-{}", name));
        let _ = fs::remove_dir_all(&path); // what a test left that was killed
        fs::create_dir(&path).unwrap();
        Place(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn pool(&self) -> Pool {
        let pool = Pool::open(self.join("pool")).unwrap();
        pool.setup().unwrap();
        pool
    }

    /// The file of a volume with another ending: ".img", "-import.img".
    pub fn image(&self, vid: &str, ending: &str) -> PathBuf {
        self.join("pool").join(format!("{}{}", vid, ending))
    }

    /// Names and sizes of all files, sorted.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let mut found = Vec::new();
        let mut todo = vec![self.0.clone()];
        while let Some(directory) = todo.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap().is_dir() {
                    true => todo.push(entry.path()),
                    false => found.push((entry.path(), entry.metadata().unwrap().len())),
                }
            }
        }
        found.sort();
        found
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn origin(pool: &Pool, vid: &str) -> Volume {
    pool.volume(vid, &VolumeOptions::origin(MIB).rw(true)).unwrap()
}

/// An origin whose committed state begins with `text`. It has no revision.
pub fn origin_with(pool: &Pool, vid: &str, text: &str) -> Volume {
    let volume = origin(pool, vid);
    volume.create().unwrap();
    session(&volume, text);
    volume.prune(0).unwrap();
    volume
}

pub fn session(volume: &Volume, text: &str) {
    volume.start().unwrap();
    write(&volume.path(), text);
    volume.stop().unwrap();
}

/// As a virtual machine does: in place.
pub fn write(path: &Path, text: &str) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(text.as_bytes(), 0).unwrap();
}

pub fn text_of(file: &File, length: usize) -> String {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8(bytes).unwrap()
}

pub fn begins_with(path: &Path, text: &str) -> bool {
    text_of(&File::open(path).unwrap(), text.len()) == text
}

pub fn size_of(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

pub fn inode_of(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

pub fn numbers(volume: &Volume) -> Vec<u64> {
    volume.revisions().unwrap().iter().map(|revision| revision.number).collect()
}

pub fn fails<T: std::fmt::Debug>(code: Code, result: qubesstorage::Result<T>) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{}", error);
    error
}

pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited too long until {}", what);
        thread::sleep(Duration::from_millis(2));
    }
}

/// A job that does not end by itself: an import from a stream that its other end keeps open.
pub fn endless(volume: &Volume) -> (Job<()>, UnixStream) {
    let (writing, reading) = UnixStream::pair().unwrap();
    (volume.import_fd_async(reading, None).unwrap(), writing)
}

/// What a callback may throw at worst.
pub struct PanicsAgain;

impl Drop for PanicsAgain {
    fn drop(&mut self) {
        panic!("what was thrown panics when it is dropped");
    }
}

// ---- Futures ------------------------------------------------------------------------------------

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor. It looks only when it was woken: a wake that is lost is a test that
/// fails.
pub fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let end = Instant::now() + PATIENCE;
    loop {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut context) {
            return output;
        }
        assert!(Instant::now() < end, "nobody woke the executor");
        thread::park_timeout(PATIENCE);
    }
}

/// All of them at once, with one waker.
pub fn block_on_all<F: Future + Unpin>(futures: Vec<F>) -> Vec<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut running: Vec<Option<F>> = futures.into_iter().map(Some).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    let end = Instant::now() + PATIENCE;
    loop {
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            let polled = future.as_mut().map(|future| Pin::new(future).poll(&mut context));
            if let Some(Poll::Ready(ready)) = polled {
                *output = Some(ready);
                *future = None;
            }
        }
        if running.iter().all(Option::is_none) {
            return outputs.into_iter().map(Option::unwrap).collect();
        }
        assert!(Instant::now() < end, "nobody woke the executor");
        thread::park_timeout(PATIENCE);
    }
}

// ---- Descriptors --------------------------------------------------------------------------------

#[repr(C)]
struct PollFd {
    descriptor: c_int,
    events: c_short,
    revents: c_short,
}

extern "C" {
    fn poll(polled: *mut PollFd, count: c_ulong, timeout_ms: c_int) -> c_int;
}

/// Whether the descriptor becomes readable in that time.
pub fn is_readable(descriptor: &impl AsFd, timeout_ms: i32) -> bool {
    let descriptor = descriptor.as_fd().as_raw_fd();
    let mut polled = PollFd { descriptor, events: 1, revents: 0 };
    // SAFETY: one element, which lives during the call.
    unsafe { poll(&mut polled, 1, timeout_ms) == 1 }
}
