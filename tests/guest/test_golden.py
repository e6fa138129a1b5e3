# SPDX-License-Identifier: GPL-2.0-or-later
"""
The probe guest here and under real Xen: the same words, the same lines.  What real Xen
printed is in tests/golden/; its README says what is made equal before the comparison.
"""

import difflib
import re
import socket
import unittest
from pathlib import Path

import harness
from harness import Guest, TOP

GOLDEN = TOP / 'tests/golden/xen-4.17.7'
PROBE = TOP / 'build/guest-drivers/probe/probe'
PROBE32 = PROBE.with_name('probe32')

# Cases that cannot pass yet: what is missing, and a pattern of how each fails without it.
EXPECTED_FAILURES = {
    # populate-on-demand
    **dict.fromkeys(('dec', 'decw', 'over', 'pod', 'popx', 'read'),
                    'memory: less than maxmem needs populate-on-demand'),
    # add_to_physmap of gfns, alone, in ranges and in batches; and its look-up of domain 0
    'moves': r'\+call add_to_physmap,space=2,idx=0x1020,gpfn=0x1000: rc -95\n',
    'moves32': r'\+call add_to_physmap,space=2,idx=0x1020,gpfn=0x3000: rc -95\n',
    'own': r'\+call add_to_physmap,domid=1,space=2,idx=0x1001,gpfn=0x3000: rc -95\n',
    'ranges': r'\+call add_to_physmap,space=3,idx=0x1100,gpfn=0x1200,size=2: rc -95\n',
    'batch': r'\+show list3,3,4: 0xffffffa1 0xffffffa1 0xffffffa1\n',
    'ids': r'\+call add_to_physmap,domid=0: rc -3\n',
    # shared_info and grant frames as p2m entries of their own, that can be moved and removed
    'shared': r'\+look gfn 0x1000 n 2: all 0x1\n',
    # a guest that maps its own grants
    'grants': r'\+call map_grant_ref,host_addr=0x1200000,flags=2,ref=8,domid=1: rc -38\n',
    'forbidden': r'\+call map_grant_ref,host_addr=0x1200000,flags=2,ref=8,domid=1: rc -38\n',
    # multicalls
    'rings': r'\+call current_reservation,multi=1: rc -38\n',
    # HVMOP_get_mem_type; and populating in the last 64 MiB below 4 GiB
    'special': r'\+call get_mem_type,gfn=0xfefff: rc -38\n',
    # access_op and machphys_mfn_list, which no driver uses
    'privileged': r'\+call 21: rc -38\n',
    'privileged32': r'\+call 21: rc -38\n',
    # the store's port comes before the console's
    'store': r'\+xs store/port = 2\n',
}


class Case:
    """One golden file."""

    def __init__(self, path):
        self.text = path.read_text()
        found = re.match(r'=== (\S+) memory=(\d+) maxmem=(\d+) words: (.*)\n', self.text)
        self.name, self.words = found[1], found[4]
        self.memory, self.maxmem = int(found[2]), int(found[3])
        self.probe = PROBE32 if self.name.endswith('32') else PROBE
        self.domid = int(re.search(r'^@pod (\d+):', self.text, re.MULTILINE)[1])

    def header(self):
        return f'=== {self.name} memory={self.memory} maxmem={self.maxmem} words: {self.words}'


def normalise(text, name, domid):
    """The lines that are compared."""
    lines = []
    for line in text.splitlines():
        line = re.sub(rf'^{name} +{domid} ', f'{name} N ', line)
        line = re.sub(rf'(?<!\w)(d|dom|Dom|Domain |@pod ){domid}(?!\d)', r'\1N', line)
        line = re.sub(r' xenheap_pages=\d+| PoD entries=0 cachesize=0$', '', line)
        line = re.sub(r'(domain_crash called from) .*', r'\1', line)
        line = re.sub(r'(crashed on cpu#).*', r'\1', line)
        if re.match(r'  (e820|start_info) \S+ type 3$', line) or line.startswith('maximum_ram_page'):
            continue
        lines.append(' '.join(line.split()))
    return lines


class Run:
    """The same case here, written down as the golden file is."""

    def __init__(self, case):
        self.case = case
        self.lines = [case.header()]

    def text(self):
        guest = Guest(str(self.case.probe), name=self.case.name, memory=self.case.memory, maxmem=self.case.maxmem,
                      extra=self.case.words, ramdisk=None, type='pvh', on_poweroff='preserve', xen_version='4.17')
        with guest.prepared('--paused'):
            self.counters(guest)
            with socket.socket(socket.AF_UNIX) as console:
                console.connect(str(guest.domain_folder / 'console.sock'))
                guest.xenbed('unpause', guest.name)
                self.wait_for_end(guest, console)
        return '\n'.join(self.lines)

    def counters(self, guest):
        info = guest.info()
        self.lines.append(f'@pod {info["domid"]}: nr_pages={info["tot_pages"]} max_pages={info["max_pages"]}')
        row = guest.xenbed('list', guest.name).stdout.splitlines()[1]
        self.lines.append(row.rsplit(None, 1)[0])

    def wait_for_end(self, guest, console):
        output = b''
        console.settimeout(0.02)
        while guest.info()['state'] == 'r-----':
            output += self.read(console)
        while data := self.read(console):
            output += data
        log = (guest.domain_folder / 'qemu.log').read_text()
        self.lines += re.findall(r'\(XEN\) .*', log)
        self.lines.append(f'@state {guest.info()["state"]}')
        self.counters(guest)
        self.lines.append(f'@guest-console {guest.name}<<')
        self.lines += output.decode(errors='replace').replace('\r', '').splitlines()
        self.lines.append('@>>')

    @staticmethod
    def read(console):
        try:
            return console.recv(65536)
        except TimeoutError:
            return b''


class Golden(unittest.TestCase):
    maxDiff = None

    def compare(self, path):
        case = Case(path)
        got = normalise(Run(case).text(), case.name, 1)
        expected = normalise(case.text, case.name, case.domid)
        # The first line of each differs in nothing; what follows is the diff, and nothing if equal.
        diff = '\n'.join(difflib.unified_diff(expected, got, 'real Xen', 'here', lineterm='', n=1))
        self.assertEqual(diff, '', f'{case.name}:\n{diff}')


def add(path):
    def passes(self):
        self.compare(path)

    def fails(self):
        # In this way and no other: one that passes has to leave the list.
        with self.assertRaisesRegex((harness.GuestError, AssertionError), EXPECTED_FAILURES[path.stem]):
            self.compare(path)

    if path.stem in EXPECTED_FAILURES:
        setattr(Golden, f'test_{path.stem}_expected_failure', fails)
    else:
        setattr(Golden, f'test_{path.stem}', passes)


for golden_file in sorted(Path(GOLDEN).glob('*.txt')):
    add(golden_file)


if __name__ == '__main__':
    unittest.main()
