# SPDX-License-Identifier: GPL-2.0-or-later
"""
The xenstore daemon: CPU time per request and requests per second, next to Debian's.

xenstored-lite, Debian's xenstored 4.17 (run without Xen: see xenstored_shim.c), another
xenstored-lite with 100,000 nodes in its store, and a server with no store at all take
turns under the same load; medians.  Requests wait for their replies.

Two placements: server and client on a CPU each, and both on one.  On two, each waits for
the other to wake up, and most of a request's cost, the daemon's CPU time too, may be the
waking: the server with no store shows how much.  So the targets are about one CPU, where
what is measured is the daemon.
"""

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import harness

BUILT = harness.TOP / 'build/tests/bench'
LOAD = BUILT / 'xenstore_load'
SHIM = BUILT / 'xenstored_shim.so'
LITE = harness.TOP / 'build/xenstore-lite/xenstored-lite'
FETCH = harness.TOP / 'images/fetch-xenstored.sh'

ROUNDS = 9
SECONDS = 0.15  # of each turn
WATCH_SECONDS = 0.3  # a 99th percentile needs more
NODES = 128  # in a store that is nearly empty
MANY = 100_000
CONNECTIONS = 8
OPERATIONS = ('read', 'write', 'transaction')
SINGLE = ('read', 'write')

# What the targets are about.
JUDGED = 'one CPU'
CPU_AT_MOST = 0.6
RATE_AT_LEAST = 1.5
MANY_AT_MOST = 1.2  # it should be 1: the rest is noise, and cache misses
RESIDENT_MB = 40
FILL_SECONDS = 3
WATCH_SPREAD = 2

# xenstored 4.17.5 when it cannot be had, as this benchmark measured it on a virtual machine with two
# CPUs: microseconds of CPU time per operation on 1 connection, operations per second on 8.
FIXED = {
    'two CPUs': {'read': 28.0, 'write': 28.0, 'transaction': 350.0, 'read-8': 120e3, 'write-8': 115e3},
    'one CPU': {'read': 5.0, 'write': 5.2, 'transaction': 73.0, 'read-8': 207e3, 'write-8': 198e3},
}


class Server:
    """A context manager: a daemon on one CPU, with its socket in a folder of its own."""

    def __init__(self, name, cpu, command, environment=None):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix='xb-', dir='/tmp'))
        self.socket = self.folder / 'socket'
        # It ends with us, however we end.
        self.command = ['setpriv', '--pdeathsig', 'KILL', 'taskset', '-c', str(cpu),
                        *(str(word) for word in command(self.socket))]
        self.environment = {key: value.format(folder=self.folder)
                            for key, value in (environment or {}).items()}
        self.process = None

    def __enter__(self):
        log = self.folder / 'log'
        try:
            with log.open('wb') as output:
                self.process = subprocess.Popen(self.command, env=os.environ | self.environment,
                                                cwd=self.folder, stdin=subprocess.DEVNULL,
                                                stdout=output, stderr=output)
            harness.wait_for(lambda: self.process.poll() is not None or self.accepts(), self.name, 10, 0.01)
            if self.process.returncode is not None:
                said = log.read_text(errors='replace').strip().splitlines()
                raise harness.GuestError(f'{self.name} ended with status {self.process.returncode}'
                                         + ''.join(f': {line}' for line in said[:1]))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def accepts(self):
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket)) == 0

    def __exit__(self, kind, value, trace):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)

    def load(self, mode, cpu, seconds=SECONDS, connections=1, nodes=NODES):
        """Runs the load; what it found, with microseconds and rates worked out."""
        done = subprocess.run([LOAD, '--socket', self.socket, '--pid', str(self.process.pid),
                               '--cpu', str(cpu), '--seconds', str(seconds),
                               '--connections', str(connections), '--nodes', str(nodes), mode],
                              text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              timeout=harness.COMMAND_SECONDS)
        if done.returncode != 0:
            raise harness.GuestError(f'{self.name}: {mode}: {done.stderr.strip()}')
        found = json.loads(done.stdout)
        return {'seconds': found['seconds'],
                'cpu': found['server_cpu_ns'] / found['ops'] / 1000,
                'rate': found['ops'] / found['seconds'],
                'p50': found['p50_ns'] / 1000, 'p99': found['p99_ns'] / 1000}

    def resident_mb(self):
        status = Path(f'/proc/{self.process.pid}/status').read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith('VmRSS:'))
        return int(kib) * 1024 / 1e6


def lite(name, cpu):
    return Server(name, cpu, lambda path: [LITE, '--socket', path, '--no-fork'])


def no_store(cpu):
    return Server('no-store', cpu, lambda path: [LOAD, '--socket', path, 'serve'])


def xenstored(cpu):
    """Debian's, or NotAvailable."""
    got = subprocess.run([FETCH], text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if got.returncode != 0:
        raise harness.NotAvailable(got.stderr.strip().splitlines()[-1])
    folder = got.stdout.strip()
    return Server('xenstored', cpu, lambda path: [f'{folder}/xenstored', '--no-fork'],
                  {'XENSTORED_RUNDIR': '{folder}', 'LD_LIBRARY_PATH': folder, 'LD_PRELOAD': str(SHIM)})


def measure(report):
    if not LITE.exists():
        raise harness.NotAvailable(f'{LITE.relative_to(harness.TOP)} is not built')
    cpus = sorted(os.sched_getaffinity(0))
    server_cpu, client_cpu = cpus[-1], cpus[0]
    placements = {'two CPUs': client_cpu, 'one CPU': server_cpu}
    if server_cpu == client_cpu:
        report.say('there is one CPU only: "two CPUs" below is that one')
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(lite(name, server_cpu)) for name in ('lite', 'lite-100k')}
        servers['no-store'] = stack.enter_context(no_store(server_cpu))
        full = servers['lite-100k']
        empty_mb = full.resident_mb()
        fill_seconds = full.load('fill', client_cpu, nodes=MANY)['seconds']
        full_mb = full.resident_mb()
        try:
            servers['xenstored'] = stack.enter_context(xenstored(server_cpu))
        except (harness.NotAvailable, harness.GuestError) as error:
            report.say(f'no xenstored ({error}): compared with figures measured earlier on a like machine')
        found = Found(take_turns(servers, placements))
    for placement in placements:
        values(report, found, placement)
    for placement in placements:
        compare(report, found, placement)
    for placement in placements:
        watch(report, found, placement)
    memory(report, fill_seconds, empty_mb, full_mb)


def several(mode):
    return f'{mode}-{CONNECTIONS}'


def anywhere(mode):
    return f'{mode}-anywhere'


def turns(servers, placements):
    """What is run in a round: server, what, placement, and the load's arguments."""
    for placement, cpu in placements.items():
        for name in servers:
            for mode in OPERATIONS:
                yield name, mode, placement, {'mode': mode, 'cpu': cpu}
            if name != 'lite-100k':
                for mode in SINGLE:
                    yield (name, several(mode), placement,
                           {'mode': mode, 'cpu': cpu, 'connections': CONNECTIONS})
    for mode in OPERATIONS:
        yield ('lite-100k', anywhere(mode), 'one CPU',
               {'mode': mode, 'cpu': placements['one CPU'], 'nodes': MANY})
    for placement, cpu in placements.items():
        for name in ('lite', 'xenstored'):
            if name in servers:
                yield name, 'watch', placement, {'mode': 'watch', 'cpu': cpu, 'seconds': WATCH_SECONDS}


def take_turns(servers, placements):
    found = {}
    # Those that are compared come one after the other.
    order = sorted(turns(servers, placements), key=lambda turn: (turn[2], turn[1]))
    for number in range(ROUNDS):
        # There and back, so that a host that slows down wrongs nobody.
        for name, what, placement, arguments in order[::-1 if number % 2 else 1]:
            result = servers[name].load(**arguments)
            found.setdefault((name, what, placement), []).append(result)
    return found


class Found:
    """Medians of what was measured; for a xenstored that is not there, the fixed figures."""

    def __init__(self, runs):
        self.runs = runs
        self.fixed = ('xenstored', 'read', 'two CPUs') not in runs
        self.xenstored = 'xenstored (measured earlier)' if self.fixed else 'xenstored'

    def names(self, what, placement):
        """Who was measured, ours first."""
        return [name for name in ('lite', 'xenstored', 'lite-100k', 'no-store')
                if (name, what, placement) in self.runs]

    def median(self, name, what, placement, field):
        return statistics.median(run[field] for run in self.runs[name, what, placement])

    def ratio(self, name, other, what, placement, field):
        """The median of the rounds' own ratios, as one round's runs share what disturbs them."""
        runs = self.runs[name, what, placement]
        if other == 'xenstored' and self.fixed:
            return statistics.median(run[field] for run in runs) / FIXED[placement][what]
        return statistics.median(run[field] / others[field] for run, others in
                                 zip(runs, self.runs[other, what, placement], strict=True))


def key(placement):
    return placement.replace(' ', '-')


def values(report, found, placement):
    report.say(f"{placement}, 1 connection: the server's CPU time per operation "
               f'(a transaction is 12 requests), median of {ROUNDS}')
    for mode in OPERATIONS:
        for name in found.names(mode, placement):
            report.value(f'{key(placement)}/{mode}/{name}', found.median(name, mode, placement, 'cpu'), 'us')
    if found.names(anywhere('read'), placement):
        report.say(f'the same with all of the {MANY:,} nodes used, instead of {NODES} of them')
        for mode in OPERATIONS:
            report.value(f'{key(placement)}/{anywhere(mode)}/lite-100k',
                         found.median('lite-100k', anywhere(mode), placement, 'cpu'), 'us')
    report.say(f'{placement}, {CONNECTIONS} connections: operations per second')
    for mode in SINGLE:
        for name in found.names(several(mode), placement):
            report.value(f'{key(placement)}/{several(mode)}/{name}',
                         found.median(name, several(mode), placement, 'rate') / 1000, 'k/s')


def compare(report, found, placement):
    """Targets where the placement is the one that is judged, else values."""
    judged = placement == JUDGED
    if not judged:
        report.say(f'{placement}: ratios without a target')

    def ratio(name, what, value, limit):
        if judged:
            report.target(f'{placement}: {what}', value, limit, 'times')
        else:
            report.value(f'{key(placement)}/{name}', value, 'times')

    for mode in OPERATIONS:
        ratio(f'{mode}/lite-to-xenstored', f'CPU per {mode}, lite to {found.xenstored}',
              found.ratio('lite', 'xenstored', mode, placement, 'cpu'), CPU_AT_MOST)
    for mode in SINGLE:
        ratio(f'{several(mode)}/xenstored-to-lite',
              f'{mode}s per second on {CONNECTIONS} connections, {found.xenstored} to lite',
              1 / found.ratio('lite', 'xenstored', several(mode), placement, 'rate'), 1 / RATE_AT_LEAST)
    for mode in OPERATIONS:
        ratio(f'{mode}/lite-100k-to-lite', f'CPU per {mode}, lite with {MANY:,} nodes to nearly none',
              found.ratio('lite-100k', 'lite', mode, placement, 'cpu'), MANY_AT_MOST)


def watch(report, found, placement):
    report.say(f"{placement}: from a write to another connection's watch event")
    for field in ('p50', 'p99'):
        for name in found.names('watch', placement):
            report.value(f'{key(placement)}/watch/{field}/{name}',
                         found.median(name, 'watch', placement, field), 'us')
    if placement == JUDGED:
        spread = statistics.median(run['p99'] / run['p50'] for run in found.runs['lite', 'watch', placement])
        report.target(f'{placement}: lite: 99th percentile of a watch event to the median', spread,
                      WATCH_SPREAD, 'times')


def memory(report, seconds, empty_mb, full_mb):
    report.say(f'lite: {MANY:,} nodes created through one connection')
    report.value('fill', seconds, 's')
    report.value('fill/resident-growth', full_mb - empty_mb, 'MB')
    report.value('fill/resident-growth-per-node', (full_mb - empty_mb) * 1e6 / MANY, 'bytes')
    report.target(f'lite: time to create {MANY:,} nodes', seconds, FILL_SECONDS, 's')
    report.target(f'lite: resident memory with {MANY:,} nodes', full_mb, RESIDENT_MB, 'MB')
