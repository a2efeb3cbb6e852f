/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work that leads programs through much of their code within a second: parsing, sorting, compiling, garbage collection,
 * making a key. They are run by their usual paths: what stands first in PATH may be a script that starts another.
 */
#include "tests/live/oracle_programs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tests/live/monitor_support.h"

static char compiler[PATH_MAX], source[] = "/tmp/oracle-XXXXXX";

const struct oracle_program oracle_programs[N_ORACLE_PROGRAMS] = {
        {"python3",
         "/usr/bin/python3",
         {"-c", "import json, re, decimal, random, collections\n"
                "random.seed(1)\n"
                "def tree(n): return [] if n == 0 else [tree(n - 1), {str(n): tree(n - 1)}]\n"
                "text = json.dumps([tree(9) for i in range(4)])\n"
                "parts = re.findall('\\\\d+', text)\n"
                "counted = collections.Counter(parts)\n"
                "numbers = sorted(decimal.Decimal(random.random()) for i in range(9000))\n"
                "assert json.loads(text) and sum(counted.values()) == len(parts)\n"},
         "python3",
         0},
        {"perl",
         "/usr/bin/perl",
         {"-MPOSIX", "-MData::Dumper", "-e",
          "sub t { my $n = shift; return $n ? { map { $_ => t($n - 1) } 1 .. 5 } : [1 .. 9] }"
          "my $d = Dumper(t(4)); my %c; $c{$1}++ while $d =~ /(\\d+)/g;"
          "my @s = sort { $a cmp $b } map { sprintf '%x', $_ * 7919 % 10007 } 1 .. 9000;"
          "(my $e = $d) =~ s/(\\d)/<$1>/g;"},
         "perl-base",
         0},
        {"cc1", NULL, {"-quiet", "-O2", "-o", "/dev/null", source}, "gcc", 0},
        {"node",
         "/usr/bin/node",
         {"-e", "const t = n => n ? { a: t(n - 1), b: [t(n - 1)], s: 'x'.repeat(n) } : null;"
                "let a = []; for (let i = 0; i < 4; i++) a.push(JSON.parse(JSON.stringify(t(9))));"
                "a.flatMap(x => Object.keys(x)).sort().map(k => k.replace(/[ab]/g, c => c + c));"
                "new Map(Array.from({ length: 20000 }, (_, i) => [i * 7919 % 90001, new Array(9)]));"},
         "nodejs",
         0},
        {"openssl",
         "/usr/bin/openssl",
         {"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=oracle", "-keyout", "/dev/null"},
         "openssl",
         0},
        {"git",
         "/usr/bin/git",
         {"--no-pager", "diff", "--no-index", "--patience", "/dev/null", source},
         "git",
         1 /* they differ */},
        {"cmake", "/usr/bin/cmake", {"--help-full"}, "cmake", 0},
};

/* Functions for the compiler, and lines for whoever compares them with nothing. */
int oracle_write_source(void **state)
{
        int fd = mkstemp(source);
        FILE *file;

        if (fd < 0)
                return -1;
        file = fdopen(fd, "w");
        if (!file)
                return -1;
        for (int i = 0; i < 90; i++)
                fprintf(file,
                        "struct s%d { int n; struct s%d *next; double d[%d]; };\n"
                        "int f%d(struct s%d *s, int n)\n{\n"
                        "        int sum = %d;\n"
                        "        for (int i = 0; i < n && s; i++, s = s->next)\n"
                        "                switch (s->n %% %d) {\n"
                        "                case 0: sum += s->n * i; break;\n"
                        "                case 1: sum ^= (int)(s->d[i %% %d] * %d.5); break;\n"
                        "                default: sum -= f%d((struct s%d *)s->next, n - 1);\n"
                        "                }\n"
                        "        return sum;\n}\n",
                        i, i, i % 9 + 1, i, i, i, i % 5 + 2, i % 9 + 1, i, i / 2, i / 2);
        return fclose(file);
}

int oracle_remove_source(void **state)
{
        return unlink(source);
}

void oracle_find_compiler(void)
{
        FILE *answer = popen("gcc -print-prog-name=cc1 2>/dev/null", "re");

        if (answer && fgets(compiler, sizeof(compiler), answer))
                compiler[strcspn(compiler, "\n")] = '\0';
        if (answer)
                (void)pclose(answer);
}

static const char *path_of(const struct oracle_program *program)
{
        return program->path ? program->path : compiler;
}

bool oracle_is_installed(const struct oracle_program *program)
{
        return path_of(program)[0] == '/' && access(path_of(program), X_OK) == 0;
}

const struct oracle_program *oracle_to_execute;

void oracle_run_program(int command, int answer)
{
        const char *arguments[ARRAY_SIZE(oracle_to_execute->arguments) + 2] = {path_of(oracle_to_execute)};
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        memcpy(arguments + 1, oracle_to_execute->arguments, sizeof(oracle_to_execute->arguments));
        for (int fd = 0; fd < 3; fd++)
                if (dup2(null, fd) < 0)
                        _exit(98);
        target_say(answer, 'r');
        target_hear(command);
        (void)execv(path_of(oracle_to_execute), (char *const *)(uintptr_t)arguments);
        _exit(99);
}
