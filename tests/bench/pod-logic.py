# SPDX-License-Identifier: GPL-2.0-or-later
"""
Populate-on-demand without a guest: the bookkeeping of a touch, and taking pages back.

It is hcall/ in a world that does nothing but look for zeroes, in memory that is resident.
The cache is full when pages are populated in order, or shuffled.  Then it is as small as
what hcall/ remembers of its populations, and each takes back the oldest, by 2 MiB or by
page; and at last RAM is swept.  What that reads in a second is compared with a loop that
does nothing but read the same memory.
"""

import json
import subprocess

import harness

LOAD = harness.TOP / 'build/tests/bench/pod_load'
PAGE_NS = 50
SUPERPAGE_NS = 100
EAGER_NS = 30
READ_PART = 0.7


def measure(report):
    found = json.loads(subprocess.run([LOAD], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                      check=True).stdout)
    report.say('population with the cache full, medians')
    for name in ('4k', '4k_shuffled', '2m', '2m_shuffled'):
        report.value(f'populate/{name}', found[f'{name}_ns'], 'ns')
    report.say('a ring of populations, with the cache full and with eager reclaim that finds nothing')
    for name in ('lazy', 'eager'):
        report.value(f'reclaim/{name}', found[f'{name}_ns'], 'ns')
    report.say('reading zeroes, per second and as a part of what plain reading does')
    report.value('read/plain', found['plain_bytes'] / 1e9, 'GB/s')
    for name in ('superpages', 'pages', 'sweep'):
        report.value(f'read/{name}', found[f'{name}_bytes'] / 1e9, 'GB/s')
        report.value(f'read/{name}/part', 100 * found[f'{name}_part'], '%')
    report.target('population of 4 KiB', found['4k_ns'], PAGE_NS, 'ns')
    report.target('population of 2 MiB', found['2m_ns'], SUPERPAGE_NS, 'ns')
    report.target('eager reclaim with nothing to do, per population', found['added_ns'], EAGER_NS, 'ns')
    for name in ('superpages', 'pages', 'sweep'):
        report.target(f'time to read zeroes, {name}, of that of plain reading', 1 / found[f'{name}_part'],
                      1 / READ_PART, 'times')
