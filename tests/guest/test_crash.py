# SPDX-License-Identifier: GPL-2.0-or-later
"""
What becomes of a domain that has crashed, or touches a page it has not got: on_crash and
on_hole, with a probe that touches more than it owns.
"""

import struct
import unittest

import harness
from harness import Guest, Probe

MEMORY, MAXMEM = 32, 128  # MiB
GREEDY = 'w:4-100/32 v:4-100'
ELF_HEADER = struct.Struct('<16sHHIQQQIHHHHHH')
PROGRAM_HEADER = struct.Struct('<IIQQQQQQ')
PT_LOAD = 1
# Where they are in what gdb gets.
RIP, RFLAGS = 16 * 8, 17 * 8


def loaded(core, gpa):
    """8 bytes of guest memory in an ELF core."""
    data = core.read_bytes()
    header = ELF_HEADER.unpack_from(data)
    assert header[0].startswith(b'\x7fELF'), header
    for i in range(header[10]):
        kind, _, offset, _, start, size, *_ = PROGRAM_HEADER.unpack_from(data, header[5] + i * PROGRAM_HEADER.size)
        if kind == PT_LOAD and start <= gpa < start + size:
            return struct.unpack_from('<Q', data, offset + gpa - start)[0]
    return None


def greedy(**more):
    return Probe(GREEDY, memory=MEMORY, maxmem=MAXMEM, **more)


class Crash(unittest.TestCase):

    def wait_for_state(self, guest, state):
        harness.wait_for(lambda: guest.info()['state'] == state, state, harness.COMMAND_SECONDS)

    def wait_until_gone(self, guest):
        harness.wait_for(lambda: len(guest.xenbed('list').stdout.splitlines()) == 1, "the domain's end",
                         harness.COMMAND_SECONDS)

    def core(self, guest):
        """The core that was dumped: the probe's words are in it, and no page that it has not got."""
        path = guest.folder / 'state/xenbed/dump/probe'
        self.assertEqual(loaded(path, 0x1000000), 0x1001)
        self.assertIsNone(loaded(path, MAXMEM - 8 << 20))
        self.assertLess(path.stat().st_size, MEMORY + 2 << 20)
        return path

    @staticmethod
    def registers(gdb):
        return bytes.fromhex(gdb.command('g').decode())[:RFLAGS]

    def touched(self, gdb):
        """The gfn that the probe is about to write to."""
        registers = struct.unpack_from('<16Q', self.registers(gdb))
        addresses = [value for value in registers if MEMORY / 2 < value / 2**20 < MAXMEM and value % 4096 == 0]
        self.assertEqual(len(set(addresses)), 1, registers)
        return addresses[0] >> 12

    def test_destroy(self):
        """The default, whatever becomes of a domain that shuts down by itself."""
        guest = greedy(on_crash=None)
        with guest.prepared():
            guest.xenbed('unpause', 'probe')
            self.wait_until_gone(guest)

    def test_preserve(self):
        guest = greedy()
        with guest.prepared():
            guest.xenbed('unpause', 'probe')
            self.wait_for_state(guest, '---sc-')
            self.assertIn('crashed and cannot run on', guest.xenbed('unpause', 'probe', check=False).stderr)
            self.assertEqual(guest.info()['state'], '---sc-')

    def test_restart(self):
        guest = greedy(on_crash='restart')
        with guest.prepared():
            guest.run_until(lambda output: output.count('podprobe') > 2)

    def test_coredump_destroy(self):
        guest = greedy(on_crash='coredump-destroy')
        with guest.prepared():
            guest.xenbed('unpause', 'probe')
            self.wait_until_gone(guest)
            self.core(guest)

    def test_coredump_restart(self):
        guest = greedy(on_crash='coredump-restart')
        with guest.prepared():
            guest.run_until(lambda output: output.count('podprobe') > 2)
            guest.xenbed('pause', 'probe')
            self.core(guest)

    def test_said_by_the_guest(self):
        """SHUTDOWN_crash goes the same way."""
        guest = Probe('w:4-20 exit:3', memory=MEMORY, on_crash='coredump-destroy')
        with guest.prepared():
            guest.xenbed('unpause', 'probe')
            self.wait_until_gone(guest)
            path = guest.folder / 'state/xenbed/dump/probe'
            self.assertEqual(loaded(path, 0x1000000), 0x1001)

    def test_debug(self):
        """It stops at the instruction; with more memory, that is made again and all is as if nothing had been."""
        guest = greedy(on_crash='debug')
        with guest.prepared():
            with guest.gdb() as gdb:
                gdb.send('c')
                self.assertEqual(gdb.answer()[:3], b'T05')
                before = guest.info()
                self.assertEqual(before['state'], '--p---')
                self.assertEqual(before['pod_cache'], 0)
                # It stays at this page, as often as it is tried.
                where = self.registers(gdb)
                self.assertGreater(self.touched(gdb), MEMORY - 4 << 8)
                gdb.send('c')
                self.assertEqual(gdb.answer()[:3], b'T05')
                self.assertEqual(self.registers(gdb), where)
                self.assertEqual({**guest.info(), 'resident': 0}, {**before, 'resident': 0})
                guest.xenbed('mem-set', 'probe', str(MAXMEM))
            self.wait_for_state(guest, '---s--')
            self.assertIn('verify 4-100 MiB: 0 bad', guest.output())
            self.assertIn('Test result: SUCCESS', guest.output())

    def test_debug_in_a_hypercall(self):
        """The argument of a hypercall is what cannot be populated: the call is made again."""
        first = greedy(on_crash='debug')
        with first.prepared(), first.gdb() as gdb:
            gdb.send('c')
            gdb.answer()
            full = self.touched(gdb)
        memory_op, current_reservation, address = 12, 3, (MAXMEM - 8) << 20
        guest = Probe(f'w:4-{full:#x} hypercall:{memory_op},{current_reservation},{address:#x}', memory=MEMORY,
                      maxmem=MAXMEM, on_crash='debug')
        with guest.prepared():
            with guest.gdb() as gdb:
                gdb.send('c')
                gdb.answer()
                rip, = struct.unpack_from('<Q', self.registers(gdb), RIP)
                self.assertIn(gdb.command(f'm{rip:x},3'), (b'0f01c1', b'0f01d9'))  # VMCALL, VMMCALL
                guest.xenbed('mem-set', 'probe', str(MAXMEM))
            self.wait_for_state(guest, '---s--')
            # Of domain 0: the structure is zeroes.
            self.assertIn('hypercall 12: rc -1\n', guest.output())

    def test_debug_of_a_kernel(self):
        """A Linux that would be dead lives, and what it was writing is there."""
        with Guest(harness.vmlinux(), memory=256, maxmem=512, type='pvh', on_crash='debug', vcpus=2,
                   extra='console=hvc0 quiet initcall_blacklist=balloon_init') as guest:
            guest.console.send('memhold fill 240 </dev/null >/tmp/held')
            self.wait_for_state(guest, '--p---')
            guest.xenbed('mem-set', 'guest', '512')
            guest.xenbed('unpause', 'guest')
            pages = 240 * harness.MIB_KIB // harness.PAGE_KIB
            self.assertIn(f'verified {pages} pages, 0 bad', guest.ask('cat /tmp/held'))
            self.assertEqual(guest.trouble(), [])


class Hole(unittest.TestCase):

    def test_debug(self):
        """Each page the first time, and again when it has become one again; what is read then is as ever."""
        words = 'dec:16,2 r:16-17/1 look:0x1000-0x1002 pop:16,1 dec:16,1 look:0x1000-0x1001'
        guest = Probe(words, memory=MEMORY, on_hole='debug')
        with guest.prepared():
            for gfn in 0x1000, 0x1001, 0x1000:
                guest.xenbed('dmesg', '-c', 'probe')
                guest.xenbed('unpause', 'probe')
                harness.wait_for(lambda: guest.info()['state'] != 'r-----', 'a stop', harness.COMMAND_SECONDS)
                self.assertEqual(guest.info()['state'], '--p---')
                self.assertEqual(guest.xenbed('dmesg', 'probe').stdout,
                                 f'(XEN) d1v0 touches the hole at gfn {gfn:#x}\n')
            guest.run_to_end()
            self.assertIn('look gfn 0x1000 n 2: all 0xffffffffffffffff', guest.output())

    def test_destroy(self):
        guest = Probe('dec:16,1 r:16-17/1', memory=MEMORY, on_hole='coredump-destroy', on_crash='preserve')
        with guest.prepared():
            guest.xenbed('unpause', 'probe')
            harness.wait_for(lambda: len(guest.xenbed('list').stdout.splitlines()) == 1, "the domain's end",
                             harness.COMMAND_SECONDS)
            self.assertTrue((guest.folder / 'state/xenbed/dump/probe').exists())

    def test_a_kernel_touches_none(self):
        """A kernel and its balloon driver that are right are not stopped."""
        with Guest(harness.vmlinux(), memory=256, type='pvh', on_hole='debug') as guest:
            guest.mem_set(128)
            guest.mem_set(256)
            self.assertEqual(guest.info()['state'], 'r-----')


if __name__ == '__main__':
    unittest.main()
