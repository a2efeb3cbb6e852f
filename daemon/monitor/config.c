/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table says which keys there are, what they may be and where they go; reading, complaining and printing follow it.
 * The syntax is libeconf's. Each file is read apart, because only then its own line is known of every key that is
 * wrong, and a later file is a later assignment and nothing more.
 *
 * Two lines of one file that set one key are a complaint: of these libeconf would keep the first, everything else that
 * is configured so the last. It tells of them when it is asked to join them, which only its environment variable can.
 * What libeconf (0.5) does not tell is not told here either: a section without any key, and "=value", are passed over.
 */
#include "daemon/monitor/config.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <libeconf.h>
#include <libeconf_ext.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/monitor/config_files.h"
#include "daemon/monitor/config_value.h"

#define COMMENT "#;"
#define DELIMITER "="
#define DEFAULT_ADMIN_GROUP "faultline"
#define DEFAULT_IDLE_EXIT_USEC (60 * UINT64_C(1000000))
#define YEAR_USEC (365 * UINT64_C(86400000000))

const char *const config_directories[] = {FAULTLINE_SYSCONFDIR "/faultline", "/run/faultline", "/usr/lib/faultline",
                                          NULL};

enum key_kind { KEY_GROUP, KEY_TIME, KEY_COUNT, KEY_BYTES };

struct key {
        const char *section, *name;
        enum key_kind kind;
        size_t offset; /* in struct settings */
        uint64_t min, max;
        const char *allowed;
};

#define LIMIT(name, kind, member, min, max, allowed)                                                                   \
        {                                                                                                              \
                "Limits", name, kind, offsetof(struct settings, limits.member), min, max, allowed                      \
        }
#define A_COUNT "a whole number from 1 to 65536"
#define A_SIZE "bytes from 1M to 1T, with K, M, G or T for powers of 1024"

static const struct key keys[] = {
        {"Daemon", "AdminGroup", KEY_GROUP, 0, 0, 0, "the name or number of a group, or nothing"},
        {"Daemon", "IdleExitSec", KEY_TIME, offsetof(struct settings, idle_exit_usec), 1000, YEAR_USEC,
         "seconds, or a time with ms, s, min, h or d, up to 365d, or infinity"},
        LIMIT("ClientsPerUser", KEY_COUNT, clients_per_user, 1, 65536, A_COUNT),
        LIMIT("TracesPerUser", KEY_COUNT, traces_per_user, 1, 65536, A_COUNT),
        LIMIT("MemoryPerUser", KEY_BYTES, memory_per_user_bytes, (uint64_t)64 << 20, (uint64_t)1 << 40,
              "bytes from 64M to 1T, with K, M, G or T for powers of 1024"),
        LIMIT("RingMemoryPerUser", KEY_BYTES, ring_memory_per_user_bytes, (uint64_t)1 << 20, (uint64_t)1 << 40, A_SIZE),
        LIMIT("DescriptorsPerUser", KEY_COUNT, descriptors_per_user, 64, 1 << 30,
              "a whole number from 64 to 1073741824"),
        LIMIT("Users", KEY_COUNT, users, 1, 65536, A_COUNT),
        LIMIT("RingMemory", KEY_BYTES, ring_memory_bytes, (uint64_t)1 << 20, (uint64_t)1 << 40, A_SIZE),
};

struct reading {
        struct settings settings;
        struct admins admins; /* of ->settings.admin_group, as soon as that was looked for */
        bool is_refused;      /* what there is cannot be trusted to say who is an administrator */
        size_t n_complaints;
        void (*complain)(void *user, const char *text);
        void *user;
};

static void PRINTF_LIKE(2, 3) complain_of(struct reading *reading, const char *format, ...)
{
        char text[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        for (char *p = text; *p != '\0'; p++)
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                        *p = '?';
        reading->n_complaints++;
        reading->complain(reading->user, text);
}

/* --- values --- */

static uint64_t *number_of(struct settings *settings, const struct key *key)
{
        return (uint64_t *)(void *)((char *)settings + key->offset);
}

static int set_group(struct reading *reading, const char *value)
{
        int r = strlen(value) < CONFIG_GROUP_BYTES ? admins_find(value, &reading->admins) : -ESRCH;

        reading->is_refused = r < 0;
        if (r == 0)
                strcpy(reading->settings.admin_group, value);
        return r;
}

static int set_value(struct reading *reading, const struct key *key, const char *value)
{
        uint64_t *number = number_of(&reading->settings, key);

        switch (key->kind) {
        case KEY_GROUP:
                return set_group(reading, value);
        case KEY_TIME:
                return config_parse_time(value, key->min, key->max, number);
        case KEY_COUNT:
                return config_parse_count(value, key->min, key->max, number);
        case KEY_BYTES:
                return config_parse_bytes(value, key->min, key->max, number);
        default:
                return -EINVAL;
        }
}

static const char *explain_group(int error)
{
        return error == ESRCH    ? "there is no such group"
               : error == EINVAL ? "this number is not that of one group"
                                 : strerrordesc_np(error);
}

/* --- one file --- */

static const struct key *find_key(const char *section, const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
                        return &keys[i];
        return NULL;
}

/* The section that has a key of this name, or NULL. */
static const char *find_section_of(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (strcmp(keys[i].name, name) == 0)
                        return keys[i].section;
        return NULL;
}

static bool is_section(const char *section)
{
        return strcmp(section, "Daemon") == 0 || strcmp(section, "Limits") == 0;
}

static void complain_of_unknown(struct reading *reading, const char *path, uint64_t line, const char *section,
                                const char *name)
{
        const char *other = find_section_of(name);

        reading->is_refused |= strcmp(name, "AdminGroup") == 0; /* whom it should be is not known */
        if (section == NULL)
                complain_of(reading, "%s:%" PRIu64 ": %s stands before any section; there are [Daemon] and [Limits]",
                            path, line, name);
        else if (!is_section(section))
                complain_of(reading,
                            "%s:%" PRIu64 ": %s: there is no section [%s]; there are [Daemon] and [Limits], see "
                            "faultlined.conf(5)",
                            path, line, name, section);
        else if (other != NULL)
                complain_of(reading, "%s:%" PRIu64 ": %s= belongs into [%s], not into [%s]", path, line, name, other,
                            section);
        else
                complain_of(reading, "%s:%" PRIu64 ": [%s] has no key %s, see faultlined.conf(5)", path, line, section,
                            name);
}

static void take_value(struct reading *reading, const struct key *key, const char *path, const econf_ext_value *found)
{
        const char *value = found->values == NULL || found->values[0] == NULL ? "" : found->values[0];
        int r;

        if (*value != '\0' && found->values[1] != NULL) {
                complain_of(reading,
                            "%s:%" PRIu64 ": %s= has several values, here and further down in this file; once %s is "
                            "allowed",
                            path, found->line_number, key->name, key->allowed);
                reading->is_refused |= key->kind == KEY_GROUP;
                return;
        }
        r = set_value(reading, key, value);
        if (r < 0 && key->kind == KEY_GROUP)
                complain_of(reading,
                            "%s:%" PRIu64 ": %s=%s: %s; %s is allowed, and until then nobody but root is an "
                            "administrator",
                            path, found->line_number, key->name, value, explain_group(-r), key->allowed);
        else if (r < 0)
                complain_of(reading, "%s:%" PRIu64 ": %s=%s is not %s; it stays as it was", path, found->line_number,
                            key->name, value, key->allowed);
}

/* A name that comes twice is in the list twice, and means the same both times. */
static bool is_repeated(char *const *list, size_t i)
{
        for (size_t j = 0; j < i; j++)
                if (strcmp(list[j], list[i]) == 0)
                        return true;
        return false;
}

static void take_section(struct reading *reading, econf_file *file, const char *path, const char *section)
{
        char **names = NULL;
        size_t n = 0;

        if (econf_getKeys(file, section, &n, &names) != ECONF_SUCCESS)
                return;
        for (size_t i = 0; i < n; i++) {
                const struct key *key = section == NULL ? NULL : find_key(section, names[i]);
                econf_ext_value *found = NULL;

                if (is_repeated(names, i) || econf_getExtValue(file, section, names[i], &found) != ECONF_SUCCESS)
                        continue;
                if (key == NULL)
                        complain_of_unknown(reading, path, found->line_number, section, names[i]);
                else
                        take_value(reading, key, path, found);
                econf_freeExtValue(found);
        }
        econf_freeArray(names);
}

static void take_file(struct reading *reading, econf_file *file, const char *path)
{
        char **sections = NULL;
        size_t n = 0;

        take_section(reading, file, path, NULL);
        if (econf_getGroups(file, &n, &sections) != ECONF_SUCCESS)
                return;
        for (size_t i = 0; i < n; i++)
                if (!is_repeated(sections, i)) /* it has the keys of all sections of this name */
                        take_section(reading, file, path, sections[i]);
        econf_freeArray(sections);
}

static void complain_of_syntax(struct reading *reading, const char *path, econf_err error)
{
        char *where = NULL;
        uint64_t line = 0;

        econf_errLocation(&where, &line);
        if (error == ECONF_NOFILE || line == 0)
                complain_of(reading, "%s cannot be read: %s; nothing of it holds", path,
                            error == ECONF_NOFILE ? "permission denied" : econf_errString(error));
        else
                complain_of(reading, "%s:%" PRIu64 ": %s; nothing of this file holds", path, line,
                            econf_errString(error));
        free(where);
        reading->is_refused = true;
}

/* Opening anything else than a regular file may wait, or have effects. */
static bool check_file(struct reading *reading, const char *path)
{
        struct stat st;
        int error = stat(path, &st) < 0 ? errno : 0;

        if (error == 0 && S_ISREG(st.st_mode))
                return true;
        complain_of(reading, "%s cannot be read: %s; nothing of it holds", path,
                    error == 0 ? "not a regular file" : strerrordesc_np(error));
        reading->is_refused = true;
        return false;
}

static void read_file(struct reading *reading, const char *path)
{
        econf_file *file = NULL;
        econf_err error;

        if (!check_file(reading, path))
                return;
        error = econf_readFile(&file, path, DELIMITER, COMMENT);
        if (error == ECONF_SUCCESS)
                take_file(reading, file, path);
        else
                complain_of_syntax(reading, path, error);
        econf_freeFile(file);
}

/* --- all of them --- */

static void check_shares(struct reading *reading)
{
        struct limits *limits = &reading->settings.limits;

        if (limits->ring_memory_per_user_bytes <= limits->ring_memory_bytes)
                return;
        limits->ring_memory_per_user_bytes = limits->ring_memory_bytes;
        complain_of(reading,
                    "[Limits] RingMemoryPerUser= is more than RingMemory=, which is what all users may have together");
}

/* Of the usual places none need exist; one that was asked for must. */
static void check_directories(struct reading *reading, const char *const *directories)
{
        if (directories == config_directories)
                return;
        for (; *directories != NULL; directories++) {
                DIR *directory = opendir(*directories);

                if (directory == NULL) {
                        complain_of(reading, "%s cannot be read: %s", *directories, strerrordesc_np(errno));
                        reading->is_refused = true;
                } else {
                        (void)closedir(directory);
                }
        }
}

static void read_all(struct reading *reading, const char *const *directories)
{
        CLEANUP(config_files_deinit) struct config_files files = {0};
        CLEANUP_FREE char *where = NULL;
        int r = config_files_find(directories, &files, &where);

        if (r < 0) {
                complain_of(reading, "cannot look for the configuration%s%s: %s; nothing of it holds",
                            where == NULL ? "" : " in ", where == NULL ? "" : where, strerrordesc_np(-r));
                reading->is_refused = true;
        }
        for (size_t i = 0; i < files.n; i++)
                read_file(reading, files.paths[i]);
}

void settings_init(struct settings *settings)
{
        *settings = (struct settings){.idle_exit_usec = DEFAULT_IDLE_EXIT_USEC, .limits = LIMITS_INIT};
        limits_settle(&settings->limits);
}

size_t config_read(const char *const *directories, struct settings *ret, void (*complain)(void *user, const char *text),
                   void *user)
{
        struct reading reading = {
                .settings = {.admin_group = DEFAULT_ADMIN_GROUP,
                             .idle_exit_usec = DEFAULT_IDLE_EXIT_USEC,
                             .limits = LIMITS_INIT},
                .complain = complain,
                .user = user,
        };

        (void)setenv("ECONF_JOIN_SAME_ENTRIES", "1", 1);
        if (admins_find(DEFAULT_ADMIN_GROUP, &reading.admins) < 0) /* not installed by its package: nobody, then */
                reading.admins = (struct admins){0};
        check_directories(&reading, directories);
        read_all(&reading, directories);
        limits_settle(&reading.settings.limits);
        check_shares(&reading);
        if (!reading.is_refused)
                reading.settings.admins = reading.admins;
        *ret = reading.settings;
        return reading.n_complaints;
}

/* --- telling --- */

static void print_value(FILE *file, const struct settings *settings, const struct key *key)
{
        struct settings copy = *settings;
        uint64_t number = *number_of(&copy, key);
        char text[CONFIG_VALUE_BYTES];

        if (key->kind == KEY_TIME)
                config_format_time(number, text);
        else if (key->kind == KEY_BYTES)
                config_format_bytes(number, text);
        else
                (void)snprintf(text, sizeof(text), "%" PRIu64, number);
        fprintf(file, "%s=%s\n", key->name, text);
}

void config_print(FILE *file, const struct settings *settings)
{
        const char *section = "";

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                if (strcmp(section, keys[i].section) != 0)
                        fprintf(file, "%s[%s]\n", i == 0 ? "" : "\n", keys[i].section);
                section = keys[i].section;
                if (keys[i].kind != KEY_GROUP)
                        print_value(file, settings, &keys[i]);
                else if (settings->admins.is_set)
                        fprintf(file, "# gid %u\n%s=%s\n", settings->admins.gid, keys[i].name, settings->admin_group);
                else
                        fprintf(file, "# nobody but root%s\n%s=%s\n",
                                *settings->admin_group != '\0' ? ", as things are" : "", keys[i].name,
                                settings->admin_group);
        }
}

static void print_complaint(void *user, const char *text)
{
        fprintf(user, "%s\n", text);
}

int config_check(const char *const *directories, FILE *out, FILE *err)
{
        struct settings settings;
        size_t n = config_read(directories, &settings, print_complaint, err);

        config_print(out, &settings);
        return n == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
