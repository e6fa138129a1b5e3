# SPDX-License-Identifier: GPL-2.0-or-later
"""
How events reach a guest: by a vCPU's own vector, by the callback vector of the whole domain, by
PCI INTx; and how a vCPU waits for one.
"""

import os
import re
import unittest

import harness
from harness import Guest

SECONDS = 60 if os.environ.get('XENBED_LONG') else 3


class Bare(unittest.TestCase):
    """upcalls.c: one by one, masked, pending, let in again, acknowledged or not."""

    def test_each_way(self):
        for options in (('-accel', 'tcg,thread=multi'), ('-accel', 'tcg,thread=single'),
                        ('-accel', 'tcg', '-icount', 'shift=1,sleep=off')):
            with self.subTest(options):
                done = harness.run_bare(harness.bare('upcalls'), *options, '-object', 'xenbed,id=xenbed0')
                self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (0, 'all good'), done.stdout)


class Upcalls(unittest.TestCase):

    def balloon(self, guest):
        """Events of all kinds: xenstore's, the console's, timers, IPIs."""
        before = guest.current_kb()
        guest.mem_set(128)
        guest.mem_set(256)
        self.assertEqual(guest.current_kb(), before)
        self.assertRegex(guest.ask('vcpus pingpong 1 1'), r' 0 bad,')
        self.assertEqual(guest.trouble(), [])

    def interrupts(self, guest, name):
        """What all vCPUs together have had of an interrupt."""
        found = re.search(rf'^ *{name}:([ \d]+)', guest.ask('cat /proc/interrupts'), re.MULTILINE)
        return sum(map(int, found[1].split())) if found else 0

    def test_own_vector(self):
        with Guest(harness.vmlinux(), memory=256, vcpus=4, type='pvh', xen_version='4.17') as guest:
            self.assertGreater(self.interrupts(guest, 'HYP'), 0)
            self.balloon(guest)

    def test_callback_vector(self):
        """Before 4.17 Linux did not know whether a vector of its own would work."""
        for kind, kernel in ('hvm', harness.kernel()), ('pvh', harness.vmlinux()):
            with self.subTest(kind):
                with Guest(kernel, memory=256, vcpus=4, type=kind, xen_version='4.16') as guest:
                    self.assertGreater(self.interrupts(guest, 'HYP'), 0)
                    self.balloon(guest)

    def test_pci_intx(self):
        with Guest(harness.kernel(), memory=256, vcpus=2, xen_version='4.16',
                   extra='console=hvc0 quiet xen_no_vector_callback') as guest:
            self.assertEqual(self.interrupts(guest, 'HYP'), 0)
            lines = guest.ask('grep xen-platform-pci /proc/interrupts')
            self.assertRegex(lines, r'IO-APIC')
            self.balloon(guest)

    def test_pic(self):
        """The same, by the two old interrupt controllers."""
        with Guest(harness.kernel(), memory=256, xen_version='4.16',
                   extra='console=hvc0 quiet xen_no_vector_callback noapic') as guest:
            self.assertRegex(guest.ask('grep xen-platform-pci /proc/interrupts'), r'XT-PIC')
            self.balloon(guest)

    def test_eight_vcpus(self):
        for version in '4.16', '4.17':
            with self.subTest(version):
                with Guest(harness.vmlinux(), memory=512, vcpus=8, type='pvh', xen_version=version) as guest:
                    report = guest.ask(f'vcpus pingpong {SECONDS} 4', SECONDS + harness.COMMAND_SECONDS)
                    print(f'Xen {version}: {report}', end=' ... ', flush=True)
                    self.assertRegex(report, r', 0 bad,')
                    self.assertEqual(guest.trouble(), [])

    def test_sixteen_vcpus(self):
        with Guest(harness.kernel(), memory=512, vcpus=16) as guest:
            self.assertEqual(guest.ask('nproc'), '16')
            self.assertRegex(guest.ask('vcpus pingpong 1 8'), r' 0 bad,')
            self.assertEqual(guest.trouble(), [])

    def test_spinlocks(self):
        """Linux's wait by SCHEDOP_poll, each with an event channel of its own."""
        with Guest(harness.vmlinux(), memory=512, vcpus=8, type='pvh') as guest:
            self.assertIn('PV qspinlock hash table', guest.ask('dmesg'))
            self.assertRegex(guest.ask('memhold churn 5 16 200'), r', 0 bad$')
            kicks = guest.ask('grep -c spinlock /proc/interrupts')
            self.assertEqual(kicks, '8')
            self.assertEqual(guest.trouble(), [])


if __name__ == '__main__':
    unittest.main()
