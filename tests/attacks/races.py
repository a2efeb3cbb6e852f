# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moments: what is asked about is another thing by the time of the answer."""
import os
import random
import signal
import time

from denials import DENIED
from parties import (ATTACHED, ATTACKER, END, ERROR, STOP, Client, Daemon, Failed, Sleeper, Target, Wire, attach,
                     check, check_denied, frame, make_setuid, need_program, run_as, set_name, skip, state_of)

SECRET = b"secret"


def fork_as(pid, run):
    """A child with this number, or None: it was not free at that moment."""
    with open("/proc/sys/kernel/ns_last_pid", "w") as f:
        f.write(str(pid - 1))
    child = os.fork()
    if child == 0:
        try:
            run()
        finally:
            os._exit(0)
    if child == pid:
        return child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def live_in_secret():
    set_name(SECRET)
    while True:
        memory = bytearray(1 << 20)
        for i in range(0, len(memory), 4096):
            memory[i] = 1


def pid_reuse(stage):
    """a number that was his process's when he asked, and is root's when he is answered"""
    if not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
        skip("the kernel does not let numbers of processes be chosen (CONFIG_CHECKPOINT_RESTORE)")
    daemon = Daemon(stage)
    seconds = float(os.environ.get("FAULTLINE_ATTACK_SECONDS", "10"))
    end, seed = time.monotonic() + seconds, random.Random(1)
    to_attacker, from_root = os.pipe()
    to_root, from_attacker = os.pipe()
    counts = {"asked": 0, "reused": 0, "attached": 0}

    def ask():
        """The attacker, for each number that he is given."""
        while True:
            pid = int.from_bytes(os.read(to_attacker, 4), "little")
            if pid == 0:
                return
            with Wire(daemon) as wire:
                wire.say(attach(pid))
                os.write(from_attacker, b"a")  # asked
                kind, trace, body = wire.wait_for(ATTACHED, ERROR)
                if kind == ATTACHED:
                    check(SECRET not in body, "root's process is attached to")
                    os.write(from_attacker, b"t")
                    wire.say(frame(STOP, trace=trace))
                    while True:
                        heard = wire.hear()
                        check(heard, "the daemon hung up")
                        check(SECRET not in heard[2], "something of root's process is told")
                        if heard[0] == END:
                            break
                else:
                    os.write(from_attacker, b"e")

    asker = os.fork()
    if asker == 0:
        os.close(from_root)
        try:
            run_as(ATTACKER, ask)
        except Failed:
            os._exit(1)
        os._exit(0)
    while time.monotonic() < end:
        own = Sleeper(ATTACKER)
        os.write(from_root, own.pid.to_bytes(4, "little"))
        check(os.read(to_root, 1) == b"a", "the attacker failed")
        for _ in range(seed.randrange(2000)):  # some of the time that an attach takes, another each time
            pass
        own.kill()
        counts["asked"] += 1
        reused = fork_as(own.pid, live_in_secret)
        counts["reused"] += reused is not None
        counts["attached"] += os.read(to_root, 1) == b"t"
        if reused:
            os.kill(reused, signal.SIGKILL)
            os.waitpid(reused, 0)
    os.write(from_root, bytes(4))
    check(os.waitpid(asker, 0)[1] == 0, "the attacker saw what is not his")
    print(counts)
    check(counts["reused"] > 0, "no number was ever used again")
    daemon.expect_line(r"uid %d" % ATTACKER)
    daemon.check_alive()
    daemon.stop()


def dies_in_each_step(stage):
    """a target that dies in each step of an attach"""
    need_program("strace")
    calls = "perf_event_open,pidfd_open,pidfd_getfd,ptrace,openat"
    daemon = Daemon(stage, ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
                            "-e", f"inject={calls}:delay_enter=3000"])
    endings = {0: 0, 1: 0}
    for step in range(24):
        target = Target([stage.target("anon"), "zero-fill"], ATTACKER)
        client = Client(daemon, ["-p", str(target.pid)])
        time.sleep(0.02 * step)  # where it is hit differs; what is right does not
        target.kill()
        client.finish()
        check(client.status in endings, f"exit status {client.status}: {client.errors}")
        endings[client.status] += 1
        if client.status == 0:
            client.check_ledger()
        else:
            check(not client.all("attached") and client.errors.count("\n") == 1, client.errors)
    print(f"traced to the end {endings[0]}, refused {endings[1]}")
    check(endings[1] > 0, "no target died before it was attached")
    daemon.expect_line(DENIED)
    daemon.check_alive()
    daemon.kill()


def exec_setuid(stage):
    """his own process, which executes a set-user-ID program later: nothing of that"""
    program = make_setuid(stage, stage.target("setid"), "setid")
    daemon = Daemon(stage)
    for mode in ("hold", "light", "off"):
        target = Target([stage.target("setid"), "enter"], ATTACKER, env={**os.environ, "TARGET_PROGRAM": program})
        client = Client(daemon, [f"--ptrace={mode}", "--stack", "-p", str(target.pid)])
        client.wait_for("attached")
        target.open_gate()
        check(target.next_line() == f"rights {ATTACKER} 0 {target.pid}", "the program did not get its rights")
        check(target.next_line() == "done", "the program failed")
        target.process.stdin.close()
        client.finish()
        client.check_ledger()
        inside = [fault for fault in client.all("fault") if 0x330000000000 <= int(fault["addr"], 16) < 0x340000000000]
        check(not inside, f"faults of the set-user-ID program are shown: {inside}")
        check(program not in repr(client.all("fault")), "the program's images are shown")
        target.process.wait()
    daemon.expect_line("is hidden from uid %d" % ATTACKER)
    daemon.check_alive()
    daemon.stop()


def exec_while_killed(stage):
    """the same while the daemon is killed: the program has its rights all the same, and no tracer"""
    program = make_setuid(stage, stage.target("setid"), "setid")
    seed = random.Random(1)
    for _ in range(12):
        daemon = Daemon(stage)
        target = Target([stage.target("setid"), "enter"], ATTACKER, env={**os.environ, "TARGET_PROGRAM": program})
        client = Client(daemon, ["--ptrace=hold", "-p", str(target.pid)])
        client.wait_for("attached")
        target.open_gate()
        for _ in range(seed.randrange(20000)):
            pass
        daemon.kill()
        check(target.next_line() == f"rights {ATTACKER} 0 {target.pid}", "the program did not get its rights")
        check(target.next_line() == "done", "the program failed")
        client.finish()
        inside = [fault for fault in client.all("fault") if 0x330000000000 <= int(fault["addr"], 16) < 0x340000000000]
        check(not inside, f"faults of the set-user-ID program are shown: {inside}")
        daemon = Daemon(stage)
        check_denied(daemon, target.pid)
        daemon.expect_line(DENIED)
        target.finish()
        daemon.check_alive()
        daemon.stop()


def dies_while_asked_about(stage):
    """a client that is gone before it is answered"""
    daemon = Daemon(stage)
    target, foreign = Sleeper(ATTACKER), Sleeper(0)

    def ask_and_go():
        for _ in range(100):
            for pid in (target.pid, foreign.pid):
                with Wire(daemon) as wire:
                    wire.say(attach(pid))

    run_as(ATTACKER, ask_and_go)
    check_denied(daemon, foreign.pid)  # who was gone in time is not answered, nor written down
    daemon.expect_line(DENIED)
    check(state_of(target.pid) == "S" and state_of(foreign.pid) == "S", "a process was touched")
    target.kill()
    foreign.kill()
    daemon.check_alive()
    daemon.stop()


def shutdown(stage):
    """the end of the daemon, with sixteen processes attached: none stops or dies"""
    daemon = Daemon(stage)
    modes = ("hold", "light", "off", "auto")
    targets = [Target([stage.target("anon"), "zero-fill"], ATTACKER) for _ in range(16)]
    clients = [Client(daemon, ["-p", str(t.pid), *([f"--ptrace={modes[i % 4]}"] if i % 4 != 3 else [])])
               for i, t in enumerate(targets)]
    for client in clients:
        client.wait_for("attached")
    daemon.stop()
    for target in targets:
        target.open_gate()
        check(target.next_line() == "done", "a target did not run on")
        target.finish()
    for client in clients:
        client.finish()
        client.check_ledger()
    daemon = Daemon(stage)
    check_denied(daemon, 1)
    daemon.expect_line(DENIED)
    daemon.check_alive()
    daemon.stop()


CASES = {
    7: pid_reuse,
    8: dies_in_each_step,
    9: exec_setuid,
    10: exec_while_killed,
    15: dies_while_asked_about,
    30: shutdown,
}
