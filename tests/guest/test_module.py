# SPDX-License-Identifier: GPL-2.0-or-later
"""
A balloon driver that is no part of the kernel: guest-drivers/module is built with
Debian's headers, loaded, and driven through its file.  The kernel's own is not there.
"""

import contextlib
import functools
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import harness
from harness import Guest, MIB_KIB, PAGE_KIB, TOP
from test_pod import WITHOUT_BALLOON

MODULE = 'xenbed_balloon'
FILE = f'/sys/kernel/{MODULE}/pages'
MEMORY = 256  # MiB
MIB_PAGES = MIB_KIB // PAGE_KIB
PAGES = 10000
LESS = 10  # MiB, fewer than PAGES
NOISE_PAGES = MIB_PAGES  # what a guest that does nothing may take or free otherwise


@functools.cache
def headers(version):
    """The folder with a kernel of this version and its headers."""
    if os.environ.get('XENBED_KERNEL'):
        raise harness.NotAvailable('builds a module for Debian\'s kernel, not for one that is given')
    for program in ('gcc', 'make'):
        if not shutil.which(program):
            raise harness.NotAvailable(f'no {program} to build a module with: install the package {program}')
    for suite in harness.KERNELS[version]:
        try:
            return Path(harness.made(f'headers of Linux {version}', TOP / 'images/fetch-headers.sh', suite))
        except harness.NotAvailable as reason:
            last = reason
    raise last


def build(version, folder):
    """The module's file, made in this folder from a copy of its sources."""
    source = shutil.copytree(TOP / 'guest-drivers/module', folder / 'module')
    done = subprocess.run(['make', '-C', headers(version) / 'build', f'M={source}'], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    # A compiler newer than the headers may have something to say about these.
    if done.returncode != 0 or re.search(r'^\S+\.c:.*warning:', done.stderr, re.MULTILINE):
        raise AssertionError(f'the module for Linux {version}: {done.stderr}')
    return source / f'{MODULE}.ko'


class Balloon:
    """The module in a guest."""

    def __init__(self, test, guest):
        self.test = test
        self.guest = guest
        self.load()
        self.full = guest.info()['tot_pages']
        self.free = self.guest_free()

    def load(self):
        self.guest.ask(f'insmod /lib/modules/{MODULE}.ko')

    def guest_free(self):
        """The guest's free pages, and those in its CPUs' lists, which MemFree leaves out."""
        return sum(map(int, re.findall(r'\b(?:nr_free_pages|count:) +(\d+)', self.guest.ask('cat /proc/zoneinfo'))))

    def held(self):
        return int(self.guest.ask(f'cat {FILE}'))

    def write(self, text):
        """Returns the error, nothing when there was none."""
        status, output = self.guest.run(f'echo {text} 2>&1 >{FILE}')
        self.test.assertEqual(status == 0, output == '', output)
        return output.strip().rpartition(': ')[2]

    def check(self, expected):
        """So many pages are in it, the guest lacks them, and Xen has them."""
        self.test.assertEqual(self.held(), expected)
        self.test.assertEqual(self.guest.info()['tot_pages'], self.full - expected)
        self.test.assertAlmostEqual(self.free - self.guest_free(), expected, delta=NOISE_PAGES)


class Module(unittest.TestCase):

    def run_version(self, version):
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            module = build(version, folder)
            kernel, initramfs = folder / 'vmlinux', folder / 'initramfs.cpio.gz'
            harness.made('kernel as ELF', TOP / 'images/extract-vmlinux.sh', headers(version) / 'vmlinuz', kernel)
            harness.made('initramfs with a module', TOP / 'images/mkinitramfs.sh', initramfs, module)
            guest = stack.enter_context(Guest(kernel, memory=MEMORY, type='pvh', ramdisk=str(initramfs),
                                              extra=WITHOUT_BALLOON))
            self.assertEqual(guest.run('ls /sys/devices/system/xen_memory')[0], 1, 'the kernel\'s own driver is there')
            balloon = Balloon(self, guest)
            self.down_and_up(balloon)
            self.no_number(balloon)
            self.more_than_there_is(balloon)
            self.xen_gives_none(balloon)
            guest.ask('memhold touch')
            self.assertEqual(guest.trouble(), [])
            guest.power_off()

    def down_and_up(self, balloon):
        """By batches and parts of them, by as much as was written, to the page."""
        for pages in (PAGES, 1, PAGES + 1, 0, PAGES):
            self.assertEqual(balloon.write(pages), '')
            balloon.check(pages)
        balloon.guest.ask(f'rmmod {MODULE}')
        self.assertEqual(balloon.guest.info()['tot_pages'], balloon.full)
        balloon.load()
        balloon.check(0)

    def no_number(self, balloon):
        for text in ('-1', 'all', '0x'):
            self.assertEqual(balloon.write(text), 'Invalid argument', text)
            balloon.check(0)

    def more_than_there_is(self, balloon):
        """It goes as far as the guest can live with, and back."""
        self.assertEqual(balloon.write(1 << 40), 'Cannot allocate memory')
        held = balloon.held()
        self.assertGreater(held, MEMORY * MIB_PAGES // 2)
        balloon.check(held)
        self.assertEqual(balloon.write(0), '')
        balloon.check(0)

    def xen_gives_none(self, balloon):
        """What the toolstack no longer grants stays in the balloon, and is lost with the module."""
        guest = balloon.guest
        self.assertEqual(balloon.write(PAGES), '')
        guest.xenbed('mem-set', guest.name, str(MEMORY - LESS))
        lost = balloon.full - guest.info()['max_pages']
        self.assertGreater(lost, 0)
        for _ in range(2):
            self.assertEqual(balloon.write(0), 'Cannot allocate memory')
            balloon.check(lost)
        guest.xenbed('mem-set', guest.name, str(MEMORY))
        self.assertEqual(balloon.write(0), '')
        balloon.check(0)

        self.assertEqual(balloon.write(PAGES), '')
        guest.xenbed('mem-set', guest.name, str(MEMORY - LESS))
        guest.ask(f'rmmod {MODULE}')
        self.assertIn(f'{MODULE}: error -12: {lost} pages stay holes until the next boot', guest.ask('dmesg'))
        self.assertEqual(guest.info()['tot_pages'], balloon.full - lost)


def _test(version):
    return lambda self: self.run_version(version)


for _version in harness.USUAL_KERNELS if os.environ.get('XENBED_LONG') else harness.USUAL_KERNELS[:1]:
    setattr(Module, f'test_{_version.replace(".", "_")}', _test(_version))


if __name__ == '__main__':
    unittest.main()
