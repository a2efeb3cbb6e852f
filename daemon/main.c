/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * faultlined: arguments, and what runs in which process. This is the only file that knows monitor, engine and tracer.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "daemon/engine/engine.h"
#include "daemon/monitor/config.h"
#include "daemon/monitor/monitor.h"
#include "daemon/tracer/tracer.h"

#define EXIT_USAGE 2

/* The arguments as /proc/PID/cmdline shows them: one piece of memory, from the first string to the end of the last. */
static struct {
        char *text;
        size_t n_bytes;
} command_line;

static void keep_command_line(int argc, char *argv[])
{
        const char *last;

        if (argc < 1) /* possible before Linux 5.18 */
                return;
        last = argv[argc - 1];
        command_line.text = argv[0];
        command_line.n_bytes = (size_t)(last + strlen(last) + 1 - argv[0]);
}

/* Which of our processes this is, for ps(1) and top(1): in the name (15 bytes) and in the arguments. */
static void set_title(const char *title)
{
        (void)prctl(PR_SET_NAME, title);
        memset(command_line.text, 0, command_line.n_bytes);
        (void)snprintf(command_line.text, command_line.n_bytes, "%s", title);
}

static int run_engine(int link_fd)
{
        set_title("faultlined-eng");
        return engine_main(link_fd);
}

static int run_tracer(int link_fd, int process_fd)
{
        set_title("faultlined-trc");
        return tracer_main(link_fd, process_fd);
}

static void print_help(void)
{
        printf("usage: faultlined [--socket=PATH]\n"
               "       faultlined --private=FD\n"
               "       faultlined --check-config [--config=DIRECTORY]\n"
               "\n"
               "The daemon of faultline(1): traces the page faults of processes for its clients.\n"
               "\n"
               "  --socket=PATH  listen on PATH instead of %s\n"
               "                 (a socket passed by systemd goes first)\n"
               "  --private=FD   serve the one client that is connected to descriptor FD, then end\n"
               "  --config=DIRECTORY\n"
               "                 read faultlined.conf and faultlined.conf.d/*.conf there, and nowhere else\n"
               "  --check-config print the settings that hold, and what is wrong with the configuration\n"
               "  --version      print the version\n"
               "  --help         print this text\n",
               MONITOR_SOCKET_PATH);
}

static int usage_error(const char *what, const char *value)
{
        fprintf(stderr, "faultlined: %s%s; see faultlined --help\n", what, value);
        return EXIT_USAGE;
}

/* A connected SOCK_SEQPACKET socket, or -1. */
static int parse_private_fd(const char *text)
{
        socklen_t n_bytes = sizeof(int);
        char *end;
        int type;

        errno = 0;
        long fd = strtol(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || fd < 0 || fd > 1 << 20)
                return -1;
        if (getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &n_bytes) < 0 || type != SOCK_SEQPACKET)
                return -1;
        return (int)fd;
}

int main(int argc, char *argv[])
{
        static const struct option options[] = {
                {"socket", required_argument, NULL, 's'},
                {"private", required_argument, NULL, 'p'},
                {"config", required_argument, NULL, 'c'},
                {"check-config", no_argument, NULL, 'k'},
                {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        const char *one_directory[] = {NULL, NULL};
        struct monitor_options monitor = {.private_fd = -1,
                                          .config_directories = config_directories,
                                          .engine_main = run_engine,
                                          .tracer_main = run_tracer};
        bool is_check = false;
        int option;

        keep_command_line(argc, argv);
        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
                switch (option) {
                case 's':
                        monitor.socket_path = optarg;
                        break;
                case 'p':
                        monitor.private_fd = parse_private_fd(optarg);
                        if (monitor.private_fd < 0)
                                return usage_error("--private needs a connected SOCK_SEQPACKET socket, not ", optarg);
                        break;
                case 'c':
                        one_directory[0] = optarg;
                        monitor.config_directories = one_directory;
                        break;
                case 'k':
                        is_check = true;
                        break;
                case 'v':
                        printf("faultlined %s\n", FAULTLINE_VERSION);
                        return EXIT_SUCCESS;
                case 'h':
                        print_help();
                        return EXIT_SUCCESS;
                default: /* getopt_long has said what is wrong */
                        return EXIT_USAGE;
                }
        if (optind < argc)
                return usage_error("unexpected argument ", argv[optind]);
        if (monitor.private_fd >= 0 && monitor.socket_path != NULL)
                return usage_error("--private and --socket exclude each other", "");
        if (is_check)
                return config_check(monitor.config_directories, stdout, stderr);
        if (monitor.private_fd >= 0 && one_directory[0] != NULL)
                return usage_error("--private reads no configuration: --config does not go with it", "");
        if (monitor.private_fd >= 0)
                monitor.config_directories = NULL;
        return monitor_run(&monitor);
}
