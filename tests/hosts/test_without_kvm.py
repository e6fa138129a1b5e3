# SPDX-License-Identifier: GPL-2.0-or-later
"""
QEMU built with --disable-kvm, as it is on every host but Linux on x86.  QEMU's Xen
emulation was once a part of its KVM, and an #ifdef forgotten shows here only.  That it
compiles is most of the test; a guest then balloons with it.
"""

import os
import subprocess
import sys
import unittest
from unittest import mock

import harness
from harness import MIB_KIB, TOP, Guest


@unittest.skipUnless(os.environ.get('XENBED_LONG'), 'only with --long')
class WithoutKvm(unittest.TestCase):

    def build(self):
        """Builds it, which takes minutes the first time; returns the program's path."""
        source = TOP / 'build/qemu/source'
        given = ['--qemu-src', source.read_text().strip()] if source.exists() else []
        folder = TOP / 'build/without-kvm'
        sys.stdout.flush()
        done = subprocess.run([TOP / 'emu/build.sh', *given, '--configure', '--disable-kvm', folder],
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 0, 'emu/build.sh, which has said why')
        return folder / 'qemu/qemu-system-x86_64'

    def test_balloon(self):
        qemu = self.build()
        accelerators = subprocess.run([qemu, '-accel', 'help'], text=True, capture_output=True, check=True)
        self.assertEqual(accelerators.stdout.splitlines()[1:], ['tcg'])
        with mock.patch.dict(os.environ, XENBED_QEMU=str(qemu)), \
                Guest(harness.kernel(), memory=512, vcpus=2) as guest:
            self.assertEqual(os.readlink(f'/proc/{guest.pid}/exe'), str(qemu))
            self.assertEqual(guest.ask('cat /sys/hypervisor/type'), 'xen')
            guest.ask('memhold touch')
            before = guest.sizes()
            guest.mem_set(256)
            small = guest.sizes()
            for side in ('current_kb', 'tot_pages', 'MemTotal'):
                self.assertEqual(before[side] - small[side], 256 * MIB_KIB, side)
            self.assertLess(small['resident'], before['resident'] - 200 * MIB_KIB)
            guest.mem_set(512)
            self.assertEqual(guest.sizes()['tot_pages'], before['tot_pages'])
            self.assertEqual(guest.trouble(), [])
            guest.power_off()


if __name__ == '__main__':
    unittest.main()
