# SPDX-License-Identifier: GPL-2.0-or-later
"""
What `xenbed doctor` says of this machine, whatever that has, and that `xenbed create` goes by it.
Machines that lack this and that are in tests/tools/cli.py.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import harness
from harness import Probe

NOBODY = 65534

KVM_CHECK_EXTENSION = 0xae03
KVM_CAP_XEN_HVM = 38
XEN_NEEDED = 0x27  # hypercall page, interception, shared_info, sending of events


def doctor(program=harness.XENBED, **options):
    """What it says, with its findings by name."""
    environment = {name: value for name, value in os.environ.items() if name != 'XENBED_ACCEL'}
    done = subprocess.run([program, 'doctor', '--json'], env=environment, text=True, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, **options)
    said = json.loads(done.stdout)
    said['findings'] = {finding['name']: finding for finding in said['findings']}
    return {**said, 'status': done.returncode}


class ThisMachine(unittest.TestCase):

    def setUp(self):
        self.said = doctor()
        self.findings = self.said['findings']

    def test_guests_run(self):
        self.assertEqual(self.said['status'], 0)
        for name in ('qemu', 'firmware', 'memory'):
            self.assertTrue(self.findings[name]['ok'], self.findings[name])
        lacks = [finding['found'] for finding in self.findings.values()
                 if finding['needed_for'] == 'kvm' and not finding['ok']]
        expected = ('tcg', lacks[0]) if lacks else ('kvm', None)
        self.assertEqual((self.said['accel'], self.said['why']), expected)

    def test_kvm(self):
        try:
            with open('/dev/kvm', 'r+b', buffering=0) as device:
                flags = fcntl.ioctl(device, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM)
        except OSError as error:
            self.assertFalse(self.findings['kvm']['ok'])
            self.assertEqual(self.findings['kvm']['found'], f'/dev/kvm: {error.strerror}')
            return
        xen = self.findings['kvm-xen']
        self.assertEqual(xen['ok'], flags & XEN_NEEDED == XEN_NEEDED, xen)
        self.assertEqual('CONFIG_KVM_XEN' in xen['found'], flags == 0, xen)

    @unittest.skipUnless(os.geteuid() == 0, 'only root can become somebody else')
    def test_somebody_else(self):
        """One who may open what all may open, and has no privilege."""
        def may_open(device):
            return subprocess.run(['test', '-r', device, '-a', '-w', device], user=NOBODY, group=NOBODY,
                                  extra_groups=[], check=False).returncode == 0

        with tempfile.TemporaryDirectory(dir='/tmp') as folder:
            os.chmod(folder, 0o755)
            said = doctor(shutil.copy(harness.XENBED, folder), user=NOBODY, group=NOBODY, extra_groups=[])
        findings = said['findings']
        if Path('/dev/kvm').exists() and not may_open('/dev/kvm'):
            self.assertEqual((said['findings']['kvm']['ok'], findings['kvm']['found']),
                             (False, '/dev/kvm: Permission denied'))
        setting = Path('/proc/sys/vm/unprivileged_userfaultfd')
        allowed = may_open('/dev/userfaultfd') or (setting.exists() and setting.read_text().strip() == '1')
        self.assertEqual(findings['userfaultfd']['ok'], allowed and self.findings['userfaultfd']['ok'],
                         findings['userfaultfd'])
        if not allowed and setting.exists():
            self.assertIsNotNone(findings['userfaultfd']['remedy'], findings['userfaultfd'])

    def test_create_goes_by_it(self):
        guest = Probe('', accel='auto')
        try:
            lines = guest.xenbed('create', '--paused', str(guest.config)).stdout.splitlines()
            reason = f': {self.said["why"]}' if self.said['why'] else ''
            self.assertEqual(lines[1:], [f'Using {self.said["accel"]}{reason}'])
            self.assertEqual(guest.qmp('query-kvm')['enabled'], self.said['accel'] == 'kvm')
        finally:
            guest.__exit__(None, None, None)

    def test_kvm_that_cannot_be(self):
        if self.said['accel'] == 'kvm':
            self.skipTest('this machine has all that kvm takes')
        guest = Probe('', accel='kvm')
        try:
            done = guest.xenbed('create', str(guest.config), check=False)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
            self.assertTrue(done.stderr.startswith(f'xenbed: kvm: {self.said["why"]}; '), done.stderr)
            self.assertTrue(done.stderr.endswith('use accel = "tcg"\n'), done.stderr)
            self.assertFalse(guest.domain_folder.exists())
        finally:
            guest.__exit__(None, None, None)


if __name__ == '__main__':
    unittest.main()
