# SPDX-License-Identifier: GPL-2.0-or-later
"""
A console whose client is slower than the guest: it gets all of it, and no byte twice.
"""

import time
import unittest

import harness
from harness import Guest

LINES = 60000  # more than the socket and the ring hold


class SlowClient(unittest.TestCase):

    def test_all_arrives(self):
        with Guest(harness.kernel(), memory=256) as guest:
            guest.console.send(f'seq {LINES}; echo @end')
            time.sleep(3)
            output = ''
            guest.console.socket.settimeout(harness.COMMAND_SECONDS)
            while '@end' not in output:
                output += guest.console.socket.recv(65536).decode()
        self.assertEqual(output.replace('\r', '').split(), [*(str(n + 1) for n in range(LINES)), '@end'])


if __name__ == '__main__':
    unittest.main()
