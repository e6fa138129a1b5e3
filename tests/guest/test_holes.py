# SPDX-License-Identifier: GPL-2.0-or-later
"""
Holes, seen from every side: by a vCPU (the guest holes.c, which checks itself), by
the debugger's and the monitor's reads, and by a dump.  A read of a hole gives ones,
and nobody who only looks makes the host give a page.
"""

import re
import subprocess
import unittest

import harness
from harness import Guest, MIB_KIB, PAGE_KIB, QEMU


class SeenByTheCpu(unittest.TestCase):
    """holes.c under each way QEMU can run it."""

    def run_guest(self, *options):
        done = harness.run_bare(harness.bare('holes'), *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual([line for line in lines if not line.startswith('ok ')], ['result: SUCCESS'],
                         done.stdout)
        # What the hypervisor had to say went to the log, in Xen's words.
        self.assertRegex(done.stderr, r'\(XEN\) d1v0 Over-allocation for d1: \d+ > 16640\n$')

    def test_switched_on_by_the_accelerator(self):
        self.run_guest('-accel', 'tcg,xen-version=0x40011')

    def test_switched_on_by_the_object(self):
        self.run_guest('-accel', 'tcg', '-object', 'xenbed,id=xenbed0')

    def test_every_option_has_help(self):
        done = subprocess.run([QEMU, '-object', 'xenbed,help'], text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, check=True)
        options = done.stdout.splitlines()[1:]
        self.assertIn('memory', done.stdout)
        for option in options:
            self.assertRegex(option, r'^ +[a-z-]+=<\w+> +- \w', option)

    def test_one_thread(self):
        self.run_guest('-accel', 'tcg,thread=single,xen-version=0x40011')

    def test_icount(self):
        self.run_guest('-accel', 'tcg,xen-version=0x40011', '-icount', 'shift=1,sleep=off')

    def test_memfd(self):
        self.run_guest('-accel', 'tcg,xen-version=0x40011', '-object',
                       'memory-backend-memfd,id=ram0,size=64M', '-machine', 'memory-backend=ram0')

    def test_q35(self):
        self.run_guest('-accel', 'tcg,xen-version=0x40011', '-machine', 'q35')


class SeenFromOutside(unittest.TestCase):
    """Half of a guest is holes; the monitor reads all of it."""

    def test_observers_change_nothing(self):
        with Guest(harness.kernel(), memory=512, vcpus=2) as guest:
            guest.ask('memhold touch')
            guest.mem_set(256)
            guest.qmp('stop')
            before = guest.info()

            self.assertGreater(self.ones(guest), 0.4 * 512 * MIB_KIB / PAGE_KIB)
            self.dump(guest, before['tot_pages'])

            after = guest.info()
            self.assertEqual(after['tot_pages'], before['tot_pages'])
            self.assertLessEqual(after['resident'], before['resident'])
            guest.qmp('cont')
            guest.power_off()

    def ones(self, guest):
        """How many of the guest's pages read as ones (pmemsave, 16 MiB at a time)."""
        count = 0
        path = guest.folder / 'memory'
        for address in range(0, 512 << 20, 16 << 20):
            guest.qmp('pmemsave', val=address, size=16 << 20, filename=str(path))
            data = path.read_bytes()
            count += sum(data[at:at + 4096] == b'\xff' * 4096 for at in range(0, len(data), 4096))
        return count

    def dump(self, guest, tot_pages):
        """A dump holds the pages that exist and no holes."""
        path = guest.folder / 'dump'
        guest.qmp('dump-guest-memory', paging=False, protocol=f'file:{path}')
        self.assertAlmostEqual(path.stat().st_size / (tot_pages * PAGE_KIB * 1024), 1, delta=0.05)


class Reboot(unittest.TestCase):

    def test_reboot_gives_all_memory_back(self):
        """A rebooted domain is a new one: what was given back is there again, and can go again."""
        with Guest(harness.kernel(), memory=512, vcpus=2) as guest:
            full = guest.info()['tot_pages']
            for how in ('reboot', 'reset'):
                guest.mem_set(256)
                boots = self.boots(guest)
                if how == 'reboot':
                    with guest.store() as store:
                        store.write('/local/domain/1/control/shutdown', 'reboot')
                else:
                    guest.qmp('system_reset')
                harness.wait_for(lambda: self.boots(guest) > boots, how, harness.BOOT_SECONDS)
                guest.console.wait_ready()
                self.assertEqual(guest.info()['tot_pages'], full)
                self.assertEqual(guest.info()['target'], 512 * MIB_KIB)
            guest.power_off()

    def boots(self, guest):
        return len(re.findall(harness.READY, guest.console.log_text()))


if __name__ == '__main__':
    unittest.main()
