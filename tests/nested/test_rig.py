# SPDX-License-Identifier: GPL-2.0-or-later
"""
The machine that the other tests run in: Linux on its KVM believes to run on Xen, which
here is QEMU's own, without xenbed.  Fails when it is not xenbed that is to blame.
"""

import subprocess
import unittest

import harness


class Rig(unittest.TestCase):

    def test_stock(self):
        done = subprocess.run([
            'timeout', '-k', '5', str(harness.BOOT_SECONDS), harness.QEMU, *harness.FIRMWARE,
            '-accel', 'kvm,xen-version=0x40011,kernel-irqchip=split', '-cpu', 'host', '-m', '256',
            '-nodefaults', '-display', 'none', '-nic', 'none', '-no-reboot',
            '-chardev', 'stdio,id=console', '-device', 'xen-console,chardev=console',
            '-kernel', harness.kernel(), '-initrd', harness.INITRAMFS, '-append', 'console=hvc0 rdinit=/sbin/poweroff',
        ], text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('Hypervisor detected: Xen HVM', done.stdout)
        self.assertIn('reboot: Power down', done.stdout)


if __name__ == '__main__':
    unittest.main()
