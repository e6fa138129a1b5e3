# SPDX-License-Identifier: GPL-2.0-or-later
"""
What Xen says about itself, for each version that xen_version= can ask for; and that a kernel comes up
on the old ones.  What the newest of them says to the last byte is in test_golden.
"""

import re
import unittest
from typing import NamedTuple

import harness
from harness import Guest, Probe

# Bits of XENFEAT_ submap 0.
ALWAYS = 1 << 0 | 1 << 2  # writable_page_tables, auto_translated_physmap
CALLBACK_VECTOR, SAFE_PVCLOCK, PIRQS = 1 << 8, 1 << 9, 1 << 10
VNODE, NOT_DIRECT_MAPPED = 1 << 13, 1 << 16

# Bits of CPUID leaf 4.
IOMMU, VCPU_ID, DOMID, UPCALL_VECTOR = 1 << 2, 1 << 3, 1 << 4, 1 << 6


class Version(NamedTuple):
    leaves: int  # of CPUID, beyond the first
    features: int
    hvm: int  # CPUID leaf 4

    def hvm_features(self):
        """What an HVM domain has beyond a PVH one."""
        return self.features | (PIRQS if SAFE_PVCLOCK & self.features else 0)

    def words(self):
        return ('cpuid:0x40000000 cpuid:0x40000001 cpuid:0x40000004 hypercall:17,0 '
                'list:0 hypercall:17,6,list show:list,1')


OLD = ALWAYS
SINCE_4_1 = ALWAYS | CALLBACK_VECTOR | SAFE_PVCLOCK
VERSIONS = {
    '3.1': Version(2, OLD, 0),
    '3.4': Version(2, OLD, 0),
    '4.0': Version(3, OLD, 0),
    '4.1': Version(3, SINCE_4_1, 0),
    '4.4': Version(3, SINCE_4_1, 0),
    '4.5': Version(4, SINCE_4_1 | VNODE, IOMMU | VCPU_ID),
    '4.10': Version(5, SINCE_4_1 | VNODE, IOMMU | VCPU_ID),
    '4.13': Version(5, SINCE_4_1 | VNODE, IOMMU | VCPU_ID | DOMID),
    '4.15': Version(5, SINCE_4_1 | VNODE | NOT_DIRECT_MAPPED, IOMMU | VCPU_ID | DOMID),
    '4.17': Version(5, SINCE_4_1 | VNODE | NOT_DIRECT_MAPPED, IOMMU | VCPU_ID | DOMID | UPCALL_VECTOR),
    '4.22': Version(5, SINCE_4_1 | VNODE | NOT_DIRECT_MAPPED, IOMMU | VCPU_ID | DOMID | UPCALL_VECTOR),
}


def numbers(pattern, output):
    return [int(word, 0) for word in re.search(pattern, output).groups()]


class Shown(unittest.TestCase):

    def test_versions(self):
        for name, version in VERSIONS.items():
            with self.subTest(name), Probe(version.words(), memory=16, xen_version=name).prepared() as guest:
                output = guest.run_to_end()
                major, minor = map(int, name.split('.'))
                number = major << 16 | minor
                self.assertEqual(numbers(r'hypercall 17: rc (\d+)', output), [number])
                self.assertEqual(numbers(r'cpuid 0x40000001,0x0: (\w+)', output), [number])
                self.assertEqual(numbers(r'cpuid 0x40000000,0x0: (\w+)', output), [0x40000000 + version.leaves])
                if version.leaves >= 4:
                    self.assertEqual(numbers(r'cpuid 0x40000004,0x0: (\w+) (\w+) (\w+)', output),
                                     [version.hvm, 0, 1 if version.hvm & DOMID else 0])
                # Of a structure of two: the number of the submap, and the map.
                self.assertEqual(numbers(r'show list,1: (\w+)', output), [version.features << 32])

    def test_other_vcpus(self):
        """Each one's leaf 4 has its own number."""
        with Guest(harness.vmlinux(), memory=256, vcpus=2, type='pvh', extra='console=hvc0 xen_nopvspin') as guest:
            self.assertNotIn('Xen: unable to find CPU', guest.ask('dmesg'))
            self.assertEqual(guest.ask('nproc'), '2')

    def test_refusals(self):
        for version, reason in (('3.0', r'xen-version 0x30000 is too old: it is 0x30001 \(3\.1\) at least'), ):
            with self.subTest(version):
                guest = Probe('', memory=16, xen_version=version)
                with self.assertRaisesRegex(harness.GuestError, reason), guest.prepared():
                    pass
                self.assertFalse(guest.domain_folder.exists())


class Linux(unittest.TestCase):
    """A kernel of today on the Xen of the day."""

    def balloons(self, version, **more):
        with self.subTest(version), Guest(harness.kernel(), memory=256, vcpus=2, xen_version=version, **more) as guest:
            self.assertEqual(guest.ask('cd /sys/hypervisor/version; cat major minor').split(), version.split('.'))
            features = int(guest.ask('cat /sys/hypervisor/properties/features'), 16)
            self.assertEqual(features, VERSIONS[version].hvm_features())
            before = guest.current_kb()
            guest.mem_set(128)
            guest.mem_set(256)
            self.assertEqual(guest.current_kb(), before)
            self.assertEqual(guest.trouble(), [])

    def test_without_callback_vector(self):
        """Linux 6.1 finds that out too late for its second vCPU, if it is not told."""
        for version in '3.1', '3.4', '4.0':
            self.balloons(version, extra='console=hvc0 quiet xen_no_vector_callback')

    def test_with_it(self):
        for version in '4.1', '4.13':
            self.balloons(version)


if __name__ == '__main__':
    unittest.main()
