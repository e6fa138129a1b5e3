# SPDX-License-Identifier: GPL-2.0-or-later
"""
What there is under KVM only: what is not to be had there is said before the guest starts; what is written to a hole.
test_accelerators compares it with TCG.
"""

import os
import subprocess
import unittest

import harness
from harness import kvm, Probe, QEMU

NOBODY = 65534


def start(*options, keep=False, **more):
    """QEMU with an object and without a guest: it waits until it is told to end."""
    return subprocess.run(['timeout', '-k', '5', '60', QEMU, *options,
                           '-object', f'xenbed,id=xenbed0,keep={"on" if keep else "off"}', '-S', '-m', '64',
                           '-nodefaults', '-display', 'none', '-monitor', 'stdio', *harness.FIRMWARE],
                          input='info kvm\nquit\n', text=True, capture_output=True, check=False, **more)


class Refused(unittest.TestCase):
    """One line, and the other accelerator if there is one."""

    def refused(self, line, **more):
        done = start('-accel', 'kvm', **more)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stderr.count('xenbed: '), 1, done.stderr)
        self.assertIn(line, done.stderr)
        done = start('-accel', 'kvm', '-accel', 'tcg', **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('kvm support: disabled', done.stdout)

    def test_no_kvm_xen(self):
        if not os.access('/dev/kvm', os.R_OK | os.W_OK):
            raise harness.NotAvailable('/dev/kvm: not accessible')
        if harness.doctor('kvm-xen')['ok']:
            raise harness.NotAvailable('KVM has Xen support here')
        self.refused('xenbed: the kernel\'s KVM has no Xen support (CONFIG_KVM_XEN), or not enough: use -accel tcg')

    def test_no_userfaultfd(self):
        kvm()
        if os.geteuid() != 0:
            raise harness.NotAvailable('only root can be somebody who may not use userfaultfd')
        mode = os.stat('/dev/kvm').st_mode & 0o777
        os.chmod('/dev/kvm', 0o666)
        self.addCleanup(os.chmod, '/dev/kvm', mode)
        self.refused('xenbed: no userfaultfd for what KVM accesses: make /dev/userfaultfd readable and writable for '
                     'this user, or sysctl vm.unprivileged_userfaultfd=1, or use -accel tcg', user=NOBODY, group=NOBODY)

    def test_keep(self):
        kvm()
        done = start('-accel', 'kvm', keep=True)
        self.assertEqual((done.returncode, done.stderr.splitlines()[-1].partition(': ')[2]),
                         (1, 'xenbed: keep=on needs -accel tcg'))


class Memory(unittest.TestCase):

    def setUp(self):
        kvm()

    def test_switched_on_by_the_object(self):
        done = start('-accel', 'kvm')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('kvm support: enabled', done.stdout)

    def test_write_to_a_hole(self):
        """It is there until the gfn is populated again; QEMU's log has it, once."""
        words = 'dec:0x1000,16 look:0x1000-0x1010 w:0x1004-0x1006 peek:0x1004000 look:0x1000-0x1004 ' \
                'pop:0x1000,16 look:0x1000-0x1010'
        with Probe(words, memory=32, poison=0).prepared() as guest:
            lines = guest.run_to_stop().splitlines()
            log = (guest.domain_folder / 'qemu.log').read_text()
        self.assertEqual([line for line in lines if line.startswith(('look', 'peek'))], [
            'look gfn 0x1000 n 16: all 0xffffffffffffffff',
            'peek 0x1004000: 0x1005',
            'look gfn 0x1000 n 4: all 0xffffffffffffffff',
            'look gfn 0x1000 n 16: all 0x0',
        ])
        for gfn in 0x1004, 0x1005:
            self.assertEqual(log.count(f'xenbed: d1v0 writes to the hole at gfn {gfn:#x}: KVM cannot drop that, the '
                                       'page keeps it'), 1, log)

    def test_memfd(self):
        """Populate-on-demand, a sweep, and pages given back and taken, of another kind of memory."""
        words = 'w:4-20 z:20-40 v:4-20 dec:0x1000,256 pop:0x1000,128 look:0x0f00-0x1100 info'
        outputs = []
        for memory in (), ('-object', 'memory-backend-memfd,id=ram0,size=64M,reserve=off',
                           '-machine', 'memory-backend=ram0'):
            with Probe(words, memory=32, maxmem=64, device_model_args=memory).prepared() as guest:
                outputs.append((guest.run_to_stop(), guest.pod()))
                self.assertLess(guest.info()['resident'], 34 * harness.MIB_KIB)
        self.assertEqual(*outputs)
        self.assertIn('Test result: SUCCESS', outputs[0][0])


if __name__ == '__main__':
    unittest.main()
