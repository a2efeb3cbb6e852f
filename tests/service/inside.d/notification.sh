# SPDX-License-Identifier: LGPL-2.1-or-later
# Somebody who is not the service talks to systemd about it.
# shellcheck shell=bash disable=SC2154

# notify_as USER [CGROUP]: every lie there is, from a process of that user; in that control group. Returns when systemd
# has read it (BARRIER= of sd_notify(3)).
notify_as()
{
        local -n prefix=as_$1
        local group=${2:-}

        (
                [ -z "$group" ] || echo "$BASHPID" >"$group/cgroup.procs"
                exec "${prefix[@]}" python3 - "$(property MainPID)" <<'END'
import os, socket, sys

barrier, ours = os.pipe()
kept = os.open("/dev/null", os.O_RDONLY)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.connect("/run/systemd/notify")
    for state in ("READY=1", "STATUS=spoofed", "WATCHDOG=1", "RELOADING=1", f"MAINPID={os.getpid()}", "ERRNO=1"):
        manager.send(state.encode())
    socket.send_fds(manager, [b"FDSTORE=1\nFDNAME=sessions"], [kept])
    manager.send(b"FDSTOREREMOVE=1\nFDNAME=sessions")
    manager.send(b"WATCHDOG=trigger")
    manager.send(b"STOPPING=1")
    socket.send_fds(manager, [b"BARRIER=1"], [ours])
os.close(ours)
os.read(barrier, 1)
END
        ) || fail "the process that said so has ended: it was taken for the service"
}

what_systemd_thinks()
{
        systemctl show faultlined.service \
                --property=MainPID,StatusText,StatusErrno,NFileDescriptorStore,ActiveState,SubState,NRestarts
}

n_disbelieved()
{
        systemd_says 'reception only permitted for main PID' | wc -l
}

step "systemd does not believe who only claims to be the service"
begin_watched
until_true "the trace is not told" status_text_is "1 trace of 1 user, 1 client"
before=$(what_systemd_thinks)
[ "$(property NFileDescriptorStore)" = 2 ] || fail "not the table and a process are kept: $before"
group=/sys/fs/cgroup$(property ControlGroup)
n_before=$(n_disbelieved)
notify_as stranger
[ "$(what_systemd_thinks)" = "$before" ] || fail "a stranger is believed: $(what_systemd_thinks)"
# Nor a child of the service, which is in its control group: it may be the user's whom it serves.
for who in nobody root; do
        notify_as "$who" "$group"
        [ "$(what_systemd_thinks)" = "$before" ] || fail "a child of the service is believed: $(what_systemd_thinks)"
done
[ $(($(n_disbelieved) - n_before)) = 20 ] || fail "systemd does not say so of each of their 10 messages"
steps 2
end_watched
[ "$(property NRestarts)" = 0 ] || fail "the service was restarted"
