# SPDX-License-Identifier: GPL-2.0-or-later
"""
A PVH domain starts as on Xen: at its kernel's entry point, without firmware, with the
memory map and the pages Xen's builder gives it.  test_kernels has kernels that go on from there.
"""

import unittest

import harness
from harness import Guest, MIB_KIB, PAGE_KIB, Probe

MIB_PAGES = MIB_KIB // PAGE_KIB


class Start(unittest.TestCase):

    def test_map_and_reboot(self):
        """RAM from 0 to its end without a hole, ACPI tables, special pages; and again after a reboot."""
        with Guest(harness.vmlinux(), memory=256, type='pvh') as guest:
            for _ in range(2):
                lines = guest.ask('dmesg | grep BIOS-e820').splitlines()
                # Linux itself takes what a PC has at 640 KiB out, and joins what is alike.
                self.assertEqual([line.split('[mem ')[1] for line in lines], [
                    '0x0000000000000000-0x000000000009ffff] usable',
                    '0x00000000000a0000-0x00000000000fffff] reserved',
                    '0x0000000000100000-0x000000000fffffff] usable',
                    '0x00000000fc000000-0x00000000fc00803f] ACPI data',
                    '0x00000000feff8000-0x00000000feffffff] reserved',
                ])
                guest.reboot()
                self.assertEqual(guest.info()['tot_pages'], 256 * MIB_PAGES + 16)

    def test_above_4_gib(self):
        """RAM below 4 GiB ends where Xen ends it, at 0xfc000000; the rest is above."""
        memory, maxmem = 64, 4400
        guest = Probe('e820 w:4031-4032 w:4463-4464 v:4031-4032 v:4463-4464', memory=memory, maxmem=maxmem)
        with guest.prepared():
            built = guest.info()
            lines = guest.run_to_end().splitlines()
        for source in 'e820', 'start_info':
            self.assertEqual([line for line in lines if line.startswith(f'  {source} ')], [
                f'  {source} 0x00000000-0xfc000000 type 1',
                f'  {source} 0xfeff8000-0xff000000 type 2',
                f'  {source} 0xfc008000-0xfc008040 type 3',
                f'  {source} 0xfc000000-0xfc001000 type 3',
                f'  {source} 0xfc001000-0xfc008000 type 3',
                f'  {source} 0x100000000-0x117000000 type 1',
            ])
        self.assertIn('verify 4031-4032 MiB: 0 bad', lines)
        self.assertIn('verify 4463-4464 MiB: 0 bad', lines)
        # ACPI has 9 pages, and there are 8 special ones.
        self.assertEqual(built['tot_pages'], memory * MIB_PAGES + 17)
        self.assertEqual(built['pod_entries'] - built['pod_cache'], (maxmem - memory) * MIB_PAGES)

    def test_refusals(self):
        no_entry = 'domain-type=pvh needs an uncompressed ELF kernel with a PVH entry'
        for kernel, arguments, line in (
                (harness.kernel(), [], no_entry),
                # QEMU itself wants the note, too, and says so first.
                (str(harness.XENBED), [], 'PVH ELF Note'),
                (harness.vmlinux(), ['-machine', 'q35'], 'domain-type=pvh needs -machine pc')):
            with self.assertRaisesRegex(harness.GuestError, line):
                with Guest(kernel, memory=256, type='pvh', device_model_args=arguments):
                    pass

    def test_too_small(self):
        """Kernel and ramdisk must fit."""
        with self.assertRaisesRegex(harness.GuestError, 'need [0-9]+ KiB, the domain has 32768'):
            with Guest(harness.vmlinux(), memory=32, type='pvh'):
                pass


if __name__ == '__main__':
    unittest.main()
