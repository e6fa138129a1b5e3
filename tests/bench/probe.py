# SPDX-License-Identifier: GPL-2.0-or-later
"""
The probe guest: time from `xenbed create` to its first line, and of all golden cases.

The first is what every test with the probe waits for: `xenbed create`, which starts QEMU,
`xenbed unpause`, and the guest's own start.  Median.
"""

import statistics
import subprocess
import sys
import time

import harness
import test_golden
from harness import Probe

RUNS = 9
FIRST_LINE_SECONDS = 0.5
SUITE_SECONDS = 30


def first_line_seconds():
    guest = Probe('', memory=32, poison=0, check=0)
    start = time.monotonic()
    with guest.prepared():
        guest.run_until(lambda output: 'podprobe' in output)
        return time.monotonic() - start


def measure(report):
    seconds = [first_line_seconds() for _ in range(RUNS)]
    report.value('first-line', statistics.median(seconds), 's')
    start = time.monotonic()
    done = subprocess.run([sys.executable, '-B', harness.TOP / 'tests/guest/run.py', 'test_golden'],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise harness.GuestError(f'the golden cases do not pass: {done.stdout.splitlines()[-1]}')
    suite = time.monotonic() - start
    report.value('golden-suite', suite, 's')
    report.target('first line after `xenbed create`', statistics.median(seconds), FIRST_LINE_SECONDS, 's')
    report.target('all golden cases', suite, SUITE_SECONDS, 's')
