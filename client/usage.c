/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What faultline says about itself: all of it for --help, the beginning for somebody who has only typed its name. */
#include "client/options.h"

static const char usage[] = "Usage: faultline [trace] TARGET [options]\n"
                            "       faultline top TARGET [options]\n"
                            "       faultline stat TARGET [options]\n"
                            "       faultline flame TARGET -o FILE.svg|FILE.folded [options]\n"
                            "       faultline maps [--live] PID\n"
                            "       faultline walk PID ADDRESS|SYMBOL\n"
                            "Show every page fault of a running process as it happens.\n"
                            "\n"
                            "  faultline -p 1234                      a running process, until Ctrl-C\n"
                            "  faultline --outcome=major -- ./server   what a new process waits for\n"
                            "  faultline -f -- make                   a command with all that it starts\n"
                            "  faultline top -p 1234                  the same as a picture that moves\n"
                            "  faultline stat --by=code -p 1234       which code took how many\n"
                            "  faultline flame -o f.svg -- ./server   by which calls, as a picture\n"
                            "  faultline maps 1234                    what its memory is, without a trace\n";

void options_put_usage(struct text *out)
{
        text_put_string(out, usage);
        text_put_string(out, "\n"
                             "TARGET is -p PID[,PID...], -u UNIT or -- COMMAND [ARG...]; faultline --help lists the "
                             "options.\n");
}

void options_put_help(struct text *out)
{
        text_put_string(out, usage);
        text_put_string(out,
                        "\n"
                        "TARGET:\n"
                        "  -p PID[,PID...]          running processes\n"
                        "  -u UNIT, --unit=UNIT     all processes of a systemd unit or a cgroup, later ones too\n"
                        "  -- COMMAND [ARG...]      a new process, traced from its first instruction\n"
                        "\n"
                        "Options:\n"
                        "  -f, --follow             trace the processes that it starts, too\n"
                        "  --ptrace=hold|light|off  hold on to it, stop it once at the beginning, or never\n"
                        "                           (default: hold where that does no harm)\n"
                        "  --unmaps                 find out who unmapped the memory of a use-after-unmap (root)\n"
                        "  --stack[=BYTES]          call stacks, from so many bytes of each (up to 65528)\n"
                        "  --lines                  call stacks with source lines and inlined functions\n"
                        "  --no-demangle            names of C++ and Rust as the linker knows them\n"
                        "  --by=LIST                stat: the tables; top: the first one. Of cause, map, section,\n"
                        "                           symbol, code, thread, image, process, stack\n"
                        "  --top=N                  stat: so many rows of each table (default: 20, or 10 of all)\n"
                        "  -I, --interval=TIME      stat: tables so often (no unit: s)\n"
                        "  --weight=count|bytes|time\n"
                        "                           stat, flame: what a fault weighs (default: count)\n"
                        "  -o FILE.svg|FILE.folded  flame: a picture for a browser, or lines for other tools\n"
                        "  --detail=basic|full      how much to find out (default: as much as is permitted)\n"
                        "  --no-fold                a line for each fault on a terminal, too\n"
                        "  --live                   maps: what happens there, by a trace\n"
                        "  --format=text|json       a line for people or an object for programs (default: text);\n"
                        "                           stat also has csv\n"
                        "  --outcome=LIST           only faults with these outcomes, e.g. major,failed\n"
                        "  --cause=LIST             only faults with these causes, e.g. cow-copy,zero-fill\n"
                        "  --access=LIST            only faults with these accesses, e.g. write\n"
                        "  --map=GLOB               only faults in maps whose path matches, e.g. '*/libc.so*'\n"
                        "  --min-latency=TIME       only faults that took at least so long (no unit: us)\n"
                        "  --duration=TIME          stop after so long (no unit: s)\n"
                        "  --count=N                stop after N faults of each target\n"
                        "  --socket=PATH            use the faultlined that listens there\n"
                        "  --private                start a faultlined of one's own, do not use the service\n"
                        "  --color=auto|always|never\n"
                        "  --version, --help\n"
                        "\n"
                        "TIME is a number with a unit: ns, us, ms, s, min, h.\n"
                        "See faultline(1) for the columns, the causes and the ledger.\n");
}
