# SPDX-License-Identifier: GPL-2.0-or-later
"""
Stock kernels, each started as HVM and as PVH: what comes of booting, ballooning down and
up, populate-on-demand, reboot and power-off.  docs/kernels.md has the outcomes, and a
cell that comes out differently fails:

    XENBED_LONG=1 python3 -B tests/guest/run.py test_kernels    # all cells, not only two kernels'
    python3 -B tests/guest/test_kernels.py --write [NAME...]    # all or some, and writes the table
"""

import argparse
import os
import re
import sys
import unittest
from typing import NamedTuple

import harness
from harness import Guest, MIB_KIB, TOP

TABLE = TOP / 'docs/kernels.md'
FULL, SMALL = 512, 256
VCPUS = 2


class Cell(NamedTuple):
    version: str
    flavour: str
    start: str

    def __str__(self):
        return f'Linux {self.version}, {self.flavour}, {self.start.upper()}'

    def test_name(self):
        return 'test_' + '_'.join(re.sub(r'\W', '_', word) for word in self)


CELLS = [Cell(version, flavour, start)
         for version, flavours in (('5.10', ('cloud-amd64', 'amd64', '686-pae')),
                                   ('6.1', ('cloud-amd64', 'amd64', '686-pae')),
                                   ('6.12', ('cloud-amd64', 'amd64')),
                                   ('newest', ('cloud-amd64', 'amd64')))
         for flavour in flavours for start in ('hvm', 'pvh')]


class Outcome(NamedTuple):
    """A row of the table, after what names the cell; also its columns' titles."""
    kernel: str
    events: str
    clocksource: str
    balloons: str
    populate_on_demand: str
    ends: str

    def compared(self):
        """Without what changes with each update of a Debian package."""
        return self._replace(kernel='')


TEXT = '''# Kernels that were run here

Debian's stock kernels, each as HVM (its bzImage, through SeaBIOS) and as PVH (the ELF file in it). Written by
`python3 -B tests/guest/test_kernels.py --write`; `./check` runs two of the kernels, `./check --long` all, and both fail
where one no longer does what is said here.

* **kernel**: the one that was run last; Debian updates it, "newest" is that of sid
* **events**: how it hears of event channels: by an interrupt vector, or by the platform device's interrupt line
* **balloons**: pages that it owns when told to have 512, 256, 512 MiB; what the kernel counts itself changes by as much
* **populate on demand**: pages that it owns when it has booted with 256 MiB and sees 512

No kernel gives a warning on the way. 32-bit kernels as PVH own 64 pages less: without `CONFIG_XEN_UNPOPULATED_ALLOC`
the frames of their grant table take the place of RAM.

'''


def table_read():
    """The rows of the committed table, by cell."""
    rows = {}
    for line in TABLE.read_text().splitlines() if TABLE.exists() else ():
        words = [word.strip() for word in line.strip().strip('|').split('|')]
        if line.startswith('|') and words[2].lower() in ('hvm', 'pvh'):
            rows[Cell(words[0], words[1], words[2].lower())] = Outcome(*words[3:])
    return rows


def table_write(rows):
    def line(words):
        return f'| {" | ".join(words)} |\n'

    titles = [*Cell._fields, *(title.replace('_', ' ') for title in Outcome._fields)]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(TEXT + line(titles) + line(['---'] * len(titles)) + ''.join(
        line([cell.version, cell.flavour, cell.start.upper(), *rows[cell]]) for cell in CELLS if cell in rows))


def events(guest):
    """How it hears of events."""
    vector = 'Xen HVM callback vector for event delivery is enabled' in guest.ask('dmesg')
    return 'vector' if vector else 'line'


class Kernels(unittest.TestCase):

    outcomes = None  # those that are to be written

    def guest(self, cell, **more):
        get = harness.vmlinux if cell.start == 'pvh' else harness.kernel
        return Guest(get(cell.version, cell.flavour), type=cell.start,
                     ramdisk=str(harness.initramfs(cell.flavour)), **more)

    def balloon(self, guest):
        """Down and up, exactly; returns the pages it had."""
        def sizes():
            return [guest.meminfo()['MemTotal'], guest.current_kb(), guest.info()['tot_pages'] * harness.PAGE_KIB]

        before = sizes()
        pages = [before[2] // harness.PAGE_KIB]
        for mib in (SMALL, FULL):
            guest.mem_set(mib)
            after = sizes()
            self.assertEqual([size - old for size, old in zip(after, before)], [(mib - FULL) * MIB_KIB] * 3,
                             f'changes of MemTotal, current_kb and tot_pages in KiB, {mib} MiB')
            pages.append(after[2] // harness.PAGE_KIB)
        return ', '.join(map(str, pages))

    def outcome(self, cell):
        with self.guest(cell, memory=FULL, vcpus=VCPUS) as guest:
            self.assertEqual(guest.ask('nproc'), str(VCPUS))
            self.assertRegex(guest.ask('dmesg | grep "Booting .*kernel on"'), f'on Xen {cell.start.upper()}')
            release = guest.ask('uname -r')
            pages = self.balloon(guest)
            how = events(guest)
            clock = guest.ask('cat /sys/devices/system/clocksource/clocksource0/current_clocksource').strip()
            self.assertEqual(guest.trouble(), [])
            guest.reboot()
            self.assertEqual(guest.trouble(), [])
            guest.power_off()
        with self.guest(cell, memory=SMALL, maxmem=FULL) as guest:
            info = guest.settle()
            self.assertLessEqual(info['tot_pages'], info['max_pages'])
            self.assertGreater(info['pod_entries'], 0)
            self.assertLessEqual(info['resident'], (SMALL + harness.NOISE_MIB) * MIB_KIB)
            self.assertLessEqual(guest.meminfo()['MemTotal'], SMALL * MIB_KIB)
            self.assertEqual(guest.trouble(), [])
            guest.power_off()
        return Outcome(release, how, clock, pages, str(info['tot_pages']), 'reboots, powers off')

    def run_cell(self, cell):
        outcome = self.outcome(cell)
        if self.outcomes is not None:
            self.outcomes[cell] = outcome
        elif cell in CELLS:
            self.compare(cell, outcome)

    def compare(self, cell, outcome):
        row = table_read().get(cell)
        self.assertIsNotNone(row, f'{cell}: not in {TABLE.relative_to(TOP)}, see test_kernels.py --write')
        differing = [f'{title.replace("_", " ")}: {getattr(row, title)!r} in {TABLE.relative_to(TOP)}, now {value!r}'
                     for title, value in outcome.compared()._asdict().items()
                     if value != getattr(row.compared(), title)]
        self.assertEqual(differing, [], f'{cell}; if it is to be so: test_kernels.py --write')


def _test(cell):
    return lambda self: self.run_cell(cell)


if os.environ.get('XENBED_KERNEL'):
    CELLS = []
    _RUN = [Cell('given', harness.FLAVOUR, start) for start in ('hvm', 'pvh')]
else:
    _RUN = CELLS
for _cell in _RUN:
    setattr(Kernels, _cell.test_name(), _test(_cell))


def load_tests(loader, _tests, _pattern):
    """All kernels take minutes."""
    return loader.suiteClass(Kernels(cell.test_name()) for cell in _RUN
                             if os.environ.get('XENBED_LONG') or cell not in CELLS
                             or (cell.version in harness.USUAL_KERNELS and cell.flavour == harness.FLAVOUR))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--write', action='store_true', required=True)
    parser.add_argument('names', nargs='*', help='of tests, such as test_6_1_amd64_pvh; default: all')
    names = parser.parse_args().names or [cell.test_name() for cell in CELLS]
    rows = table_read()
    Kernels.outcomes = {}
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(map(Kernels, names)))
    table_write({**rows, **Kernels.outcomes})
    return 0 if result.wasSuccessful() else 1


if __name__ == '__main__':
    sys.exit(main())
