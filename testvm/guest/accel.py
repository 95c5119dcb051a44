# SPDX-License-Identifier: LGPL-2.1-or-later
"""KVM, if a boot of this very kernel and init has proved that it works; else software emulation.

An accessible /dev/kvm says little: where the host is itself a guest, QEMU may abort, or hang with
nothing on the console. So anything but the full answer within the limit is a no.
"""
import hashlib
import json
import os
import tempfile

import initramfs
import qemu
from common import RigError, cache_directory, fill_cache, find_program, run_checked

LIMIT_SECONDS = 10


def works(kernel, base):
    with tempfile.TemporaryDirectory(prefix="testvm-kvm-") as work:
        initrd = os.path.join(work, "initrd")
        initramfs.write_job(initrd, base, [])
        boot = qemu.Boot(qemu.Settings(kernel=kernel.image, initrd=initrd, accel="kvm",
                                       timeout=LIMIT_SECONDS), work)
        try:
            return boot.run() == 0 and "testvm: INIT" in boot.console_lines()
        except RigError:
            return False
        finally:
            boot.close()


def choose(wanted, kernel, log):
    if wanted != "auto":
        return wanted
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        log("software emulation (TCG): no access to /dev/kvm")
        return "tcg"
    base = initramfs.base(kernel, ())
    emulator = find_program("qemu-system-x86_64", "qemu-system-x86")
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot_id = file.read()
    known_by = [boot_id, run_checked([emulator, "--version"]).decode(), kernel.identity(),
                os.path.basename(base)]
    key = hashlib.sha256(json.dumps(known_by).encode()).hexdigest()[:32]

    def probe(new):
        log(f"trying KVM, for {LIMIT_SECONDS} s at most")
        with open(new, "w", encoding="ascii") as file:
            file.write("kvm" if works(kernel, base) else "tcg")

    with open(fill_cache(os.path.join(cache_directory("accel"), key), probe),
              encoding="ascii") as file:
        verdict = file.read()
    log("KVM" if verdict == "kvm" else "software emulation (TCG): KVM did not boot this kernel")
    return verdict
