# SPDX-License-Identifier: GPL-2.0-or-later
"""
How often a guest has to be left under KVM, which is what memory semantics cost there; docs/performance.md has the
figures.  Each is the difference of two runs, of which one does much more, as how often a guest waits for its console
differs.  Exits for the host's interrupts are not counted.
"""

import unittest

from harness import kvm, Probe

MIB_PAGES = 256
FEW, MANY = 64, 4160


class Exits(unittest.TestCase):

    def setUp(self):
        kvm()

    @staticmethod
    def counts(words, **more):
        """What the kernel counts, and how many faults userfaultfd had, until the guest has done all that."""
        with Probe(words, **{'memory': 64, 'poison': 0, 'check': 0, 'accel': 'kvm', **more}).prepared() as guest:
            built = guest.qmp('qom-get', path='/objects/xenbed0', property='domain')['faults']
            output = guest.run_to_stop()
            if 'Test result: SUCCESS' not in output:
                raise AssertionError(output)
            answer = guest.qmp('query-stats', target='vcpu',
                               providers=[{'provider': 'kvm', 'names': ['exits', 'irq_exits']}])
            stats = [(stat['name'], stat['value']) for vcpu in answer for stat in vcpu['stats']]
            exits = sum(value if name == 'exits' else -value for name, value in stats)
            faults = guest.qmp('qom-get', path='/objects/xenbed0', property='domain')['faults']
            return exits, faults - built

    def per(self, what, unit, few, many, times, **more):
        """Exits and faults for one of what is done so many times more; says so."""
        exits, faults = ((b - a) / times for a, b in zip(self.counts(few, **more), self.counts(many, **more)))
        print(f'{what}: {exits:.3f} exits, {faults:.3f} faults a {unit}', flush=True)
        return exits, faults

    def test_hypercall(self):
        """One exit each, and what the timer has meanwhile."""
        exits, faults = self.per('remove_from_physmap', 'call', f'rm:0x1000,{FEW}', f'rm:0x1000,{MANY}', MANY - FEW)
        self.assertGreater(exits, 0.9)
        self.assertLess(exits, 1.1)
        self.assertLess(faults, 0.01)

    def test_hypercall_of_many_pages(self):
        """A long one is left to be made again each 512 pages; its arguments are a fault now and then."""
        calls, more = 32, 6
        words = f'dec:0x1000,{1024 * calls} pop:0x1000,{1024 * calls}'
        exits, faults = self.per('decrease_reservation, populate_physmap', 'call of 1024 pages', words,
                                 f'{words} ' * (1 + more), 2 * calls * more, memory=256)
        self.assertGreater(exits, 1.5)
        self.assertLess(exits, 3)
        self.assertLess(faults, 1)

    def test_populate(self):
        """One fault for 2 MiB, as long as there are superpages; then for each page."""
        for what, memory, maxmem, few, many, faults_at_most in (
                ('touch of populate-on-demand, superpages', 64, 128, 'w:0x1000-0x1200', 'w:0x1000-0x2e00', 0.6),
                ('touch of ordinary memory', 64, 64, 'w:0x1000-0x1200', 'w:0x1000-0x2e00', 0.6)):
            with self.subTest(what):
                exits, faults = self.per(what, 'MiB', few, many, 28, memory=memory, maxmem=maxmem)
                self.assertLess(faults, faults_at_most)
                self.assertLess(exits, 1.1 * MIB_PAGES)


if __name__ == '__main__':
    unittest.main()
