#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""xenbed as a user runs it, on a stand-in for QEMU: every refusal, and each
command from create to destroy.

Usage: cli.py XENBED XENSTORED_LITE FAKE_HOST [unittest's arguments]
"""

import contextlib
import errno
import json
import os
import pathlib
import pty
import pwd
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
XENBED = None  # from the command line
XENSTORED_LITE = None
FAKE_HOST = None
WRAPPER = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))  # of programs for another host
SUN_PATH_MAX = 107
TIMEOUT = 60
PROMPT = 10  # for what would end by itself, too, but later


def pids_mentioning(text):
    """The processes with TEXT in their arguments; zombies have none."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


class Scene(unittest.TestCase):
    """A runtime folder, a kernel and a description file of each test's own."""

    def setUp(self):
        # Short, for the sockets; the comma is one that QEMU's options must survive.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="xb,", dir="/tmp"))
        self.runtime = self.folder / "xenbed"
        self.kernel = self.folder / "vmlinuz"
        self.kernel.write_bytes(b"kernel")
        self.environment = dict(
            os.environ,
            XDG_RUNTIME_DIR=str(self.folder),
            XDG_STATE_HOME=str(self.folder / "state"),
            XENBED_QEMU=str(HERE / "fake_qemu.py"),
            FAKE_QEMU="",
            XENBED_ACCEL="tcg",  # whatever this machine has
            XENSTORED_LITE=XENSTORED_LITE,
        )
        self.addCleanup(self.clean_up)

    def clean_up(self):
        for pid in pids_mentioning(str(self.folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder)

    def start(self, *arguments, **options):
        settings = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "env": self.environment,
            "cwd": self.folder,
        }
        return subprocess.Popen([*WRAPPER, XENBED, *map(str, arguments)], **(settings | options))

    def xenbed(self, *arguments, status=0, **options):
        """Runs xenbed, asserts its exit status, returns its stdout and stderr."""
        data = options.pop("input", None)
        if data is not None:
            options["stdin"] = subprocess.PIPE
        with self.start(*arguments, **options) as process:
            out, err = process.communicate(data, timeout=TIMEOUT)
        self.assertEqual(process.returncode, status, (arguments, out, err))
        return out, err

    def assert_fails(self, line, *arguments, status=1):
        """xenbed ARGUMENTS prints "xenbed: LINE" on stderr and nothing more."""
        _, err = self.xenbed(*arguments, status=status)
        self.assertEqual(err, f"xenbed: {line}\n")

    def describe(self, **changes):
        """Writes a description, the good one with CHANGES (None: key left out)."""
        values = {"name": "guest", "memory": 1024, "kernel": str(self.kernel)} | changes
        given = {key: value for key, value in values.items() if value is not None}
        path = self.folder / f"{values['name']}.cfg"
        path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in given.items()))
        return path

    def create(self, **changes):
        out, err = self.xenbed("create", self.describe(**changes))
        self.assertEqual(err, "")
        return out

    def info(self, domain="guest"):
        return json.loads(self.xenbed("info", "--json", domain)[0])

    def wait_until_processes_end(self):
        deadline = time.monotonic() + TIMEOUT
        while pids_mentioning(str(self.runtime)) and time.monotonic() < deadline:
            time.sleep(0.05)

    def assert_nothing_left(self):
        """No domain's folder, no process; the store of a QEMU that was killed ends after it."""
        self.wait_until_processes_end()
        folders = [path.name for path in self.runtime.glob("*") if path.name != ".lock"]
        self.assertEqual(folders, [])
        self.assertEqual(pids_mentioning(str(self.runtime)), [])


class Usage(Scene):
    def test_help_and_version(self):
        out, _ = self.xenbed("--help")
        commands = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
        self.assertEqual(
            commands,
            [
                "create", "list", "mem-set", "mem-max", "console", "pause", "unpause", "shutdown",
                "destroy", "info", "pod", "dmesg", "doctor",
            ],
        )
        for command in commands:
            out, _ = self.xenbed(command, "--help")
            self.assertIn(f"xenbed {command} ", out)
        self.assertRegex(self.xenbed("--version")[0], r"^xenbed \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        self.assertIn("Usage: xenbed COMMAND", self.xenbed(status=2)[1])
        self.assert_fails("fly: no such command, see xenbed --help", "fly", status=2)
        self.assert_fails("list: Unknown option --fast", "list", "--fast", status=2)
        self.assert_fails(
            "mem-set: wrong number of arguments: "
            "the usage is xenbed mem-set [OPTION...] DOMAIN SIZE",
            "mem-set", "guest", status=2,
        )
        self.xenbed("mem-set", "guest", "5", "6", status=2)
        self.assert_fails(
            "mem-max: wrong number of arguments: "
            "the usage is xenbed mem-max [OPTION...] DOMAIN SIZE",
            "mem-max", "guest", status=2,
        )
        self.assert_fails(
            "pod: wrong number of arguments: the usage is xenbed pod [OPTION...] DOMAIN",
            "pod", status=2,
        )

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            _, err = self.xenbed("list", status=1, stdout=full)
        self.assertEqual(err, "xenbed: standard output: No space left on device\n")


class Refusals(Scene):
    """What create refuses, and that nothing is left after it did."""

    def tearDown(self):
        self.assert_nothing_left()

    def assert_refused(self, line, **changes):
        path = self.describe(**changes)
        self.assert_fails(line.replace("FILE", str(path)), "create", path)

    def test_values(self):
        self.assert_refused("FILE: name: missing", name=None)
        self.assert_refused(
            'FILE: name: "12" is a number, which would be a domain id', name="12"
        )
        self.assert_refused("FILE: memory: missing", memory=None)
        self.assert_refused("FILE: memory: 1024 is more than maxmem, 512", maxmem=512)
        self.assert_refused("FILE:4: vcpus: must be 1 to 128", vcpus=129)
        self.assert_refused(
            "FILE: kernel: missing, a PVH domain has no firmware to start it otherwise",
            type="pvh", kernel=None,
        )
        self.assert_refused(
            'FILE: on_poweroff: "rest" is not supported, only these are: destroy, preserve',
            on_poweroff="rest",
        )
        actions = "destroy, restart, preserve, coredump-destroy, coredump-restart, debug"
        self.assert_refused(
            f'FILE: on_crash: "coredump" is not supported, only these are: {actions}',
            on_crash="coredump",
        )
        self.assert_refused(
            f'FILE: on_hole: "" is not supported, only these are: none, {actions}', on_hole="",
        )
        self.assert_refused(
            'FILE: accel: "xen" is not supported, only these are: auto, tcg, kvm', accel="xen"
        )
        self.assert_refused(
            'FILE: icount: not with accel = "kvm", only tcg has it', accel="kvm", icount="shift=3"
        )
        self.assert_refused("FILE:2: memory: expected a number", memory="lots")
        self.assert_refused("FILE:4: poison: must be 0 or 1", poison=2)
        self.assert_refused("FILE:4: check: expected a number", check="on")

    def test_files(self):
        self.assert_fails("none.cfg: No such file or directory", "create", "none.cfg")
        self.assert_fails(f"{self.folder}: not a regular file", "create", self.folder)
        self.assert_refused("/nowhere: No such file or directory", kernel="/nowhere")
        self.assert_refused(f"{self.folder}: not a regular file", kernel=str(self.folder))
        self.assert_refused("/dev/null: not a regular file", ramdisk="/dev/null")

    @unittest.skipIf(os.geteuid() == 0, "root may read all files")
    def test_unreadable_kernel(self):
        self.kernel.chmod(0)
        self.assert_refused(f"{self.kernel}: Permission denied")

    def test_socket_path_too_long(self):
        room = SUN_PATH_MAX - len(f"{self.runtime}//xenstore.sock")
        name = "n" * (room + 1)
        self.assert_refused(
            f"{self.runtime}/{name}/xenstore.sock: "
            f"path of a socket too long, at most {SUN_PATH_MAX} bytes are allowed",
            name=name,
        )
        self.create(name=name[1:])
        self.xenbed("destroy", name[1:])

    def test_no_qemu(self):
        self.environment["XENBED_QEMU"] = "/nowhere/qemu"
        self.assert_refused("QEMU: /nowhere/qemu: No such file or directory")

    def test_qemu_that_cannot_be_run(self):
        self.environment["XENBED_QEMU"] = str(self.folder / "qemu")
        (self.folder / "qemu").write_text("#!/nowhere/sh\n")
        (self.folder / "qemu").chmod(0o700)
        _, err = self.xenbed("create", self.describe(), status=1)
        self.assertRegex(err, r"^xenbed: guest: .*/qemu.*No such file or directory.*\n$")

    def test_qemu_that_ends(self):
        self.environment["FAKE_QEMU"] = "exit"
        self.assert_refused("guest: QEMU ended: fake_qemu.py: -m: refused; Use another size")

    def test_qemu_that_aborts(self):
        self.environment["FAKE_QEMU"] = "abort"
        self.assert_refused("guest: QEMU ended: something failed")

    def test_qemu_that_ends_without_a_word(self):
        self.environment["FAKE_QEMU"] = "silent"
        self.assert_refused("guest: QEMU ended with status 3 and no message")

    def test_machine_that_does_not_run(self):
        self.environment["FAKE_QEMU"] = "stuck"
        self.assert_refused("guest: cont: it will not run")

    def test_interrupted(self):
        self.environment["FAKE_QEMU"] = "deaf"
        with self.start("create", self.describe()) as process:
            while not (self.runtime / "guest/domain.json").exists():
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=PROMPT)
        self.assertEqual((process.returncode, err), (1, "xenbed: guest: interrupted by signal 2\n"))

    def test_runtime_folder_of_others(self):
        self.runtime.mkdir()
        self.runtime.chmod(0o755)
        self.assert_refused(
            f"{self.runtime}: not a folder that belongs to this user alone (mode 0700)"
        )

    def test_unknown_domain(self):
        for command in (
            ["list", "nobody"],
            ["info", "nobody"],
            ["console", "nobody"],
            ["pause", "nobody"],
            ["unpause", "nobody"],
            ["shutdown", "nobody"],
            ["destroy", "nobody"],
            ["dmesg", "nobody"],
            ["dmesg", "-c", "nobody"],
            ["mem-set", "nobody", "500"],
            ["mem-max", "nobody", "500"],
            ["pod", "nobody"],
            ["pod", "--json", "nobody"],
        ):
            self.assert_fails("nobody: no such domain", *command)
        self.assert_fails("7: no such domain", "destroy", "7")


class Life(Scene):
    """Domains from create to their end."""

    def test_create_list_destroy(self):
        path = self.folder / "guest.cfg"
        self.assertEqual(
            self.create(vcpus=2), f"Parsing config from {path}\nUsing tcg: asked for\n"
        )
        header, row = self.xenbed("list")[0].splitlines()
        self.assertEqual(
            header, "Name                                        ID   Mem VCPUs\tState\tTime(s)"
        )
        self.assertRegex(
            row,
            r"^guest                                        1  1023     2     r-----  {5,7}\d\.\d$",
        )
        self.assertEqual(self.xenbed("list", "guest")[0].splitlines()[1][:60], row[:60])
        self.assertEqual(self.xenbed("list", "1")[0].splitlines()[1][:60], row[:60])
        self.assertEqual(self.xenbed("destroy", "guest"), ("", ""))
        self.assert_nothing_left()

    def test_command_line(self):
        ramdisk = self.folder / "initrd"
        ramdisk.touch()
        self.create(
            vcpus=3, ramdisk=str(ramdisk), extra="a,b c", xen_version="4.18",
            on_crash="coredump-destroy", on_hole="debug", poison=1, check=1, device_model_args=["-d", "guest_errors"],
        )
        command = pathlib.Path(f"/proc/{self.info()['pid']}/cmdline").read_bytes().decode()
        arguments = command.split("\0")[:-1]
        # In QEMU's options a comma is written twice.
        xenstore = str(self.runtime / "guest/xenstore.sock").replace(",", ",,")
        core = str(self.folder / "state/xenbed/dump/guest").replace(",", ",,")
        for option, value in {
            "-accel": "tcg,thread=multi",
            "-object": f"xenbed,id=xenbed0,name=guest,domid=1,xenstore={xenstore},domain-type=hvm,"
            f"xen-version={0x40012},on-crash=coredump-destroy,on-hole=debug,core-file={core},"
            "poison=on,check=on",
            "-cpu": "qemu64,vendor=GenuineIntel,family=6,model=26",
            "-m": "1024M",
            "-smp": "3",
            "-device": "xen-console,chardev=console",
            "-kernel": str(self.kernel),
            "-initrd": str(ramdisk),
            "-append": "a,b c",
            "-d": "guest_errors",
        }.items():
            self.assertEqual(arguments[arguments.index(option) + 1], value, option)
        session = os.getsid(self.info()["pid"])
        self.assertEqual(session, self.info()["pid"])

    def test_time_by_instructions(self):
        """Which QEMU does with one thread for all vCPUs."""
        self.create(icount="shift=3,sleep=off")
        command = pathlib.Path(f"/proc/{self.info()['pid']}/cmdline").read_bytes()
        self.assertIn(b"\0-accel\0tcg,thread=single\0-icount\0shift=3,sleep=off\0", command)

    def test_options_that_are_off(self):
        self.create(poison=0, check=0)
        command = pathlib.Path(f"/proc/{self.info()['pid']}/cmdline").read_bytes()
        self.assertIn(b",domain-type=hvm,on-crash=destroy\0", command)

    def test_cmdline_replaces_extra(self):
        _, err = self.xenbed("create", self.describe(extra="a", cmdline="b"))
        self.assertIn("extra: ignored in favour of cmdline\n", err)
        command = pathlib.Path(f"/proc/{self.info()['pid']}/cmdline").read_bytes()
        self.assertIn(b"-append\0b\0", command)

    def test_unknown_key_warns(self):
        path = self.describe(on_reboot="preserve")
        _, err = self.xenbed("create", path)
        self.assertEqual(err, f"xenbed: {path}:4: on_reboot: unknown key, ignored\n")

    def test_second_domain_of_the_same_name(self):
        self.create()
        pid = self.info()["pid"]
        self.assert_fails(
            "guest: a domain of this name exists already (id 1)", "create", self.describe()
        )
        self.assertEqual(self.info()["pid"], pid)

    def test_creates_at_once(self):
        path = self.describe()
        creates = [self.start("create", path) for _ in range(6)]
        errors = [create.communicate(timeout=TIMEOUT)[1] for create in creates]
        self.assertEqual(sorted(create.returncode for create in creates), [0, 1, 1, 1, 1, 1])
        self.assertEqual(
            sorted(set(errors)),
            ["", "xenbed: guest: a domain of this name exists already (id 1)\n"],
        )
        self.assertEqual(self.info()["state"], "r-----")

    def test_ids(self):
        for name in ("a", "b", "c"):
            self.create(name=name)
        self.xenbed("destroy", "2")
        self.create(name="d")
        rows = self.xenbed("list")[0].splitlines()[1:]
        self.assertEqual(
            [row.split()[:2] for row in rows], [["a", "1"], ["d", "2"], ["c", "3"]]
        )
        self.assertEqual(json.loads(self.xenbed("info", "--json")[0])["domains"], 3)

    def test_dead_qemu_is_cleaned_up(self):
        self.create()
        os.kill(self.info()["pid"], signal.SIGKILL)
        self.wait_until_processes_end()
        self.assertEqual(len(self.xenbed("list")[0].splitlines()), 1)
        self.assert_nothing_left()
        self.create()

    def test_other_process_with_the_same_pid(self):
        self.create()
        record = self.runtime / "guest/domain.json"
        values = json.loads(record.read_text())
        self.xenbed("destroy", "guest")
        with subprocess.Popen(["sleep", "60"]) as bystander:
            record.parent.mkdir()
            record.write_text(json.dumps(values | {"pid": bystander.pid}))
            self.assert_fails("guest: no such domain", "destroy", "guest")
            self.assertIsNone(bystander.poll())
            bystander.kill()
        self.assert_nothing_left()

    def test_qemu_that_does_not_answer(self):
        self.create()
        os.kill(self.info()["pid"], signal.SIGSTOP)
        row = self.xenbed("list")[0].splitlines()[1]
        self.assertRegex(
            row,
            r"^guest                                        1     \?     1     \?{6}"
            r"  {5,7}\d\.\d  \(not answering\)$",
        )
        self.xenbed("destroy", "guest")
        self.assert_nothing_left()

    def test_pause(self):
        self.xenbed("create", "-p", self.describe())
        self.assertEqual(self.info()["state"], "--p---")
        self.xenbed("unpause", "guest")
        self.assertEqual(self.info()["state"], "r-----")
        self.xenbed("pause", "guest")
        self.assertEqual(self.info()["state"], "--p---")

    def test_shutdown(self):
        self.create()
        self.assertEqual(self.xenbed("shutdown", "guest")[0], "Shutting down domain 1\n")
        self.wait_until_processes_end()
        self.assertEqual(len(self.xenbed("list")[0].splitlines()), 1)
        self.assert_nothing_left()

    def test_shutdown_that_waits(self):
        self.create()
        self.xenbed("shutdown", "-w", "guest")
        self.assert_nothing_left()

    def test_dmesg(self):
        log = '(XEN) d1: first line\n(XEN) d1: a "second" one: \u20ac %s\n'
        self.xenbed("create", "-p", self.describe(on_poweroff="preserve"))
        self.assertEqual(self.xenbed("dmesg", "guest"), (log, ""))
        self.xenbed("unpause", "guest")
        self.assertEqual(self.xenbed("dmesg", "1"), (log, ""))
        self.xenbed("shutdown", "guest")
        while self.info()["state"] != "---s--":
            time.sleep(0.05)
        self.assertEqual(self.xenbed("dmesg", "guest"), (log, ""))
        # What could not be printed is not cleared.
        with open("/dev/full", "w") as full:
            _, err = self.xenbed("dmesg", "-c", "guest", status=1, stdout=full)
        self.assertEqual(err, "xenbed: standard output: No space left on device\n")
        self.assertEqual(self.xenbed("dmesg", "--clear", "guest"), (log, ""))
        self.assertEqual(self.xenbed("dmesg", "-c", "guest"), ("", ""))
        self.assertEqual(self.xenbed("dmesg", "guest"), ("", ""))

    def test_info(self):
        self.create()
        facts = self.info()
        expected = {
            "name": "guest",
            "domid": 1,
            "pid": facts["pid"],
            "state": "r-----",
            "vcpus": 1,
            "tot_pages": 262128,
            "max_pages": 262400,
            "pod_entries": 0,
            "pod_cache": 0,
            "target": 1048576,
            "static-max": 1048576,
            "videoram": 0,
            "resident": 4096,
            "xenstore": str(self.runtime / "guest/xenstore.sock"),
        }
        self.assertEqual(facts, expected)
        lines = self.xenbed("info", "guest")[0].splitlines()
        self.assertEqual(lines, [f"{key:23}: {value}" for key, value in expected.items()])

    def test_pod(self):
        self.create(memory=256, maxmem=512)
        expected = {
            "tot_pages": 65520,
            "max_pages": 65792,
            "target": 262144,
            "entries": 130053,
            "cache_superpage": 64512,
            "cache_single": 5,
            "populated": 1536,
            "reclaimed": 517,
            "swept": 3,
        }
        self.assertEqual(json.loads(self.xenbed("pod", "--json", "guest")[0]), expected)
        self.assertEqual(
            self.xenbed("pod", "1")[0].splitlines(),
            [
                "tot_pages              : 65520 pages (255.9 MiB)",
                "max_pages              : 65792 pages (257.0 MiB)",
                "target                 : 262144 KiB (256.0 MiB)",
                "entries                : 130053 pages (508.0 MiB)",
                "cache_superpage        : 64512 pages (252.0 MiB)",
                "cache_single           : 5 pages (0.0 MiB)",
                "populated              : 1536 pages (6.0 MiB)",
                "reclaimed              : 517 pages (2.0 MiB)",
                "swept                  : 3 pages (0.0 MiB)",
            ],
        )
        facts = self.info()
        self.assertEqual((facts["pod_entries"], facts["pod_cache"]), (130053, 64517))

    def test_pod_of_a_domain_without_it(self):
        self.create()
        facts = json.loads(self.xenbed("pod", "--json", "guest")[0])
        self.assertEqual([facts.pop(key) for key in ("tot_pages", "target")], [262128, 1048576])
        self.assertEqual(facts.pop("max_pages"), 262400)
        self.assertEqual(set(facts.values()), {0}, facts)
        self.assertIn("entries                : 0 pages", self.xenbed("pod", "guest")[0])

    def test_info_of_the_host(self):
        facts = json.loads(self.xenbed("info", "--json")[0])
        self.assertEqual(facts["qemu"], self.environment["XENBED_QEMU"])
        self.assertEqual(facts["qemu_version"], "QEMU emulator version 10.0.0 (fake)")
        self.assertEqual(facts["runtime_folder"], str(self.runtime))
        self.assertEqual(facts["domains"], 0)
        del self.environment["XENBED_QEMU"]
        beside = pathlib.Path(XENBED).parent.parent / "qemu/qemu-system-x86_64"
        self.assertEqual(json.loads(self.xenbed("info", "--json")[0])["qemu"], str(beside))


class MemSet(Scene):
    def test_returns_at_once(self):
        self.create()
        self.assertEqual(self.xenbed("mem-set", "guest", "500"), ("", ""))
        facts = self.info()
        self.assertEqual((facts["target"], facts["max_pages"]), (512000, 128256))
        self.xenbed("mem-set", "1", "1g")
        self.assertEqual(self.info()["target"], 1048576)

    def test_refusals(self):
        self.create()
        self.assert_fails("lots: invalid memory size", "mem-set", "guest", "lots")
        self.assert_fails(
            "guest: memory_dynamic_max must be less than or equal to memory_static_max",
            "mem-set", "guest", "1025",
        )
        self.assert_fails(
            "--wait=-1: seconds must not be negative", "mem-set", "--wait=-1", "guest", "5"
        )
        facts = self.info()
        self.assertEqual((facts["target"], facts["max_pages"]), (1048576, 262400))

    def test_wait(self):
        self.create()
        for size, kib in (("500", 512000), ("1024", 1048576)):
            out, _ = self.xenbed("mem-set", "--wait", "guest", size)
            self.assertEqual(out, f"guest: reached {kib - 64} KiB (target {kib} KiB)\n")
            self.assertEqual(self.info()["tot_pages"], kib // 4 - 16)

    def assert_not_reached(self, at_least, at_most, wait):
        _, err = self.xenbed("mem-set", wait, "guest", "500", status=1)
        self.assertRegex(
            err,
            r"^xenbed: guest: reached 1048512 KiB, not the target of 512000 KiB, in \d+ s\n$",
        )
        seconds = int(err.split()[-2])
        self.assertTrue(at_least <= seconds <= at_most, err)

    def test_wait_too_short(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        self.assert_not_reached(1, 9, "--wait=1")

    def test_wait_for_one_that_stopped(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        self.assert_not_reached(10, 49, "--wait")

    def test_wait_as_long_as_told(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        self.assert_not_reached(12, 49, "--wait=12")

    def test_wait_for_one_that_dies(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        pid = self.info()["pid"]
        with self.start("mem-set", "--wait", "guest", "500") as process:
            time.sleep(0.5)
            os.kill(pid, signal.SIGKILL)
            _, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(err, r"^xenbed: guest: .*\n$")

    def test_others_are_served_meanwhile(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        with self.start("mem-set", "--wait=2", "guest", "500") as process:
            lists = [self.start("list") for _ in range(5)]
            for one in lists:
                self.assertNotIn("not answering", one.communicate(timeout=TIMEOUT)[0])
            process.communicate(timeout=TIMEOUT)


class MemMax(Scene):
    def assert_memory(self, target, static_max, max_pages):
        facts = self.info()
        self.assertEqual(
            (facts["target"], facts["static-max"], facts["max_pages"]),
            (target, static_max, max_pages),
        )

    def test_effect(self):
        self.create(memory=256, maxmem=512)
        self.assert_memory(262144, 524288, 65792)
        # As measured on Xen 4.17.7.
        self.assertEqual(self.xenbed("mem-max", "guest", "400"), ("", ""))
        self.assert_memory(262144, 409600, 102656)
        # The target itself will do, and so will more than the domain booted with.
        self.xenbed("mem-max", "1", "262144k")
        self.assert_memory(262144, 262144, 65792)
        self.xenbed("mem-max", "guest", "1g")
        self.assert_memory(262144, 1048576, 262400)

    def test_refusals(self):
        self.create(memory=256, maxmem=512)
        self.assert_fails("lots: invalid memory size", "mem-max", "guest", "lots")
        for size in ("255", "262143k", "0"):
            self.assert_fails(
                "guest: memory_static_max must be greater than or or equal to memory_dynamic_max",
                "mem-max", "guest", size,
            )
        self.assert_memory(262144, 524288, 65792)

    def test_target_that_changes_meanwhile(self):
        self.environment["FAKE_QEMU"] = "meddler"
        self.create(memory=256, maxmem=512)
        self.assert_fails(
            "guest: memory_static_max must be greater than or or equal to memory_dynamic_max",
            "mem-max", "guest", "299",
        )
        self.assertEqual(self.info()["static-max"], 524288)
        self.create(name="other", memory=256, maxmem=512)
        self.xenbed("mem-max", "other", "301")
        facts = self.info("other")
        self.assertEqual((facts["target"], facts["static-max"]), (307200, 308224))

    def test_mem_set_goes_by_it(self):
        self.create()
        self.xenbed("mem-max", "guest", "2048")
        self.xenbed("mem-set", "guest", "2048")
        self.assert_memory(2097152, 2097152, 524544)
        self.xenbed("mem-set", "guest", "500")
        self.xenbed("mem-max", "guest", "600")
        self.assert_memory(512000, 614400, 153856)
        self.assert_fails(
            "guest: memory_dynamic_max must be less than or equal to memory_static_max",
            "mem-set", "guest", "601",
        )


class Console(Scene):
    def test_pipe(self):
        self.create()
        out, _ = self.xenbed("console", "guest", input="hello")
        self.assertEqual(out, "<hello>")

    def test_create_shows_the_first_line(self):
        out, _ = self.xenbed("create", "-c", self.describe())
        self.assertTrue(out.endswith("booting\n"), out)

    def test_ends_with_the_domain(self):
        self.create()
        with self.start("console", "guest", stdin=subprocess.PIPE) as process:
            process.stdin.write("x")
            process.stdin.flush()
            self.assertEqual(process.stdout.read(1), "<")
            self.xenbed("destroy", "guest")
            process.wait(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0)

    def attach(self, terminal):
        """Attaches a console to the pty and waits until it is there."""
        process = self.start("console", "guest", stdin=terminal, stdout=terminal)
        while termios.tcgetattr(terminal)[3] & termios.ICANON:
            time.sleep(0.01)
        return process

    def test_terminal(self):
        self.create()
        user, terminal = pty.openpty()
        before = termios.tcgetattr(terminal)
        with self.subTest("Ctrl-]"), self.attach(terminal) as process:
            os.write(user, b"\x03")  # Ctrl-C is the guest's
            shown = b""
            while not shown.endswith(b">") and select.select([user], [], [], TIMEOUT)[0]:
                shown += os.read(user, 100)
            self.assertEqual(shown, b"<\x03>")
            os.write(user, b"\x1d")
            self.assertEqual(process.wait(timeout=TIMEOUT), 0)
            self.assertEqual(termios.tcgetattr(terminal), before)
        for end in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(end), self.attach(terminal) as process:
                process.send_signal(end)
                process.wait(timeout=TIMEOUT)
                self.assertEqual(termios.tcgetattr(terminal), before)
        with self.subTest("end of the domain"), self.attach(terminal) as process:
            self.xenbed("destroy", "guest")
            process.wait(timeout=TIMEOUT)
            self.assertEqual(termios.tcgetattr(terminal), before)
        os.close(user)
        os.close(terminal)


EVERYTHING = {
    "dev/kvm": "0 0x1ff 1",
    "dev/userfaultfd": "0 0x1ffff",
    "userfaultfd": "0 0x1ffff",
    "proc/sys/vm/overcommit_memory": "0\n",
    "proc/meminfo": "MemTotal: 4194304 kB\nMemFree: 102400 kB\nMemAvailable: 2097152 kB\n",
    "usr/share/seabios/bios-256k.bin": "",
    "usr/share/qemu/linuxboot_dma.bin": "",
}
OTHER_KERNEL = (
    "boot a kernel that has it, as Debian's from 13 on "
    "(for 12: sudo apt-get install -t bookworm-backports linux-image-amd64)"
)
NO_XEN = "the kernel's KVM has no Xen support (CONFIG_KVM_XEN)"


@unittest.skipIf(WRAPPER, "a program for another host takes no preloaded library of this one")
class Host(Scene):
    """Machines that have this and lack that: doctor says so, and create goes by it."""

    def setUp(self):
        super().setUp()
        self.host = self.folder / "host"
        self.environment |= {"LD_PRELOAD": FAKE_HOST, "FAKE_HOST": str(self.host), "XENBED_ACCEL": ""}
        for path, text in EVERYTHING.items():
            self.give(path, text)
        # Programs that are found are these.
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "python3").symlink_to(sys.executable)
        self.gdb = programs / "gdb"
        self.gdb.touch(0o755)
        self.environment["PATH"] = str(programs)

    def give(self, path, text, mode=0o600):
        file = self.host / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def take(self, *paths):
        for path in paths:
            (self.host / path).unlink()

    def doctor(self, status=0):
        """What it says as JSON, which its table says, too; findings by name."""
        out, json_err = self.xenbed("doctor", "--json", status=status)
        said = json.loads(out)
        table, err = self.xenbed("doctor", status=status)
        lines = []
        for finding in said["findings"]:
            lines.append(f"{finding['name']:11}  {'ok' if finding['ok'] else 'no'}  {finding['found']}")
            if finding["remedy"]:
                lines.append(" " * 17 + finding["remedy"])
        if status == 0:
            reason = f": {said['why']}" if said["why"] else ""
            lines.append(f"Guests will run on {said['accel']}{reason}")
        self.assertEqual(table.splitlines(), lines)
        self.assertEqual(err, "" if status == 0 else f"xenbed: no guest will run: {said['why']}\n")
        self.assertEqual(err, json_err)
        said["findings"] = {finding["name"]: finding for finding in said["findings"]}
        return said

    def assert_lacks(self, name, found, remedy, status=0):
        """Doctor finds this, and nothing else to mend."""
        said = self.doctor(status)
        finding = said["findings"][name]
        self.assertEqual((finding["ok"], finding["found"], finding["remedy"]), (False, found, remedy))
        to_mend = [other["name"] for other in said["findings"].values() if other["remedy"]]
        self.assertEqual(to_mend, [name] if remedy else [])
        return said

    def assert_tcg(self, name, found, remedy):
        """Guests run on tcg because of this, and do not if they have to run on kvm."""
        said = self.assert_lacks(name, found, remedy)
        self.assertEqual((said["accel"], said["why"]), ("tcg", found))
        self.assertEqual(self.create().splitlines()[1:], [f"Using tcg: {found}"])
        self.xenbed("destroy", "guest")
        instead = f"{remedy}, or use" if remedy else "use"
        path = self.describe(accel="kvm")
        self.assert_fails(f'kvm: {found}; {instead} accel = "tcg"', "create", path)
        self.assert_nothing_left()

    def assert_no_guest(self, name, found, remedy):
        said = self.assert_lacks(name, found, remedy, status=1)
        self.assertEqual((said["accel"], said["why"]), (None, f"{name}: {found}"))

    def arguments(self):
        command = pathlib.Path(f"/proc/{self.info()['pid']}/cmdline").read_bytes().decode()
        return command.split("\0")

    def test_everything(self):
        said = self.doctor()
        self.assertEqual((said["accel"], said["why"]), ("kvm", None))
        found = {name: (finding["needed_for"], finding["found"]) for name, finding in said["findings"].items()}
        qemu = self.environment["XENBED_QEMU"]
        self.assertEqual(
            found,
            {
                "qemu": ("guests", f"{qemu}: QEMU emulator version 10.0.0 (fake)"),
                "firmware": (
                    "guests", "/usr/share/seabios/bios-256k.bin, /usr/share/qemu/linuxboot_dma.bin"
                ),
                "memory": ("guests", "4096 MiB, of which 2048 MiB are available"),
                "kvm": ("kvm", "/dev/kvm"),
                "kvm-xen": (
                    "kvm",
                    "HYPERCALL_MSR, INTERCEPT_HCALL, SHARED_INFO, RUNSTATE, EVTCHN_2LEVEL, EVTCHN_SEND",
                ),
                "userfaultfd": (
                    "kvm",
                    "PAGEFAULT_FLAG_WP, THREAD_ID, MISSING_SHMEM, WP_HUGETLBFS_SHMEM, WP_UNPOPULATED",
                ),
                "qemu-kvm": ("kvm", "-accel kvm"),
                "gdb": ("gdb", str(self.gdb)),
            },
        )
        self.assertEqual(self.create().splitlines()[1:], ["Using kvm"])
        arguments = self.arguments()
        newest = re.search(
            r"XENBED_VERSION_NEWEST (\w+)", (HERE.parents[1] / "emu/xenbed.h").read_text()
        )[1]
        self.assertEqual(
            arguments[arguments.index("-accel") + 1],
            f"kvm,xen-version={newest},kernel-irqchip=split",
        )
        self.assertEqual(arguments[arguments.index("-cpu") + 1], "host")
        self.assertEqual((arguments.count("-accel"), arguments.count("-cpu")), (1, 1))

    def test_version_on_kvm(self):
        self.create(xen_version="4.18")
        self.assertIn("kvm,xen-version=0x40012,kernel-irqchip=split", self.arguments())

    def test_what_is_asked_for(self):
        for variable, changes, line in (
            ("auto", {}, "Using kvm"),
            ("tcg", {}, "Using tcg: asked for"),
            ("tcg", {"accel": "auto"}, "Using kvm"),
            ("", {"accel": "tcg"}, "Using tcg: asked for"),
            ("kvm", {"accel": "tcg"}, "Using tcg: asked for"),
            ("", {"icount": "shift=3"}, "Using tcg: icount needs it"),
            ("kvm", {"icount": "shift=3"}, "Using tcg: icount needs it"),
            ("", {"icount": "shift=3", "accel": "tcg"}, "Using tcg: icount needs it"),
        ):
            with self.subTest(variable, **changes):
                self.environment["XENBED_ACCEL"] = variable
                self.assertEqual(self.create(**changes).splitlines()[1:], [line])
                self.assertIn(f"\0-accel\0{line.split()[1].strip(':')},", "\0".join(self.arguments()))
                self.xenbed("destroy", "guest")
        self.environment["XENBED_ACCEL"] = "tcg"
        said = self.doctor()
        self.assertEqual((said["accel"], said["why"]), ("tcg", "asked for"))

    def test_wrong_variable(self):
        self.environment["XENBED_ACCEL"] = "xen"
        reason = 'XENBED_ACCEL: "xen" is not supported, only these are: auto, tcg, kvm'
        self.assert_fails(reason, "create", self.describe())
        self.assertEqual(self.doctor(status=1)["why"], reason)

    def test_kvm_asked_for_by_variable(self):
        self.environment["XENBED_ACCEL"] = "kvm"
        self.assertEqual(self.doctor()["accel"], "kvm")
        self.give("dev/kvm", "0 0 1")
        reason = f'kvm: {NO_XEN}; {OTHER_KERNEL}, or use accel = "tcg"'
        self.assert_fails(reason, "create", self.describe())
        self.assertEqual(self.doctor(status=1)["why"], reason)

    def test_qemu(self):
        unset = "unset XENBED_QEMU"
        qemu = self.environment["XENBED_QEMU"]
        for mode, found in (
            ("broken", f"{qemu}: fake_qemu.py: a library is missing: Child process exited with code 127"),
            ("foreign", f"{qemu}: there is no xenbed in its -object help"),
        ):
            with self.subTest(mode):
                self.environment["FAKE_QEMU"] = mode
                said = self.doctor(status=1)
                finding = said["findings"]["qemu"]
                self.assertEqual((finding["ok"], finding["found"], finding["remedy"]), (False, found, unset))
                self.assertEqual(said["why"], f"qemu: {found}")
        self.environment["FAKE_QEMU"] = "tcg-only"
        self.assert_tcg("qemu-kvm", f"{qemu}: there is no kvm in its -accel help", unset)

    def test_qemu_that_is_not_built(self):
        tools = self.folder / "build/tools"
        tools.mkdir(parents=True)
        xenbed = shutil.copy(XENBED, tools)
        del self.environment["XENBED_QEMU"]
        done = subprocess.run(
            [xenbed, "doctor", "--json"], env=self.environment, text=True, capture_output=True, check=False
        )
        missing = f"{self.folder}/build/qemu/qemu-system-x86_64: No such file or directory"
        self.assertEqual(
            (done.returncode, done.stderr), (1, f"xenbed: no guest will run: qemu: {missing}\n")
        )
        finding = json.loads(done.stdout)["findings"][0]
        self.assertEqual(
            (finding["found"], finding["remedy"]),
            (missing, f"meson compile -C {self.folder}/build qemu"),
        )

    def test_firmware(self):
        for path, package in (
            ("usr/share/qemu/linuxboot_dma.bin", "qemu-system-data"),
            ("usr/share/seabios/bios-256k.bin", "seabios"),
        ):
            self.take(path)
            self.assert_no_guest(
                "firmware",
                f"{pathlib.Path(path).name}: in none of /usr/share/seabios, /usr/share/qemu",
                f"sudo apt-get install {package}",
            )

    def test_memory(self):
        self.give("proc/sys/vm/overcommit_memory", "2\n")
        self.assert_no_guest(
            "memory",
            "the kernel sets all memory aside in advance (vm.overcommit_memory is 2)",
            "sudo sysctl vm.overcommit_memory=0",
        )
        self.take("proc/sys/vm/overcommit_memory", "proc/meminfo")
        self.assert_no_guest("memory", "/proc/meminfo: unreadable", None)

    def test_no_kvm(self):
        self.take("dev/kvm")
        self.assert_tcg(
            "kvm", "/dev/kvm: No such file or directory",
            "sudo modprobe kvm_intel || sudo modprobe kvm_amd",
        )
        self.assertEqual(self.doctor()["findings"]["kvm-xen"]["found"], "not known without kvm")

    def test_kvm_of_others(self):
        self.give("dev/kvm", EVERYTHING["dev/kvm"], mode=0)
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.assert_tcg(
            "kvm", "/dev/kvm: Permission denied",
            f"sudo usermod -aG kvm {user}, and log in again",
        )

    def test_kvm_that_is_none(self):
        self.give("dev/kvm", f"{errno.ENOTTY} 0x1ff 1")
        self.assert_tcg("kvm", "/dev/kvm: KVM_CREATE_VM: Inappropriate ioctl for device", None)

    def test_kvm_without_xen(self):
        self.give("dev/kvm", "0 0 1")
        self.assert_tcg("kvm-xen", NO_XEN, OTHER_KERNEL)

    def test_kvm_with_too_little_of_xen(self):
        for flags, names in (
            (0x1f, ["EVTCHN_SEND"]),
            (0x3e, ["HYPERCALL_MSR"]),
            (0x38, ["HYPERCALL_MSR", "INTERCEPT_HCALL", "SHARED_INFO"]),
        ):
            with self.subTest(names):
                self.give("dev/kvm", f"0 {flags:#x} 1")
                lacks = ", ".join(f"KVM_XEN_HVM_CONFIG_{name}" for name in names)
                self.assert_tcg("kvm-xen", f"the kernel's KVM lacks {lacks}", OTHER_KERNEL)
        self.give("dev/kvm", "0 0x27 1")  # just what is needed
        self.assertEqual(self.doctor()["accel"], "kvm")

    def test_kvm_without_split_irqchip(self):
        self.give("dev/kvm", "0 0x1ff 0")
        self.assert_tcg("kvm-xen", "the kernel's KVM lacks KVM_CAP_SPLIT_IRQCHIP", OTHER_KERNEL)

    def test_userfaultfd_by_system_call(self):
        self.take("dev/userfaultfd")
        self.assertEqual(self.doctor()["accel"], "kvm")
        self.give("userfaultfd", f"{errno.EPERM} 0")
        self.assert_tcg(
            "userfaultfd",
            "userfaultfd for KVM's accesses: Operation not permitted",
            "sudo sysctl vm.unprivileged_userfaultfd=1",
        )
        self.give("userfaultfd", f"{errno.ENOMEM} 0")
        self.assert_tcg("userfaultfd", "userfaultfd: Cannot allocate memory", None)
        self.take("userfaultfd")
        self.assert_tcg(
            "userfaultfd", "the kernel has no userfaultfd (CONFIG_USERFAULTFD)", OTHER_KERNEL
        )

    def test_userfaultfd_of_others(self):
        self.give("dev/userfaultfd", EVERYTHING["dev/userfaultfd"], mode=0)
        self.assertEqual(self.doctor()["accel"], "kvm")  # by the system call
        self.give("userfaultfd", f"{errno.EPERM} 0")
        self.assert_tcg(
            "userfaultfd", "/dev/userfaultfd: Permission denied",
            "sudo chgrp kvm /dev/userfaultfd && sudo chmod g+rw /dev/userfaultfd",
        )

    def test_userfaultfd_that_can_too_little(self):
        for features, names in (
            (0x3120, ["PAGEFAULT_FLAG_WP"]),
            (0x3101, ["MISSING_SHMEM"]),
            (0x1121, ["WP_UNPOPULATED"]),
            (0x2020, ["PAGEFAULT_FLAG_WP", "THREAD_ID", "WP_HUGETLBFS_SHMEM"]),
        ):
            with self.subTest(names):
                self.give("dev/userfaultfd", f"0 {features:#x}")
                lacks = ", ".join(f"UFFD_FEATURE_{name}" for name in names)
                self.assert_tcg(
                    "userfaultfd", f"the kernel's userfaultfd lacks {lacks}", OTHER_KERNEL
                )
        self.give("dev/userfaultfd", "0 0x3121")  # just what is needed
        self.assertEqual(self.doctor()["accel"], "kvm")
        self.give("dev/userfaultfd", f"{errno.EINVAL} 0")
        self.assert_tcg("userfaultfd", "userfaultfd: UFFDIO_API: Invalid argument", None)

    def test_no_gdb(self):
        """Which guests run without."""
        self.gdb.unlink()
        said = self.assert_lacks("gdb", "not in PATH", "sudo apt-get install gdb")
        self.assertEqual(said["accel"], "kvm")


if __name__ == "__main__":
    XENBED = str(pathlib.Path(sys.argv.pop(1)).resolve())
    XENSTORED_LITE = str(pathlib.Path(sys.argv.pop(1)).resolve())
    FAKE_HOST = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
