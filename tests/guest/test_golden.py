# SPDX-License-Identifier: GPL-2.0-or-later
"""
The probe guest here and under real Xen: the same words, the same lines.  What real Xen
printed is in tests/golden/; its README says what is made equal before the comparison.
"""

import difflib
import re
import unittest

from harness import Guest, PROBE, TOP

GOLDEN = TOP / 'tests/golden/xen-4.17.7'
KVM = TOP / 'tests/golden/kvm'  # what cannot be the same there
PROBE32 = PROBE.with_name('probe32')


# ACPI's ranges, the end of the host's memory, how fast its TSC is.
OF_THE_HOST = r'  (e820|start_info) \S+ type 3$|maximum_ram_page|cpuid 0x40000003,0x[012]:'


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
        line = re.sub(r'\(0x[0-9a-f]+(,\d+,\d+\))', r'(MFN\1', line)
        line = re.sub(r'^(trap .* ip) \S+', r'\1', line)
        if re.match(OF_THE_HOST, line) or (name.startswith('ver') and line.startswith('show list3')):
            continue
        lines.append(' '.join(line.split()))
    return said_once(lines)


def said_once(lines):
    """Xen says that it is out of PoD memory each time it looks at the access again."""
    repeated = [' out of PoD memory! ' in line or 'domain_crash called from' in line for line in lines]
    return [line for i, line in enumerate(lines) if not (repeated[i] and line in lines[:i])]


class Run:
    """The same case here, written down as the golden file is."""

    def __init__(self, case):
        self.case = case
        self.lines = [case.header()]
        self.on_kvm = False

    def text(self):
        guest = Guest(str(self.case.probe), name=self.case.name, memory=self.case.memory, maxmem=self.case.maxmem,
                      extra=self.case.words, ramdisk=None, type='pvh', on_poweroff='preserve', on_crash='preserve',
                      xen_version='4.17',
                      poison=0)  # what real Xen gave them was mostly zero
        with guest.prepared('--paused'):
            self.on_kvm = guest.qmp('query-kvm')['enabled']
            self.counters(guest)
            output = guest.run_to_stop()
            log = (guest.domain_folder / 'qemu.log').read_text()
            self.lines += re.findall(r'\(XEN\) .*', log)
            self.lines.append(f'@state {guest.info()["state"]}')
            self.counters(guest)
            self.lines += [f'@guest-console {guest.name}<<', *output.splitlines(), '@>>']
        return '\n'.join(self.lines)

    def counters(self, guest):
        info = guest.info()
        self.lines.append(f'@pod {info["domid"]}: nr_pages={info["tot_pages"]} max_pages={info["max_pages"]} '
                          f'PoD entries={info["pod_entries"]} cachesize={info["pod_cache"]}')
        row = guest.xenbed('list', guest.name).stdout.splitlines()[1]
        self.lines.append(row.rsplit(None, 1)[0])


class Golden(unittest.TestCase):
    maxDiff = None

    def passes(self, path):
        case = Case(path)
        run = Run(case)
        got = normalise(run.text(), case.name, 1)
        expected = normalise(case.text, case.name, case.domid)
        diff = ''.join(f'{line}\n' for line in
                       difflib.unified_diff(expected, got, 'real Xen', 'here', lineterm='', n=0))
        known = KVM / f'{path.stem}.diff'
        self.assertEqual(diff, known.read_text() if run.on_kvm and known.exists() else '', f'{path.stem}:\n{diff}')


def add(path):
    setattr(Golden, f'test_{path.stem}', lambda self: self.passes(path))


for golden_file in sorted(GOLDEN.glob('*.txt')):
    add(golden_file)


if __name__ == '__main__':
    unittest.main()
