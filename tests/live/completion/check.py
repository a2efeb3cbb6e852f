#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
check.py bash|zsh|fish SCRIPT: what a real shell offers for beginnings of command lines.

bash and zsh run on a terminal of their own and are asked to insert everything that they would offer (insert-completions
of readline(3); compstate[insert]=all of zsh): a function in faultline's place then tells the words that it gets. fish
is asked by complete -C. Nothing is waited for but what the shells say.
"""
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile

FORMATS = ["text", "json"]
COMMANDS = ["trace", "top", "stat", "flame", "maps", "walk", "status", "metrics"]
GROUPS = ["cause", "map", "section", "symbol", "code", "thread", "image", "process", "stack"]


def prefixed(prefix, words):
    return [prefix + word for word in words]


# What is typed, and all that is offered for the last word: whole words, as faultline would get them.
CASES = [
    ("faultline ", COMMANDS),
    ("faultline fl", ["flame"]),
    ("faultline st", [c for c in COMMANDS if c.startswith("st")]),
    ("faultline record", []),
    ("faultline --format=", prefixed("--format=", FORMATS)),
    ("faultline --format=j", ["--format=json"]),
    ("faultline --format j", ["json"]),
    ("faultline trace --format=c", []),
    ("faultline stat --format=c", ["--format=csv"]),
    ("faultline walk 1 x --format ", FORMATS),
    ("faultline stat --to", ["--top"]),
    ("faultline top --to", []),
    ("faultline maps --li", ["--live", "--lines"]),
    ("faultline --li", ["--lines"]),
    ("faultline walk --un", []),
    ("faultline status --", ["--color", "--format", "--help", "--socket", "--version"]),
    ("faultline status --format=", prefixed("--format=", FORMATS)),
    ("faultline -f --los", []),
    ("faultline metrics -o @DIR@/onl", ["@DIR@/only"]),
    ("faultline metrics --form", []),
    ("faultline --ptrace=", prefixed("--ptrace=", ["hold", "light", "off"])),
    ("faultline -p 1 --access=", prefixed("--access=", ["read", "write", "exec"])),
    ("faultline --access=write,", prefixed("--access=write,", ["read", "exec"])),
    ("faultline --cause=cow-copy,cow-", ["--cause=cow-copy,cow-reuse"]),
    ("faultline --cause cow-reuse,zero-f", ["cow-reuse,zero-fill"]),
    ("faultline --outcome ma", ["major"]),
    ("faultline stat --by=", prefixed("--by=", GROUPS)),
    ("faultline stat --by map,s", prefixed("map,", ["section", "symbol", "stack"])),
    ("faultline top --by=ma", ["--by=map"]),
    ("faultline --by=ma", []),
    ("faultline flame --weight ", ["count", "bytes", "time"]),
    ("faultline --count ", []),
    ("faultline -p @BEGIN@", ["@PID@"]),
    ("faultline -p1,@BEGIN@", ["-p1,@PID@"]),
    ("faultline stat -p 1,@BEGIN@", ["1,@PID@"]),
    ("faultline maps @BEGIN@", ["@PID@"]),
    ("faultline maps --live @BEGIN@", ["@PID@"]),
    ("faultline walk @BEGIN@", ["@PID@"]),
    ("faultline walk 1 @BEGIN@", []),
    ("faultline maps 1 @BEGIN@", []),
    ("faultline --socket=@DIR@/onl", ["--socket=@DIR@/only"]),
    ("faultline flame -o @DIR@/onl", ["@DIR@/only"]),
    ("faultline -u faultline-tes", ["faultline-test.service", "faultline-test.slice"]),
    ("faultline --unit=faultline-test.se", ["--unit=faultline-test.service"]),
    ("faultline -u @DIR@/gr", ["@DIR@/group/"]),
    ("faultline -- faultline_one", ["faultline_one_of_a_kind"]),
    ("faultline -f -p 1 -- faultline_one_of_a_kind @DIR@/onl", ["@DIR@/only"]),
    ("faultline -- faultline_one_of_a_kind --form", []),
]


class Terminal:
    """A shell on a terminal. It says when it is ready for a line, by its prompt."""

    PROMPT = b"READY>"

    def __init__(self, arguments, environment):
        self.unread = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(arguments[0], arguments, environment)
        self.read_until(self.PROMPT)

    def read_until(self, end):
        while end not in self.unread:
            self.unread += os.read(self.fd, 4096)
        text, self.unread = self.unread.split(end, 1)
        return text

    def run(self, line):
        """The output of a line: what stands between two marks that the typed line does not contain."""
        os.write(self.fd, line)
        self.read_until(b"[[")
        output = self.read_until(b"]]")
        self.read_until(self.PROMPT)
        return output.decode()

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


# In the shell: tells the last words, from the one that was completed on.
REPORT = """faultline() { printf '[''['; shift $(($n_before)); for word; do printf '<%s>' "$word"; done; printf ']'']'; }\n"""


def bash_setup(script):
    return f"PS1='READY>'; bind '\"\\C-t\": insert-completions'; bind 'set enable-bracketed-paste off'\n. {script}\n{REPORT}"


def zsh_setup(script):
    return (f"PS1='READY>'; unsetopt prompt_cr prompt_sp; unset zle_bracketed_paste\n"
            f"fpath=({os.path.dirname(script)} $fpath); autoload -Uz compinit; compinit -D -u\n"
            "all_of_them() { compstate[insert]=all; compstate[list]=; }\n"
            "offer_all() { comppostfuncs=(all_of_them); zle complete-word; }\nzle -N offer_all; bindkey '^T' offer_all\n"
            f"{REPORT}")


class Typing:
    """bash or zsh."""

    def __init__(self, arguments, setup, environment):
        rc = os.path.join(environment["HOME"], ".zshrc" if "zsh" in arguments[0] else "rc")
        with open(rc, "w", encoding="utf-8") as file:
            file.write(setup)
        self.terminal = Terminal(arguments, environment)

    def offers(self, line):
        words = line.split(" ")
        before, typed = words[1:-1], words[-1]
        reply = self.terminal.run(f"n_before={len(before)}; {line}".encode() + b"\x14\r")
        found = re.findall(r"<([^>]*)>", reply)
        # Both put what they insert behind the part of the word that stays.
        head = re.match(r"^(--[a-z-]+=|-[a-z](?=[^a-z]))?", typed).group(0)
        return sorted({word if word.startswith(head) else head + word for word in found} - {typed})

    def close(self):
        self.terminal.close()


class Fish:
    def __init__(self, script, environment):
        self.script, self.environment = script, environment

    def offers(self, line):
        found = subprocess.run(["fish", "--no-config", "-c", f"source {self.script}; complete -C \"$argv\"", "--", line],
                               env=self.environment, stdout=subprocess.PIPE, check=True, text=True).stdout
        return sorted({entry.split("\t")[0] for entry in found.splitlines()})

    def close(self):
        pass


def start_shell(shell, script, environment):
    rc = os.path.join(environment["HOME"], "rc")
    if shell == "bash":
        return Typing(["bash", "--noprofile", "--rcfile", rc, "-i"], bash_setup(script), environment)
    if shell == "zsh":
        os.makedirs(os.path.join(environment["HOME"], "functions"))
        shutil.copy(script, os.path.join(environment["HOME"], "functions/_faultline"))
        return Typing(["zsh", "-d", "-i"], zsh_setup(os.path.join(environment["HOME"], "functions/_faultline")),
                      environment)
    return Fish(script, environment)


def make_home(home):
    """Files to be found, a program, and a systemctl with units of its own."""
    for name in ("bin/systemctl", "bin/faultline_one_of_a_kind"):
        path = os.path.join(home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n[ \"$1\" = list-units ] && echo 'faultline-test.service loaded active running A test'"
                       " && echo 'faultline-test.slice loaded active active Another'\n")
        os.chmod(path, 0o755)
    os.makedirs(os.path.join(home, "files/group"))
    with open(os.path.join(home, "files/only"), "w", encoding="utf-8"):
        pass
    return {"HOME": home, "ZDOTDIR": home, "TERM": "dumb", "LC_ALL": "C.UTF-8", "COLUMNS": "500",
            "PATH": os.path.join(home, "bin") + ":/usr/bin:/bin"}


def normal(words):
    """Shells differ in whether a sign for "more follows" is part of what they offer."""
    return sorted({re.sub(r"^(--[a-z-]+)=$|/$", r"\1", word) for word in words})


def others(words, pid):
    """Processes come and go: of those that are offered, all but ours are left out."""
    return {word for word in words if re.fullmatch(r"(-p)?([0-9]+,)*[0-9]+", word) and not word.endswith(pid)}


def check(shell, script, home):
    environment = make_home(home)
    pid = str(os.getpid())
    places = {"@BEGIN@": pid[:-1], "@PID@": pid, "@DIR@": os.path.join(home, "files")}

    def placed(text):
        for name, value in places.items():
            text = text.replace(name, value)
        return text

    asked = start_shell(shell, script, environment)
    n_wrong = 0
    for line, expected in CASES:
        line, expected = placed(line), normal(placed(word) for word in expected)
        offered = asked.offers(line)
        offered = normal(set(offered) - others(offered, pid))
        if offered != expected:
            print(f"{line!r}: offered {offered} instead of {expected}")
            n_wrong += 1
    asked.close()
    print(f"{shell}: {len(CASES)} command lines, {n_wrong} wrong")
    return n_wrong == 0


def main():
    shell, script = sys.argv[1:]
    if shutil.which(shell) is None:
        print(f"SKIP: {shell} is not installed")
        return 77
    with tempfile.TemporaryDirectory() as home:
        return 0 if check(shell, os.path.realpath(script), home) else 1


if __name__ == "__main__":
    sys.exit(main())
