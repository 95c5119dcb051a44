# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs in an event loop: without a thread of Python's, cancellable, and never in its way."""
import asyncio
import filecmp
import gc
import os
import signal
import sys
import threading
import time

import qubesstorage
from harness import test, wait_for
from place import (CHECKOUT, MIB, PATIENCE, SLOWNESS, Place, cancel_after, claim, descriptors,
                   equal, is_no_more_than, raises, rest_of, settled, threads)

sys.path.append(os.path.join(CHECKOUT, "tests", "bench"))
from disks import (  # noqa: E402  pylint: disable=wrong-import-position
    count_extents, make_fragmented)

BIG = "appvms/big/private"
STALL_SECONDS, ROUNDS, ROUNDS_MAX = 0.020 * SLOWNESS, 5, 20
MACHINES, EXTENTS, FEWER_EXTENTS = 50, 100_000, 20_000
if SLOWNESS > 1:
    MACHINES, EXTENTS, FEWER_EXTENTS, ROUNDS = 5, 10_000, 5_000, 3


class FragmentedPlace(Place):
    """A pool with a volume whose image has so many extents that its clone takes a while. None is
    made ahead: each start makes one."""

    def __init__(self, place, extents):
        self.own_mount = type(place.mount)(place.mount.kind, 2560 * MIB)
        super().__init__(self.own_mount, precache=False)
        self.big = self.origin(BIG, size=2048 * MIB, create=False)
        os.makedirs(os.path.dirname(self.path("", BIG)))
        make_fragmented(self.path(".img", BIG), extents)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.big.close()
        self.pool.close()
        self.own_mount.close()  # with all files: to remove them one by one takes seconds

    def names(self):
        return sorted(os.listdir(os.path.dirname(self.path("", BIG))))

    def is_started(self):
        """Whether the large volume is, whole; else nothing of it is there."""
        if self.big.info().is_started:
            equal(self.names(), ["private-dirty.img", "private.img"], "the files when started")
            image, session = self.path(".img", BIG), self.big.path
            equal(os.path.getsize(session), os.path.getsize(image), "size of the clone")
            equal(count_extents(session), count_extents(image), "extents of the clone")
            return True
        equal(self.names(), ["private.img"], "the files when not started")
        return False

    def discard(self):
        self.big.discard()
        self.pool.drain()


def waited_for_processor():
    """How long this thread could have run, but the processor was given to others; in seconds."""
    with open("/proc/thread-self/schedstat", encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e9


class Heartbeat:
    """The longest time for which the loop did not come round, less that for which a machine that is
    busy did not let it."""

    def __init__(self):
        self.longest = 0.0
        self._loop = asyncio.get_running_loop()
        self._last, self._waited = time.monotonic(), waited_for_processor()
        self._handle = self._loop.call_later(0.001, self._beat)

    def _beat(self):
        now, waited = time.monotonic(), waited_for_processor()
        self.longest = max(self.longest, now - self._last - 0.001 - (waited - self._waited))
        self._last, self._waited = now, waited
        self._handle = self._loop.call_later(0.001, self._beat)

    async def end(self):
        await asyncio.sleep(0.002)
        self._handle.cancel()


async def start_all(big, volumes):
    """Starts the volumes while the large one is cloned. The longest stall, and how long the starts
    took, in seconds; None where the clone ended before they did."""
    heart, before = Heartbeat(), threading.active_count()
    clone = asyncio.ensure_future(big.start_async())
    await asyncio.sleep(0.02)
    begun = time.monotonic()
    await asyncio.gather(*(volume.start_async() for volume in volumes))
    seconds = time.monotonic() - begun
    equal(threading.active_count(), before, "threads of Python's")
    is_valid = not clone.done()
    await heart.end()
    clone.cancel()
    await asyncio.wait([clone])
    return (heart.longest, seconds) if is_valid else None


async def block(how):
    """A loop that is blocked, as by a call that is not awaited."""
    heart = Heartbeat()
    await asyncio.sleep(0.01)
    how(2 * STALL_SECONDS)
    await heart.end()
    return heart.longest


def compute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@test()
def fifty_starts_do_not_stall_the_loop(place):
    for how in (time.sleep, compute):
        claim(asyncio.run(block(how)) > STALL_SECONDS, f"the meter does not see {how.__name__}")
    with FragmentedPlace(place, EXTENTS) as big_place:
        volumes = [big_place.origin(f"appvms/vm{number}/private", size=64 * MIB)
                   for number in range(MACHINES)]
        found, good, void = [], 0, 0
        # What blocks the loop blocks it each time: most of the rounds count.
        while len(found) < ROUNDS or (2 * good <= len(found) < ROUNDS_MAX):
            big_place.pool.drain()
            measured = asyncio.run(start_all(big_place.big, volumes))
            claim(all(volume.is_dirty() for volume in volumes), "not started")
            for volume in [*volumes, big_place.big]:
                volume.discard()
            if measured is None:
                void += 1
                claim(void < 3 * ROUNDS_MAX, "the clone always ends before the starts do")
                continue
            found.append(measured)
            good = sum(stall < STALL_SECONDS for stall, _ in found)
        stall, seconds = sorted(found)[len(found) // 2]
        print(f"       {place.mount.kind}: {MACHINES} starts took {seconds * 1000:.0f} ms, the "
              f"longest stall {stall * 1000:.1f} ms ({good} of {len(found)} rounds hold, {void} "
              "void)")
        claim(2 * good > len(found), f"the loop stalled: {found}")


# ---- Cancellation -------------------------------------------------------------------------------


async def once(task):
    task.cancel()


async def twice(task):
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()


async def cancelled(begin, is_whole, undo, seconds=0.03, cancel=once):
    """Begins an operation and cancels it after that time. On a machine that is busy it may be over
    by then, or be over when it hears of the cancellation: all of it is there then, which `is_whole`
    checks, and it is undone and begun again, until one was cut off, of which nothing is there. How
    long that took."""
    for _ in range(50):
        task = asyncio.ensure_future(begin())
        await asyncio.sleep(seconds)
        was_done, begun = task.done(), time.monotonic()
        await cancel(task)
        await asyncio.wait([task])
        took = time.monotonic() - begun
        equal(task.cancelled(), not was_done, "whether the task was cancelled")
        if was_done:
            task.result()
        if not is_whole():
            claim(not was_done, "it was done, and did nothing")
            return took
        undo()
        seconds = max(seconds / 2, min(seconds, 0.002))
    claim(False, "it cannot be cancelled")
    return None


async def timed_out(begin, is_whole, undo):
    """The same by asyncio.wait_for, which either returns or raises."""
    for _ in range(50):
        try:
            await asyncio.wait_for(begin(), 0.06)
            is_over = True
        except asyncio.TimeoutError:
            is_over = False
        if not is_whole():
            claim(not is_over, "it was done, and did nothing")
            return
        undo()
    claim(False, "it is never cut off")


@test()
def a_cancelled_start_leaves_nothing(place):
    with FragmentedPlace(place, FEWER_EXTENTS) as big_place:
        big_place.pool.drain()
        before = settled(descriptors)
        how = big_place.big.start_async, big_place.is_started, big_place.discard
        # When it is heard of it has ended: nothing happens behind our back any more.
        seconds = asyncio.run(cancelled(*how))
        claim(seconds < 2 * SLOWNESS, f"the cancellation took {seconds} s")
        asyncio.run(timed_out(*how))
        gc.collect()
        equal(rest_of(descriptors, before), before, "descriptors")
        _loops_that_end_in_the_middle(big_place)


def _loops_that_end_in_the_middle(big_place):
    """Their tasks are thrown away: the operation is ended, without anybody to wait for it."""
    big = big_place.big

    def throw_away():
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)
        task = loop.create_task(big.start_async())
        loop.run_until_complete(asyncio.sleep(0.01))
        is_over = task.done()
        loop.close()
        return is_over

    async def forget():
        task = asyncio.ensure_future(big.start_async())
        await asyncio.sleep(0.01)
        return task.done()  # asyncio.run cancels what is left

    before = settled(descriptors)
    for how in (throw_away, lambda: asyncio.run(forget())):
        for _ in range(50):
            is_over = how()
            gc.collect()
            equal(rest_of(descriptors, before), before, "descriptors")
            # The job may have come too far; it has ended, with its last descriptor.
            if not big_place.is_started():
                break
            big_place.discard()
        claim(not is_over and not big_place.is_started(), "it is never cut off")
    big.start()
    claim(big_place.is_started(), "it does not start")
    big.stop()


@test()
def cancelled_copies_leave_nothing(place):
    volume = place.origin(revisions_to_keep=0)
    other = type(place.mount)("tmpfs", 512 * MIB)
    reader, writer = os.pipe()
    try:
        with qubesstorage.Pool(os.path.join(other.path, "pool"), setup_check=False) as pool:
            pool.setup()
            source = place.origin(pool=pool, size=384 * MIB)
            source.start()
            with open(source.path, "r+b") as file:
                for _ in range(384):
                    file.write(os.urandom(MIB))
            source.stop()
            source_image = os.path.join(pool.dir_path, source.vid + ".img")

            def is_whole():
                claim(not os.path.exists(volume.import_path), "the import stays")
                if volume.size == source.size:
                    claim(filecmp.cmp(place.path(".img"), source_image, False), "it is mixed")
                    return True
                equal([volume.size, volume.usage], [64 * MIB, 0], "size and usage")
                return False

            def undo():
                volume.resize(0, shrink=True)
                volume.resize(64 * MIB)
                place.pool.drain()  # until its blocks are free for the next copy

            # That of the pipe cannot end: it is never closed.
            copies = [lambda: volume.import_volume_async(source),
                      lambda: volume.import_fd_async(reader)]
            for copy in copies:
                for options in ({}, {"cancel": twice}, {"seconds": 0}):
                    os.write(writer, b"x" * 4096)
                    seconds = asyncio.run(cancelled(copy, is_whole, undo, **options))
                    claim(seconds < 2 * SLOWNESS, f"the cancellation took {seconds} s")
    finally:
        os.close(reader)
        os.close(writer)
        other.close()


class Enough(Exception):
    pass


@test("xfs")
def exceptions_end_a_copy(place):
    """Those of the progress function, and of a signal in the middle of a copy that nobody awaits.
    It is an import from a stream that has no end."""
    volume = place.origin()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    told = []

    def enough(*arguments):
        told.append(arguments)
        raise Enough

    def run(copy, *arguments, **options):
        os.write(writer, b"x" * 4096)
        raises(Enough, copy, *arguments, **options)
        claim(not os.path.exists(volume.import_path), "the import stays")
        equal(volume.size, 64 * MIB, "size")

    main = threading.get_ident()

    def alarm_in_the_copy():
        wait_for(lambda: os.path.exists(volume.import_path), "the import", 10 * PATIENCE)
        wait_for(lambda: sys._current_frames()[main].f_code.co_name == "wait",
                 "the wait for the job", 10 * PATIENCE)
        time.sleep(0.05)
        signal.pthread_kill(main, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, enough)
    try:
        run(volume.import_fd, reader, progress=enough)
        run(lambda: asyncio.run(volume.import_fd_async(reader, progress=enough)))
        equal(told, [(4096, None)] * 2, "told")
        alarm = threading.Thread(target=alarm_in_the_copy)
        alarm.start()
        run(volume.import_fd, reader)
        alarm.join()
    finally:
        signal.signal(signal.SIGALRM, before)
        os.close(reader)
        os.close(writer)


@test("xfs")
def streams_are_cancelled_while_they_wait(place):
    """Nobody writes to the pipe, and nobody reads from the other."""
    volume = place.origin()
    place.session(volume, os.urandom(MIB))
    def is_whole():
        claim(not os.path.exists(volume.import_path), "the import stays")
        return False

    for verb in (volume.import_fd_async, volume.export_to_async):
        reader, writer = os.pipe()
        end = reader if verb == volume.import_fd_async else writer
        try:
            seconds = asyncio.run(cancelled(lambda v=verb, e=end: v(e), is_whole, None, 0.1))
            claim(seconds < 2 * SLOWNESS, f"it waited for the pipe: {seconds} s")
        finally:
            os.close(reader)
            os.close(writer)


@test("xfs")
def a_late_cancellation_changes_nothing(place):
    """What had come too far is done, whole; the task is cancelled all the same."""
    volume = place.origin(revisions_to_keep=0)
    directory = os.path.dirname(volume.path)
    data = os.urandom(2 * MIB)  # it takes a while to sync

    def begin(text):
        volume.start()
        place.write(volume, text + data)

    begin(b"one")
    begun = time.monotonic()
    asyncio.run(volume.stop_async())
    usual = time.monotonic() - begun
    # Before it has begun: it waits for another process.
    begin(b"two")
    claim(asyncio.run(cancel_after(volume.stop_async(), 0.1, directory)), "it was not cancelled")
    equal([volume.is_dirty(), place.committed(3)], [True, b"one"], "nothing was done")
    volume.stop()
    # And then from nothing to later than the end.
    outcomes = set()
    for attempt in range(200):
        text = b"%03d" % attempt
        before = place.committed(3)
        begin(text)
        seconds = usual * (attempt % 8) / 4 * (1 + attempt // 16)
        was_cancelled = asyncio.run(cancel_after(volume.stop_async(), seconds))
        is_started = volume.info().is_started
        claim(was_cancelled or not is_started, "it is done, and did nothing")
        equal(place.committed(3), before if is_started else text, "committed")
        volume.stop()
        equal(place.committed(len(data), offset=MIB + 3), data, "committed")
        outcomes.add(was_cancelled)
        if attempt >= 8 and len(outcomes) == 2:
            break
    equal(outcomes, {True, False}, "whether it was cancelled")


@test("xfs")
def loops_in_several_threads(place):
    """Each waits for its own jobs, on one volume, too."""
    before = settled(threads)
    volume = place.origin(revisions_to_keep=0)
    failures = []

    async def work(number):
        own = place.origin(f"appvms/vm{number}/private", create=False)
        await own.create_async()
        for _ in range(10):
            await asyncio.gather(own.start_async(), volume.start_async())
            await asyncio.gather(own.stop_async(), volume.stop_async(), own.info_async())
        own.close()

    def run(number):
        try:
            asyncio.run(work(number))
        except BaseException as error:  # pylint: disable=broad-except
            failures.append(error)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    equal(failures, [], "failures")
    volume.close()
    place.pool.close()
    is_no_more_than(threads, before, "threads")
