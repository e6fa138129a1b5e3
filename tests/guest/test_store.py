# SPDX-License-Identifier: GPL-2.0-or-later
"""
The xenstore of a domain: what its guest finds there, asked by the guest itself over
its own ring (/dev/xen/xenbus takes messages as the store's wire protocol has them),
and what the host sees of it through the domain's socket.
"""

import os
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

import harness
import wire
from harness import Debugger, Guest, MIB_KIB
from wire import Type

HOME = '/local/domain/1'
RING = 0xfeffc000  # where QEMU has the ring page
RSP_CONS, RSP_PROD, SERVER_FEATURES, CONNECTION, ERROR = 2056, 2060, 2064, 2068, 2072
ERROR_RINGIDX = 2
GET_DOMAIN_PATH = 10


def ask(guest, kind, payload):
    """One message over the guest's ring, and the answer's payload; an error is its name."""
    message = wire.message(kind, payload, 1)
    octal = ''.join(f'\\{byte:03o}' for byte in message)
    answer = bytes.fromhex(guest.ask(
        f"(exec 8<>/dev/xen/xenbus; printf '{octal}' >&8; "
        'dd bs=4096 count=1 <&8 2>/dev/null | hexdump -ve \'1/1 "%02x"\')'))
    got, _, _, length = struct.unpack('<4I', answer[:16])
    assert len(answer) == 16 + length, answer
    assert got in (kind, Type.ERROR), answer
    return answer[16:]


def read(guest, path):
    return ask(guest, Type.READ, wire.strings(path)).rstrip(b'\0').decode()


class FromInside(unittest.TestCase):

    def test_nodes(self):
        with Guest(harness.kernel(), memory=256, vcpus=2) as guest:
            for node, value in (('memory/static-max', 256 * MIB_KIB), ('memory/target', 256 * MIB_KIB),
                                ('memory/videoram', 0), ('name', 'guest'), ('domid', 1),
                                ('cpu/1/availability', 'online'),
                                ('control/platform-feature-xs_reset_watches', 1)):
                self.assertEqual(read(guest, node), str(value), node)
                # dom0's, and the guest may read it.
                self.assertEqual(ask(guest, Type.GET_PERMS, wire.strings(node)), b'n0\0r1\0', node)
            for node in ('control/shutdown', 'control/feature-poweroff', 'data', 'attr', 'error'):
                self.assertEqual(ask(guest, Type.GET_PERMS, wire.strings(node)), b'n1\0', node)
            # What it can do is for the guest to say, and Linux does.
            self.assertEqual(read(guest, 'control/feature-poweroff'), '1')
            self.assertEqual(read(guest, 'control/feature-s3'), '')
            vm = read(guest, 'vm')
            self.assertEqual(read(guest, f'{vm}/name'), 'guest')
            self.assertEqual(f'/vm/{read(guest, f"{vm}/uuid")}', vm)

            guest.mem_set(192)
            self.assertEqual(read(guest, 'memory/target'), str(192 * MIB_KIB))
            guest.power_off()

    def test_whole_protocol(self):
        """Requests that only a store with the whole protocol answers like this."""
        with Guest(harness.kernel(), memory=256) as guest:
            for kind, payload, answer in (
                    (Type.WRITE, b'data/x\0y\0z', b'OK\0'),
                    (Type.READ, b'data/x\0', b'y\0z'),
                    (Type.GET_PERMS, b'data/x\0', b'n1\0'),
                    (Type.READ, b'data/x\0junk', b'EINVAL\0'),
                    (Type.READ, b'data//x\0', b'EINVAL\0'),
                    (Type.READ, b'data/none\0', b'ENOENT\0'),
                    (Type.READ, b'/libxl/1/type\0', b'EACCES\0'),
                    (Type.READ, b'/libxl/none\0', b'EACCES\0'),
                    (Type.WRITE, b'memory/target\x001', b'EACCES\0'),
                    (Type.SET_PERMS, b'data/x\0n0\0', b'EPERM\0'),
                    (Type.DIRECTORY_PART, b'none\0', b'EINVAL\0'),
                    (Type.INTRODUCE, b'7\x001\x001\0', b'EACCES\0'),
                    (Type.CONTROL, b'check\0', b'EACCES\0'),
                    (GET_DOMAIN_PATH, b'7\0', b'/local/domain/7\0'),
                    (27, b'', b'ENOSYS\0')):
                self.assertEqual(ask(guest, kind, payload), answer, payload)
            guest.power_off()


class FromTheHost(unittest.TestCase):

    @unittest.skipUnless(shutil.which('xenstore-ls'), 'the package xenstore-utils is not installed')
    def test_real_clients(self):
        """Xen's own tools, which need only the socket's path."""
        with Guest(harness.kernel(), memory=256) as guest:
            environment = {**os.environ, 'XENSTORED_PATH': str(guest.domain_folder / 'xenstore.sock')}

            def tool(*command):
                return subprocess.run(command, env=environment, text=True, check=True, timeout=60,
                                      capture_output=True).stdout

            self.assertIn(f'{HOME}/memory/target = "{256 * MIB_KIB}"   (n0,r1)\n',
                          tool('xenstore-ls', '-f', '-p'))
            tool('xenstore-write', f'{HOME}/memory/target', str(128 * MIB_KIB))
            harness.wait_for(lambda: guest.current_kb() <= 128 * MIB_KIB, 'balloon', 60)
            tool('xenstore-write', f'{HOME}/control/shutdown', 'poweroff')
            harness.wait_for(lambda: not guest.running(), 'power-off', 60)

    def test_events(self):
        """A host client sees what the guest writes, and learns of its end."""
        with Guest(harness.kernel(), memory=256) as guest, guest.store() as store:
            store.watch(f'{HOME}/data', 'data')
            store.watch('@releaseDomain', 'end')
            ask(guest, Type.WRITE, b'data/x\0from the guest')
            self.assertEqual(store.event(), (f'{HOME}/data/x', 'data'))
            self.assertEqual(store.read(f'{HOME}/data/x'), b'from the guest')
            guest.power_off()
            self.assertIn(('@releaseDomain', 'end'), iter(store.event, None))


class RingDebugger(Debugger):
    """The words of the ring's page."""

    def __init__(self, path):
        super().__init__(path)
        self.command('Qqemu.PhyMemMode:1')

    def get(self, offset):
        return struct.unpack('<I', bytes.fromhex(self.command(f'm{RING + offset:x},4').decode()))[0]

    def set(self, offset, value):
        assert self.command(f'M{RING + offset:x},4:{struct.pack("<I", value).hex()}') == b'OK'


class Ring(unittest.TestCase):

    def test_broken_and_reset(self):
        """A ring that cannot be right ends itself only; its guest can have it back."""
        folder = Path(tempfile.mkdtemp(prefix='xb-', dir='/tmp'))
        self.addCleanup(shutil.rmtree, folder)
        gdb = folder / 'gdb'
        with Guest(harness.kernel(), memory=256,
                   device_model_args=['-gdb', f'unix:{gdb},server=on,wait=off']) as guest:
            with RingDebugger(gdb) as memory:
                self.assertEqual(memory.get(SERVER_FEATURES), 15)
                self.assertEqual((memory.get(CONNECTION), memory.get(ERROR)), (0, 0))
                memory.set(RSP_CONS, memory.get(RSP_PROD) + 5)
            with guest.store() as store:
                # An event for the balloon driver has to go through the ring.
                store.write(f'{HOME}/memory/target', 256 * MIB_KIB)
                self.assertEqual(store.read(f'{HOME}/name'), b'guest')
                with RingDebugger(gdb) as memory:
                    self.assertEqual(memory.get(ERROR), ERROR_RINGIDX)
                    memory.set(CONNECTION, 1)
                # A request rings the bell, and is lost with the old contents: one that is a header
                # only, as Linux sends a payload by itself, and half of it would come after the reset.
                octal = ''.join(f'\\{byte:03o}' for byte in wire.message(27))
                guest.ask(f"(exec 8<>/dev/xen/xenbus; printf '{octal}' >&8) </dev/null >/dev/null 2>&1 &")
                harness.wait_for(lambda: self.is_reset(gdb), 'the reset of the ring', 60)
                self.assertEqual(read(guest, 'name'), 'guest')
                self.assertEqual(store.control('check'), 'OK')

    def is_reset(self, gdb):
        with RingDebugger(gdb) as memory:
            return memory.get(CONNECTION) == 0 and memory.get(ERROR) == 0


if __name__ == '__main__':
    unittest.main()
