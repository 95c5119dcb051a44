// SPDX-License-Identifier: LGPL-2.1-or-later
//! Wakes who awaits a job: one thread with poll(2) over all descriptors that are awaited. It is
//! started by the first and ends with the last.
use std::io::{self, Read, Write};
use std::mem;
use std::os::raw::{c_int, c_short, c_ulong};
use std::os::unix::io::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;

use crate::callbacks::contain;

struct Awaited {
    id: u64,
    descriptor: RawFd,
    waker: Waker,
}

struct Reactor {
    awaited: Vec<Awaited>,
    last_id: u64,
    /// What the thread listens to beside the jobs. There is a thread if and only if there is this.
    bell: Option<UnixStream>,
}

static REACTOR: Mutex<Reactor> =
    Mutex::new(Reactor { awaited: Vec::new(), last_id: 0, bell: None });

/// Never held while a waker is cloned, woken or dropped: that is code of somebody else's, which may
/// drop a job.
fn reactor() -> MutexGuard<'static, Reactor> {
    // No step under the lock panics halfway.
    REACTOR.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reactor {
    fn ring(&self) {
        if let Some(mut bell) = self.bell.as_ref() {
            // Full means that it rings already.
            let _ = bell.write(&[0]);
        }
    }
}

/// A place in the list of those who are awaited, given up when it is dropped.
pub(crate) struct Ticket(u64);

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut reactor = reactor();
        let index = reactor.awaited.iter().position(|awaited| awaited.id == self.0);
        let gone = index.map(|index| reactor.awaited.swap_remove(index));
        reactor.ring(); // it may have been the last
        drop(reactor);
        drop(gone);
    }
}

/// Wakes `waker`, once, when `descriptor` is readable; instead of the waker before, if there is a
/// ticket. The descriptor is open as long as the ticket is there.
pub(crate) fn watch(
    ticket: &mut Option<Ticket>,
    descriptor: RawFd,
    waker: &Waker,
) -> io::Result<()> {
    let waker = waker.clone();
    let mut reactor = reactor();
    if let Some(Ticket(id)) = ticket {
        if let Some(awaited) = reactor.awaited.iter_mut().find(|awaited| awaited.id == *id) {
            let before = mem::replace(&mut awaited.waker, waker);
            drop(reactor);
            drop(before);
            return Ok(());
        }
    }
    if reactor.bell.is_none() {
        reactor.bell = Some(start()?);
    }
    reactor.last_id += 1;
    let id = reactor.last_id;
    reactor.awaited.push(Awaited { id, descriptor, waker });
    reactor.ring();
    drop(reactor);
    *ticket = Some(Ticket(id)); // the one before is not in the list any more
    Ok(())
}

/// Starts the thread; what it listens to. The thread waits for the lock that the caller holds.
fn start() -> io::Result<UnixStream> {
    let (bell, listening) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    listening.set_nonblocking(true)?;
    let _blocked = BlockedSignals::new()?;
    thread::Builder::new().name("qubesstorage".to_owned()).spawn(move || run(&listening))?;
    Ok(bell)
}

fn run(listening: &UnixStream) {
    while let Some((ids, mut polled)) = what_to_poll(listening) {
        // SAFETY: the array has that many elements, and lives during the call. One of its
        // descriptors may have been closed since: that is a number, and what is said of it is for
        // an id that is not in the list any more.
        let result = unsafe { poll(polled.as_mut_ptr(), polled.len() as c_ulong, -1) };
        if result == -1 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            continue;
        }
        silence(listening);
        // Where the kernel cannot poll (no memory), those who wait look for themselves.
        let is_ready = |index: usize| result == -1 || polled[index + 1].revents != 0;
        let ready = ids.iter().enumerate().filter(|(index, _)| is_ready(*index));
        for waker in take_wakers(ready.map(|(_, id)| *id)) {
            // Whoever panics there must not keep the others from being woken.
            contain(|| waker.wake());
        }
    }
}

/// None if nobody is awaited any more: then the thread is to end.
fn what_to_poll(listening: &UnixStream) -> Option<(Vec<u64>, Vec<PollFd>)> {
    let mut reactor = reactor();
    if reactor.awaited.is_empty() {
        reactor.bell = None;
        return None;
    }
    let mut polled = vec![PollFd::new(listening.as_raw_fd())];
    polled.extend(reactor.awaited.iter().map(|awaited| PollFd::new(awaited.descriptor)));
    Some((reactor.awaited.iter().map(|awaited| awaited.id).collect(), polled))
}

fn silence(mut listening: &UnixStream) {
    let mut rings = [0; 64];
    while matches!(listening.read(&mut rings), Ok(count) if count == rings.len()) {}
}

fn take_wakers(ids: impl Iterator<Item = u64>) -> Vec<Waker> {
    let mut reactor = reactor();
    let place = |reactor: &Reactor, id| reactor.awaited.iter().position(|it| it.id == id);
    ids.filter_map(|id| {
        let index = place(&reactor, id)?;
        Some(reactor.awaited.swap_remove(index).waker)
    })
    .collect()
}

// ---- The system ---------------------------------------------------------------------------------

/// `struct pollfd`.
#[repr(C)]
struct PollFd {
    descriptor: c_int,
    events: c_short,
    revents: c_short,
}

const POLLIN: c_short = 1;

impl PollFd {
    fn new(descriptor: RawFd) -> PollFd {
        PollFd { descriptor, events: POLLIN, revents: 0 }
    }
}

/// `sigset_t`: 1024 bits in glibc and in musl.
#[repr(C)]
#[derive(Clone, Copy)]
struct SignalSet([c_ulong; 128 / mem::size_of::<c_ulong>()]);

const SIG_SETMASK: c_int = if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
    3
} else if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
    4
} else {
    2
};

extern "C" {
    fn poll(polled: *mut PollFd, count: c_ulong, timeout_ms: c_int) -> c_int;
    fn sigfillset(set: *mut SignalSet) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, before: *mut SignalSet) -> c_int;
}

/// A thread that is started meanwhile gets no signals: they are for the program's own.
struct BlockedSignals {
    before: SignalSet,
}

impl BlockedSignals {
    fn new() -> io::Result<BlockedSignals> {
        let empty = SignalSet([0; 128 / mem::size_of::<c_ulong>()]);
        let (mut all, mut before) = (empty, empty);
        // SAFETY: both sets live during the calls.
        let status = unsafe {
            sigfillset(&mut all);
            pthread_sigmask(SIG_SETMASK, &all, &mut before)
        };
        match status {
            0 => Ok(BlockedSignals { before }),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set lives during the call; what was there before is not asked for.
        unsafe { pthread_sigmask(SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}
