# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways into Xen: the hypercall page, VMCALL and VMMCALL, for CPUs of both makers and guests of both widths."""

import itertools
import re
import unittest

import harness
from harness import PROBE, Probe

PROBE32 = PROBE.with_name('probe32')
MAKERS = {'AuthenticAMD': bytes.fromhex('0f01d9'), 'GenuineIntel': bytes.fromhex('0f01c1')}  # vmmcall, vmcall
WAYS = ('page', 'vmcall', 'vmmcall', 'cpu')
VERSION = 0x40011
ENTRY = 32  # bytes of the hypercall page for each
XEN_VERSION = 17
EPERM, ENOSYS = 1, 38


class Entry(unittest.TestCase):

    def run_probe(self, words, maker, kernel):
        with Probe(words, memory=16, kernel=str(kernel), xen_version='4.17',
                   device_model_args=['-cpu', f'qemu64,vendor={maker}']).prepared() as guest:
            return guest.run_to_end()

    def test_each_way(self):
        """What is called, by which way, makes no difference; what there is not, there is by none."""
        words = ' '.join(f'via:{way} hypercall:{XEN_VERSION},0 hypercall:63 call:maximum_gpfn' for way in WAYS)
        for maker, kernel in itertools.product(MAKERS, (PROBE, PROBE32)):
            with self.subTest(f'{maker} {kernel.name}'):
                output = self.run_probe(words, maker, kernel)
                self.assertEqual(re.findall(rf'hypercall {XEN_VERSION}: rc (\S+)', output), [str(VERSION)] * len(WAYS))
                self.assertEqual(re.findall(r'hypercall 63: rc (\S+)', output), [f'-{ENOSYS}'] * len(WAYS))
                answers = re.findall(r'call maximum_gpfn: rc (\d+)', output)
                self.assertEqual(answers, answers[:1] * len(WAYS))

    def test_user_mode(self):
        """Xen asks who calls before it looks at what."""
        words = ' '.join(f'via:{way} call:maximum_gpfn,cpl=3' for way in WAYS)
        for maker, kernel in itertools.product(MAKERS, (PROBE, PROBE32)):
            with self.subTest(f'{maker} {kernel.name}'):
                output = self.run_probe(words, maker, kernel)
                self.assertEqual(re.findall(r'cpl=3: rc (\S+)', output), [f'-{EPERM}'] * len(WAYS))

    def test_page(self):
        """mov $number, %eax; the CPU's own instruction; ret."""
        for maker, kernel in itertools.product(MAKERS, (PROBE, PROBE32)):
            with self.subTest(f'{maker} {kernel.name}'):
                page = harness.symbol(kernel, 'hypercall_page')
                places = [page + number * ENTRY + offset for number in (0, XEN_VERSION) for offset in (0, 8)]
                words = ' '.join(f'peek:{place:#x}' for place in places)
                output = self.run_probe(words, maker, kernel)
                found = b''.join(int(word, 16).to_bytes(8, 'little') for word in re.findall(r'peek \S+ (\S+)', output))
                for number, entry in (0, found[:16]), (XEN_VERSION, found[16:]):
                    self.assertEqual(entry[:9], b'\xb8' + number.to_bytes(4, 'little') + MAKERS[maker] + b'\xc3')


if __name__ == '__main__':
    unittest.main()
