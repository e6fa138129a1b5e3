# SPDX-License-Identifier: GPL-2.0-or-later
"""
An unmodified Debian kernel balloons from 1 GiB to half of it and back.

The guest's own balloon driver does it, told by memory/target in the store.  What it
says (MemTotal, current_kb) and what the hypervisor counts (tot_pages) must change by
exactly that much; what the host gave (the resident part of guest memory) must follow
within 5 %.  The guest touches all its free memory before each look at the host, as
memory that was never touched costs the host nothing.  All the while a program holds
memory whose every word it knows.
"""

import os
import unittest

import harness
from harness import MIB_KIB, Guest

FULL = harness.MEMORY_MIB
SMALL = FULL // 2
STEP_KIB = (FULL - SMALL) * MIB_KIB
HELD_MIB = FULL // 8
ROUNDS = 20 if os.environ.get('XENBED_LONG') else 1


class Held:
    """memhold running in the guest; fed through a fifo."""

    def __init__(self, guest, mib):
        self.guest = guest
        # The job opens its output when it gets to run; wait_line() may be first.
        guest.ask('mkfifo /tmp/held.in; : >/tmp/held.out')
        guest.ask(f'memhold fill {mib} </tmp/held.in >/tmp/held.out & echo $! >/tmp/held.pid')
        guest.ask('exec 9>/tmp/held.in')
        self.wait_line(f'holding {mib} MiB')

    def wait_line(self, line):
        harness.wait_for(lambda: line in self.guest.ask('cat /tmp/held.out'), f'memhold: {line!r}',
                         harness.COMMAND_SECONDS, 0.5)

    def end(self):
        """Ends it; returns what it said last."""
        self.guest.ask('exec 9>&-')
        self.guest.ask('while kill -0 $(cat /tmp/held.pid) 2>/dev/null; do sleep 0.1; done')
        return self.guest.ask('tail -n 1 /tmp/held.out')


class Balloon:
    """The test, for each kernel; mixed into the classes made below."""

    version = None

    def balloon(self, vcpus, rounds=ROUNDS):
        kernel = harness.kernel(self.version)
        with Guest(kernel, memory=FULL, vcpus=vcpus) as guest:
            self.assertEqual(int(guest.ask('nproc')), vcpus)
            held = Held(guest, HELD_MIB)
            for _ in range(rounds):
                self.down_and_up(guest)
            pages = HELD_MIB * MIB_KIB // harness.PAGE_KIB
            self.assertEqual(held.end(), f'verified {pages} pages, 0 bad')
            self.assertEqual(guest.trouble(), [])
            guest.power_off()

    def down_and_up(self, guest):
        guest.ask('memhold touch')
        before = guest.sizes()
        self.check_host(before, 'before')

        guest.mem_set(SMALL)
        small = guest.sizes()
        self.check_change(before, small, -STEP_KIB)
        # What was not touched before still is not, and may have gone or stayed.
        self.check_host(small, 'after giving back', before['tot_pages'] - before['resident'])
        guest.ask('memhold touch')
        self.check_host(guest.sizes(), 'after giving back, all memory touched')

        guest.mem_set(FULL)
        guest.ask('memhold touch')
        full = guest.sizes()
        self.check_change(small, full, STEP_KIB)
        self.check_host(full, 'after taking again, all memory touched')

    def check_change(self, before, after, expected):
        for what in ('MemTotal', 'current_kb', 'tot_pages'):
            self.assertEqual(after[what] - before[what], expected, f'change of {what} in KiB')

    def check_host(self, sizes, when, untouched=0):
        message = f'resident memory to tot_pages, {when}: {sizes}'
        self.assertLessEqual(sizes['resident'], 1.05 * sizes['tot_pages'], message)
        self.assertGreaterEqual(sizes['resident'], 0.95 * sizes['tot_pages'] - untouched, message)

    def test_1_vcpu(self):
        self.balloon(1)

    def test_2_vcpus(self):
        self.balloon(2)

    def test_8_vcpus(self):
        self.balloon(8, rounds=1)


for _version in harness.kernel_versions():
    _name = 'Linux' + _version.replace('.', '_')
    globals()[_name] = type(_name, (Balloon, unittest.TestCase),
                            {'version': _version, '__module__': __name__})


if __name__ == '__main__':
    unittest.main()
