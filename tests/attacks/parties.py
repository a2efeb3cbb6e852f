# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parties of an attack: a daemon with all rights that everybody may connect to, an attacker, who is an ordinary
user, and a witness, another ordinary user, who must get every fault of his own process whatever the attacker does.

Nothing here waits for time to pass: a step waits for what it needs to see, and the whole for an alarm.
"""
import array
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback

LIBC = ctypes.CDLL(None, use_errno=True)

ATTACKER = 65534
WITNESS = 65533
SKIPPED = 77

# PROTOCOL.md
HEADER = struct.Struct("<IHHIIQII")
MAGIC = 0x4C544C46
HELLO, ATTACH, STOP, RESUME, PING = 1, 2, 3, 4, 5
WELCOME, ATTACHED, ERROR, DICT, EVENTS, END, PONG, BYE = 64, 65, 66, 67, 69, 74, 75, 76
FRAME_MAX_BYTES = 128 * 1024


class Failed(Exception):
    """The attack succeeded, or the stage fell."""


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def check(condition, what):
    if not condition:
        raise Failed(what)


def need_program(name):
    if not shutil.which(name):
        skip(f"{name} is not installed")


class Stage:
    """Where everything lies: the build, and a folder that every user can reach."""

    def __init__(self, build):
        self.build = os.path.realpath(build)
        self.folder = tempfile.mkdtemp(prefix="faultline-attack-")
        os.chmod(self.folder, 0o755)

    def close(self):
        shutil.rmtree(self.folder)

    @property
    def faultline(self):
        return f"{self.build}/faultline"

    @property
    def faultlined(self):
        return f"{self.build}/faultlined"

    def target(self, name):
        path = f"{self.build}/tests/targets/target_{name}"
        if not os.access(path, os.X_OK):
            skip(f"{path} was not built: something that it needs is not installed")
        return path

    def path(self, name):
        return f"{self.folder}/{name}"

    def copy(self, source, name, owner=0, group=0, mode=0o755):
        """A program of another owner or mode."""
        path = self.path(name)
        shutil.copyfile(source, path)
        os.chown(path, owner, group)
        os.chmod(path, mode)
        return path


def as_user(uid, gid=None):
    """For subprocess: that user, with no other groups."""
    if uid == 0:
        return {}
    return {"user": uid, "group": uid if gid is None else gid, "extra_groups": []}


class Target:
    """A program of tests/targets: it says what it will do, then waits for a line."""

    def __init__(self, argv, uid, prefix=(), env=None, gid=None):
        self.process = subprocess.Popen([*prefix, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1, env=env, **as_user(uid, gid))
        self.n_faults = 0
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "ready":
                self.pid = int(rest)
                return
            if word == "skip":
                skip(rest)
            expected = json.loads(line)
            self.n_faults += expected["n"] * expected.get("times", 1)
        raise Failed(f"{argv[0]} ended before it was ready")

    def open_gate(self):
        self.process.stdin.write("\n")

    def next_line(self):
        return self.process.stdout.readline().strip()

    def finish(self):
        self.process.stdin.close()
        check(self.process.wait() == 0, f"the target's exit status is {self.process.returncode}")

    def kill(self):
        self.process.kill()
        self.process.wait()


class Sleeper:
    """A process that does nothing until it is killed; prepare() runs in it first."""

    def __init__(self, uid, prepare=None, gid=None):
        ready, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                become(uid, gid)
                if prepare:
                    prepare()
                os.write(told, b"1")
                os.close(told)
                while True:
                    signal.pause()
            finally:
                os._exit(1)
        os.close(told)
        check(os.read(ready, 1) == b"1", "a process could not be prepared")
        os.close(ready)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def prctl(option, value):
    if LIBC.prctl(option, value, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "prctl")


def set_dumpable(value):
    prctl(4, value)  # PR_SET_DUMPABLE


def become(uid, gid=None):
    """That user, with no other groups, and dumpable, which a change of user takes away; root stays root."""
    if uid == 0:
        return
    gid = uid if gid is None else gid
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    set_dumpable(1)


def set_name(name):
    LIBC.prctl(15, ctypes.c_char_p(name), 0, 0, 0)  # PR_SET_NAME


def state_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(") ", 1)[1][0]


class Daemon:
    def __init__(self, stage, wrapper=(), reach=(), settings=""):
        self.stage = stage
        self.reach = list(reach)  # what puts a client where the daemon can see it
        self.socket = stage.path("socket")
        self.errors = tempfile.TemporaryFile("w+")
        config = stage.path("config")  # what the machine's own says is not for tests
        os.makedirs(config, exist_ok=True)
        with open(f"{config}/faultlined.conf", "w") as f:
            f.write(settings)
        self.process = subprocess.Popen([*wrapper, stage.faultlined, f"--socket={self.socket}", f"--config={config}"],
                                        stderr=self.errors, stdin=subprocess.DEVNULL)
        while not self.listens():
            check(self.process.poll() is None, f"faultlined ended: {self.log()}")
        os.chmod(self.socket, 0o666)

    def listens(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            return s.connect_ex(self.socket) == 0

    @property
    def pid(self):
        """Of the monitor, which may be the child of a wrapper."""
        pid = self.process.pid
        while os.readlink(f"/proc/{pid}/exe") != self.stage.faultlined:
            pid = children_of(pid)[0]
        return pid

    def log(self):
        self.errors.seek(0)
        return self.errors.read()

    def expect_line(self, pattern):
        """A line of the journal, which is standard error here."""
        while not re.search(pattern, self.log(), re.M):
            check(self.process.poll() is None, f"faultlined ended before it said {pattern}: {self.log()}")
            time.sleep(0.005)
        for line in self.log().splitlines():
            check(line.isprintable(), f"a line that is none: {line!r}")

    def engines(self, uid):
        """Process ids of those that serve this user."""
        found = []
        for pid in children_of(self.pid):
            try:
                with open(f"/proc/{pid}/comm") as f:
                    name = f.read().strip()
                if name == "faultlined-eng" and status_of(pid, "Uid").split()[0] == str(uid):
                    found.append(pid)
            except (FileNotFoundError, ProcessLookupError):  # a helper that has answered
                continue
        return found

    def check_serves(self, uid=WITNESS):
        """Every fault of another user's process, none missing."""
        target = Target([self.stage.target("anon"), "zero-fill"], uid, self.reach)
        client = Client(self, ["-p", str(target.pid), f"--count={target.n_faults}"], uid)
        client.wait_for("attached")
        target.open_gate()
        client.finish()
        check(client.status == 0, f"the witness is not served: {client.errors}{client.lines}")
        ledger = client.find("end")["ledger"]
        check(len(client.all("fault")) == ledger["kernel"] == ledger["delivered"] == target.n_faults,
              f"the witness misses faults: {ledger}")
        check(not client.all("gap"), "the witness's engine died")
        target.finish()

    def check_alive(self, uid=WITNESS):
        check(self.process.poll() is None, f"faultlined ended: {self.log()}")
        self.check_serves(uid)

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        check(self.process.wait() == 0, f"faultlined did not end well: {self.log()}")
        check("anitizer" not in self.log(), self.log())

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]


def end_descendants():
    while children := children_of(os.getpid()):
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def status_of(pid, name):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(f"{name}:"):
                return line.split(":", 1)[1].strip()
    raise Failed(f"/proc/{pid}/status has no {name}")


class Client:
    """faultline --format=json: its lines as they come."""

    def __init__(self, daemon, arguments, uid=ATTACKER, prefix=(), gid=None):
        self.lines = []
        self.error_file = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([*daemon.reach, *prefix, daemon.stage.faultline, "--format=json",
                                         f"--socket={daemon.socket}", *arguments],
                                        stdout=subprocess.PIPE, stderr=self.error_file, text=True,
                                        **as_user(uid, gid))

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            return None
        self.lines.append(json.loads(line))
        return self.lines[-1]

    def wait_for(self, kind):
        while True:
            line = self.read()
            if line is None:
                self.finish()
                raise Failed(f"no {kind}: {self.errors}{self.lines}")
            if line["type"] == kind:
                return line

    def finish(self):
        while self.read():
            pass
        self.status = self.process.wait()
        self.error_file.seek(0)
        self.errors = self.error_file.read()
        return self

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def kill(self):
        self.process.kill()
        return self.finish()

    def all(self, kind):
        return [line for line in self.lines if line["type"] == kind]

    def find(self, kind):
        found = self.all(kind)
        check(len(found) == 1, f"{len(found)} lines of type {kind}: {self.errors}{self.lines}")
        return found[0]

    def check_ledger(self):
        ledger = self.find("end")["ledger"]
        parts = ("delivered", "filtered", "dropped_client", "dropped_daemon", "lost_kernel", "counted")
        check(ledger["kernel"] == sum(ledger[part] for part in parts), f"the ledger does not add up: {ledger}")
        check(len(self.all("fault")) == ledger["delivered"], f"{len(self.all('fault'))} faults: {ledger}")
        return ledger


def check_denied(daemon, pid, uid=ATTACKER, prefix=(), gid=None):
    """Exit status 1, one line that says why, nothing that looks like a trace, and a line in the journal."""
    client = Client(daemon, ["-p", str(pid)], uid, prefix, gid).finish()
    check(client.status == 1, f"exit status {client.status} for process {pid}: {client.errors}{client.lines}")
    check(client.errors.count("\n") == 1, f"not one line: {client.errors!r}")
    check(not client.all("attached") and not client.all("fault"), f"a trace began: {client.lines}")
    return client.errors


# --- without the client ---


def string(data):
    return struct.pack("<H", len(data)) + data


def frame(kind, body=b"", trace=0, flags=0):
    return HEADER.pack(HEADER.size + len(body), kind, flags, trace, 0, 0, 0, 0) + body


def hello(major=1, minor=2):
    return frame(HELLO, struct.pack("<IHHQ", MAGIC, major, minor, 0) + string(b"attack"))


def attach(pid, req=1, stack_bytes=0, map_glob=b"", flags=0):
    return frame(ATTACH, struct.pack("<IiBBBxQIIIQ", req, pid, 0, flags, 0, 0, 0, 0, 0, 0) + string(map_glob) +
                 string(b"") + struct.pack("<I", stack_bytes))


class Wire:
    """A connection that says what it likes. It is made, and judged, as the user who makes it."""

    def __init__(self, daemon, greet=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(daemon.socket)
        if greet:
            self.say(hello())
            self.expect(WELCOME)

    def say(self, data, fds=()):
        """False: the daemon has hung up."""
        try:
            if fds:
                self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
            else:
                self.socket.send(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def hear(self):
        """(type, trace, body), or None at the end."""
        try:
            data = self.socket.recv(FRAME_MAX_BYTES + 1)
        except ConnectionResetError:
            return None
        if not data:
            return None
        length, kind, _, trace, *_ = HEADER.unpack_from(data)
        check(length == len(data), "the daemon sent a broken frame")
        return kind, trace, data[HEADER.size:]

    def expect(self, kind):
        heard = self.hear()
        check(heard and heard[0] == kind, f"{heard} instead of message {kind}")
        return heard

    def wait_for(self, *kinds):
        """The next frame of these types, or None at the end."""
        while True:
            heard = self.hear()
            if heard is None or heard[0] in kinds:
                return heard

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def run_as(uid, what):
    """what() in a child that is this user; fails with it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            become(uid)
            what()
            status = 0
        except Failed as e:
            print(f"FAIL: {e}", flush=True)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    check(os.waitpid(pid, 0)[1] == 0, "the attacker's process failed")


class Held:
    """what() done in a process of that user, which stays as it is then, with all that it has open, until it is let go."""

    def __init__(self, uid, what):
        self.done, done = os.pipe()
        go, self.go = os.pipe()

        def hold():
            kept = what()
            os.write(done, b"1")
            os.read(go, 1)
            del kept

        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.go)
            try:
                run_as(uid, hold)
            finally:
                os._exit(0)
        os.close(done)
        check(os.read(self.done, 1) == b"1", "the attacker's process failed")

    def let_go(self):
        os.write(self.go, b"1")
        os.waitpid(self.pid, 0)


def make_setuid(stage, source, name, bits=stat.S_ISUID):
    with open("/proc/self/mounts") as f:
        mounts = [line.split() for line in f]
    best = max((m for m in mounts if stage.folder.startswith(m[1])), key=lambda m: len(m[1]))
    if "nosuid" in best[3].split(","):
        skip(f"{best[1]} is mounted nosuid")
    return stage.copy(source, name, mode=0o755 | bits)
