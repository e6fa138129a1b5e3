# SPDX-License-Identifier: GPL-2.0-or-later
"""
Populate-on-demand in a guest: it boots with less than it sees, its balloon driver gives
the difference back, and what it touches beyond that kills it as on Xen.
"""

import os
import signal
import unittest

import harness
from harness import Guest, Probe
from test_badinput import processes_with

MEMORY = 256  # MiB
NOISE_KIB = harness.NOISE_MIB * harness.MIB_KIB
LONG = os.environ.get('XENBED_LONG')
MAXMEMS = (1024, 2048)  # MiB; test_kernels has 512
PAGES_PER_MIB = 256
# How many more or fewer pages than on Xen a guest may have left to populate: 16 MiB.
LEFT_DELTA = 16 * PAGES_PER_MIB
WITHOUT_BALLOON = 'console=hvc0 quiet initcall_blacklist=balloon_init'


def counters(guest):
    return {key: value for key, value in guest.info().items() if key.endswith('_pages') or key.startswith('pod_')}


class Small(unittest.TestCase):
    """With a guest that does what its words say and nothing else."""

    def test_zeroing_all_memory_at_boot(self):
        """What PoD was made for: eight times what it owns, before any driver runs, twice."""
        guest = Probe('z:4-256/64 z:4-256/64 r:4-256/64', memory=32, maxmem=256)
        with guest.prepared():
            output = guest.run_to_end()
            info = guest.info()
        self.assertIn('nonzero pages 0', output)
        self.assertEqual(info['state'], '---s--')
        self.assertEqual(info['tot_pages'], 32 * harness.MIB_KIB // harness.PAGE_KIB + 16)
        self.assertLessEqual(info['resident'], 32 * harness.MIB_KIB + NOISE_KIB)

    def test_more_than_the_host_has(self):
        guest = Probe('w:4-100', memory=128, maxmem=65536)
        with guest.prepared():
            self.assertIn('Test result: SUCCESS', guest.run_to_end())
            self.assertLessEqual(guest.info()['resident'], 128 * harness.MIB_KIB)

    def test_killed_at_any_time(self):
        """Nothing is left of a domain whose QEMU was killed in the middle of a sweep."""
        guest = Probe('z:4-256/1 ' * 20, memory=16, maxmem=256)
        with guest.prepared():
            guest.xenbed('unpause', guest.name)
            harness.wait_for(lambda: guest.pod()['reclaimed'] > 10000, 'pages taken back', 30, 0)
            os.kill(guest.pid, signal.SIGKILL)
            harness.wait_for(lambda: not guest.running(), "QEMU's end", 30)
            self.assertEqual(len(guest.xenbed('list').stdout.splitlines()), 1)

    def test_destroyed_at_any_time(self):
        """Nor of one that is destroyed there: no process, no folder, no store."""
        guest = Probe('z:4-256/1 ' * 20, memory=16, maxmem=256)
        with guest.prepared():
            guest.xenbed('unpause', guest.name)
            with guest.store() as store:
                harness.wait_for(lambda: guest.pod()['reclaimed'] > 10000, 'pages taken back', 30, 0)
                guest.xenbed('destroy', guest.name)
                self.assertEqual(processes_with(str(guest.folder)), [])
                self.assertEqual([path.name for path in guest.domain_folder.parent.iterdir() if not path.is_file()], [])
                self.assertEqual(len(guest.xenbed('list').stdout.splitlines()), 1)
                with self.assertRaises((OSError, EOFError)):
                    store.read('/local')

    def test_observers_populate_nothing(self):
        """The monitor and a dump, of gfns that are populate-on-demand: zeroes, and nothing has changed."""
        guest = Probe('info', memory=32, maxmem=64)
        with guest.prepared():
            before = counters(guest)
            path = guest.folder / 'memory'
            guest.qmp('pmemsave', val=16 << 20, size=16 << 20, filename=str(path))
            self.assertEqual(path.read_bytes(), bytes(16 << 20))
            for command in ('xp /4xg 0x2000000', 'x /4xg 0x2000000', 'info tlb', 'info mem'):
                guest.qmp('human-monitor-command', **{'command-line': command})
            guest.qmp('memsave', val=16 << 20, size=1 << 20, filename=str(path))
            guest.qmp('dump-guest-memory', paging=False, protocol=f'file:{path}')
            self.assertEqual(counters(guest), before)
            self.assertLess(path.stat().st_size, 8 << 20)

    def test_a_debugger_populates_nothing(self):
        guest = Probe('info', memory=32, maxmem=64)
        with guest.prepared():
            before = counters(guest)
            with guest.gdb() as gdb:
                for physical in 0, 1:
                    self.assertEqual(gdb.command(f'Qqemu.PhyMemMode:{physical}'), b'OK')
                    self.assertEqual(gdb.command('m2000000,8'), b'0' * 16)
                self.assertEqual(counters(guest), before)

    def test_reset_builds_it_anew(self):
        guest = Probe('w:4-20 z:30-60', memory=32, maxmem=64)
        with guest.prepared():
            built = counters(guest)
            guest.run_to_end()
            self.assertNotEqual(counters(guest), built)
            guest.qmp('system_reset')
            harness.wait_for(lambda: counters(guest) == built, 'the domain as it was built', 30)


class Linux(unittest.TestCase):

    def boots_with(self, maxmem, **more):
        with Guest(memory=MEMORY, maxmem=maxmem, **more) as guest:
            info = guest.settle()
            self.assertEqual(info['static-max'], maxmem * harness.MIB_KIB)
            # What Xen's builder gave it, or what the driver has come to.
            self.assertLessEqual(info['tot_pages'], info['max_pages'])
            self.assertLessEqual(info['resident'], MEMORY * harness.MIB_KIB + NOISE_KIB)
            self.assertLessEqual(guest.meminfo()['MemTotal'], MEMORY * harness.MIB_KIB)
            self.assertEqual(guest.trouble(), [])
        return info

    def test_a_hungry_process_is_refused(self):
        """With its balloon where it is to be, more than there is is not to be had, and nobody dies of it."""
        with Guest(harness.vmlinux('6.12'), memory=MEMORY, maxmem=1024, type='pvh') as guest:
            guest.settle()
            status, _ = guest.console.run('memhold fill 600')
            self.assertNotEqual(status, 0)
            self.assertEqual(guest.info()['state'], 'r-----')

    def boot_each(self, type_, short):
        """All kernels with all sizes; without --long some."""
        everything = [(version, maxmem) for version in harness.kernel_versions() for maxmem in MAXMEMS]
        for version, maxmem in everything if LONG else short:
            kernel = harness.vmlinux(version) if type_ == 'pvh' else harness.kernel(version)
            with self.subTest(version=version, maxmem=maxmem):
                self.boots_with(maxmem, kernel_path=kernel, type=type_)

    def test_hvm(self):
        self.boot_each('hvm', (('6.1', 2048), ('6.12', 1024)))

    def test_pvh(self):
        self.boot_each('pvh', (('6.1', 1024), ('6.12', 2048)))

    def test_as_on_xen(self):
        """
        The counters when a guest rests, beside those of real Xen (4.17.7, PVH, 256 of 512 MiB, Debian's kernel).

        What is decided by the toolstack and by the balloon driver is the same to the page.  What is left to
        populate is not: the guest has touched all else by then, and how much that is depends on its initramfs,
        which was larger there (the builder alone populated 33 superpages for it and the kernel, here 24), on what
        the kernel frees of that, and on what ran.
        """
        with Guest(harness.vmlinux(), memory=MEMORY, maxmem=512, type='pvh', xen_version='4.17') as guest:
            for target, tot_pages, max_pages, left, current_kb in (
                    (None, 65552, 65792, 45846, 261756), (384, 98320, 98560, 45845, 392828),
                    (512, 131088, 131328, 45845, 523900), (200, 51216, 51456, 31983, 204412)):
                with self.subTest(target=target):
                    if target:
                        guest.mem_set(target)
                    info = guest.settle()
                    self.assertEqual((info['tot_pages'], info['max_pages'], guest.current_kb()),
                                     (tot_pages, max_pages, current_kb))
                    self.assertEqual(info['pod_entries'], info['pod_cache'])
                    self.assertAlmostEqual(info['pod_cache'], left, delta=LEFT_DELTA)

    def test_many_vcpus_at_once(self):
        """Eight vCPUs write all over memory for the first time while the balloon deflates, goes down and comes back."""
        for version in harness.kernel_versions() if LONG else ['6.12']:
            with self.subTest(version=version), \
                    Guest(harness.vmlinux(version), memory=512, maxmem=1024, vcpus=8, type='pvh') as guest:
                guest.ask('memhold churn 10 8 240 >/tmp/churn 2>&1 &')
                guest.mem_set(400)
                guest.mem_set(512)
                guest.ask('while ! [ -s /tmp/churn ]; do sleep 0.2; done')
                self.assertRegex(guest.ask('cat /tmp/churn'), r'^churned \d+ pages, 0 bad$')
                guest.settle()
                self.assertGreater(guest.pod()['populated'], 240 * PAGES_PER_MIB)
                self.assertEqual(guest.info()['state'], 'r-----')
                self.assertEqual(guest.trouble(), [])

    def test_more_than_there_is_kills(self):
        """Without its balloon driver: dead when the pages that are not zero are the target, and as Xen says it."""
        with Guest(harness.vmlinux(), memory=MEMORY, maxmem=512, type='pvh', extra=WITHOUT_BALLOON,
                   on_crash='preserve', xen_version='4.17') as guest:
            guest.console.send('yes | head -c 400m > /eaten')
            harness.wait_for(lambda: guest.info()['state'] != 'r-----', 'the crash', harness.COMMAND_SECONDS)
            info = guest.info()
            self.assertEqual(info['state'], '---sc-')
            log = guest.xenbed('dmesg', guest.name).stdout.splitlines()
        # The figures that Xen 4.17.7 printed.
        self.assertEqual(log[0], '(XEN) p2m_pod_demand_populate: Dom1 out of PoD memory! (tot=65552 ents=65536 dom1)')
        self.assertEqual(log[2], '(XEN) Domain 1 (vcpu#0) crashed on cpu#0:')
        self.assertEqual((info['tot_pages'], info['pod_cache']), (65552, 0))

    def test_no_write_is_lost(self):
        """Eight vCPUs write to pages of zeroes while those are taken back, again and again."""
        # Half of all gfns have pages, so that a sweep finds one in its first stretch: after
        # that it gives up when an interrupt waits, as Xen's does.
        with Guest(harness.vmlinux(), memory=512, maxmem=1024, vcpus=8, type='pvh', extra=WITHOUT_BALLOON) as guest:
            self.assertRegex(guest.ask('memhold race 10 8 700'), r'^raced for \d+ pages, 0 bad$')
            info = guest.info()
            self.assertEqual(info['state'], 'r-----')
            self.assertGreater(guest.pod()['reclaimed'], 10000)

    def test_a_builder_that_runs_out(self):
        """Kernel and ramdisk alone are more than the domain owns: it is not built, and Xen says why."""
        guest = Guest(harness.vmlinux(), memory=16, maxmem=512, type='pvh')
        with self.assertRaisesRegex(harness.GuestError, r'xenbed: building domain 1: '
                                    'kernel and ramdisk need more than its memory'):
            with guest.prepared():
                pass

    def test_zeroes_cost_nothing(self):
        with Guest(harness.vmlinux(), memory=160, maxmem=512, type='pvh', extra=WITHOUT_BALLOON) as guest:
            guest.ask('mkdir -p /m; mount -t tmpfs -o size=350m none /m; dd if=/dev/zero of=/m/x bs=1M count=300 2>&1')
            self.assertEqual(guest.info()['state'], 'r-----')


if __name__ == '__main__':
    unittest.main()
