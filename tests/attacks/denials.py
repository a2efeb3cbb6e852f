# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may trace what: each asks for what is not his."""
import os
import socket
import struct
import subprocess

from parties import (ATTACKER, ATTACHED, ERROR, WITNESS, Client, Daemon, Sleeper, Target, Wire, as_user, attach,
                     check, check_denied, make_setuid, need_program, run_as, set_dumpable, skip, state_of)

DENIED = r"attach.*uid %d.*(refused|denied)" % ATTACKER


def deny(stage, sleeper, pattern=DENIED, uid=ATTACKER):
    """The usual course: one process, one question, one answer."""
    daemon = Daemon(stage)
    print(check_denied(daemon, sleeper.pid, uid), end="")
    daemon.expect_line(pattern)
    check(state_of(sleeper.pid) == "S", "the process was touched")
    sleeper.kill()
    daemon.check_alive()
    daemon.stop()


def other_user(stage):
    """another user's process"""
    deny(stage, Sleeper(WITNESS))


def roots(stage):
    """root's process"""
    deny(stage, Sleeper(0))


def not_dumpable(stage):
    """his own process, which is not dumpable"""
    deny(stage, Sleeper(ATTACKER, lambda: set_dumpable(0)))


def setuid(stage):
    """his own process, which runs a set-user-ID program; and a set-group-ID one"""
    import stat

    daemon = Daemon(stage)
    for bits in (stat.S_ISUID, stat.S_ISGID):
        program = make_setuid(stage, "/bin/sleep", f"setid-{bits}", bits)
        process = subprocess.Popen([program, "1000"], **as_user(ATTACKER))
        print(check_denied(daemon, process.pid), end="")
        process.kill()
        process.wait()
    daemon.expect_line(DENIED)
    daemon.check_alive()
    daemon.stop()


def file_capabilities(stage):
    """his own process, whose program has file capabilities"""
    program = stage.copy("/bin/sleep", "capable")
    # struct vfs_cap_data (linux/capability.h): version 2, effective; CAP_NET_RAW permitted
    try:
        os.setxattr(program, "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0))
    except OSError as e:
        skip(f"file capabilities cannot be set in {stage.folder}: {e.strerror}")
    process = subprocess.Popen([program, "1000"], **as_user(ATTACKER))
    with open(f"/proc/{process.pid}/status") as f:
        check("CapPrm:\t0000000000002000" in f.read(), "the program has no capability")
    daemon = Daemon(stage)
    print(check_denied(daemon, process.pid), end="")
    daemon.expect_line(DENIED)
    process.kill()
    process.wait()
    daemon.check_alive()
    daemon.stop()


def other_group(stage):
    """a process of his own user, in another group"""
    deny(stage, Sleeper(ATTACKER, gid=12345))


def child_pid_namespace(stage):
    """from a pid namespace of his own, process 1"""
    daemon = Daemon(stage)
    prefix = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
    if subprocess.run([*prefix, "true"], **as_user(ATTACKER)).returncode != 0:
        skip("users may not make namespaces here")
    client = Client(daemon, ["-p", "1"], prefix=prefix).finish()
    print(client.errors, end="")
    check(client.status == 1 and not client.all("attached"), f"not refused: {client.errors}{client.lines}")
    check("namespace" in client.errors, "the reason is not told")
    daemon.expect_line(r"uid %d.*" % ATTACKER)
    daemon.check_alive()
    daemon.stop()


def invisible_peer(stage):
    """from outside the daemon's pid namespace, where it has no number"""
    need_program("nsenter")
    daemon = Daemon(stage, ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
    target = Sleeper(ATTACKER)
    check_denied(daemon, target.pid)
    check_denied(daemon, 1)
    daemon.expect_line("client refused, its credentials cannot be told")
    target.kill()
    daemon.reach = ["nsenter", "--target", str(daemon.pid), "--pid", "--mount"]
    # What the witness starts lives inside; his user is taken there.
    daemon.check_alive(0)
    daemon.kill()


def namespace_root(stage):
    """as root of a user namespace of his own"""
    daemon = Daemon(stage)
    prefix = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*prefix, "true"], **as_user(ATTACKER)).returncode != 0:
        skip("users may not make namespaces here")
    target = Sleeper(0)
    check_denied(daemon, target.pid, prefix=prefix)
    daemon.expect_line(DENIED)
    target.kill()
    daemon.check_alive()
    daemon.stop()


def passed_socket(stage):
    """with a connection that another user made and passed on; it is judged as the one who made it"""
    daemon = Daemon(stage)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    theirs, attackers = Sleeper(WITNESS), Sleeper(ATTACKER)

    def give():
        with Wire(daemon) as wire:
            socket.send_fds(near, [b"x"], [wire.socket.fileno()])

    def use():
        _, fds, _, _ = socket.recv_fds(far, 1, 1)
        wire = Wire.__new__(Wire)
        wire.socket = socket.socket(fileno=fds[0])
        wire.say(attach(theirs.pid, req=1))
        check(wire.wait_for(ATTACHED, ERROR)[0] == ERROR, "the attacker's connection traces the witness's process")
        wire.say(attach(attackers.pid, req=2))
        check(wire.wait_for(ATTACHED, ERROR)[0] == ATTACHED, "the attacker's connection is not the attacker's")

    run_as(ATTACKER, give)
    run_as(WITNESS, use)
    daemon.expect_line(DENIED)
    theirs.kill()
    attackers.kill()
    daemon.check_alive()
    daemon.stop()


def failing_helper(stage):
    """while the change of credentials fails, or is said to be done and is not"""
    need_program("strace")
    for inject in ("setresuid:error=EPERM", "setresuid:retval=0", "setresgid:error=EPERM",
                   "pidfd_getfd:error=ENOSYS"):
        daemon = Daemon(stage, ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={inject.split(':')[0]}",
                                "-e", f"inject={inject}"])
        theirs, own = Sleeper(0), Sleeper(ATTACKER)
        print(inject, check_denied(daemon, theirs.pid), end="")
        print(inject, check_denied(daemon, own.pid), end="")
        daemon.expect_line(r"uid %d" % ATTACKER)
        theirs.kill()
        own.kill()
        check(daemon.process.poll() is None, "faultlined ended")
        daemon.kill()


def strange_targets(stage):
    """the daemon, its engine, kernel threads, zombies, a process in an uninterruptible sleep, one that is traced"""
    daemon = Daemon(stage)
    with_engine = Sleeper(ATTACKER)
    client = Client(daemon, ["-p", str(with_engine.pid)])
    client.wait_for("attached")
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
    engine = daemon.engines(ATTACKER)[0]
    for uid in (ATTACKER, 0):
        for pid in (daemon.pid, engine, 2, zombie, 0x3FFFFFFF):
            print(check_denied(daemon, pid, uid), end="")
    os.waitpid(zombie, 0)
    daemon.expect_line(DENIED)
    client.stop()
    client.check_ledger()
    with_engine.kill()
    waiting = subprocess.Popen([stage.target("modes"), "vfork"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               **as_user(ATTACKER))
    check(Client(daemon, ["-p", str(waiting.pid), "--duration=50ms"]).finish().status == 0, "not traced")
    waiting.kill()
    waiting.wait()
    daemon.check_alive()
    daemon.stop()


def never_reads_memory(stage):
    """pages that answer late or never (userfaultfd, FUSE): the daemon reads no memory of a target that runs"""
    need_program("strace")
    trace = stage.path("calls")
    daemon = Daemon(stage, ["strace", "-f", "-qq", "-o", trace, "-e",
                            "trace=process_vm_readv,open,openat,openat2"])
    target = Target([stage.target("anon"), "zero-fill"], ATTACKER)
    client = Client(daemon, ["--stack", "--lines", "-f", "-p", str(target.pid), f"--count={target.n_faults}"])
    client.wait_for("attached")
    target.open_gate()
    check(client.finish().status == 0, client.errors)
    target.finish()
    daemon.check_alive()
    daemon.stop()
    with open(trace) as f:
        calls = f.read()
    check("/proc/" in calls and "process_vm_readv" not in calls and "/mem\"" not in calls and "\"mem\"" not in calls,
          "the daemon reads the memory of a target that runs")
    # A name that is something else by now must not be waited for either.
    daemon = Daemon(stage)
    for kind in ("fifo", "link", "device"):
        name = stage.copy(stage.target("exec"), f"image-{kind}")
        target = Target([name, "text"], ATTACKER)
        os.unlink(name)
        if kind == "fifo":
            os.mkfifo(name)
        elif kind == "link":
            os.symlink("/dev/zero", name)
        else:
            os.mknod(name, 0o20666, os.makedev(1, 5))
        client = Client(daemon, ["-p", str(target.pid), f"--count={target.n_faults}"])
        client.wait_for("attached")
        target.open_gate()
        check(client.finish().status == 0, client.errors)
        check(client.check_ledger()["delivered"] == target.n_faults, "faults are missing")
        target.finish()
    daemon.check_alive()
    daemon.stop()


def kernel_secrets(stage):
    """page frames and kernel addresses"""
    daemon = Daemon(stage)
    target = Target([stage.target("syscall"), "read"], ATTACKER)
    client = Client(daemon, ["--stack", "-p", str(target.pid), f"--count={target.n_faults}"])
    client.wait_for("attached")
    target.open_gate()
    check(client.finish().status == 0, client.errors)
    check(any(fault["mode"] == "kernel" for fault in client.all("fault")), "no fault of the kernel's")
    text = repr(client.lines)
    check("frame_before" not in text and "'frame'" not in text, f"page frames are shown: {text}")
    check("0xffff" not in text, f"kernel addresses are shown: {text}")
    target.finish()
    # Symbol names of the kernel are no secret, and where it was is one: another user's trace shows nothing of this one.
    daemon.check_alive()
    check_denied(daemon, daemon.pid)
    daemon.expect_line(DENIED)
    daemon.stop()


def followed_setuid(stage):
    """events of a child that runs a set-user-ID program, and what another session of his may know of it"""
    program = make_setuid(stage, stage.target("setid"), "setid")
    env = {**os.environ, "TARGET_PROGRAM": program}
    daemon = Daemon(stage)
    target = Target([stage.target("setid"), "child"], ATTACKER, env=env)
    clients = [Client(daemon, ["-f", "-p", str(target.pid)]) for _ in range(2)]
    for client in clients:
        client.wait_for("attached")
    target.open_gate()
    while "done" not in (line := target.next_line()):
        check(line, "the target ended")
    for client in clients:
        client.wait_for("revoked")
        client.stop()
        ledger = client.check_ledger()
        inside = [fault for fault in client.all("fault") if 0x330000000000 <= int(fault["addr"], 16) < 0x340000000000]
        check(not inside, f"faults of the set-user-ID program are shown: {inside}")
        check(ledger["filtered"] or ledger["delivered"], f"nothing was traced: {ledger}")
    daemon.expect_line("is hidden from uid %d" % ATTACKER)
    target.process.kill()
    target.process.wait()
    daemon.check_alive()
    daemon.stop()


def output_link(stage):
    """an output file that is a link to somebody else's: the client writes files, as who runs it; the daemon none"""
    secret = stage.path("secret")
    with open(secret, "w") as f:
        f.write("as it was")
    folder = stage.path("sticky")
    os.mkdir(folder)
    os.chmod(folder, 0o1777)
    link = f"{folder}/out.folded"
    os.symlink(secret, link)
    daemon = Daemon(stage)
    target = Target([stage.target("anon"), "zero-fill"], ATTACKER)
    process = subprocess.run([stage.faultline, "flame", f"--socket={daemon.socket}", "-p", str(target.pid),
                              "--duration=50ms", "-o", link], **as_user(ATTACKER),
                             capture_output=True, text=True)
    print(process.stderr, end="")
    with open(secret) as f:
        check(f.read() == "as it was", "another user's file was written")
    target.kill()
    check_denied(daemon, 1)
    daemon.expect_line(DENIED)
    daemon.check_alive()
    daemon.stop()


CASES = {
    1: other_user,
    2: roots,
    3: not_dumpable,
    4: setuid,
    5: file_capabilities,
    6: other_group,
    11: child_pid_namespace,
    12: invisible_peer,
    13: namespace_root,
    14: passed_socket,
    16: failing_helper,
    21: strange_targets,
    22: never_reads_memory,
    25: followed_setuid,
    26: kernel_secrets,
    27: output_link,
}
