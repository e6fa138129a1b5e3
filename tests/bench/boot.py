# SPDX-License-Identifier: GPL-2.0-or-later
"""
Time from QEMU's start to userspace, with Xen and without.

Same binary, machine, kernel and console; runs take turns, so that both see the same
host.  Medians.
"""

import statistics

import harness
from machine import Machine

RUNS = 7
AT_MOST = 1.05


def measure(report):
    for version in harness.kernel_versions():
        kernel = harness.kernel(version)
        seconds = {True: [], False: []}
        for _ in range(RUNS):
            for xen, times in seconds.items():
                with Machine(kernel, xen) as machine:
                    times.append(machine.boot_seconds)
        report.say(f'Linux {version}: boot to userspace, 1 vCPU, median of {RUNS}')
        xen, plain = (statistics.median(seconds[key]) for key in (True, False))
        report.value(f'linux-{version}/xen', xen, 's')
        report.value(f'linux-{version}/plain', plain, 's')
        report.target(f'Linux {version}: boot with Xen to boot without', xen / plain, AT_MOST, 'times')
