# SPDX-License-Identifier: GPL-2.0-or-later
"""
One scenario, two accelerators: what guest and hypervisor say, and every counter, is the same under KVM as under TCG.
"""

import difflib
import unittest

from harness import kvm, Probe
from test_policies import MIB_PAGES, Tiny

PROBES = {
    # What fits in the cache; then more, of zeroes, which are taken back; pages given away and asked for again.
    'balloon': 'info w:4-20 info z:20-56 info v:4-20 dec:0x1000,2048 info pop:0x1000,200 look:0x1000-0x1800 '
               'info dec9:0x4000,4 pop9:0x4000,2 w:0x1000-0x10c8 v:4-16 v:0x1000-0x10c8 info',
    'exhaustion': 'info w:4-100/4 info',
    'page_tables': 'info fill:0x3000-0x3010,5 look:0x2ff8-0x3018 rm:0x3004,4 look:0x3000-0x3010 info exit:3',
}


class Log:
    """What happens, as lines."""

    def __init__(self):
        self.lines = []

    def state(self, guest):
        """All that is counted, but for what is the host's."""
        info = {key: value for key, value in guest.info().items() if key not in ('pid', 'resident', 'xenstore')}
        self.lines += [f'{key}: {value}' for key, value in {**info, **guest.pod()}.items()]

    def end(self, guest):
        self.state(guest)
        # Where in the guest it was, in QEMU's words, is not Xen's log.
        self.lines += guest.xenbed('dmesg', guest.name).stdout.splitlines()
        return self.lines


def probe(words, **more):
    log = Log()
    guest = Probe(words, memory=32, maxmem=128, poison=0, **more)
    with guest.prepared():
        log.state(guest)
        log.lines += guest.run_to_stop().splitlines()
        return log.end(guest)


def driver(policy, **more):
    """A balloon driver that boots with half of what it sees, and is told to go up and down."""
    log = Log()
    with Tiny(policy, memory=16, maxmem=32, icount=None, **more).started() as guest:
        for mib in 24, 12, 32, 8:
            guest.xenbed('mem-set', guest.name, str(mib))
            log.lines.append(guest.wait_for(rf'balloon: at rest with {mib * MIB_PAGES} of \d+ pages\n')[0])
            log.state(guest)
        return log.end(guest)


class Accelerators(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        kvm()

    def same(self, scenario, *arguments):
        tcg, with_kvm = (scenario(*arguments, accel=accel) for accel in ('tcg', 'kvm'))
        diff = '\n'.join(difflib.unified_diff(tcg, with_kvm, 'tcg', 'kvm', lineterm='', n=1))
        self.assertEqual(diff, '')
        self.assertGreater(len(tcg), 10)


def add(name, scenario, *arguments):
    setattr(Accelerators, f'test_{name}', lambda self: self.same(scenario, *arguments))


for probe_name, probe_words in PROBES.items():
    add(probe_name, probe, probe_words)
for driver_policy in 'linux', 'windows':
    add(f'driver_{driver_policy}', driver, f'policy={driver_policy}')


if __name__ == '__main__':
    unittest.main()
