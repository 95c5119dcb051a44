# SPDX-License-Identifier: LGPL-2.1-or-later
"""Objects after close, in other threads, in forked children; and what is left of them."""
import asyncio
import gc
import inspect
import os
import signal
import threading
import time

import qubesstorage
from harness import test
from place import (MIB, PATIENCE, PRIVATE, SLOWNESS, claim, descriptors, equal, is_no_more_than,
                   raises, rest_of, run_python, settled, threads)

ARGUMENTS = {
    "resize": (MIB,), "import_begin": (MIB,), "import_fd": (0,), "export_to": (1,), "prune": (1,),
    "set_revisions_to_keep": (1,), "set_rw": (True,), "included_in": ([],), "volume": (PRIVATE,),
}


def uses(owner, other):
    """Each use of an object, as what can be called: its methods, and its properties that ask."""
    for name, value in vars(type(owner)).items():
        if name.startswith("_") or name in ("close", "close_async"):
            continue
        if isinstance(value, property):
            if name not in ("pool", "vid", "path", "import_path", "dir_path"):
                yield name, lambda name=name: getattr(owner, name)
            continue
        arguments = ARGUMENTS.get(name.replace("_async", ""), ())
        if name.startswith("import_volume"):
            arguments = (other,)
        method = getattr(owner, name)
        if inspect.iscoroutinefunction(value):
            yield name, lambda m=method, a=arguments: asyncio.run(m(*a))
        else:
            yield name, lambda m=method, a=arguments: m(*a)


@test()
def after_close(place):
    volume, other = place.origin(), place.origin("appvms/other/private")
    pool = qubesstorage.Pool(place.dir_path)
    volume.close()
    pool.close()
    count = 0
    for owner in (volume, pool):
        owner.close()  # again
        for name, use in uses(owner, other):
            error = raises(qubesstorage.HandleError, use)
            claim("is closed" in str(error), f"{name}: {error}")
            count += 1
        claim("closed" in repr(owner), repr(owner))
    asyncio.run(pool.close_async())
    raises(qubesstorage.HandleError, other.import_volume, volume)
    raises(qubesstorage.HandleError, lambda: asyncio.run(other.import_volume_async(volume)))
    claim(count > 50, f"only {count} uses")
    equal([volume.vid, other.is_dirty()], [PRIVATE, False], "the rest works")


@test()
def in_a_forked_child(place):
    """Also while threads of the library hold its locks."""
    volume, other = place.origin(), place.origin("appvms/other/private")
    asyncio.run(volume.start_async())
    volume.import_path  # pylint: disable=pointless-statement
    place.write(volume, b"parent")
    stop = threading.Event()

    def work():
        while not stop.is_set():
            other.start()
            other.stop()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(3 if SLOWNESS > 1 else 10):
            child = os.fork()
            if child == 0:
                os._exit(_misuse(volume, place.pool, other))
            end = time.monotonic() + 30 * PATIENCE
            while True:
                pid, status = os.waitpid(child, os.WNOHANG)
                if pid:
                    break
                if time.monotonic() > end:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    claim(False, "the child hangs")
                time.sleep(0.005)
            equal(status, 0, "status of the child")
    finally:
        stop.set()
        worker.join()
    volume.stop()
    equal(place.committed(6), b"parent", "committed by the parent")


def _misuse(volume, pool, other):
    """In the child. Its exit status: 0 if each use is refused, and to drop the objects does
    nothing."""
    try:
        signal.alarm(int(25 * PATIENCE))
        for owner in (volume, pool):
            for _, use in uses(owner, other):
                error = raises(qubesstorage.HandleError, use)
                claim("forked" in str(error), str(error))
        with pool, volume:
            pass
        with qubesstorage.Pool(pool.dir_path) as own:  # one of its own works
            equal(own.volume(PRIVATE, save_on_stop=True).is_dirty(), True, "is_dirty")
        del owner, own, volume, pool, other, use
        gc.collect()
        return 0
    except BaseException as error:  # pylint: disable=broad-except
        os.write(2, f"in the child: {error!r}\n".encode())
        return 1


@test("xfs")
def a_child_that_ends_as_programs_do(place):
    """Through the finalizers of Python, which drop the handles of the parent."""
    done = run_python("""
        import asyncio, os, sys, warnings, qubesstorage
        warnings.simplefilter("ignore")  # Python 3.12 warns of any fork beside threads
        pool = qubesstorage.Pool(sys.argv[1])
        volume = pool.volume("appvms/work/private", save_on_stop=True, size=1 << 20)
        asyncio.run(volume.create_async())
        asyncio.run(volume.start_async())
        child = os.fork()
        if child == 0:
            sys.exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        volume.stop()
        print(status, volume.is_dirty())
        """, place.dir_path)
    equal([done.returncode, done.stdout, done.stderr], [0, "7 False\n", ""], "parent and child")


@test()
def many_threads_on_one_object(place):
    """As the header allows it: they exclude each other, and nothing is lost."""
    volume = place.origin(revisions_to_keep=200)
    failures, count = [], 20

    def work(number):
        try:
            for _ in range(count):
                volume.start()
                volume.info()
                volume.stop()
                asyncio.run(volume.start_async())
                asyncio.run(volume.stop_async())
                place.pool.volumes()
        except BaseException as error:  # pylint: disable=broad-except
            failures.append((number, error))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    equal(failures, [], "failures")
    claim(not volume.is_dirty(), "it ends stopped")


@test()
def close_while_others_call(place):
    """Each call works, or is refused; the last one that ends takes the object with it."""
    place.origin().close()
    outcomes = set()
    for attempt in range(300):
        if attempt >= 30 and len(outcomes) > 1:
            break
        pool = qubesstorage.Pool(place.dir_path)
        volume = pool.volume(PRIVATE, save_on_stop=True, rw=True)
        begin = threading.Barrier(5)

        def work(volume=volume, pool=pool, begin=begin):
            begin.wait()
            try:
                while True:
                    volume.start()
                    volume.revisions  # pylint: disable=pointless-statement
                    asyncio.run(volume.stop_async())
                    pool.info()
                    outcomes.add("worked")
            except qubesstorage.HandleError:
                outcomes.add("refused")
            except BaseException as error:  # pylint: disable=broad-except
                outcomes.add(repr(error))

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        begin.wait()
        time.sleep(0.002 * (attempt % 8) * (1 + attempt // 30))  # longer where the machine is busy
        volume.close()
        pool.close()
        for worker in workers:
            worker.join()
    equal(outcomes, {"worked", "refused"}, "outcomes")


@test("xfs")
def in_a_handler_of_signals(place):
    """It runs in the middle of whatever the program does with the same objects. A process of its
    own, as it could hang."""
    done = run_python("""
        import random as chance, signal, sys, qubesstorage
        pool = qubesstorage.Pool(sys.argv[1])
        volume = pool.volume("appvms/work/private", save_on_stop=True, size=1 << 20)
        volume.create()
        count = 0
        def handler(*_):
            global count
            volume.is_dirty()
            count += 1
            if count == 1000:
                volume.close()
            else:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, 0.0003))
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        try:
            while True:
                volume.set_rw(True)
        except qubesstorage.HandleError as error:
            print(count, error)
        """, place.dir_path, timeout=60 * PATIENCE)
    equal([done.returncode, done.stderr], [0, ""], "its end")
    claim(done.stdout.startswith("1000 ") and "is closed" in done.stdout, done.stdout)


@test()
def nothing_is_left_after_close(place):
    place.origin().close()
    place.pool.close()
    before, threads_before = settled(descriptors), settled(threads)
    for how in ("close", "async", "drop"):
        pool = qubesstorage.Pool(place.dir_path)
        volume = pool.volume(PRIVATE, save_on_stop=True, rw=True, size=64 * MIB)

        async def work(volume=volume, pool=pool, how=how):
            await asyncio.gather(*(volume.start_async() for _ in range(20)))
            place.write(volume, os.urandom(MIB))
            await volume.stop_async()
            os.close(await volume.export_fd_async())
            await volume.import_begin_async(MIB)
            try:
                await volume.start_async()
            except qubesstorage.BusyError:
                pass
            if how == "async":
                volume.close()
                await pool.close_async()

        asyncio.run(work())
        claim(threads() > threads_before or how == "async", "no thread was there")
        if how == "close":
            volume.close()
            pool.close()
        claim(how != "drop" or os.path.exists(volume.import_path), "no import was held")
        del volume, pool, work
        gc.collect()
        is_no_more_than(threads, threads_before, f"threads ({how})")
        equal(rest_of(descriptors, before), before, f"descriptors ({how})")
        with qubesstorage.Pool(place.dir_path) as pool:  # the import is not held any more
            pool.volume(PRIVATE, save_on_stop=True).start()
        claim(not os.path.exists(place.path("-import.img")), "the import that it held stays")


@test("xfs")
def a_program_that_closes_nothing(place):
    """It ends, without a word, also with jobs under way and in daemon threads."""
    done = run_python("""
        import asyncio, sys, threading, qubesstorage
        pool = qubesstorage.Pool(sys.argv[1])
        volume = pool.volume("appvms/work/private", save_on_stop=True, size=1 << 30, rw=True)
        volume.create()
        def work():
            while True:
                volume.start()
                volume.stop()
        threading.Thread(target=work, daemon=True).start()
        async def main():
            tasks = [asyncio.ensure_future(volume.info_async()) for _ in range(20)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        asyncio.run(main())
        print("end")
        """, place.dir_path)
    equal([done.returncode, done.stdout, done.stderr], [0, "end\n", ""], "its end")
