# SPDX-License-Identifier: GPL-2.0-or-later
"""
Populate-on-demand in a guest: touching memory for the first time, and once it is there.

The probe writes a word to each page of 1 GiB, again and again: in a domain that owns the memory,
and in one that owns as much, sees twice as much and gets each page when it is touched.  For both
the host has to find the pages the first time.  And the hard case: Linux sees 2 GiB, owns 256 MiB,
and is measured from its creation until its balloon driver has given the difference back.  What
is compared takes turns; medians.
"""

import re
import socket
import statistics
import time

import harness
import test_golden
from harness import Guest

ROUNDS = 15
OWNED = 1280  # MiB
MIB = 1024
HARD_ROUNDS = 5
HARD_OWNED, HARD_SEEN = 256, 2048
TOUCH_AT_MOST = 1.15
HARD_AT_MOST = 1.25
SAME_WITHIN = 1.02
# A line after each pass, by which it is timed.
WORDS = ' '.join([f'w:64-{64 + MIB}/{MIB}'] * 4)


def passes(maxmem):
    """Seconds of each pass over the memory."""
    guest = Guest(str(test_golden.PROBE), name='probe', memory=OWNED, maxmem=maxmem,
                  extra=f'w:32-33/1 {WORDS}', ramdisk=None, type='pvh', on_poweroff='preserve', poison=0, check=0)
    came = []
    with guest.prepared('--paused'), socket.socket(socket.AF_UNIX) as console:
        console.settimeout(harness.BOOT_SECONDS)
        console.connect(str(guest.domain_folder / 'console.sock'))
        guest.xenbed('unpause', 'probe')
        output = ''
        while 'Test result' not in output:
            output += console.recv(4096).decode()
            lines = len(re.findall(r'^w \d+ MiB\s*$', output, re.MULTILINE))
            came += [time.monotonic()] * (lines - len(came))
        if 'SUCCESS' not in output:
            raise harness.GuestError(f'the probe: {output.splitlines()[-1]}')
    return [later - earlier for earlier, later in zip(came, came[1:])]


def settled_seconds(memory):
    """From the creation of a Linux guest to its shell, with its balloon where it is to be."""
    start = time.monotonic()
    with Guest(harness.vmlinux(), memory=memory, maxmem=HARD_SEEN, type='pvh', poison=0, check=0) as guest:
        harness.wait_for(lambda: (info := guest.info())['pod_entries'] <= info['pod_cache'], 'the balloon',
                         harness.BOOT_SECONDS, 0.01)
        return time.monotonic() - start


def hard_case(report):
    seconds = {HARD_SEEN: [], HARD_OWNED: []}
    for number in range(HARD_ROUNDS):
        for memory in sorted(seconds, reverse=bool(number % 2)):
            seconds[memory].append(settled_seconds(memory))
    report.say(f'Linux with {HARD_SEEN} MiB, from creation until it has settled, median of {HARD_ROUNDS}')
    for memory, found in seconds.items():
        report.value(f'settled/memory-{memory}', statistics.median(found), 's')
    report.target(f'Linux with memory={HARD_OWNED} to one with all of it',
                  statistics.median(a / b for a, b in zip(seconds[HARD_OWNED], seconds[HARD_SEEN])),
                  HARD_AT_MOST, 'times')


def measure(report):
    hard_case(report)
    plain, pod = [], []
    for number in range(ROUNDS):
        for kind, maxmem in ((plain, OWNED), (pod, 2 * OWNED))[::-1 if number % 2 else 1]:
            kind.append(passes(maxmem))
    report.say(f'writing to each page of {MIB} MiB, median of {ROUNDS}')
    for name, runs in (('plain', plain), ('pod', pod)):
        report.value(f'first/{name}', statistics.median(run[0] for run in runs), 's')
        report.value(f'again/{name}', statistics.median(min(run[1:]) for run in runs), 's')
    first = statistics.median(b[0] / a[0] for a, b in zip(plain, pod))
    again = (statistics.median(min(run[1:]) for run in pod) / statistics.median(min(run[1:]) for run in plain))
    report.target('touching, populate-on-demand to plain', first, TOUCH_AT_MOST, 'times')
    report.target('once populated, to plain', again, SAME_WITHIN, 'times')
