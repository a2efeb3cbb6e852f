# SPDX-License-Identifier: LGPL-2.1-or-later
# The package, or where none could be made what it would hold, is installed.
# shellcheck shell=bash disable=SC2154

# Not where the test itself, systemd, the journal and the indexes of the package manager lie.
list_files()
{
        find /etc /run /var \( -path "$folder" -o -path /run/systemd -o -path /run/log -o -path /run/udev \
                -o -path /run/user -o -path /run/dbus -o -path /run/credentials -o -path /run/mount \
                -o -path /var/log -o -path /var/cache -o -path /var/tmp -o -path /var/lib/systemd -o -path /var/lib/dpkg \
                -o -path /var/lib/private \) -prune -o -print | sort
}

run_dpkg()
{
        DEBIAN_FRONTEND=noninteractive LC_ALL=C dpkg "$@" >"$folder/dpkg.log" 2>&1 ||
                fail "dpkg $*: $(cat "$folder/dpkg.log")"
        ! grep -iE '^(warning|error)|dpkg: (warning|error)|[Ff]ailed' "$folder/dpkg.log" || fail "dpkg $* complains"
}

# The directory is the collector's, not ours.
metrics=/var/lib/prometheus/node-exporter/faultline.prom
mkdir -p "${metrics%/*}"

systemctl is-active --quiet faultlined.socket && fail "the socket is active before it was installed"
if [ -n "$package" ]; then
        step "the package is installed: users are made, the socket listens, the service waits for its first client"
        # Of a machine that is a container itself; it keeps packages from starting anything.
        rm -f /usr/sbin/policy-rc.d
        # Manual pages are not indexed here: it takes longer than all the rest.
        rm -f /var/lib/man-db/auto-update
        list_files >"$folder/before"
        run_dpkg -i "$package"
        [ "$(dpkg-query -W -f '${db:Status-Status}' faultline)" = installed ] || fail "the package is not installed"
        dpkg --verify faultline >"$folder/verified" || fail "dpkg --verify: $(cat "$folder/verified")"
        [ "$(systemctl is-enabled faultlined.socket)" = enabled ] || fail "the socket is not enabled"
        [ "$(dpkg-query -W -f '${Conffiles}' faultline | awk '{ print $1 }')" = /etc/faultline/faultlined.conf ] ||
                fail "the configuration is no configuration file to dpkg"
else
        step "users are made and the socket listens, the service waits for its first client"
        systemd-sysusers
        journalctl --update-catalog
        systemctl daemon-reload
        systemctl start faultlined.socket
fi
systemctl is-active --quiet faultlined.socket || fail "the socket does not listen"
is_active && fail "the service runs without a client"
[ "$(stat -c %a /run/faultline/faultline.sock)" = 666 ] || fail "not everyone may connect"
id -nG faultline | grep -qx faultline || fail "the user is in other groups than its own"
faultlined --check-config >"$folder/settings" || fail "the configuration is not right"

step "metrics do not start the service, and old ones do not stay"
echo old >"$metrics"
systemctl start faultline-metrics.service
[ ! -e "$metrics" ] || fail "the old metrics stay"
is_active && fail "the metrics started the service"
journalctl --sync
[ -z "$(journalctl --quiet -o cat -u faultline-metrics.service 2>&1)" ] || fail "the journal is told of nothing"
