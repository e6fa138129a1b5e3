# SPDX-License-Identifier: GPL-2.0-or-later
"""
A long hypercall gives way: it is left half done, the guest makes it again from there,
and in the end all of it is done.
"""

import re
import socket
import time
import unittest

import harness
from harness import Probe

STOPS = 40
ERESTART = 85
# Two sections' worth for each hypercall; Linux, which gives away 512 pages at a time, needs one.
WORDS = ' '.join(['dec:0x2000,0x4000 pop:0x2000,0x4000'] * 60)


class Preempt(unittest.TestCase):

    def test_stopped_in_the_middle(self):
        guest = Probe(WORDS, memory=128, device_model_args=['-d', 'trace:kvm_xen_hypercall', '-D', '{folder}/trace'])
        trace = guest.folder / 'trace'
        with guest.prepared(), socket.socket(socket.AF_UNIX) as console:
            console.connect(str(guest.domain_folder / 'console.sock'))
            guest.xenbed('unpause', guest.name)
            for _ in range(STOPS):
                guest.qmp('stop')
                guest.qmp('cont')
                time.sleep(0.005)
            output = ''
            console.settimeout(harness.COMMAND_SECONDS)
            while 'Test result' not in output:
                output += console.recv(65536).decode()
            results = [int(ret, 16) for ret in re.findall(r'kvm_xen_hypercall.* ret (0x[0-9a-f]+)', trace.read_text())]
        self.assertIn('Test result: SUCCESS', output)
        done = re.findall(r'(?:decrease|populate) .* done (\d+) last', output)
        self.assertEqual(set(done), {str(0x4000)})
        self.assertIn(2 ** 64 - ERESTART, results)


if __name__ == '__main__':
    unittest.main()
