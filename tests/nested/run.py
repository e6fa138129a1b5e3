#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Runs guest tests with KVM on a host that has none for Xen guests: in L1, an emulated
machine with KVM (see README.md).  NAMES are those that tests/guest/run.py takes;
without any, those that show most of what is different with KVM.
"""

import argparse
import collections
import contextlib
import hashlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import tty
import unittest
from pathlib import Path

import image
import harness
from inside import DONE, tests
from l1 import L1, Gone

# Long ones first, so that all machines end at about the same time.
DEFAULT = (
    'test_balloon.Linux6_12.test_2_vcpus',
    'test_holes.Reboot',
    'test_pod.Linux.test_as_on_xen',
    'test_accelerators',
    'test_crash.Crash',
    'test_kvm',
    'test_exits',
    'test_pod_devices.Backend',
    'test_pod_devices.Empty.test_data_on_their_way',
    'test_pod.Small',
    'test_golden',
)
MACHINES = 4  # at most: each may take 2 GiB
TEST_SECONDS = 600
PASSED = ('XENBED_ACCEL', 'XENBED_LONG', 'XENBED_TEST_MEMORY')  # of the environment
RUN = 'python3 -B tests/nested/inside.py'
SUMMARY = f'{unittest.TextTestResult.separator2}\nRan 1 test'
LEAVE = b'\x1d'  # Ctrl-]


def flat(suite):
    """The names of its tests."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        elif isinstance(test, unittest.loader._FailedTest):  # pylint: disable=protected-access
            raise harness.GuestError(str(test._exception).strip().splitlines()[-1])
        else:
            yield test.id()


class Rig:
    """The system, the project, and machines made of them."""

    def __init__(self, folder, snapshot):
        self.system = image.system()
        self.disk = image.project(folder)
        self.state = self.saved_state() if snapshot else None

    def saved_state(self):
        """Where the state of a machine that waits for its command is; saved if it is not there."""
        version = subprocess.run([harness.QEMU, '--version'], capture_output=True, check=True).stdout
        key = hashlib.sha256(version + (image.HERE / 'l1.py').read_bytes()).hexdigest()[:16]
        path = self.system / f'state-{key}'
        with image.locked():
            if not path.exists():
                with L1(self.system, self.disk) as machine:
                    machine.save(path.with_name('new-state'))
                path.with_name('new-state').rename(path)
        return path

    def machine(self, command):
        """One that carries the command out; a context manager."""
        machine = self.restored() or L1(self.system, self.disk)
        settings = [f'export {name}={os.environ[name]};' for name in PASSED if name in os.environ]
        machine.send(' '.join([*settings, command]))
        return machine

    def restored(self):
        """One that goes on from the saved state, if there is one that this QEMU can read."""
        try:
            return self.state and L1(self.system, self.disk, self.state)
        except Gone:
            self.state.unlink(missing_ok=True)
            self.state = None
            return None


class Run:
    """Tests on several machines at once: whichever is idle takes the next."""

    def __init__(self, rig, names):
        self.rig = rig
        self.names = collections.deque(names)
        self.counts = [0, 0, 0]
        self.running = {}  # machine: test, and when it has to be done

    def go(self, machines):
        with contextlib.ExitStack() as stack:
            for _ in range(min(machines, len(self.names))):
                self.start(stack)
            while self.running:
                ready, _, _ = select.select(self.running, [], [], 1)
                for machine in list(self.running):
                    try:
                        self.look(machine, machine in ready)
                    except Gone as gone:
                        name, _ = self.running.pop(machine)
                        self.report(f'{name} ... FAIL\n{gone}', (0, 1, 0))
                        if self.names:
                            self.start(stack)

    def start(self, stack):
        """Another machine, with the next test."""
        self.give(stack.enter_context(self.rig.machine(RUN)))

    def give(self, machine):
        name = self.names.popleft()
        self.running[machine] = name, time.monotonic() + TEST_SECONDS
        machine.send(name)

    def look(self, machine, ready):
        """At what a machine has said, if it has."""
        if ready and (lines := machine.lines_to(DONE)):
            text = '\n'.join(lines[:-1]).partition(SUMMARY)[0]
            self.report(text.rstrip('\n'), [int(count) for count in lines[-1].split()[1:]])
            del self.running[machine]
            if self.names:
                self.give(machine)
        elif time.monotonic() > self.running[machine][1]:
            machine.qemu.kill()
            raise Gone(f'not within {TEST_SECONDS} s:\n{machine.said()}')

    def report(self, text, counts):
        print(text, flush=True)
        self.counts = [a + b for a, b in zip(self.counts, counts)]


def shell(machine):
    """Ties our terminal to the machine's console, until either ends."""
    keys, output = sys.stdin.fileno(), machine.fileno()
    before = termios.tcgetattr(keys)
    tty.setraw(keys)
    try:
        while True:
            for ready in select.select([keys, output], [], [])[0]:
                data = os.read(ready, 4096)
                if not data or (ready == keys and LEAVE in data):
                    return
                os.write(machine.qemu.stdin.fileno() if ready == keys else sys.stdout.fileno(), data)
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--list', action='store_true', help='print the names of the tests, and run none')
    parser.add_argument('--no-snapshot', action='store_true', help='boot L1, whether or not a saved state is there')
    parser.add_argument('--shell', action='store_true', help='a shell in L1 instead; Ctrl-] leaves')
    parser.add_argument('--counts', type=Path, help='write "passed failed skipped" to this file')
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()

    started = time.monotonic()
    # Ended in whatever way, we clean up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ.pop('XENBED_KERNEL', None)  # the kernels in L1 are Debian's
    os.environ.setdefault('XENBED_ACCEL', 'kvm')
    os.environ.setdefault('XENBED_TEST_MEMORY', '256')
    try:
        names = list(flat(tests(options.names or DEFAULT)))
        if options.list:
            print(*names, sep='\n')
            return 0
        with tempfile.TemporaryDirectory(prefix='xb-', dir='/tmp') as folder:
            rig = Rig(folder, not options.no_snapshot)
            if options.shell:
                with rig.machine('stty sane; setsid cttyhack sh') as machine:
                    shell(machine)
                return 0
            run = Run(rig, names)
            run.go(min(len(os.sched_getaffinity(0)), MACHINES))
            counts = run.counts
    except harness.NotAvailable as reason:
        print(f'skipped: {reason}')
        counts = 0, 0, 1
    except (harness.GuestError, Gone) as reason:
        print(f'{parser.prog}: {reason}', file=sys.stderr)
        return 1

    passed, failed, skipped = counts
    print(f'\n{passed} passed, {failed} failed, {skipped} skipped in {time.monotonic() - started:.0f} s')
    if options.counts:
        options.counts.write_text(f'{passed} {failed} {skipped}\n')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
