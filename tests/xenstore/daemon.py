#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""xenstored-lite as a process: its options, its life, a restart under its
clients, many and bad clients, and the clients that others wrote.

Usage: daemon.py XENSTORED_LITE [unittest's arguments]

LIBXENSTORE_CLIENT in the environment names the built libxenstore_client.c.
Exit status 77 when all that was asked for had to be skipped.
"""

import contextlib
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from wire import HANG, PAYLOAD_MAX, Client, Type, XenstoreError, message, strings, write_message

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = None  # from the command line
XENSTORED = None  # how to start it: itself, or a script if it was built for another host
WRAPPER = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))  # of programs for another host
STARTED_AS = "TEST_STARTED_AS"
SUN_PATH_MAX = 107
POLL = 0.01


def pids_mentioning(text):
    """The processes with TEXT in their arguments; zombies have none."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def wait_until(condition, what):
    """Waits as long as only something that hangs takes; returns what CONDITION did."""
    deadline = time.monotonic() + HANG
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"this never came: {what}")
        time.sleep(POLL)
    return value


def accepts(path):
    try:
        Client(path).close()
    except OSError:
        return False
    return True


def count_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def process_state(pid):
    """As ps has it; None when there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def running(pid):
    """The program; of the script that started it, if that is how."""
    if not WRAPPER:
        return pathlib.Path(os.readlink(f"/proc/{pid}/exe"))
    variables = pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0")
    return pathlib.Path(dict(v.split("=", 1) for v in variables if v)[STARTED_AS])


class Scene(unittest.TestCase):
    """A folder, a socket's path and clean variables of each test's own."""

    def setUp(self):
        # Short, for the sockets.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="xs,", dir="/tmp")).resolve()
        self.socket = self.folder / "socket"
        self.pid_file = self.folder / "pid"
        self.log = self.folder / "log"
        self.state = self.folder / "state"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XENSTORED_", "LISTEN_", "NOTIFY_"))
        }
        self.environment["G_DEBUG"] = "fatal-criticals"
        self.processes = []
        self.daemons = []
        self.clients = []
        self.addCleanup(self.clean_up)

    def clean_up(self):
        for client in self.clients:
            client.close()
        complaints = ""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            elif process.returncode != 0 and process in self.daemons:
                complaints += f"{process.args}: {process.returncode}, {process.errors.read_text()}"
        for pid in pids_mentioning(str(self.folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder)
        self.assertEqual(complaints, "", "a daemon that ended by itself")

    # -- the daemon

    def run_daemon(self, *options, **settings):
        """Runs it to its end, or to its continuing in the background."""
        return subprocess.run(
            [XENSTORED, *map(str, options)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder,
            timeout=HANG,
            check=False,
            **settings,
        )

    def start(self, *options, program=None, path=None, command=(), **settings):
        """Starts it with --no-fork; returns the process once its socket accepts."""
        path = path or self.socket
        if not command:
            options = ("--socket", path, *options)
        errors = self.folder / f"stderr-{len(self.processes)}"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [*command, str(program or XENSTORED), "--no-fork", *map(str, options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=self.environment,
                cwd=self.folder,
                **settings,
            )
        process.errors = errors
        self.processes.append(process)
        self.daemons.append(process)
        wait_until(lambda: process.poll() is not None or accepts(path), "a socket that accepts")
        self.assertIsNone(process.poll(), errors.read_text())
        return process

    def stop(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        self.assertEqual(process.wait(timeout=HANG), 0, process.errors.read_text())

    def start_in_background(self, *options):
        """Starts it without --no-fork; returns the daemon's pid."""
        ended = self.run_daemon("--socket", self.socket, "--pid-file", self.pid_file, *options)
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "", ""))
        return int(self.pid_file.read_text())

    def freeze(self, process):
        """Until SIGCONT it does nothing, whatever is sent to it."""
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: process_state(process.pid) == "T", "a process that is stopped")

    def wait_for_end(self, pid):
        """Of a process that is no child of ours."""
        wait_until(lambda: process_state(pid) in ("Z", None), f"the end of process {pid}")

    # -- its clients

    def connect(self, path=None):
        client = Client(path or self.socket)
        self.clients.append(client)
        return client

    def assert_error(self, name, function, *arguments, **named):
        with self.assertRaises(XenstoreError) as caught:
            function(*arguments, **named)
        self.assertEqual(str(caught.exception), name)

    def assert_alive(self):
        """It serves a new client."""
        with Client(self.socket) as client:
            client.write("/alive", "yes")
            self.assertEqual(client.read("/alive"), b"yes")
            self.assertEqual(client.control("check"), "OK")


class Usage(Scene):
    """The command line, and what is refused: one line, and nothing is left."""

    def assert_line(self, ended, line, status):
        """LINE is a regular expression."""
        self.assertEqual((ended.returncode, ended.stdout), (status, ""), ended.stderr)
        self.assertRegex(ended.stderr, rf"\Axenstored-lite: {line}\n\Z")
        wait_until(lambda: not pids_mentioning(str(self.folder)), "the end of all processes")

    def assert_refused(self, line, *options):
        """In the foreground and in the background, with no file made or changed."""
        before = self.files()
        for more in (["--no-fork"], []):
            with self.subTest(more):
                self.assert_line(self.run_daemon(*options, *more), line, 1)
                self.assertEqual(self.files(), before)

    def files(self):
        return {
            path: (path.lstat().st_ino, path.lstat().st_mtime_ns, path.lstat().st_mode)
            for path in self.folder.rglob("*")
        }

    def test_help_and_version(self):
        ended = self.run_daemon("--help")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        for option in ("socket", "no-fork", "pid-file", "log", "state", "help", "version"):
            self.assertRegex(ended.stdout, rf"(?m)--{option}\b")
        ended = self.run_daemon("--version")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertRegex(ended.stdout, r"\Axenstored-lite \d+\.\d+\.\d+\n\Z")
        self.assertEqual(self.files(), {})

    def test_wrong_usage(self):
        for line, *options in (
            ["(?=.*--fast).+", "--fast"],
            ["(?=.*-Z).+", "-Z"],
            ["(?=.*--socket).+", "--socket"],
            ["(?=.*--state).+", "--state"],
            ["(?=.*extra).+", "extra"],
            ["(?=.*extra).+", "--socket", self.socket, "extra"],
        ):
            with self.subTest(options):
                self.assert_line(self.run_daemon(*options), line, 2)
                self.assertEqual(self.files(), {})

    def test_socket_path_too_long(self):
        longest = self.folder / ("s" * (SUN_PATH_MAX - len(f"{self.folder}/")))
        too_long = f"{longest}s"
        self.assert_refused(f"{too_long}: (?i:.*too long.*)", "--socket", too_long)
        self.environment["XENSTORED_PATH"] = too_long
        self.assert_refused(f"{too_long}: (?i:.*too long.*)")
        self.stop(self.start(path=longest))

    def test_folder_that_is_not_there(self):
        path = self.folder / "none/socket"
        self.assert_refused(f"{path}: No such file or directory", "--socket", path)
        for option in ("--pid-file", "--log"):
            path = self.folder / "none/file"
            self.assert_refused(
                f"{path}: No such file or directory", "--socket", self.socket, option, path
            )

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_folder_that_is_not_ours(self):
        self.folder.chmod(0o500)
        self.assert_refused(f"{self.socket}: Permission denied", "--socket", self.socket)
        self.folder.chmod(0o700)

    def test_somebody_listens(self):
        in_use = rf"{self.socket}: (?i:.*(in use|listens|listening|running).*)"
        with self.subTest("our own"):
            process = self.start()
            client = self.connect()
            client.write("/mine", "still")
            ended = self.run_daemon("--no-fork", "--socket", self.socket)
            self.assertEqual(ended.returncode, 1)
            self.assertRegex(ended.stderr, rf"\Axenstored-lite: {in_use}\n\Z")
            ended = self.run_daemon("--socket", self.socket)
            self.assertEqual(ended.returncode, 1)
            self.assertRegex(ended.stderr, rf"\Axenstored-lite: {in_use}\n\Z")
            self.assertEqual(self.connect().read("/mine"), b"still")
            self.stop(process)
        with self.subTest("one that does not accept"), socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.socket))
            other.listen(0)
            with contextlib.ExitStack() as waiting:
                with contextlib.suppress(BlockingIOError):
                    while True:  # until its queue is full
                        client = waiting.enter_context(socket.socket(socket.AF_UNIX))
                        client.setblocking(False)
                        client.connect(str(self.socket))
                self.assert_refused(in_use, "--socket", self.socket)

    def test_stale_socket(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.socket))
            other.listen()
        self.stop(self.start())
        self.assertFalse(self.socket.exists())

    def test_something_else_at_the_path(self):
        self.socket.write_text("precious")
        self.assert_refused(f"{self.socket}: .+", "--socket", self.socket)
        self.assertEqual(self.socket.read_text(), "precious")
        folder = self.folder / "folder"
        folder.mkdir()
        self.assert_refused(f"{folder}: .+", "--socket", folder)

    def test_damaged_state(self):
        self.start("--state", self.state)
        self.connect().write_all({f"/s/{i}": f"value {i}" for i in range(100)})
        self.stop(self.processes[0])
        good = self.state.read_bytes()
        middle = len(good) // 2
        for what, data in {
            "empty": b"",
            "text": b"no state of anything\n",
            "zeros": bytes(len(good)),
            "cut": good[:-1],
            "half": good[:middle],
            "longer": good + b"\0",
            "a bit": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
            "first byte": bytes([good[0] ^ 0x80]) + good[1:],
            "last byte": good[:-1] + bytes([good[-1] ^ 1]),
        }.items():
            with self.subTest(what):
                self.state.write_bytes(data)
                self.assert_refused(
                    f"{self.state}: .+", "--socket", self.socket, "--state", self.state
                )
                self.assertEqual(self.state.read_bytes(), data)
        with self.subTest("a folder"):
            self.assert_refused(
                f"{self.folder}: .+", "--socket", self.socket, "--state", self.folder
            )

    def test_state_that_cannot_be_written(self):
        """It may say so at the start or at the end, but say so."""
        path = self.folder / "none/state"
        process = subprocess.Popen(
            [XENSTORED, "--no-fork", "--socket", self.socket, "--state", path],
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        self.processes.append(process)
        wait_until(lambda: process.poll() is not None or accepts(self.socket), "start or end")
        if process.poll() is None:
            process.terminate()
        _, errors = process.communicate(timeout=HANG)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(errors, rf"\Axenstored-lite: {path}\S*: No such file or directory\n\Z")
        self.assertEqual(self.files(), {})


class Life(Scene):
    """From start to end."""

    def test_foreground(self):
        process = self.start("--pid-file", self.pid_file)
        # The socket accepts before that is written.
        wait_until(self.pid_file.exists, "a pid file")
        self.assertEqual(int(self.pid_file.read_text()), process.pid)
        self.assert_alive()
        self.assertEqual(self.socket.stat().st_mode & 0o7777, 0o600)
        self.stop(process)
        self.assertFalse(self.socket.exists())
        self.assertFalse(self.pid_file.exists())
        self.assertEqual(process.errors.read_text(), "")

    def test_background(self):
        for _ in range(5):
            pid = self.start_in_background()
            # No waiting here: it accepts.
            with Client(self.socket) as client:
                client.write("/alive", "yes")
                self.assertEqual(client.read("/alive"), b"yes")
            self.assertNotEqual(os.getsid(pid), os.getsid(0))
            for fd in range(3):
                self.assertEqual(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null")
            os.kill(pid, signal.SIGTERM)
            self.wait_for_end(pid)
            self.assertFalse(self.socket.exists())
            self.assertFalse(self.pid_file.exists())

    def test_mode_whatever_the_umask(self):
        for mask in (0, 0o777):
            with self.subTest(mask):
                process = self.start(umask=mask)
                self.assertEqual(self.socket.stat().st_mode & 0o7777, 0o600)
                self.stop(process)

    def test_where_the_socket_is(self):
        """XENSTORED_RUNDIR, before it XENSTORED_PATH, before that the option."""
        folder = self.folder / "rundir"
        folder.mkdir()
        path = self.folder / "path"
        self.environment["XENSTORED_RUNDIR"] = str(folder)
        env = ["/usr/bin/env"]
        self.stop(self.start(path=folder / "socket", command=env))
        self.environment["XENSTORED_PATH"] = str(path)
        process = self.start(path=path, command=env)
        self.assertEqual(list(folder.iterdir()), [])
        self.stop(process)
        self.stop(self.start())
        self.assertFalse(path.exists())

    # -- systemd

    def activate(self, listener, *options, listen_pid="os.getpid()"):
        """Starts it as systemd does: the socket is file descriptor 3."""
        code = (
            "import os, sys\n"
            f"os.dup2({listener.fileno()}, 3)\n"
            f"os.environ.update(LISTEN_FDS='1', LISTEN_PID=str({listen_pid}))\n"
            "os.execv(sys.argv[1], sys.argv[1:])\n"
        )
        return self.start(
            *options,
            command=[sys.executable, "-c", code],
            pass_fds=[listener.fileno()],
            path=listener.getsockname(),
        )

    def test_socket_activation(self):
        path = self.folder / "activated"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(5)
            for _ in range(2):  # systemd starts it anew, with the same socket
                process = self.activate(listener, "--socket", self.socket)
                inode = path.stat().st_ino
                client = self.connect(path)
                client.write("/a", "b")
                self.assertEqual(client.read("/a"), b"b")
                self.assertFalse(self.socket.exists())
                # A program that it restarts as has the socket, too.
                self.assertEqual(client.control("live-update", "-f", XENSTORED), "OK")
                self.assertEqual(client.control("live-update", "-s"), "OK")
                self.assertEqual(self.connect(path).read("/a"), b"b")
                self.stop(process)
                self.assertEqual(path.stat().st_ino, inode)

    def test_activation_of_somebody_else(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / "activated"))
            listener.listen(5)
            process = self.activate(listener, "--socket", self.socket, listen_pid="1")
            wait_until(lambda: accepts(self.socket), "its own socket")
            self.stop(process)
            self.assertFalse(self.socket.exists())

    def test_notification(self):
        for name in (str(self.folder / "notify"), f"\0{self.folder}/notify"):
            with self.subTest(name), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.bind(name)
                notify.settimeout(HANG)
                self.environment["NOTIFY_SOCKET"] = name.replace("\0", "@")
                process = subprocess.Popen(
                    [XENSTORED, "--no-fork", "--socket", self.socket], env=self.environment
                )
                self.processes.append(process)
                self.assertIn("READY=1", notify.recv(4096).decode().split("\n"))
                self.assertTrue(accepts(self.socket))
                process.terminate()
                received = notify.recv(4096).decode().split("\n")
                self.assertIn("STOPPING=1", received)
                self.assertNotIn("READY=1", received)
                self.assertEqual(process.wait(timeout=HANG), 0)

    def test_notification_that_nobody_takes(self):
        self.environment["NOTIFY_SOCKET"] = str(self.folder / "nobody")
        process = self.start()
        self.assert_alive()
        self.stop(process)

    # -- the log

    def check_log(self, log):
        client = self.connect()
        client.write("/before", "")
        self.assertEqual(client.control("log", "on"), "OK")
        client.write("/logged/one", "")
        self.assertEqual(client.control("log", "off"), "OK")
        client.write("/silent/two", "")
        self.assertEqual(client.control("log", "on"), "OK")
        client.write("/logged/three", "")
        wait_until(lambda: "/logged/three" in log.read_text(), "the request in the log")
        text = log.read_text()
        self.assertIn("/logged/one", text)
        self.assertNotIn("/before", text)
        self.assertNotIn("/silent/two", text)

    def test_log(self):
        self.log.write_text("what was there\n")
        process = self.start("--log", self.log)
        self.check_log(self.log)
        self.stop(process)
        self.assertTrue(self.log.read_text().startswith("what was there\n"))
        self.assertEqual(process.errors.read_text(), "")

    def test_log_on_stderr(self):
        process = self.start()
        self.check_log(process.errors)
        self.stop(process)

    def test_log_from_the_background(self):
        """A relative path, too, is where the user was."""
        pid = self.start_in_background("--log", "log")
        self.check_log(self.log)
        os.kill(pid, signal.SIGTERM)
        self.wait_for_end(pid)

    def test_log_lines(self):
        """Whatever a client sends, it cannot write lines of its own."""
        self.start("--log", self.log)
        client = self.connect()
        self.assertEqual(client.control("log", "on"), "OK")
        client.write("/x", "\nfaked 1\r\x1b[2J\0\xff")
        self.assert_error("EINVAL", client.read, "/x\nfaked 2")
        client.watch("/x", "\nfaked 3")
        client.control("print", "\nfaked 4")
        client.write("/last", "")
        wait_until(lambda: b"/last" in self.log.read_bytes(), "the request in the log")
        data = self.log.read_bytes()
        self.assertNotRegex(data, rb"(?m)^faked")
        self.assertNotRegex(data, rb"[^\n\t\x20-\x7e]")

    # -- the end

    def test_nothing_sent_is_lost(self):
        """Neither by a client it knows nor by one that it has yet to accept."""
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                process = self.start("--state", self.state)
                known = self.connect()
                top = f"/sent-before-{int(number)}"
                self.assertFalse(known.exists(top))
                self.freeze(process)
                clients = {"known": known, "new": self.connect()}
                for name, client in clients.items():
                    client.send(
                        b"".join(write_message(f"{top}/{name}/{i}", i, i) for i in range(1000))
                    )
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)
                self.assertEqual(process.wait(timeout=HANG), 0, process.errors.read_text())
                for name, client in clients.items():
                    for i in range(1000):
                        self.assertEqual(client.receive(), (Type.WRITE, i, 0, b"OK\0"), name)
                    self.assertRaises(EOFError, client.receive)
                process = self.start("--state", self.state)
                client = self.connect()
                for name in clients:
                    for i in range(1000):
                        self.assertEqual(client.read(f"{top}/{name}/{i}"), str(i).encode())
                self.stop(process)

    def test_end_with_clients_that_wait(self):
        """One that does not read and one that sent half a message hold nobody up."""
        process = self.start("--state", self.state)
        deaf = self.connect()
        deaf.write("/big", "b" * 3000)
        deaf.send(message(Type.READ, strings("/big")) * 3000)
        half = self.connect()
        half.send(message(Type.WRITE, b"/half\0value")[:-1])
        started = self.connect()
        tx = started.start()
        started.write("/not/committed", "", tx)
        self.stop(process)
        process = self.start("--state", self.state)
        client = self.connect()
        self.assertEqual(client.read("/big"), b"b" * 3000)
        self.assertFalse(client.exists("/half"))
        self.assertFalse(client.exists("/not"))
        self.stop(process)

    def test_state(self):
        """Every node, value and permission, through two ends and starts."""
        process = self.start("--state", self.state)
        client = self.connect()
        self.assertEqual(client.request(Type.INTRODUCE, strings(5, 1, 2)), b"OK\0")
        values = {f"/many/{i // 100}/{i}": f"value of {i}" for i in range(10_000)}
        values |= {
            "/binary/all": bytes(range(256)),
            "/binary/nul": b"\0",
            "/binary/lines": b"\n\n",
            "/binary/longest": bytes(random.Random(1).randbytes(PAYLOAD_MAX - 16)),
            "/" + "long" * 500: "path",
            "/value/and": "value",
            "/value/and/children": "",
            "/": "the root has one, too",
            "/removed": "",
            "/local/domain/5/data": "",
        }
        client.write_all(values)
        client.remove("/removed")
        client.set_permissions("/many/1", "r0")
        client.set_permissions("/many/1/100", "n0", "r5", "b7", "w9")
        client.set_permissions("/local/domain/5", "n5", "r0")
        client.set_permissions("/local/domain/5/data", "b5")
        client.set_permissions("/", "r0")
        before = client.tree()
        self.assertGreater(len(before), 10_100)
        self.assertEqual(before["/local/domain/5"], (b"", b"n5\0r0\0"))
        for _ in range(2):
            self.stop(process)
            process = self.start("--state", self.state)
            client = self.connect()
            self.assertEqual(client.control("check"), "OK")
            after = client.tree()
            self.assertEqual(sorted(after), sorted(before))
            for path, node in before.items():
                self.assertEqual(after[path], node, path)
        client.write("/more", "")
        self.stop(process)

    def test_state_mode(self):
        """What the socket guards is in it."""
        process = self.start("--state", self.state)
        self.stop(process)
        self.assertEqual(self.state.stat().st_mode & 0o077, 0)

    def test_state_from_the_background(self):
        """A relative path is where the user was."""
        pid = self.start_in_background("--state", "state")
        self.connect().write("/kept", "yes")
        os.kill(pid, signal.SIGTERM)
        self.wait_for_end(pid)
        self.assertTrue(self.state.exists())
        pid = self.start_in_background("--state", "state")
        self.assertEqual(self.connect().read("/kept"), b"yes")
        os.kill(pid, signal.SIGTERM)
        self.wait_for_end(pid)


class LiveUpdate(Scene):
    """A restart that no client notices, asked for as xenstore-control does."""

    def setUp(self):
        super().setUp()
        self.program = self.copy("new")

    def copy(self, name):
        """Another program, as far as /proc can tell."""
        path = self.folder / name
        shutil.copy2(XENSTORED, path)
        return path

    def update(self, client, program=None, cmdline=None):
        self.assertEqual(client.control("live-update", "-f", program or self.program), "OK")
        if cmdline is not None:
            self.assertEqual(client.control("live-update", "-c", cmdline), "OK")
        self.assertEqual(client.control("live-update", "-s", "-t", "60"), "OK")

    def test_the_program_changes(self):
        process = self.start("--pid-file", self.pid_file)
        inode = self.socket.stat().st_ino
        old, new = self.connect(), self.connect()
        old.write("/kept", b"\0binary\xff")
        tree = old.tree()
        self.update(new)
        self.assertIsNone(process.poll())
        self.assertEqual(running(process.pid), self.program)
        self.assertEqual(self.socket.stat().st_ino, inode)
        self.assertEqual(int(self.pid_file.read_text()), process.pid)
        for client in (old, new, self.connect()):
            self.assertEqual(client.read("/kept"), b"\0binary\xff")
            self.assertEqual(client.tree(), tree)
        self.assert_alive()
        self.stop(process)
        self.assertFalse(self.socket.exists())
        self.assertFalse(self.pid_file.exists())

    def test_in_the_background(self):
        pid = self.start_in_background("--log", "log", "--state", "state")
        client = self.connect()
        self.update(client)
        self.assertEqual(running(pid), self.program)
        self.assertEqual(int(self.pid_file.read_text()), pid)
        client.control("log", "on")
        client.write("/logged/later", "")
        wait_until(lambda: "/logged/later" in self.log.read_text(), "the request in the log")
        os.kill(pid, signal.SIGTERM)
        self.wait_for_end(pid)
        self.assertFalse(self.socket.exists())
        self.assertFalse(self.pid_file.exists())
        self.start("--state", self.state)
        self.assertTrue(self.connect().exists("/logged/later"))

    def test_command_line(self):
        """-c gives the options of the new program."""
        logs = self.folder / "log-1", self.folder / "log-2"
        process = self.start("--log", logs[0])
        client = self.connect()
        self.update(client, cmdline=f"--no-fork --socket {self.socket} --log {logs[1]}")
        self.assertIn(
            str(logs[1]).encode(),
            pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0"),
        )
        client.control("log", "on")
        client.write("/logged", "")
        wait_until(lambda: "/logged" in logs[1].read_text(), "the request in the new log")
        self.assertNotIn("/logged", logs[0].read_text())
        self.stop(process)

    def test_again_and_again(self):
        """No descriptor and no client is lost on the way."""
        process = self.start()
        clients = [self.connect() for _ in range(100)]
        for i, client in enumerate(clients):
            client.watch(f"/turn/{i}", str(i))
        other = self.copy("other")
        before = count_fds(process.pid)
        for turn in range(10):
            self.update(clients[0], other if turn % 2 else self.program)
            clients[1].write_all({f"/turn/{i}": turn for i in range(100)})
            for i, client in enumerate(clients):
                self.assertEqual(client.event(), (f"/turn/{i}", str(i)))
            self.assertEqual(count_fds(process.pid), before)
        self.assertEqual(running(process.pid), other)
        for i, client in enumerate(clients):
            client.unwatch(f"/turn/{i}", str(i))
            client.close()
        wait_until(
            lambda: count_fds(process.pid) == before - 100, "the clients' descriptors closed"
        )

    def test_watches(self):
        self.start()
        watcher, writer = self.connect(), self.connect()
        watcher.watch("/w", "absolute\x01 token")
        watcher.watch("relative", "r")
        watcher.watch("@introduceDomain", "in")
        watcher.watch("@releaseDomain", "out")
        watcher.watch("/gone", "gone")
        watcher.unwatch("/gone", "gone")
        self.update(writer)
        writer.write("/gone", "")
        writer.write("/w/x", "")
        writer.write("/local/domain/0/relative/y", "")
        writer.request(Type.INTRODUCE, strings(5, 1, 2))
        writer.request(Type.RELEASE, strings(5))
        self.assertEqual(watcher.event(), ("/w/x", "absolute\x01 token"))
        self.assertEqual(watcher.event(), ("relative/y", "r"))
        self.assertEqual(watcher.event(), ("@introduceDomain", "in"))
        self.assertEqual(watcher.event(), ("@releaseDomain", "out"))
        self.assert_error(
            "EEXIST", watcher.request, Type.WATCH, strings("/w", "absolute\x01 token")
        )
        watcher.unwatch("/w", "absolute\x01 token")
        writer.write("/w/x", "")
        self.assertEqual(watcher.read("/w/x"), b"")
        self.assertEqual(watcher.events, [])

    def test_transactions(self):
        self.start()
        client, other = self.connect(), self.connect()
        client.write_all({"/read": "old", "/written": "old", "/removed/child": ""})
        tx = client.start()
        aborted = client.start()
        self.assertEqual(client.read("/read", tx), b"old")
        client.write("/written", "new", tx)
        client.write("/made/deep/down", "new", tx)
        client.remove("/removed", tx)
        client.set_permissions("/written", "r0", tx=tx)
        client.write("/written", "never", aborted)
        other.watch("/", "all")
        self.update(other)
        # Seen inside, not outside.
        self.assertEqual(client.read("/written", tx), b"new")
        self.assertEqual(client.directory("/made", tx), ["deep"])
        self.assertFalse(client.exists("/removed/child", tx))
        self.assertEqual(other.read("/written"), b"old")
        self.assertFalse(other.exists("/made"))
        self.assertTrue(other.exists("/removed/child"))
        self.assertNotIn(client.start(), (tx, aborted))
        client.write("/later", "new", tx)
        client.abort(aborted)
        self.assertEqual(other.events, [])
        client.commit(tx)
        self.assertEqual(other.read("/written"), b"new")
        self.assertEqual(other.permissions("/written"), ["r0"])
        self.assertEqual(other.read("/made/deep/down"), b"new")
        self.assertEqual(other.read("/later"), b"new")
        self.assertFalse(other.exists("/removed"))
        seen = {path for path, _ in other.events}
        self.assertLessEqual({"/written", "/made/deep/down", "/later", "/removed"}, seen)
        self.assert_error("ENOENT", client.commit, tx)
        self.assert_error("ENOENT", client.read, "/read", aborted)

    def test_conflicts(self):
        for when in ("before", "after"):
            for what, change in {
                "another node": None,
                "a node read": lambda other: other.write("/c/read", "theirs"),
                "a node written": lambda other: other.write("/c/written", "theirs"),
                "a node missed": lambda other: other.write("/c/missing", "theirs"),
                "a directory listed": lambda other: other.write("/c/list/new", ""),
                "permissions": lambda other: other.set_permissions("/c/read", "r0"),
                "a node removed": lambda other: other.remove("/c/read"),
            }.items():
                with self.subTest(f"{what}, changed {when} the update"):
                    process = self.start()
                    client, other = self.connect(), self.connect()
                    client.write_all(dict.fromkeys(["/c/read", "/c/written", "/c/list/a"], "old"))
                    tx = client.start()
                    client.read("/c/read", tx)
                    client.write("/c/written", "mine", tx)
                    self.assertFalse(client.exists("/c/missing", tx))
                    client.directory("/c/list", tx)
                    if when == "after":
                        self.update(other)
                    other.write("/elsewhere/x", "y")
                    if change:
                        change(other)
                    if when == "before":
                        self.update(other)
                    if change:
                        self.assert_error("EAGAIN", client.commit, tx)
                    else:
                        client.commit(tx)
                    self.assertEqual(other.read("/c/written") == b"mine", change is None)
                    self.stop(process)

    def test_half_messages(self):
        """Cut anywhere: the rest comes to the new program."""
        self.start()
        data = write_message("/half", "h" * 600, req_id=0xDEADBEEF)
        cuts = [1, 4, 15, 16, 17, len("/half") + 16, 300, len(data) - 1]
        clients = [self.connect() for _ in cuts]
        for client, cut in zip(clients, cuts):
            client.send(data[:cut])
        other = self.connect()
        other.write("/half", "before")
        self.update(other)
        self.assertEqual(other.read("/half"), b"before")
        for client, cut in zip(clients, cuts):
            client.send(data[cut:])
            self.assertEqual(client.receive(), (Type.WRITE, 0xDEADBEEF, 0, b"OK\0"), cut)
            self.assertEqual(other.read("/half"), b"h" * 600)
            other.write("/half", "")

    def test_unread_events(self):
        """More than a socket holds, so that they wait in the daemon, one of them sent in part."""
        self.start()
        watcher, writer = self.connect(), self.connect()
        watcher.watch("/", "t" * 100)
        paths = [f"/unread/{'p' * 100}/{i}" for i in range(5000)]
        writer.write_all(dict.fromkeys(paths, ""))
        self.update(writer)
        writer.write("/unread/last", "")
        for path in [*paths, "/unread/last"]:
            self.assertEqual(watcher.event(), (path, "t" * 100))

    def test_unread_replies(self):
        self.start()
        reader, writer = self.connect(), self.connect()
        writer.write("/big", "b" * 3000)
        reader.send(b"".join(message(Type.READ, strings("/big"), req_id) for req_id in range(3000)))
        self.assertEqual(writer.read("/big"), b"b" * 3000)
        self.update(writer)
        for req_id in range(3000):
            self.assertEqual(reader.receive(), (Type.READ, req_id, 0, b"b" * 3000))
        self.assertEqual(reader.read("/big"), b"b" * 3000)

    def test_requests_behind_it(self):
        """Sent in one go with it: each is answered once and in order."""
        process = self.start()
        client = self.connect()
        start = message(Type.CONTROL, strings("live-update", "-s"), 1000)
        self.assertEqual(client.control("live-update", "-f", self.program), "OK")
        client.send(
            b"".join(write_message(f"/order/{i}", i, i) for i in range(50))
            + start
            + b"".join(write_message(f"/order/{i}", i, i) for i in range(50, 100))
            + write_message("/half", "value")[:-2]
        )
        for i in range(50):
            self.assertEqual(client.receive(), (Type.WRITE, i, 0, b"OK\0"))
        self.assertEqual(client.receive(), (Type.CONTROL, 1000, 0, b"OK\0"))
        for i in range(50, 100):
            self.assertEqual(client.receive(), (Type.WRITE, i, 0, b"OK\0"))
        client.send(b"ue")
        self.assertEqual(client.receive(), (Type.WRITE, 0, 0, b"OK\0"))
        self.assertEqual(running(process.pid), self.program)
        self.assertEqual(len(client.directory("/order")), 100)
        self.assertEqual(client.read("/half"), b"value")

    def test_under_load(self):
        """Writers that never pause: nothing lost, nothing twice, nothing out of order."""
        self.start()
        controller = self.connect()
        enough = threading.Event()
        counts = {}
        seen = {number: [] for number in range(4)}
        errors = []

        def write(number):
            with Client(self.socket) as client:
                counts[number] = 0
                while not enough.is_set():
                    first = counts[number]
                    client.write_all({f"/load/{number}/{i}": i for i in range(first, first + 100)})
                    counts[number] += 100

        def watch(watcher):
            while (path := watcher.event()[0]) != "/load/end":
                number, i = path.split("/")[2:]
                seen[int(number)].append(int(i))

        def catch(function, argument):
            try:
                function(argument)
            except Exception as error:
                errors.append(repr(error))

        watcher = self.connect()
        watcher.watch("/load", "t")
        watching = threading.Thread(target=catch, args=[watch, watcher])
        writers = [threading.Thread(target=catch, args=[write, number]) for number in seen]
        for thread in (watching, *writers):
            thread.start()
        try:
            for _ in range(5):
                self.update(controller)
        finally:
            enough.set()
            for thread in writers:
                thread.join()
            controller.write("/load/end", "")
            watching.join()
        self.assertEqual(errors, [])
        for number, count in counts.items():
            self.assertEqual(seen[number], list(range(count)))

    def test_connections_that_wait(self):
        """A client that connects while it is stopped is served by the new program."""
        process = self.start()
        client = self.connect()
        self.assertEqual(client.control("live-update", "-f", self.program), "OK")
        self.freeze(process)
        client.send(message(Type.CONTROL, strings("live-update", "-s"), 1))
        waiting = self.connect()
        waiting.send(message(Type.MKDIR, strings("/waited"), 2))
        process.send_signal(signal.SIGCONT)
        self.assertEqual(client.receive(), (Type.CONTROL, 1, 0, b"OK\0"))
        self.assertEqual(waiting.receive(), (Type.MKDIR, 2, 0, b"OK\0"))

    def test_domains(self):
        self.start()
        client = self.connect()
        self.assertEqual(client.request(Type.INTRODUCE, strings(5, 1, 2)), b"OK\0")
        client.write("/local/domain/5/data", "")
        client.set_permissions("/local/domain/5", "n5")
        self.update(client)
        self.assertEqual(client.request(Type.IS_DOMAIN_INTRODUCED, strings(5)), b"T\0")
        self.assertEqual(client.request(Type.IS_DOMAIN_INTRODUCED, strings(6)), b"F\0")
        self.assertEqual(client.request(Type.RELEASE, strings(5)), b"OK\0")
        self.assertFalse(client.exists("/local/domain/5"))

    def test_bad_program(self):
        """An error, and all goes on."""
        process = self.start()
        client, watcher = self.connect(), self.connect()
        client.write("/kept", "yes")
        watcher.watch("/kept", "t")
        tx = watcher.start()
        watcher.write("/in/transaction", "", tx)
        text = self.folder / "text"
        text.write_text("no program")
        text.chmod(0o700)
        no_permission = self.copy("no-permission")
        no_permission.chmod(0o600)
        cut = self.copy("cut")
        cut.write_bytes(pathlib.Path(PROGRAM).read_bytes()[:40])
        fds = count_fds(process.pid)
        for bad in (
            self.folder / "none",
            self.folder,
            "/dev/null",
            "",
            "p" * 3000,
            text,
            no_permission,
            cut,
        ):
            with self.subTest(str(bad)[-20:]):
                # As xenstore-control, which stops at the first answer that is not OK.
                try:
                    answer = client.control("live-update", "-f", bad)
                    if answer == "OK":
                        answer = client.control("live-update", "-s", "-t", "60")
                except XenstoreError as error:
                    answer = str(error)
                self.assertNotIn(answer, ("OK", "BUSY"))
                self.assertIsNone(process.poll())
                self.assertEqual(running(process.pid), pathlib.Path(XENSTORED))
                client.write("/kept", "yes")
                self.assertEqual(watcher.event(), ("/kept", "t"))
                self.assertEqual(count_fds(process.pid), fds)
        with self.subTest("nothing asked for"):
            for arguments in ([], ["-s"], ["-f"], ["-x"], ["-a"]):
                with contextlib.suppress(XenstoreError):
                    client.control("live-update", *arguments)
            self.assertEqual(running(process.pid), pathlib.Path(XENSTORED))
        watcher.commit(tx)
        self.assertTrue(client.exists("/in/transaction"))
        self.update(client)
        self.assertEqual(running(process.pid), self.program)

    def test_cancelled(self):
        """-a forgets the program that -f named."""
        process = self.start()
        client = self.connect()
        self.assertEqual(client.control("live-update", "-f", self.program), "OK")
        self.assertEqual(client.control("live-update", "-a"), "OK")
        with contextlib.suppress(XenstoreError):
            client.control("live-update", "-s")
        self.assertEqual(running(process.pid), pathlib.Path(XENSTORED))
        self.assert_alive()


class Load(Scene):
    """Many clients, and bad ones: each costs only itself."""

    def setUp(self):
        super().setUp()
        self.daemon = self.start()

    def test_a_thousand_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 1200
        if soft != resource.RLIM_INFINITY and soft < wanted:
            if hard != resource.RLIM_INFINITY and hard < wanted:
                self.skipTest(f"at most {hard} open files are allowed")
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        before = count_fds(self.daemon.pid)
        clients = [self.connect() for _ in range(1000)]
        for i, client in enumerate(clients):
            client.watch(f"/many/{i}", str(i))
        for i, client in enumerate(clients):
            client.write(f"/many/{(i + 1) % 1000}", i)
        for i, client in enumerate(clients):
            self.assertEqual(client.event(), (f"/many/{i}", str(i)))
            self.assertEqual(client.read(f"/many/{i}"), str((i - 1) % 1000).encode())
            self.assertEqual(client.events, [])
        for client in clients:
            client.close()
        # Fewer when the connection that found it ready had not been closed yet.
        wait_until(lambda: count_fds(self.daemon.pid) <= before, "the clients' descriptors closed")
        self.assert_alive()

    def test_reader_that_sleeps(self):
        """It blocks no writer, and later gets an event of each path at least."""
        reader, writer = self.connect(), self.connect()
        reader.watch("/", "all")
        paths = [f"/slow/{i % 50}/{i}" for i in range(5000)]
        for turn in range(4):
            writer.write_all(dict.fromkeys(paths, turn))
        reader.read("/")  # All events come before this answer.
        self.assertEqual({token for _, token in reader.events}, {"all"})
        self.assertEqual({path for path, _ in reader.events}, set(paths))
        writer.write("/slow/last", "")
        reader.events.clear()
        self.assertEqual(reader.event(), ("/slow/last", "all"))

    def test_reader_that_never_wakes(self):
        """What is kept for it has an end: then it is closed, and nobody else is."""
        reader, writer = self.connect(), self.connect()
        reader.watch("/", "all")
        for turn in range(8):
            paths = [f"/slow/{turn}-{i}-{'p' * 2900}" for i in range(1000)]
            writer.write_all(dict.fromkeys(paths, ""))
            for path in paths:
                writer.remove(path)
        with self.assertRaises((EOFError, ConnectionResetError)):
            while True:
                reader.event()
        self.assert_alive()

    def test_half_message(self):
        stalled = [self.connect() for _ in range(20)]
        data = write_message("/stalled", "value", req_id=9)
        for i, client in enumerate(stalled):
            client.send(data[: 1 + i])
        other = self.connect()
        other.write_all({f"/others/{i}": i for i in range(1000)})
        self.assertFalse(other.exists("/stalled"))
        for i, client in enumerate(stalled):
            client.send(data[1 + i :])
            self.assertEqual(client.receive(), (Type.WRITE, 9, 0, b"OK\0"))

    def test_replies_that_nobody_reads(self):
        reader, other = self.connect(), self.connect()
        value = random.Random(2).randbytes(3000)
        other.write("/big", value)
        reader.send(b"".join(message(Type.READ, strings("/big"), req_id) for req_id in range(3000)))
        for i in range(1000):
            other.write(f"/others/{i}", i)
            self.assertEqual(other.read(f"/others/{i}"), str(i).encode())
        for req_id in range(3000):
            self.assertEqual(reader.receive(), (Type.READ, req_id, 0, value))
        self.assertEqual(reader.read("/big"), value)

    def test_message_too_long(self):
        """That client is closed, without an answer, and only it."""
        other = self.connect()
        for length in (PAYLOAD_MAX + 1, 0x7FFFFFFF, 0xFFFFFFFF):
            client = self.connect()
            client.write("/mine", "")
            client.send(bytes(12) + length.to_bytes(4, sys.byteorder) + b"x" * 100)
            with contextlib.suppress(ConnectionResetError):
                self.assertRaises(EOFError, client.receive)
            self.assertTrue(other.exists("/mine"))

    def test_half_closed(self):
        """A client that only shut its sending side gets its answers, then the end."""
        client = self.connect()
        client.send(b"".join(write_message(f"/pipe/{i}", i, i) for i in range(100)))
        client.socket.shutdown(socket.SHUT_WR)
        for i in range(100):
            self.assertEqual(client.receive(), (Type.WRITE, i, 0, b"OK\0"))
        self.assertRaises(EOFError, client.receive)

    # -- clients that die

    def doomed(self, body):
        """Runs BODY(client) in a process that then waits to be killed; returns its pid
        once BODY has returned."""
        ready, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                kept = Client(self.socket)
                kept = kept, body(kept)
                os.write(tell, b"!")
                signal.pause()
            finally:
                os._exit(1)
        os.close(tell)
        try:
            self.assertEqual(os.read(ready, 1), b"!")
        finally:
            os.close(ready)
            self.addCleanup(self.bury, pid)
        return pid

    def bury(self, pid):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_killed_clients(self):
        """Fifty of them, each at another point of what it does."""
        rng = random.Random(50)
        keeper, watcher, outsider = (self.connect() for _ in range(3))
        keeper.write_all({f"/keep/{i}": i for i in range(100)})
        watcher.watch("/keep", "kept")
        before = count_fds(self.daemon.pid)

        def in_message(client):
            data = write_message("/ghost/message", "g" * 1000)
            client.send(data[: rng.randrange(1, len(data))])

        def in_transaction(client):
            for _ in range(rng.randrange(1, 4)):
                tx = client.start()
                client.read("/keep/1", tx)
                for i in range(rng.randrange(20)):
                    client.write(f"/ghost/{i}", "g", tx)
                client.write("/keep/2", "g", tx)
                client.remove("/keep/3", tx)
            # The commit on its way, but not whole.
            client.send(message(Type.TRANSACTION_END, b"T\0", 1, tx)[: rng.randrange(18)])

        def with_unread_events(client):
            client.watch("/", "unread")
            writer = Client(self.socket)
            writer.write_all({f"/job/{'w' * 1000}/{i}": "" for i in range(rng.randrange(400))})
            return writer

        def with_unread_replies(client):
            client.write("/job/big", "b" * 3000)
            client.send(message(Type.READ, strings("/job/big")) * rng.randrange(500))

        scenes = [in_message, in_transaction, with_unread_events, with_unread_replies]
        for i in range(50):
            rng.random()  # the children draw from copies of it
            tx = keeper.start()
            keeper.write("/keep/transaction", i, tx)
            pid = self.doomed(scenes[i % len(scenes)])
            self.bury(pid)
            keeper.commit(tx)
            self.assertEqual(outsider.read("/keep/transaction"), str(i).encode())
            self.assertEqual(watcher.event(), ("/keep/transaction", "kept"))
            self.assertFalse(outsider.exists("/ghost"))
        self.assertEqual(outsider.read("/keep/2"), b"2")
        self.assertEqual(
            sorted(outsider.directory("/keep")), sorted([*map(str, range(100)), "transaction"])
        )
        self.assertEqual(watcher.events, [])
        wait_until(lambda: count_fds(self.daemon.pid) == before, "the clients' descriptors closed")
        self.assert_alive()

    def test_clients_killed_at_any_time(self):
        """While they work: what they have not committed never was."""
        rng = random.Random(51)
        keeper, watcher = self.connect(), self.connect()
        keeper.write("/keep/node", "0")
        watcher.watch("/keep", "kept")
        before = count_fds(self.daemon.pid)

        def work():
            client = Client(self.socket)
            client.watch("/", "t")
            while True:
                tx = client.start()
                client.write("/ghost", "g", tx)
                # Both or none.
                both = client.start()
                value = int(client.read("/job/a", both)) + 1 if client.exists("/job/a") else 0
                client.write("/job/a", value, both)
                client.write("/job/b", value, both)
                with contextlib.suppress(XenstoreError):
                    client.commit(both)
                client.send(message(Type.READ, strings("/job/a")) * 3)
                for _ in range(3):
                    client.reply()

        for i in range(50):
            pid = os.fork()
            if pid == 0:
                try:
                    work()
                finally:
                    os._exit(1)
            self.addCleanup(self.bury, pid)
            tx = keeper.start()
            keeper.write("/keep/node", i, tx)
            time.sleep(rng.uniform(0, 0.02))
            self.bury(pid)
            keeper.commit(tx)
            self.assertEqual(watcher.event(), ("/keep/node", "kept"))
        self.assertFalse(keeper.exists("/ghost"))
        if keeper.exists("/job"):
            self.assertEqual(keeper.read("/job/a"), keeper.read("/job/b"))
        self.assertEqual(watcher.events, [])
        wait_until(lambda: count_fds(self.daemon.pid) == before, "the clients' descriptors closed")
        self.assert_alive()


class Clients(Scene):
    """Programs of others, which find the socket by XENSTORED_PATH."""

    def setUp(self):
        super().setUp()
        self.daemon = self.start()
        self.environment["XENSTORED_PATH"] = str(self.socket)

    def run_client(self, *command, status=0):
        """Runs it, asserts its exit status, returns its stdout and stderr."""
        ended = subprocess.run(
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder,
            timeout=HANG,
            check=False,
        )
        self.assertEqual(ended.returncode, status, (command, ended.stdout, ended.stderr))
        return ended.stdout, ended.stderr

    def built(self, program):
        """What fetch-test-xenstore.sh builds, or a reason to skip."""
        fetched = subprocess.run(
            [HERE / "fetch-test-xenstore.sh"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode != 0:
            self.skipTest((fetched.stderr.strip() or "no test-xenstore").splitlines()[-1])
        return pathlib.Path(fetched.stdout.strip()).parent / program


class RealClients(Clients):
    """Debian's xenstore-utils, xenstore-control, and a program with libxenstore."""

    def tool(self, name, *arguments, status=0):
        if not shutil.which(f"xenstore-{name}"):
            self.skipTest(f"xenstore-{name} is not there: install the package xenstore-utils")
        return self.run_client(f"xenstore-{name}", *arguments, status=status)

    def out(self, name, *arguments):
        """What it prints, when it succeeds and has no complaint."""
        out, err = self.tool(name, *arguments)
        self.assertEqual(err, "")
        return out

    def test_write_and_read(self):
        client = self.connect()
        self.assertEqual(self.out("write", "/u/a", "hello"), "")
        self.assertEqual(self.out("read", "/u/a"), "hello\n")
        self.assertEqual(client.read("/u/a"), b"hello")
        self.out("write", "/u/b", "1", "/u/c/d", "2", "relative", "3")
        self.assertEqual(
            self.out("read", "-p", "/u/b", "/u/c/d", "relative"),
            "/u/b: 1\n/u/c/d: 2\nrelative: 3\n",
        )
        self.assertEqual(client.read("/local/domain/0/relative"), b"3")
        self.out("write", "-s", "/u/a", r"a\x00b\t\\")
        self.assertEqual(client.read("/u/a"), b"a\0b\t\\")
        self.assertEqual(self.out("read", "-s", "/u/a"), "a\\000b\\t\\\\\n")
        self.assertEqual(self.out("read", "-R", "/u/a"), "a\0b\t\\")
        _, err = self.tool("read", "/u/none", status=1)
        self.assertEqual(err, "xenstore-read: couldn't read path /u/none\n")
        _, err = self.tool("write", "/u//bad", "x", status=1)
        self.assertEqual(err, "xenstore-write: could not write path /u//bad\n")
        # All or nothing.
        self.tool("write", "/u/first", "x", "/u//bad", "x", status=1)
        self.assertFalse(client.exists("/u/first"))

    def test_ls(self):
        client = self.connect()
        client.write_all({"/u/b/c": "value", "/u/b/d": b"\0\n\xff", "/u/e": ""})
        client.set_permissions("/u/b/c", "n0", "r5", "b6")
        self.assertEqual(
            self.out("ls", "-f", "-p", "/u"),
            '/u/b = ""   (n0)\n'
            '/u/b/c = "value"   (n0,r5,b6)\n'
            '/u/b/d = "\\000\\n\\xff"   (n0)\n'
            '/u/e = ""   (n0)\n',
        )
        self.assertEqual(
            self.out("ls", "/u"), 'b = ""\n c = "value"\n d = "\\000\\n\\xff"\ne = ""\n'
        )
        self.assertIn('/tool/xenstored = ""   (n0)\n', self.out("ls", "-fp"))
        _, err = self.tool("ls", "/none", status=1)
        self.assertIn("xs_directory (/none): No such file or directory", err)

    def test_list_and_exists(self):
        client = self.connect()
        client.write_all({"/u/a": "", "/u/b/c": ""})
        self.assertEqual(sorted(self.out("list", "/u").split()), ["a", "b"])
        self.assertEqual(sorted(self.out("list", "-p", "/u").split()), ["/u/a", "/u/b"])
        self.assertEqual(self.out("list", "/u/a"), "")
        _, err = self.tool("list", "/none", status=1)
        self.assertEqual(err, "xenstore-list: could not list path /none\n")
        self.tool("exists", "/u/b")
        self.tool("exists", "/u/a", "/u/b/c")
        self.tool("exists", "/none", status=1)
        self.tool("exists", "/u/a", "/none", status=1)

    def test_rm(self):
        client = self.connect()
        client.write_all({"/u/a/b/c": "", "/u/d/e": "", "/u/f": "value"})
        self.out("rm", "/u/d")
        self.assertFalse(client.exists("/u/d"))
        self.out("rm", "-t", "/u/a/b/c")
        self.assertFalse(client.exists("/u/a"))
        self.assertTrue(client.exists("/u/f"))
        _, err = self.tool("rm", "/none/deep", status=1)
        self.assertIn("could not remove path /none/deep\n", err)

    def test_chmod(self):
        client = self.connect()
        client.write_all({"/u/a/b": "", "/u/a/c": ""})
        self.out("chmod", "/u/a", "n0", "r5")
        self.assertEqual(client.permissions("/u/a"), ["n0", "r5"])
        self.assertEqual(client.permissions("/u/a/b"), ["n0"])
        self.out("chmod", "-r", "/u/a", "b0", "w6")
        for path in ("/u/a", "/u/a/b", "/u/a/c"):
            self.assertEqual(client.permissions(path), ["b0", "w6"])
        self.out("chmod", "-u", "/u/a/b", "r0")
        self.assertEqual(client.permissions("/u"), ["r0"])
        self.assertEqual(client.permissions("/u/a/c"), ["b0", "w6"])

    def test_watch(self):
        if not shutil.which("xenstore-watch"):
            self.skipTest("xenstore-watch is not there: install the package xenstore-utils")
        client = self.connect()
        with subprocess.Popen(
            ["xenstore-watch", "-n", "5", "/u/w", "relative"],
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.folder,
        ) as process:
            self.processes.append(process)
            self.assertEqual(process.stdout.readline(), "/u/w\n")
            self.assertEqual(process.stdout.readline(), "relative\n")
            client.write("/u/w/deep/down", "")
            self.assertEqual(process.stdout.readline(), "/u/w/deep/down\n")
            client.write("/u/other", "")
            client.remove("/u/w")
            client.write("/local/domain/0/relative/x", "")
            self.assertEqual(process.stdout.read(), "/u/w\nrelative/x\n")
            self.assertEqual(process.wait(timeout=HANG), 0)

    def test_big_directory(self):
        """3000 children take DIRECTORY_PART."""
        client = self.connect()
        names = [f"child-{i:04}" for i in range(3000)]
        client.write_all({f"/u/{name}": "v" for name in names})
        self.assertEqual(sorted(self.out("list", "/u").split()), names)
        self.assertEqual(
            sorted(self.out("ls", "-f", "/u").splitlines()),
            [f'/u/{name} = "v"' for name in names],
        )
        self.out("rm", "/u")
        self.assertFalse(client.exists("/u"))

    def test_at_once(self):
        """Each write is a transaction of two nodes, which are never seen to differ."""
        if not shutil.which("xenstore-write"):
            self.skipTest("xenstore-write is not there: install the package xenstore-utils")
        client = self.connect()
        client.write_all({"/u/x": "0", "/u/y": "0"})
        for turn in range(10):
            values = [str(10 * turn + i) for i in range(10)]
            writers = [
                subprocess.Popen(
                    ["xenstore-write", "/u/x", value, "/u/y", value],
                    env=self.environment,
                    cwd=self.folder,
                )
                for value in values
            ]
            self.processes += writers
            first, second = self.out("read", "/u/x", "/u/y").split()
            self.assertEqual(first, second)
            self.assertEqual([writer.wait(timeout=HANG) for writer in writers], [0] * 10)
            self.assertIn(client.read("/u/x").decode(), values)
            self.assertEqual(client.read("/u/x"), client.read("/u/y"))

    def test_socket_by_its_folder(self):
        del self.environment["XENSTORED_PATH"]
        self.environment["XENSTORED_RUNDIR"] = str(self.folder)
        self.out("write", "/u", "1")
        self.assertEqual(self.connect().read("/u"), b"1")

    # -- xenstore-control

    def control(self, *arguments, status=0):
        return self.run_client(self.built("xenstore-control"), *arguments, status=status)

    def test_control(self):
        out, _ = self.control("help")
        commands = {line.split()[0] for line in out.splitlines() if line[:1].isalpha()}
        self.assertLessEqual({"check", "help", "live-update", "log", "print", "quota"}, commands)
        self.assertEqual(self.control("check"), ("OK\n", ""))
        self.assertEqual(self.control("print", "hello"), ("OK\n", ""))
        self.assertEqual(self.control("log", "on"), ("OK\n", ""))
        self.assertEqual(self.control("log", "off"), ("OK\n", ""))
        self.assertRegex(self.control("quota")[0], r"(?m)^nodes *: +1000 ")
        self.assertEqual(self.control("quota", "set", "nodes", "2000"), ("OK\n", ""))
        self.assertRegex(self.control("quota")[0], r"(?m)^nodes *: +2000 ")
        _, err = self.control("no-such-command", status=3)
        self.assertIn("Command not supported. Valid commands are:", err)
        if "memreport" in commands:
            self.assertRegex(self.control("memreport")[0], r"\d")
        self.assert_alive()

    def test_control_live_update(self):
        program = self.folder / "new"
        shutil.copy2(XENSTORED, program)
        client = self.connect()
        client.watch("/u", "t")
        self.assertEqual(self.control("live-update", program), ("", ""))
        self.assertEqual(running(self.daemon.pid), program)
        client.write("/u", "")
        self.assertEqual(client.event(), ("/u", "t"))
        other = self.folder / "newer"
        shutil.copy2(XENSTORED, other)
        self.control(
            "live-update", "-F", "-t", "30", "-c", f"--no-fork --socket {self.socket}", other
        )
        self.assertEqual(running(self.daemon.pid), other)
        _, err = self.control("live-update", self.folder / "none", status=3)
        self.assertRegex(err, r"\A(Setting update binary|Starting live update) failed:\n.+\n\Z")
        self.assertEqual(running(self.daemon.pid), other)
        client.write("/u", "")
        self.assertEqual(client.event(), ("/u", "t"))

    # -- libxenstore

    def test_libxenstore(self):
        client = os.environ.get("LIBXENSTORE_CLIENT")
        if not client:
            self.skipTest("libxenstore is not there: install the package libxen-dev")
        program = self.folder / "new"
        shutil.copy2(XENSTORED, program)
        for scene in (
            ["nodes"],
            ["directory"],
            ["permissions"],
            ["transactions"],
            ["watches"],
            ["domains"],
            ["live-update", program],
        ):
            with self.subTest(scene[0]):
                self.assertEqual(self.run_client(*WRAPPER, client, *scene), ("", ""))


class TestXenstore(Clients):
    """Xen's own test of its xenstore."""

    NAMES = (
        "read 1,read 2000,write 1,write 2000,dir,rm node,rm dir,"
        "ta empty,ta empty x,ta rmw,ta rmw x,ta err"
    ).split(",")

    def setUp(self):
        super().setUp()
        self.program = self.built("test-xenstore")

    def assert_passed(self, out):
        self.assertEqual([line.split(":")[0].strip() for line in out.splitlines()], self.NAMES)
        self.assertNotIn("failed", out)

    def test_once(self):
        out, err = self.run_client(self.program)
        self.assertEqual(err, "")
        self.assert_passed(out)
        with Client(self.socket) as client:
            self.assertFalse(client.exists("/local/domain/0/xenstore-test"))

    def test_repeatedly(self):
        self.assert_passed(self.run_client(self.program, "--iterations", "200")[0])

    def test_randomly(self):
        out, _ = self.run_client(self.program, "--random", "2")
        self.assertNotIn("failed", out)

    def test_at_once(self):
        processes = [
            subprocess.Popen(
                [self.program, "--iterations", "50"],
                stdout=subprocess.PIPE,
                text=True,
                env=self.environment,
            )
            for _ in range(5)
        ]
        self.processes += processes
        for process in processes:
            out, _ = process.communicate(timeout=HANG)
            self.assertEqual(process.returncode, 0, out)
            self.assertEqual(len(re.findall(r"(?m)^.*: +avg: ", out)), len(self.NAMES))


def write_script(folder):
    """What starts PROGRAM where only WRAPPER can, and so can be what a daemon restarts as."""
    script = pathlib.Path(folder) / "xenstored-lite"
    command = shlex.join([*WRAPPER, PROGRAM])
    script.write_text(f'#!/bin/sh\n{STARTED_AS}=$0 exec {command} "$@"\n')
    script.chmod(0o700)
    return str(script)


def main():
    ended = unittest.main(exit=False).result
    for test, reason in ended.skipped:
        print(f"skipped: {test}: {reason}", file=sys.stderr)
    if not ended.wasSuccessful():
        return 1
    if ended.skipped and len(ended.skipped) >= ended.testsRun:
        return 77
    return 0


if __name__ == "__main__":
    PROGRAM = XENSTORED = str(pathlib.Path(sys.argv.pop(1)).resolve())
    with tempfile.TemporaryDirectory() as scripts:
        if WRAPPER:
            XENSTORED = write_script(scripts)
        sys.exit(main())
