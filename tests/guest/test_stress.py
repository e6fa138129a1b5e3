# SPDX-License-Identifier: GPL-2.0-or-later
"""
Four vCPUs take, write, verify and free memory while the balloon goes in and out, for
a minute.  A hypervisor that takes a page away while some vCPU still has it in its TLB
loses a write, and a lock taken in the wrong order hangs; both would show here.
"""

import os
import time
import unittest

import harness
from harness import Guest
from test_balloon import Held

SECONDS = 60


@unittest.skipUnless(os.environ.get('XENBED_LONG'), 'only with --long')
class Stress(unittest.TestCase):

    def test_churn_while_ballooning(self):
        kernel = harness.kernel('6.12')
        with Guest(kernel, memory=1024, vcpus=4) as guest:
            held = Held(guest, 64)
            guest.ask(f'memhold churn {SECONDS} 8 200 >/tmp/churn 2>&1 &')
            end = time.monotonic() + SECONDS
            rounds = 0
            while time.monotonic() < end:
                guest.mem_set(640)
                guest.mem_set(1024)
                rounds += 1
            guest.ask('while ! [ -s /tmp/churn ]; do sleep 0.2; done')
            self.assertGreater(rounds, 0)
            self.assertRegex(guest.ask('cat /tmp/churn'), r'^churned \d+ pages, 0 bad$')
            self.assertRegex(held.end(), r', 0 bad$')
            self.assertEqual(guest.trouble(), [])
            guest.power_off()


if __name__ == '__main__':
    unittest.main()
