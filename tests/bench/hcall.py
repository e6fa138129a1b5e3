# SPDX-License-Identifier: GPL-2.0-or-later
"""
The memory hypercalls: extents per second, alone and from a guest.

Alone is hcall/ in a world that only copies lists: the bookkeeping.  Extents are decreased
and populated again in batches of 512; both count.  From a guest they are the probe's
calls under TCG, whose batches are 1024, with pages given back to the host and, for
comparison, kept.
"""

import json
import re
import statistics
import subprocess
import time

import harness
from harness import Probe

LOAD = harness.TOP / 'build/tests/bench/hcall_load'
ROUNDS = 9
ALONE = ('up', 'down', 'shuffled', 'order9', 'order9_shuffled')
ORDER_0_MILLIONS = 40
ORDER_9_MILLIONS = 10
TERABYTE_MS = 10
TERABYTE_KIB = 1024
BYTES_PER_PAGE = 2

GUEST_MIB = 512
FIRST_GFN = 0x2000
PAGES = 0x10000
SUPERPAGES = PAGES >> 9
# The first words of each kind are not counted.
REPEATS = {'': 4, '9': 40}


def alone():
    runs = [json.loads(subprocess.run([LOAD], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                      check=True).stdout) for _ in range(ROUNDS)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def words(suffix, count):
    one = ' '.join(f'{word}{suffix}:{FIRST_GFN:#x},{count:#x}' for word in ('dec', 'pop'))
    return ' '.join([one] * (REPEATS[suffix] + 1))


def from_guest(suffix, count, keep):
    """Extents per second, by when the lines about them come."""
    guest = Probe(words(suffix, count), memory=GUEST_MIB, poison=0, check=0)
    came = []

    def note_lines(output):
        lines = len(re.findall(r'^(?:decrease|populate) order .* last rc \d+\s*$', output, re.MULTILINE))
        came.extend([time.monotonic()] * (lines - len(came)))
        return 'Test result' in output

    with guest.prepared():
        guest.qmp('qom-set', path='/objects/xenbed0', property='keep', value=keep)
        output = guest.run_until(note_lines)
    done = re.findall(r' done (\d+) last', output)
    if set(done) != {str(count)}:
        raise harness.GuestError(f'the probe did not do {count} extents each time, but {sorted(set(done))}')
    return 2 * REPEATS[suffix] * count / (came[-1] - came[1])


def measure(report):
    found = alone()
    report.say(f'alone, millions of extents per second, median of {ROUNDS}')
    for name in ALONE:
        report.value(f'alone/{name}', found[name] / 1e6, 'M/s')
    report.value('p2m/fragmented', found['bytes_per_page'], 'bytes per page')
    report.value('terabyte/create', found['terabyte_seconds'] * 1000, 'ms')
    report.value('terabyte/p2m', found['terabyte_bytes'] / 1024, 'KiB')
    report.say('from the probe under TCG, millions of extents per second')
    for order, suffix, count in (('order0', '', PAGES), ('order9', '9', SUPERPAGES)):
        for what, keep in (('give', False), ('keep', True)):
            report.value(f'guest/{order}/{what}', from_guest(suffix, count, keep) / 1e6, 'M/s')
    report.target('ns per extent of order 0', 1e9 / min(found['up'], found['down']), 1e3 / ORDER_0_MILLIONS, 'ns')
    report.target('ns per extent of order 9', 1e9 / found['order9'], 1e3 / ORDER_9_MILLIONS, 'ns')
    report.target('time to create a domain of 1 TiB', found['terabyte_seconds'] * 1000, TERABYTE_MS, 'ms')
    report.target('memory of a domain of 1 TiB', found['terabyte_bytes'] / 1024, TERABYTE_KIB, 'KiB')
    report.target('p2m of a page, fully fragmented', found['bytes_per_page'], BYTES_PER_PAGE, 'bytes')
