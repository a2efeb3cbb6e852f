# SPDX-License-Identifier: LGPL-2.1-or-later
"""Too much, or nonsense: the attacker is cut off or bounded, the witness served meanwhile."""
import ctypes
import mmap
import os
import random
import resource
import select
import struct
import time

from denials import DENIED
from parties import (ATTACHED, ATTACKER, BYE, ERROR, FRAME_MAX_BYTES, HEADER, HELLO, PING, WELCOME, Client, Daemon,
                     Held, Sleeper, Target, Wire, attach, become, check, check_denied, frame, hello, run_as, set_name,
                     skip, status_of, string)

DROPPED = r"client process \d+ of uid %d dropped" % ATTACKER
MOST_KIB = 128 * 1024  # what an engine may grow to, whatever its user does


def n_descriptors(pid):
    """Without those of children, who come and go."""
    n = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            n += os.readlink(f"/proc/{pid}/fd/{name}") != "anon_inode:[pidfd]"
        except FileNotFoundError:  # closed meanwhile
            continue
    return n


def resident_kib(pid, which):
    return int(status_of(pid, which).split()[0])


def descriptors(stage):
    """descriptors where none are expected, as many as fit"""
    daemon = Daemon(stage)
    kept = Sleeper(ATTACKER)
    client = Client(daemon, ["-p", str(kept.pid)])
    client.wait_for("attached")
    engine = daemon.engines(ATTACKER)[0]
    before = n_descriptors(engine), n_descriptors(daemon.pid)

    def send():
        fifo, other = os.pipe()
        memory = os.memfd_create("strange")
        for i in range(50):
            with Wire(daemon, greet=False) as wire:
                fds = [(fifo, other, memory, wire.socket.fileno())[j % 4] for j in range(253)]
                wire.say(hello(), fds)
                wire.say(frame(PING, struct.pack("<Q", i)), fds)
                wire.say(attach(kept.pid), fds)
                wire.wait_for(BYE, ATTACHED, ERROR)

    run_as(ATTACKER, send)
    client.stop()
    client.check_ledger()
    client = Client(daemon, ["-p", str(kept.pid)])
    client.wait_for("attached")
    while (after := (n_descriptors(daemon.engines(ATTACKER)[0]), n_descriptors(daemon.pid))) != before:
        time.sleep(0.005)  # until the last of the traces is closed; a leak never is, and the time is up
    print(f"descriptors of engine and monitor: {after}")
    client.stop()
    daemon.expect_line("uid %d traces process %d" % (ATTACKER, kept.pid))
    kept.kill()
    daemon.check_alive()
    daemon.stop()


def malformed(stage):
    """frames that are cut, too long, empty, of another version, that lie about their length, of no known type"""
    daemon = Daemon(stage)
    target = Sleeper(ATTACKER)
    seed = random.Random(1)

    def talk():
        whole = attach(target.pid, map_glob=b"*")
        for first in (hello(major=2), frame(HELLO, struct.pack("<IHHQ", 1, 1, 2, 0) + string(b"")),
                      frame(PING, bytes(8)), whole, b"x", bytes(HEADER.size), bytes(FRAME_MAX_BYTES)):
            with Wire(daemon, greet=False) as wire:
                wire.say(first)
                check(wire.wait_for(BYE), "not told why")
                check(wire.hear() is None, "the daemon goes on")
        for length in (0, 1, HEADER.size - 1, HEADER.size + 1, 0x7FFFFFFF, 0xFFFFFFFF):
            with Wire(daemon) as wire:
                wire.say(struct.pack("<I", length) + frame(PING, bytes(8))[4:])
                check(wire.wait_for(BYE), f"length {length} is not told why")
        for cut in range(HEADER.size, HEADER.size + 40):
            with Wire(daemon) as wire:
                wire.say(struct.pack("<I", cut) + whole[4:cut])
                check(wire.wait_for(BYE, ERROR, ATTACHED)[0] == BYE, f"cut behind {cut} bytes and not told why")
        for _ in range(300):
            with Wire(daemon) as wire:
                body = seed.randbytes(seed.randrange(4096))
                if wire.say(frame(seed.randrange(1, 64), body, flags=seed.randrange(2))):
                    wire.say(frame(PING, bytes(8)))

    run_as(ATTACKER, talk)
    target.kill()
    daemon.expect_line(DROPPED)
    daemon.check_alive()
    daemon.stop()


def slow(stage):
    """connections that never speak, never read, or read next to nothing"""
    daemon = Daemon(stage, settings=f"[Limits]\nMemoryPerUser={MOST_KIB}K\n")
    flood = Target([stage.target("anon"), "flood", "300000"], ATTACKER)
    before = resident_kib(daemon.pid, "VmRSS")

    def hold():
        silent = [Wire(daemon, greet=False) for _ in range(60)]
        deaf = [Wire(daemon) for _ in range(20)]
        for wire in deaf:
            wire.say(attach(flood.pid))
        check(deaf[0].wait_for(ATTACHED), "not attached")
        flood.open_gate()
        while not flood_is_done():
            if select.select([deaf[0].socket], [], [], 0.01)[0]:
                deaf[0].socket.recv(1)  # the rest of the frame is lost to who reads so
        return silent, deaf

    def flood_is_done():
        return select.select([flood.process.stdout], [], [], 0)[0]

    held = Held(ATTACKER, hold)
    check(flood.next_line() == "done", "the target failed")
    engine = daemon.engines(ATTACKER)[0]
    print(f"engine: {resident_kib(engine, 'RssAnon')} KiB, and {resident_kib(engine, 'RssShmem')} KiB of rings")
    check(resident_kib(engine, "RssAnon") <= MOST_KIB, "the engine has grown")
    held.let_go()
    flood.finish()
    check(resident_kib(daemon.pid, "VmRSS") - before < MOST_KIB, "the monitor has grown")
    check_denied(daemon, 1)
    daemon.expect_line(DENIED)
    daemon.check_alive()
    daemon.stop()


def too_many(stage):
    """ten thousand connections, and more traces and filters than are allowed"""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 12000:
        skip(f"only {hard} descriptors are allowed here")
    daemon = Daemon(stage)
    target = Sleeper(ATTACKER)

    def connect():
        wires, n_refused, n_attached = [], 0, 0
        for i in range(10000):
            wire = Wire(daemon, greet=False)
            wire.say(hello())
            wires.append(wire)
            heard = wire.hear()
            n_refused += heard is not None and heard[0] == ERROR
            if heard is not None and heard[0] == WELCOME:
                for req in range(1, 6):
                    wire.say(attach(target.pid, req, stack_bytes=8 * (len(wires) % 1000 + 1), map_glob=b"%d" % i))
                    n_attached += wire.wait_for(ATTACHED, ERROR)[0] == ATTACHED
        print(f"10000 connections: {n_refused} refused; {n_attached} traces")
        check(9000 < n_refused < 10000, "connections are not bounded")

    run_as(ATTACKER, connect)
    daemon.expect_line(r"(client|connection).*(refused|limit)")
    target.kill()
    daemon.check_alive()
    daemon.stop()


def hostile_names(stage):
    """names that command a terminal, forge a line of the journal or break JSON"""
    daemon = Daemon(stage)
    for name in (b"\x1b[2J\x1b]0;x\x07", b'"}\n{"type":"end', b"\xe2\x80\xae\xff\xfe%s%n", b"\nMESSAGE=forged"):
        target = Sleeper(ATTACKER, lambda: set_name(name))
        client = Client(daemon, ["--duration=20ms", "-p", str(target.pid)]).finish()
        check(client.status == 0, client.errors)
        check({line["type"] for line in client.lines} <= {"attached", "degraded", "end", "life", "fault"},
              f"forged lines: {client.lines}")
        check("\x1b" not in client.errors, "an escape sequence reaches the terminal")
        target.kill()
        theirs = Sleeper(0, lambda: set_name(name))
        errors = check_denied(daemon, theirs.pid)
        check(errors.strip("\n").isprintable(), f"{errors!r}")
        theirs.kill()
    daemon.expect_line(DENIED)
    check("MESSAGE=forged" not in [line.strip() for line in daemon.log().splitlines()], "a forged line")
    daemon.check_alive()
    daemon.stop()


def hostile_images(stage):
    """mapped files that are nearly ELF"""
    daemon = Daemon(stage)
    with open(stage.target("libc"), "rb") as f:
        image = f.read()
    seed = random.Random(1)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    told, ready = os.pipe()
    go, release = os.pipe()

    def touch():
        places = []
        for i in range(150):
            broken = bytearray(image)
            for _ in range(1 + i % 40):
                broken[seed.randrange(min(len(broken), 4096) if i % 2 else len(broken))] = seed.randrange(256)
            broken[:4] = b"\x7fELF"
            memory = os.open(stage.path("strange") + str(i), os.O_RDWR | os.O_CREAT, 0o644)
            os.write(memory, broken[:seed.randrange(len(broken))] if i % 5 == 0 else broken)
            size = os.fstat(memory).st_size
            places.append((libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, memory, 0), size))
        os.write(ready, b"1")
        os.read(go, 1)
        for place, size in places:
            for offset in range(0, size, 4096):
                ctypes.string_at(place + offset, 1)
        os.write(ready, b"2")

    os.chmod(stage.folder, 0o777)
    pid = os.fork()
    if pid == 0:
        try:
            run_as(ATTACKER, touch_and_stay(touch))
        finally:
            os._exit(0)
    check(os.read(told, 1) == b"1", "the target failed")
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        child = int(f.read().split()[0])
    client = Client(daemon, ["--stack", "--lines", "-p", str(child)])
    client.wait_for("attached")
    os.write(release, b"1")
    check(os.read(told, 1) == b"2", "the target failed")
    client.stop()
    client.check_ledger()
    check(len(client.all("fault")) >= 150, "hardly anything was traced")
    print(f"{len(client.all('fault'))} faults in broken images, {len(client.all('gap'))} gaps")
    os.kill(child, 9)
    os.waitpid(pid, 0)
    check_denied(daemon, 1)
    daemon.expect_line(DENIED)
    daemon.check_alive()
    daemon.stop()


def touch_and_stay(touch):
    def run():
        import signal

        touch()
        signal.pause()

    return run


def fork_bomb(stage):
    """children without end, followed"""
    daemon = Daemon(stage)
    go, release = os.pipe()
    told, ready = os.pipe()

    def bomb():
        os.read(go, 1)
        end = time.monotonic() + 3
        n = 0
        while time.monotonic() < end:
            for _ in range(50):
                try:
                    if os.fork() == 0:
                        os._exit(0)
                except BlockingIOError:
                    break
                n += 1
            while True:
                try:
                    if os.waitpid(-1, os.WNOHANG)[0] == 0:
                        break
                except ChildProcessError:
                    break
        os.write(ready, n.to_bytes(4, "little"))
        while True:
            try:
                os.wait()
            except ChildProcessError:
                break

    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_NPROC, (300, 300))
        become(ATTACKER)
        bomb()
        os._exit(0)
    client = Client(daemon, ["-f", "-p", str(pid)])
    client.wait_for("attached")
    os.write(release, b"1")
    daemon.check_alive()
    client.finish()
    os.waitpid(pid, 0)
    n = int.from_bytes(os.read(told, 4), "little")
    ledger = client.check_ledger()
    print(f"{n} children; {ledger}")
    check_denied(daemon, 1)
    daemon.expect_line(DENIED)
    daemon.check_alive()
    daemon.stop()


CASES = {
    17: descriptors,
    18: malformed,
    19: slow,
    20: too_many,
    23: hostile_names,
    24: hostile_images,
    28: fork_bomb,
}
