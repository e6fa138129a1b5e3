# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a user can get wrong with the real QEMU: each is one line on stderr with the
thing and the reason, exit status not 0, and nothing is left running or half made.
"""

import os
import unittest

import harness
from harness import Guest

MEMORY = 256


class Refused(unittest.TestCase):
    """A guest that must not start."""

    def refuse(self, reason, *device_model_args, environment=None, **more):
        kernel = harness.kernel()
        guest = Guest(kernel, memory=MEMORY, device_model_args=device_model_args, **more)
        guest.environment.update(environment or {})
        try:
            done = guest.xenbed('create', str(guest.config), check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertRegex(done.stderr, reason)
            self.assertEqual(guest.xenbed('list').stdout.count('\n'), 1)
            self.assertFalse(guest.domain_folder.exists())
            self.assertEqual(processes_with(str(guest.folder)), [])
        finally:
            guest.__exit__(None, None, None)

    def backing(self, reason, backend):
        self.refuse(reason, '-object', f'{backend},id=ram0,size={MEMORY}M',
                    '-machine', 'memory-backend=ram0')

    def test_hugetlbfs(self):
        self.backing('(?i)huge', 'memory-backend-memfd,hugetlb=on,reserve=off')

    def test_private_file(self):
        self.backing('(?i)private|share', 'memory-backend-file,share=off,mem-path=/tmp')

    def test_locked_memory(self):
        self.refuse('mem-lock', '-overcommit', 'mem-lock=on')

    def test_vhost(self):
        self.refuse('vhost', '-device', 'vhost-vsock-pci,guest-cid=3')

    def test_io_threads(self):
        """One that finds the cache empty would have to stop vCPUs that may be waiting for it."""
        self.refuse('I/O threads', '-object', 'iothread,id=thread0', maxmem=2 * MEMORY)

    def test_unknown_device(self):
        self.refuse('no-such-device', '-device', 'no-such-device')

    def test_qemu_that_ends_at_once(self):
        self.refuse('QEMU ended', environment={'XENBED_QEMU': '/bin/false'})

    def test_no_qemu(self):
        self.refuse('/nonexistent', environment={'XENBED_QEMU': '/nonexistent'})


class Unreachable(unittest.TestCase):

    def test_target_nobody_follows(self):
        """A kernel that is kept from starting its balloon driver."""
        kernel = harness.kernel()
        with Guest(kernel, memory=MEMORY,
                   extra='console=hvc0 quiet initcall_blacklist=balloon_init') as guest:
            before = guest.info()['tot_pages']
            done = guest.xenbed('mem-set', '--wait=2', guest.name, str(MEMORY // 2), check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(f'reached {before * harness.PAGE_KIB} KiB', done.stderr)
            # Without --wait it is as with xl: told, not waited for.
            guest.xenbed('mem-set', guest.name, str(MEMORY))


def processes_with(word):
    """Command lines of the processes that have this word in them."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                line = file.read().decode(errors='replace')
        except OSError:
            continue
        if word in line:
            found.append(line.replace('\0', ' '))
    return found


if __name__ == '__main__':
    unittest.main()
