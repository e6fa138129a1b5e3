# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a guest finds in the xenstore about its memory, asked by the guest itself over
its own ring: /dev/xen/xenbus takes messages as the store's wire protocol has them.
"""

import struct
import unittest

import harness
from harness import Guest, MIB_KIB

XS_READ, XS_GET_PERMS, XS_WRITE, XS_ERROR = 2, 3, 11, 16


class Store(unittest.TestCase):

    def request(self, guest, kind, *strings):
        """One message, and the strings of its answer; an error is one string, after its name."""
        payload = '\0'.join(strings).encode() + (b'' if kind == XS_WRITE else b'\0')
        message = struct.pack('<4I', kind, 1, 0, len(payload)) + payload
        octal = ''.join(f'\\{byte:03o}' for byte in message)
        answer = bytes.fromhex(guest.ask(
            f"(exec 8<>/dev/xen/xenbus; printf '{octal}' >&8; "
            'dd bs=4096 count=1 <&8 2>/dev/null | hexdump -ve \'1/1 "%02x"\')'))
        got, _, _, length = struct.unpack('<4I', answer[:16])
        self.assertEqual(len(answer), 16 + length)
        return (['error'] if got == XS_ERROR else []) + answer[16:].decode().rstrip('\0').split('\0')

    def test_memory_nodes(self):
        with Guest(harness.kernel(), memory=256) as guest:
            for node, value in (('memory/static-max', str(256 * MIB_KIB)),
                                ('memory/target', str(256 * MIB_KIB)),
                                ('memory/videoram', '0'), ('name', 'guest'), ('domid', '1')):
                self.assertEqual(self.request(guest, XS_READ, node), [value], node)
                # dom0's, and the guest may read it.
                self.assertEqual(self.request(guest, XS_GET_PERMS, node), ['n0', 'r1'], node)

            guest.mem_set(192)
            self.assertEqual(self.request(guest, XS_READ, 'memory/target'), [str(192 * MIB_KIB)])
            self.assertEqual(self.request(guest, XS_WRITE, 'memory/target', '1'), ['error', 'EACCES'])
            guest.power_off()


if __name__ == '__main__':
    unittest.main()
