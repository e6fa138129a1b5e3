# SPDX-License-Identifier: GPL-2.0-or-later
"""
Populate-on-demand in a guest: touching memory for the first time, and once it is there.

The probe writes a word to each page of 1 GiB, again and again: in a domain that owns the memory,
and in one that owns as much, sees twice as much and gets each page when it is touched.  For both
the host has to find the pages the first time.  And the hard case: Linux sees 2 GiB, owns 256 MiB,
and is measured from its creation until its balloon driver has given the difference back; the same
kernel that owns all 2 GiB boots and is then sent to 256 MiB.  (Zeroing 460,000 pages by itself, which
its driver does with each before it gives it away, takes a kernel longer than to boot.)  What is
compared takes turns; medians.
"""

import re
import statistics
import time

import harness
from harness import Guest, Probe

ROUNDS = 15
OWNED = 1280  # MiB
MIB = 1024
HARD_ROUNDS = 5
HARD_OWNED, HARD_SEEN = 256, 2048
TOUCH_AT_MOST = 1.15
HARD_AT_MOST = 1.1
SAME_WITHIN = 1.02
# A line after each pass, by which it is timed.
WORDS = ' '.join([f'w:64-{64 + MIB}/{MIB}'] * 4)


def passes(maxmem):
    """Seconds of each pass over the memory."""
    guest = Probe(f'w:32-33/1 {WORDS}', memory=OWNED, maxmem=maxmem, poison=0, check=0)
    came = []

    def note_passes(output):
        lines = len(re.findall(r'^w \d+ MiB\s*$', output, re.MULTILINE))
        came.extend([time.monotonic()] * (lines - len(came)))
        return 'Test result' in output

    with guest.prepared():
        output = guest.run_until(note_passes)
    if 'SUCCESS' not in output:
        raise harness.GuestError(f'the probe: {output.splitlines()[-1]}')
    return [later - earlier for earlier, later in zip(came, came[1:])]


def settled_seconds(memory):
    """
    From the creation of a Linux guest to its shell; and to when its balloon is where it is to be, where
    that of a guest that owns all it sees is sent now.
    """
    start = time.monotonic()
    with Guest(harness.vmlinux(), memory=memory, maxmem=HARD_SEEN, type='pvh', poison=0, check=0) as guest:
        booted = time.monotonic() - start
        if memory != HARD_OWNED:
            guest.mem_set(HARD_OWNED)
        harness.wait_for(lambda: (info := guest.info())['pod_entries'] <= info['pod_cache'], 'the balloon',
                         harness.BOOT_SECONDS, 0.01)
        return booted, time.monotonic() - start


def hard_case(report):
    runs = {HARD_SEEN: [], HARD_OWNED: []}
    for number in range(HARD_ROUNDS):
        for memory in sorted(runs, reverse=bool(number % 2)):
            runs[memory].append(settled_seconds(memory))
    report.say(f'Linux that sees {HARD_SEEN} MiB and ends with {HARD_OWNED}, median of {HARD_ROUNDS}')
    for memory, found in runs.items():
        report.value(f'booted/memory-{memory}', statistics.median(booted for booted, _ in found), 's')
        report.value(f'settled/memory-{memory}', statistics.median(settled for _, settled in found), 's')
    pod, whole = runs[HARD_OWNED], runs[HARD_SEEN]
    report.value('settled/to-one-that-only-boots', statistics.median(a[1] / b[0] for a, b in zip(pod, whole)), 'times')
    report.target(f'Linux with memory={HARD_OWNED}, settled, to one that boots with {HARD_SEEN} and is sent there',
                  statistics.median(a[1] / b[1] for a, b in zip(pod, whole)), HARD_AT_MOST, 'times')


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
