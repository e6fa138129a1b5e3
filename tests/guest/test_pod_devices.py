# SPDX-License-Identifier: GPL-2.0-or-later
"""
Devices touch memory that is populate-on-demand.  On Xen whoever maps a page for one, domain 0 or
a backend, populates it: it comes from the cache, and when that is empty a page of zeroes is
taken back for it; when there is none the domain dies of it.  A guest that does nothing by
itself (devices.c) lets devices go where no vCPU has been.
"""

import contextlib
import socket
import struct
import unittest

import harness
from harness import Guest, MIB_KIB, Probe
from test_pod import counters

MIB = 1 << 20
PAGE, SECTOR = 4096, 512
SUPERPAGE = 512  # pages: what a touch populates while the cache has one
MEMORY, MAXMEM = 32, 128  # MiB
DISK = 4 * MIB
RING_SIZE = 1024
RING_PAGES = 8


def word(disk, offset):
    """What a disk holds at an offset: every word of both is another."""
    return (offset // 4 * 2654435761 + disk) & 0xffffffff | 1


def write_disk(path, disk):
    path.write_bytes(b''.join(struct.pack('<I', word(disk, offset)) for offset in range(0, DISK, 4)))


class Devices(Guest):
    """devices.c, with a disk at IDE and one at virtio."""

    IDE, VIRTIO = 1, 2

    def __init__(self, throttle='', **settings):
        def drive(name, options):
            return ('-drive', f'if=none,id={name},format=raw,file={{folder}}/{name}{options}')
        super().__init__(harness.bare('devices'), **{'memory': MEMORY, 'maxmem': MAXMEM, 'ramdisk': None, 'extra': None,
                                     'on_crash': 'preserve', **settings}, device_model_args=(
            '-serial', 'unix:{folder}/serial,server=on,wait=off',
            *drive('ide', throttle), '-device', 'ide-hd,drive=ide,bus=ide.0',
            *drive('virtio', ''), '-device', 'virtio-blk-pci,drive=virtio,disable-legacy=off,disable-modern=on,'
                                             f'queue-size={RING_SIZE}'))
        write_disk(self.folder / 'ide', self.IDE)
        write_disk(self.folder / 'virtio', self.VIRTIO)
        self.serial = None

    @contextlib.contextmanager
    def prepared(self, *options):
        with super().prepared('--paused', *options), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(harness.COMMAND_SECONDS)
            line.connect(str(self.folder / 'serial'))
            self.serial = line.makefile('rw')
            self.xenbed('unpause', self.name)
            assert self.serial.readline() == 'ready\n'
            yield self

    def send(self, letter, *numbers):
        self.serial.write(' '.join([letter, *(f'{number:x}' for number in numbers)]) + '\n')
        self.serial.flush()

    def do(self, letter, *numbers):
        self.send(letter, *numbers)
        answer = self.serial.readline()
        if not answer.endswith('ok\n'):
            raise harness.GuestError(f'devices.c: {letter} {numbers}: {answer}')
        return answer

    def peek(self, address):
        return int(self.do('p', address).split()[0], 16)


class WithDevices(unittest.TestCase):

    @contextlib.contextmanager
    def populates(self, guest, pages):
        """What is done in here populates so many pages, out of the cache."""
        before = counters(guest)
        yield
        after = counters(guest)
        self.assertEqual(after, {**before, 'pod_entries': before['pod_entries'] - pages,
                                 'pod_cache': before['pod_cache'] - pages})

    def check_data(self, guest, disk, address, sector, sectors):
        """The disk's data are in memory, as a vCPU sees it: both ends of every page."""
        for at in range(0, sectors * SECTOR, PAGE):
            for offset in at, min(at + PAGE, sectors * SECTOR) - 4:
                self.assertEqual(guest.peek(address + offset), word(disk, sector * SECTOR + offset),
                                 hex(address + offset))


class Cached(WithDevices):
    """There is enough in the cache."""

    def test_fw_cfg(self):
        address = 32 * MIB + PAGE - 2
        with Devices().prepared() as guest:
            with self.populates(guest, SUPERPAGE):
                guest.do('f', address)
            self.assertEqual(guest.peek(address), struct.unpack('<I', b'QEMU')[0])

    def test_ide_reads(self):
        """To memory; once across the end of a superpage."""
        with Devices().prepared() as guest:
            for address, pages in (32 * MIB, SUPERPAGE), (40 * MIB - 32 * 1024, 2 * SUPERPAGE):
                with self.populates(guest, pages):
                    guest.do('r', address, 100, 128)
                    guest.do('i')
                self.check_data(guest, guest.IDE, address, 100, 128)

    def test_ide_writes(self):
        """What nobody has ever touched is zeroes."""
        with Devices().prepared() as guest:
            with self.populates(guest, SUPERPAGE):
                guest.do('w', 32 * MIB, 8, 16)
                guest.do('i')
            disk = (guest.folder / 'ide').read_bytes()
            self.assertEqual(disk[8 * SECTOR:24 * SECTOR], bytes(16 * SECTOR))
            self.assertEqual(disk[24 * SECTOR:][:4], struct.pack('<I', word(guest.IDE, 24 * SECTOR)))

    def test_virtio(self):
        """The ring, data, and status."""
        with Devices().prepared() as guest:
            with self.populates(guest, SUPERPAGE):
                guest.do('v', 32 * MIB, RING_SIZE)
            with self.populates(guest, 2 * SUPERPAGE):
                guest.do('b', 40 * MIB, 48 * MIB, 200, 64)
            self.assertEqual(guest.peek(48 * MIB) & 0xff, 0)
            self.check_data(guest, guest.VIRTIO, 40 * MIB, 200, 64)


class Backend(unittest.TestCase):
    """A guest grants pages that nobody has touched; QEMU's block backend maps the ring and copies to the other."""

    RING, DATA, GRANT_TABLE = 0x1000, 0x1400, 0x1f00  # gfns
    VBD = 51712
    PORT = 3  # the guest's next event channel
    READY, CONNECTED = 3, 4

    def words(self):
        frontend, backend = f'device/vbd/{self.VBD}', f'/local/domain/0/backend/qdisk/1/{self.VBD}'
        table, ring = self.GRANT_TABLE << 12, self.RING << 12
        return ' '.join((
            f'call:add_to_physmap,space=1,gpfn={self.GRANT_TABLE:#x}',
            # Grants 8 and 9, to domain 0.
            f'poke:{table + 64:#x},{self.RING << 32 | 1:#x} poke:{table + 72:#x},{self.DATA << 32 | 1:#x}',
            # EVTCHNOP_alloc_unbound, for domain 0.
            'list:0x7ff0 hypercall:32,6,list show:list,1',
            'xsset:data/at=before xswait:data/go=before',
            f'xsset:{frontend}/ring-ref=8 xsset:{frontend}/event-channel={self.PORT}',
            f'xsset:{frontend}/protocol=x86_64-abi xsset:{frontend}/state={self.READY}',
            f'xswait:{backend}/state={self.CONNECTED} xsset:data/at=mapped xswait:data/go=mapped',
            # Request 0x77: read with one segment, from sector 8; the segment: all of grant 9.
            f'poke:{ring + 64:#x},0x100 poke:{ring + 72:#x},0x77 poke:{ring + 80:#x},8',
            f'poke:{ring + 88:#x},{7 << 40 | 9:#x}',
            # One request is there: EVTCHNOP_send; then one response.
            f'poke:{ring:#x},1 list2:{self.PORT:#x} hypercall:32,4,list2 wait:{ring + 8:#x},1',
            'xsset:data/at=read xswait:data/go=read',
            f'peek:{ring + 64:#x} peek:{ring + 72:#x}',
            f'peek:{self.DATA << 12:#x} peek:{(self.DATA << 12) + PAGE - 8:#x}'))

    @staticmethod
    def is_at(store, step):
        path = '/local/domain/1/data/at'
        return store.exists(path) and store.read(path) == step.encode()

    def test_block(self):
        seen = {}
        guest = Probe(self.words(), memory=MEMORY, maxmem=MAXMEM, device_model_args=(
            '-drive', 'if=none,id=d,format=raw,file={folder}/disk', '-device', 'xen-disk,drive=d,vdev=xvda'))
        write_disk(guest.folder / 'disk', 3)
        with guest.prepared():
            guest.xenbed('unpause', guest.name)
            with guest.store() as store:
                for step in 'before', 'mapped', 'read':
                    harness.wait_for(lambda: self.is_at(store, step), step,
                                     harness.COMMAND_SECONDS)
                    seen[step] = counters(guest)
                    store.write('/local/domain/1/data/go', step)
            harness.wait_for(lambda: 'Test result' in guest.output(), 'the end', harness.COMMAND_SECONDS)
            output = guest.output()
        for before, after in ('before', 'mapped'), ('mapped', 'read'):
            populated = {key: seen[before][key] - seen[after][key] for key in seen[before]}
            self.assertEqual(populated, {'tot_pages': 0, 'max_pages': 0, 'pod_entries': SUPERPAGE,
                                         'pod_cache': SUPERPAGE})
        for offset in 0, PAGE - 8:
            value = word(3, 8 * SECTOR + offset) | word(3, 8 * SECTOR + offset + 4) << 32
            self.assertIn(f'peek {(self.DATA << 12) + offset:#x}: {value:#x}\n', output)


class Empty(WithDevices):
    """The cache is empty."""

    FILLED = 16 * MIB
    ZEROES = 256  # pages

    def fill(self, guest):
        """A vCPU writes to what there is, until the cache is empty."""
        at = self.FILLED
        while pages := guest.info()['pod_cache']:
            guest.do('c', at, pages, 0x5a5a5a5a)
            at += pages * PAGE

    @contextlib.contextmanager
    def reclaims(self, guest, pages):
        """What is done in here populates so many pages, and the first of them has to be taken back from elsewhere."""
        self.fill(guest)
        guest.do('c', self.FILLED, self.ZEROES, 0)
        before, pod = counters(guest), guest.pod()
        self.assertEqual(before['pod_cache'], 0)
        yield
        after, pod_after = counters(guest), guest.pod()
        taken = pod_after['reclaimed'] - pod['reclaimed']
        self.assertGreater(taken, 0)
        self.assertEqual(pod_after['populated'] - pod['populated'], pages)
        self.assertEqual(after, {**before, 'pod_entries': before['pod_entries'] + taken - pages,
                                 'pod_cache': taken - pages})

    def test_fw_cfg(self):
        address = 64 * MIB + PAGE - 2
        with Devices().prepared() as guest:
            with self.reclaims(guest, 2):
                guest.do('f', address)
            self.assertGreater(guest.pod()['swept'], 0)
            self.assertEqual(guest.peek(address), struct.unpack('<I', b'QEMU')[0])

    def test_ide(self):
        with Devices().prepared() as guest:
            with self.reclaims(guest, 16):
                guest.do('r', 64 * MIB, 100, 128)
                guest.do('i')
            self.check_data(guest, guest.IDE, 64 * MIB, 100, 128)

    def test_virtio(self):
        """The ring, data, and status."""
        with Devices().prepared() as guest:
            with self.reclaims(guest, RING_PAGES):
                guest.do('v', 64 * MIB, RING_SIZE)
            with self.reclaims(guest, 9):
                guest.do('b', 80 * MIB, 88 * MIB, 200, 64)
            self.assertEqual(guest.peek(88 * MIB) & 0xff, 0)
            self.check_data(guest, guest.VIRTIO, 80 * MIB, 200, 64)

    def take_back(self, guest, address):
        """A vCPU reads so many pages that of all that were populated before the zeroes are taken back."""
        for page in range(64):
            self.assertEqual(guest.peek(address + page * PAGE), 0)

    @staticmethod
    def is_gone(guest, address):
        """Was the page taken back?  It is there again afterwards."""
        before = guest.pod()['populated']
        guest.peek(address)
        return guest.pod()['populated'] > before

    def test_data_on_their_way(self):
        """The page that a disk is about to write to is still zeroes when those are taken back: but not this one."""
        with Devices(throttle=',throttling.bps-total=512').prepared() as guest:
            guest.do('r', 20 * MIB, 0, 128)
            guest.do('i')
            self.fill(guest)
            guest.do('c', self.FILLED, self.ZEROES, 0)
            # The disk is busy with the first for two minutes; the second waits, and has its page already.
            guest.do('r', 64 * MIB, 100, 8)
            self.take_back(guest, 72 * MIB)
            self.assertFalse(self.is_gone(guest, 64 * MIB))
            guest.qmp('block_set_io_throttle', device='ide', **dict.fromkeys(
                ('bps', 'bps_rd', 'bps_wr', 'iops', 'iops_rd', 'iops_wr'), 0))
            guest.do('i')
            self.check_data(guest, guest.IDE, 64 * MIB, 100, 8)
            # One whose zeroes the disk has read is like any other.
            guest.do('w', 65 * MIB, 200, 8)
            guest.do('i')
            self.take_back(guest, 73 * MIB)
            self.assertTrue(self.is_gone(guest, 65 * MIB))

    def test_ring_of_zeroes(self):
        """It stays as long as it is virtio's."""
        with Devices().prepared() as guest:
            self.fill(guest)
            guest.do('c', self.FILLED, self.ZEROES, 0)
            # Until the cache has enough for two, and nobody looks for more before one is done with.
            guest.do('c', 70 * MIB, 64, 1)
            self.assertGreater(guest.info()['pod_cache'], 2 * RING_PAGES)
            guest.do('v', 64 * MIB, RING_SIZE)
            guest.do('v', 65 * MIB, RING_SIZE)
            # QEMU lets go of the first a little later, or before it answers this.
            with self.assertRaisesRegex(harness.GuestError, 'not a valid device'):
                guest.qmp('device_add', driver='none')
            self.take_back(guest, 72 * MIB)
            for page in range(RING_PAGES):
                self.assertTrue(self.is_gone(guest, 64 * MIB + page * PAGE))
                self.assertFalse(self.is_gone(guest, 65 * MIB + page * PAGE))
            guest.do('b', 80 * MIB, 88 * MIB, 200, 8)
            self.check_data(guest, guest.VIRTIO, 80 * MIB, 200, 8)

    def eaten_up(self, device):
        """A device writes to page after page, until nothing is left: domain 0 is to blame, the domain is dead."""
        with Devices().prepared() as guest:
            guest.do('v', 16 * MIB, RING_SIZE)
            guest.do('b', 20 * MIB, 20 * MIB + PAGE, 0, 1)
            before = counters(guest)
            guest.send('e', 24 * MIB, device)
            harness.wait_for(lambda: guest.info()['state'] != 'r-----', 'the crash', harness.COMMAND_SECONDS)
            after = guest.info()
            self.assertEqual(after['state'], '---sc-')
            self.assertEqual((after['tot_pages'], after['pod_cache']), (before['tot_pages'], 0))
            self.assertGreater(guest.pod()['swept'], 0)
            log = guest.xenbed('dmesg', guest.name).stdout.splitlines()
        self.assertEqual(log[0], '(XEN) p2m_pod_demand_populate: Dom1 out of PoD memory! '
                         f'(tot={after["tot_pages"]} ents={after["pod_entries"]} dom0)')
        self.assertRegex(log[2], r'^\(XEN\) Domain 1 reported crashed by domain 0 on cpu#\d+:$')

    def test_nothing_left_for_ide(self):
        self.eaten_up(0)

    def test_nothing_left_for_virtio(self):
        self.eaten_up(1)


if __name__ == '__main__':
    unittest.main()
