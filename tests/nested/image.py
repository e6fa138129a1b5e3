# SPDX-License-Identifier: GPL-2.0-or-later
"""
What L1 is made of: a kernel, an initramfs that finds the root, a disk with the system
(Debian's files) and one with the project.  The first three are kept in the cache, by
content; the last is made for each run.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP / 'tests/guest'))
import harness  # noqa: E402

CACHE = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'xenbed/nested'
KEPT = 3  # systems in it

PYTHON = Path('/usr/bin/python3')  # Debian's, never one of a version manager
# L1's own kernel, the oldest of Debian's with KVM_XEN.
L1_VERSION = '6.12'
FOLDERS = ('dev', 'proc', 'root', 'run', 'sys', 'tmp', 'xenbed', 'usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64')
# Of Python's library: what is large and no test needs.
NOT_NEEDED = shutil.ignore_patterns('config-*', 'dist-packages', 'ensurepip', 'idlelib', 'lib2to3', 'pydoc_data',
                                    'test', 'tkinter')
# What a test needs of a checkout; at the same places in L1, below /xenbed.
PROJECT = ('images', 'tests/golden', 'tests/guest', 'tests/hosts', 'tests/nested', 'tests/xenstore', 'tools')
BUILT = (harness.XENBED, harness.QEMU, harness.INITRAMFS, harness.PROBE, harness.PROBE.with_name('probe32'),
         TOP / 'build/guest-drivers/tiny/tiny')
BARE = ('devices', 'holes', 'upcalls')  # L1 has no compiler
FEATURES = 'none,extents,filetype,uninit_bg'  # no journal, no checksums: nobody writes to it
SYSTEM_SIZE = '1G'
PROJECT_SIZE = '512M'  # always the same, as a saved state remembers it


def program(name):
    path = shutil.which(name, path=f'{os.environ["PATH"]}:/usr/sbin:/sbin')
    if not path:
        raise harness.NotAvailable(f'{name}: no such program')
    return Path(path)


def l1_kernel():
    return Path(harness.kernel(L1_VERSION))


@functools.cache
def guest_kernels():
    return [Path(harness.kernel(version)) for version in harness.USUAL_KERNELS]


@functools.cache
def guest_elves():
    return [Path(harness.vmlinux(version)) for version in harness.USUAL_KERNELS]


def libraries(binaries):
    """Those that these are linked to, their loader among them."""
    listed = subprocess.run(['ldd', *binaries], text=True, capture_output=True, check=True).stdout
    return set(re.findall(r'(/\S+) \(0x', listed))


def system_files():
    """The files of L1's root: the path there, and where it is here."""
    for path in BUILT:
        if not path.exists():
            raise harness.GuestError(f'{path}: not built')
    stdlib = Path(subprocess.run([PYTHON, '-c', 'import sysconfig; print(sysconfig.get_path("stdlib"))'],
                                 text=True, capture_output=True, check=True).stdout.strip())
    programs = {'python3': PYTHON.resolve()}
    programs |= {name: program(name) for name in ('bash', 'flock', 'xenstore-ls')}
    files = {'/init': HERE / 'init', '/usr/bin/busybox': program('busybox')}
    files |= {f'/usr/bin/{name}': path for name, path in programs.items()}
    linked = libraries([*programs.values(), *stdlib.glob('lib-dynload/*.so'), harness.QEMU, harness.XENBED])
    files |= {re.sub('^/lib', '/usr/lib', path): Path(path) for path in linked}
    for folder, below, names in os.walk(stdlib):
        below[:] = set(below) - NOT_NEEDED(folder, below)
        files |= {f'{folder}/{name}': Path(folder, name) for name in names}
    firmware = (*Path('/usr/share/seabios').glob('bios*.bin'), *Path('/usr/share/qemu').glob('*.bin'))
    files |= {str(path): path for path in firmware}
    files |= {f'/modules/{path.name}': path for path in l1_kernel().parent.glob('kvm/*.ko')}
    files |= {f'/cache/xenbed/kernels/{path.parent.name}/{path.name}': path for path in guest_kernels()}
    files |= {f'/cache/elf/{path.name}': path for path in guest_elves()}
    return files


def system_links():
    """Its links, and what they lead to."""
    links = {f'/{name}': f'usr/{name}' for name in ('bin', 'sbin', 'lib', 'lib64')}
    # fetch-kernel.sh locks the cache, which cannot be written to.
    links['/cache/xenbed/kernels/lock'] = '/tmp/lock'
    applets = subprocess.run([program('busybox'), '--list'], text=True, capture_output=True, check=True).stdout
    return links | {f'/usr/bin/{applet}': 'busybox' for applet in applets.split()}


def make_disk(folder, disk, size):
    subprocess.run([program('mke2fs'), '-q', '-t', 'ext4', '-O', FEATURES, '-d', folder, disk, size],
                   stdout=subprocess.DEVNULL, check=True)


def make_system(files, links, folder):
    """The kernel, the initramfs and the disk, in that folder."""
    harness.made('L1\'s kernel as ELF', TOP / 'images/extract-vmlinux.sh', l1_kernel(), folder / 'vmlinux')
    with tempfile.TemporaryDirectory(dir=folder) as root:
        for name in FOLDERS:
            os.makedirs(f'{root}/{name}')
        for name, path in files.items():
            os.makedirs(os.path.dirname(root + name), exist_ok=True)
            shutil.copy2(path, root + name)
        for name, target in links.items():
            if not os.path.lexists(root + name):
                os.symlink(target, root + name)
        for path in guest_kernels():
            os.mkdir(f'{root}/cache/xenbed/kernels/{path.parent.name}/kvm')  # which fetch-kernel.sh looks for
        make_disk(root, folder / 'system.img', SYSTEM_SIZE)
    with tempfile.TemporaryDirectory(dir=folder) as root:
        for name in 'bin', 'dev', 'system':
            os.mkdir(f'{root}/{name}')
        shutil.copy(program('busybox'), f'{root}/bin/busybox')
        os.symlink('busybox', f'{root}/bin/sh')
        shutil.copy(HERE / 'init', root)
        shutil.copy(l1_kernel().parent / 'virtio/virtio_blk.ko', root)
        with (folder / 'initramfs').open('wb') as cpio:
            subprocess.run('find . | cpio -o -H newc --quiet -R 0:0', shell=True, cwd=root, stdout=cpio, check=True)


@contextlib.contextmanager
def locked():
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def system():
    """The folder in the cache with all but the project; made if it is not there."""
    files, links = system_files(), system_links()
    key = hashlib.sha256(Path(__file__).read_bytes())
    key.update(repr((sorted(links.items()), l1_kernel().name)).encode())
    for name, path in sorted(files.items()):
        # Debian's files are replaced by those of another time, ours are changed.
        about = path.stat()
        now = path.read_bytes() if path.is_relative_to(TOP) else f'{about.st_size} {about.st_mtime_ns}'.encode()
        key.update(name.encode() + now)
    folder = CACHE / key.hexdigest()[:16]
    with locked():
        if not folder.exists():
            with tempfile.TemporaryDirectory(prefix='new-', dir=CACHE) as new:
                (Path(new) / 'system').mkdir()
                make_system(files, links, Path(new) / 'system')
                os.rename(f'{new}/system', folder)
        os.utime(folder)
        systems = sorted(CACHE.glob('[0-9a-f]*'), key=lambda path: path.stat().st_mtime)
        for path in systems[:-KEPT]:
            shutil.rmtree(path)
    return folder


def project(folder):
    """Makes the project's disk there; returns its path."""
    root = Path(folder, 'project')
    for name in PROJECT:
        shutil.copytree(TOP / name, root / name, ignore=shutil.ignore_patterns('__pycache__'))
    for path in (*BUILT, *map(harness.bare, BARE)):
        target = root / path.relative_to(TOP)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    for path in guest_elves():
        (root / path.relative_to(TOP)).symlink_to(f'/cache/elf/{path.name}')
    disk = Path(folder, 'project.img')
    make_disk(root, disk, PROJECT_SIZE)
    return disk
