# SPDX-License-Identifier: GPL-2.0-or-later
"""
README.md's tour, run as it stands: its configuration with a real kernel's path, then
its commands in order.
"""

import re
import subprocess
import unittest

import harness
from harness import Guest, TOP


class Tour(unittest.TestCase):

    def test_tour(self):
        kernel = harness.kernel()
        tour = re.search(r'## Tour\n\n((?: {4}.*\n)+)', (TOP / 'README.md').read_text())[1]
        lines = [re.sub(r' {2,}#.*', '', line.strip()) for line in tour.splitlines()]
        config = [line for line in lines if not line.startswith('$')]
        commands = [line[2:] for line in lines if line.startswith('$ build/')]
        self.assertGreater(len(commands), 4)

        # The other domain is there for its runtime folder, and to have a second one beside the tour's.
        with Guest(kernel, name='other', memory=256) as other:
            (other.folder / 'guest.cfg').write_text('\n'.join(config).replace('/path/to/vmlinuz', kernel))
            try:
                for command in commands:
                    self.run_command(command.replace('guest.cfg', f'{other.folder}/guest.cfg'), other)
            finally:
                other.xenbed('destroy', 'guest', check=False)

    def run_command(self, command, other):
        if ' console ' in command:
            return  # for a person
        done = subprocess.run(command, shell=True, cwd=TOP, env=other.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              timeout=harness.BOOT_SECONDS)
        self.assertEqual((done.returncode, done.stderr), (0, ''), f'{command}: {done.stdout}')
        if ' create ' in command:
            log = other.domain_folder.with_name('guest') / 'console.log'
            harness.wait_for(lambda: harness.READY in log.read_text(errors='replace'), 'guest boot',
                             harness.BOOT_SECONDS)


if __name__ == '__main__':
    unittest.main()
