# SPDX-License-Identifier: GPL-2.0-or-later
"""
Each balloon driver of guest-drivers/tiny: where it comes to when its target changes, and what it and Xen say.
Time goes by instructions and waiting takes none, so a driver that tries again in a second costs nothing.
"""

import contextlib
import re
import socket
import unittest
from typing import NamedTuple

import harness
from harness import Guest, MIB_KIB, TOP

TINY = TOP / 'build/guest-drivers/tiny/tiny'
MIB_PAGES = 256
FULL, HALF = 32, 16  # MiB
HELD = 4  # MiB that the guest uses, beside the 2 of its image: it can give back no more
MINIMUM = (2 + HELD) * MIB_PAGES
SPECIAL = 16  # pages that a PVH domain has beside its memory
SLACK = 256  # pages that xl lets a domain have beyond its memory

REST = r'balloon: at rest with (\d+) of \d+ pages\n'
STUCK = r'balloon: stuck with (\d+) of \d+ pages, tries again\n'
SOLARIS_WARNING = (r'WARNING: New balloon target \(0x{:x} pages\) is larger than '
                   r'original memory size \(0x{:x} pages\)\. Ballooning beyond original memory size is not allowed\.\n')
OVER_ALLOCATION = r'\(XEN\) d1v0 Over-allocation for d1: {} > {}\n'


class Tiny(Guest):
    """The guest, with all that it prints."""

    def __init__(self, options, **more):
        super().__init__(TINY, **{
            'name': 'tiny', 'extra': options, 'ramdisk': None, 'type': 'pvh', 'memory': FULL,
            'icount': 'shift=0,sleep=off', 'on_poweroff': 'preserve', 'on_crash': 'preserve', **more})
        self.line, self.output = None, ''

    @contextlib.contextmanager
    def started(self):
        with self.prepared('--paused'), socket.socket(socket.AF_UNIX) as self.line:
            self.line.settimeout(harness.COMMAND_SECONDS)
            self.line.connect(str(self.domain_folder / 'console.sock'))
            self.xenbed('unpause', self.name)
            yield self

    def wait_for(self, pattern):
        """Reads on until this is there; forgets all up to it.  Returns the match, its `string` all there was."""
        while not (found := re.search(pattern, self.output)):
            received = self.line.recv(65536).decode().replace('\r', '')
            if not received:
                raise harness.GuestError(f'{pattern!r} does not come after: {self.output}')
            self.output += received
        self.output = self.output[found.end():]
        return found

    def set_target(self, mib):
        """Without the toolstack's checks, and without its raising max_pages."""
        with self.store() as store:
            store.write('/local/domain/1/memory/target', str(mib * MIB_KIB))

    def set_xenbed(self, name, value):
        self.qmp('qom-set', path='/objects/xenbed0', property=name, value=value)

    def log(self):
        return self.xenbed('dmesg', self.name).stdout


class End(NamedTuple):
    """How it ends: what the guest believes to own, or has at least given back and taken."""
    state: str
    pages: int
    warning: str = ''  # a line of the guest's
    log: str = ''  # a line of Xen's


def rest(mib, extra=0, **more):
    return End(REST, mib * MIB_PAGES + extra, **more)


def stuck(mib, extra=0, **more):
    return End(STUCK, mib * MIB_PAGES + extra, **more)


# What each does; the columns are: memory = maxmem, memory < maxmem (half of it).
SCENARIOS = {
    # 24 MiB; 12
    'down': {
        'linux': (rest(24), rest(12)),
        'solaris': (rest(24), rest(12)),
        'windows': (rest(24), rest(12)),
        'freebsd': (rest(24), rest(24)),  # its own minimum, of 32
        'none': (rest(32), rest(32)),
    },
    # And back to 32, with the toolstack's blessing.
    'up': {
        'linux': (rest(32), rest(32)),
        'solaris': (rest(32), rest(16, warning=SOLARIS_WARNING.format(0x2000, 0x1000))),
        'windows': (rest(32), rest(32)),
        'freebsd': (rest(32), rest(32)),
        'none': (rest(32), rest(32)),
    },
    # 1 MiB
    'below the minimum': {
        'linux': (rest(0, MINIMUM), rest(0, MINIMUM)),  # it gives up
        'solaris': (stuck(0, MINIMUM), stuck(0, MINIMUM)),
        'windows': (stuck(0, MINIMUM), stuck(0, MINIMUM)),
        'freebsd': (rest(24), rest(24)),
        'none': (rest(32), rest(32)),
    },
    # 64 MiB, of which Xen does not know: max_pages is that of the first target.
    'above the maximum': {
        'linux': (rest(32), rest(16, SLACK - SPECIAL, log=OVER_ALLOCATION.format(4353, 4352))),
        'solaris': (rest(32, warning=SOLARIS_WARNING.format(0x4000, 0x2000)),
                    rest(16, warning=SOLARIS_WARNING.format(0x4000, 0x1000))),
        'windows': (rest(32), stuck(16, SLACK - SPECIAL, log=OVER_ALLOCATION.format(4353, 4352))),
        # What it gives back again stays in the cache, as there are entries to populate.
        'freebsd': (rest(32), rest(24, log=OVER_ALLOCATION.format(4353, 4352))),
        'none': (rest(32), rest(32)),
    },
    # Ten targets at once, the last is that of 'down'.
    'ten changes of mind': {
        'linux': (rest(24), rest(12)),
        'solaris': (rest(24), rest(12)),
        'windows': (rest(24), rest(12)),
        'freebsd': (rest(24), rest(24)),
        'none': (rest(32), rest(32)),
    },
    # 32 MiB, when all but a MiB has gone elsewhere.
    'the host has no memory left': {
        'linux': (rest(25), rest(17)),
        'solaris': (stuck(25), rest(16, warning=SOLARIS_WARNING.format(0x2000, 0x1000))),
        'windows': (stuck(25), stuck(17)),
        'freebsd': (rest(25), rest(24)),
        'none': (rest(32), rest(32)),
    },
}


class Policies(unittest.TestCase):

    def start(self, policy, is_pod):
        return Tiny(f'policy={policy} hold={HELD}', memory=HALF if is_pod else FULL, maxmem=FULL)

    def act(self, guest, scenario, is_pod):
        down = 12 if is_pod else 24
        if scenario == 'up':
            guest.xenbed('mem-set', guest.name, str(down))
            self.arrived(guest)
            guest.xenbed('mem-set', guest.name, str(FULL))
        elif scenario == 'down':
            guest.xenbed('mem-set', guest.name, str(down))
        elif scenario == 'below the minimum':
            guest.set_target(1)
        elif scenario == 'above the maximum':
            guest.set_target(64)
        elif scenario == 'ten changes of mind':
            for mib in (20, 28, 18, 31, 22, 9, 30, 16, 27, down):
                guest.set_target(mib)
        elif scenario == 'the host has no memory left':
            if not is_pod:
                guest.xenbed('mem-set', guest.name, str(down))
                self.arrived(guest)
            guest.set_xenbed('free-pages', MIB_PAGES)
            # The toolstack would refuse it, where there are entries to populate: it has no pages for them.
            guest.set_xenbed('max-pages', FULL * MIB_PAGES + SLACK)
            guest.set_target(FULL)

    def arrived(self, guest):
        guest.wait_for(f'{REST}|{STUCK}')

    def check_row(self, policy, scenario, is_pod):
        end = SCENARIOS[scenario][policy][is_pod]
        with self.start(policy, is_pod).started() as guest:
            self.arrived(guest)
            self.act(guest, scenario, is_pod)
            if end.warning:
                guest.wait_for(end.warning)
            while int(guest.wait_for(end.state)[1]) != end.pages:
                pass  # on the way there
            info = guest.info()
            self.assertEqual(info['state'], 'r-----')
            if end.log:
                self.assertRegex(guest.log(), end.log)
            elif scenario != 'ten changes of mind':
                self.assertEqual(guest.log(), '')
            if not is_pod:
                self.assertEqual(info['tot_pages'], end.pages + SPECIAL)

    def check_policy(self, policy, is_pod):
        for scenario in SCENARIOS:
            with self.subTest(scenario):
                self.check_row(policy, scenario, is_pod)


class Log(unittest.TestCase):

    def test_no_flood(self):
        """A driver that fails for ever, a second after the other in no time: QEMU's log stays small."""
        with Tiny('policy=windows', memory=HALF, maxmem=FULL).started() as guest:
            guest.wait_for(REST)
            guest.set_target(64)
            guest.wait_for(STUCK)
            log = guest.domain_folder / 'qemu.log'
            left_out = r'xenbed: (\d+) more lines of Xen\'s were left out here'
            harness.wait_for(lambda: re.search(left_out, log.read_text()), 'lines left out', harness.COMMAND_SECONDS)
            lines = log.read_text().splitlines()
            place = next(i for i, line in enumerate(lines) if re.search(left_out, line))
            self.assertLessEqual(place, 250)  # some of one second, and all of the next
            self.assertRegex(guest.log(), OVER_ALLOCATION.format(4353, 4352))


class Boot(unittest.TestCase):
    """What a guest with populate-on-demand does before its driver has given back what it is to."""

    BOOT = 20  # MiB that it uses meanwhile, which is more than it owns
    LATE = 5  # seconds

    def guest(self, options, **more):
        return Tiny(options, memory=HALF, maxmem=FULL, **more).started()

    def test_driver_in_time(self):
        """What is not there is not to be had; nothing dies of that."""
        with self.guest(f'policy=linux work={self.BOOT}') as guest:
            guest.wait_for(r'balloon: at rest with 4096 of 8192 pages\n')
            guest.wait_for(r'work: out of memory, 0 bad pages\n')
            self.assertEqual(guest.info()['state'], 'r-----')

    def test_driver_late(self):
        """It believes to own what it sees."""
        for options in f'policy=linux late={self.LATE}', 'policy=none':
            with self.subTest(options), self.guest(f'{options} work={self.BOOT}') as guest:
                harness.wait_for(lambda: guest.info()['state'] != 'r-----', 'the crash', harness.COMMAND_SECONDS)
                self.assertEqual(guest.info()['state'], '---sc-')
                self.assertRegex(guest.log(), r'^\(XEN\) p2m_pod_demand_populate: Dom1 out of PoD memory! '
                                              r'\(tot=4112 ents=\d+ dom1\)\n')

    def test_driver_late_but_not_too_late(self):
        with self.guest(f'policy=linux late={self.LATE} work={HALF - 4}') as guest:
            guest.wait_for(r'work: done, 0 bad pages\n')
            guest.wait_for(r'balloon: at rest with 4096 of 8192 pages\n')

    def test_windows_zeroes_all_it_sees(self):
        """Which is twice what it owns, or eight times: pages of zeroes are taken back for it."""
        for memory, maxmem in (HALF, FULL), (HALF, 8 * HALF):
            for late in 0, self.LATE:
                with self.subTest((maxmem, late)), Tiny(f'policy=windows late={late}', memory=memory,
                                                        maxmem=maxmem).started() as guest:
                    # xl makes no such node.
                    guest.wait_for(r'balloon: windows: cannot write control/feature-balloon\n')
                    guest.wait_for(rf'balloon: at rest with 4096 of {maxmem * MIB_PAGES} pages\n')
                    self.assertGreater(guest.pod()['reclaimed'], 0)
                    self.assertEqual(guest.log(), '')


for _policy in SCENARIOS['down']:
    for _is_pod, _kind in enumerate(('all_of_maxmem', 'less_than_maxmem')):
        setattr(Policies, f'test_{_policy}_{_kind}',
                lambda self, policy=_policy, is_pod=_is_pod: self.check_policy(policy, is_pod))


if __name__ == '__main__':
    unittest.main()
