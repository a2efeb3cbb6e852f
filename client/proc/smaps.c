/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line that begins with a small hexadecimal digit begins a map, every other one ("Rss:", "VmFlags:") tells more of
 * the map before it: show_map_vma() and show_smap() of fs/proc/task_mmu.c. Names that are not known are passed over,
 * so that newer kernels are read as well. The kernel promises that ranges never overlap and never go back, also in a
 * text that it wrote while the process went on mapping (Documentation/filesystems/proc.rst); what breaks the promise
 * is no such text. The text is kept and cut into strings in place: paths and flags need no memory of their own.
 */
#include "client/proc/smaps.h"

#include <errno.h>
#include <string.h>

#define KIB 1024
#define DELETED " (deleted)"

/* Moves on behind a number in this base; false: there is none, or it does not fit. */
static bool take_number(char **at, unsigned int base, uint64_t *ret)
{
        uint64_t value = 0;
        char *begin = *at;

        for (;; (*at)++) {
                unsigned int digit;

                if (**at >= '0' && **at <= '9')
                        digit = (unsigned int)(**at - '0');
                else if (base == 16 && **at >= 'a' && **at <= 'f')
                        digit = (unsigned int)(**at - 'a') + 10;
                else
                        break;
                if (value > (UINT64_MAX - digit) / base)
                        return false;
                value = value * base + digit;
        }
        *ret = value;
        return *at > begin;
}

static bool take_number32(char **at, unsigned int base, uint32_t *ret)
{
        uint64_t value;

        if (!take_number(at, base, &value) || value > UINT32_MAX)
                return false;
        *ret = (uint32_t)value;
        return true;
}

static bool take_char(char **at, char c)
{
        if (**at != c)
                return false;
        (*at)++;
        return true;
}

static bool take_perms(char **at, char perms[static 5])
{
        static const char *const allowed[] = {"r-", "w-", "x-", "ps"};

        for (unsigned int i = 0; i < ARRAY_SIZE(allowed); i++) {
                if (**at == '\0' || !strchr(allowed[i], **at))
                        return false;
                perms[i] = *(*at)++;
        }
        perms[ARRAY_SIZE(allowed)] = '\0';
        return true;
}

static void take_path(char *at, struct smaps_map *map)
{
        size_t n_bytes;

        at += strspn(at, " ");
        n_bytes = strlen(at);
        if (at[0] == '/' && n_bytes > strlen(DELETED) && strcmp(at + n_bytes - strlen(DELETED), DELETED) == 0) {
                at[n_bytes - strlen(DELETED)] = '\0';
                map->is_deleted = true;
        }
        map->path = at;
}

/* "401000-402000 r-xp 00001000 fe:00 1234                     /usr/bin/x" */
static bool parse_map(char *line, struct smaps_map *ret)
{
        struct smaps_map map = {.path = "", .flags = ""};

        if (!take_number(&line, 16, &map.start) || !take_char(&line, '-') || !take_number(&line, 16, &map.end) ||
            !take_char(&line, ' ') || !take_perms(&line, map.perms) || !take_char(&line, ' ') ||
            !take_number(&line, 16, &map.offset) || !take_char(&line, ' ') || !take_number32(&line, 16, &map.major) ||
            !take_char(&line, ':') || !take_number32(&line, 16, &map.minor) || !take_char(&line, ' ') ||
            !take_number(&line, 10, &map.inode) || map.start >= map.end)
                return false;
        if (*line != ' ' && *line != '\0')
                return false;
        take_path(line, &map);
        *ret = map;
        return true;
}

static const char *const amount_names[N_SMAPS_AMOUNTS] = {
        [SMAPS_RSS] = "Rss",
        [SMAPS_PSS] = "Pss",
        [SMAPS_SHARED_CLEAN] = "Shared_Clean",
        [SMAPS_SHARED_DIRTY] = "Shared_Dirty",
        [SMAPS_PRIVATE_CLEAN] = "Private_Clean",
        [SMAPS_PRIVATE_DIRTY] = "Private_Dirty",
        [SMAPS_REFERENCED] = "Referenced",
        [SMAPS_ANONYMOUS] = "Anonymous",
        [SMAPS_LAZY_FREE] = "LazyFree",
        [SMAPS_ANON_HUGE] = "AnonHugePages",
        [SMAPS_SHMEM_HUGE] = "ShmemPmdMapped",
        [SMAPS_FILE_HUGE] = "FilePmdMapped",
        [SMAPS_SHARED_HUGETLB] = "Shared_Hugetlb",
        [SMAPS_PRIVATE_HUGETLB] = "Private_Hugetlb",
        [SMAPS_SWAP] = "Swap",
        [SMAPS_SWAP_PSS] = "SwapPss",
        [SMAPS_LOCKED] = "Locked",
        [SMAPS_KERNEL_PAGE] = "KernelPageSize",
        [SMAPS_MMU_PAGE] = "MMUPageSize",
        [SMAPS_PSS_DIRTY] = "Pss_Dirty",
        [SMAPS_KSM] = "KSM",
};

static bool is_name(const char *line, size_t n_name, const char *name)
{
        return strlen(name) == n_name && memcmp(line, name, n_name) == 0;
}

static bool parse_amount(char *value, size_t amount, struct smaps_map *map)
{
        uint64_t kib;

        if (!take_number(&value, 10, &kib) || kib > UINT64_MAX / KIB || strcmp(value, " kB") != 0)
                return false;
        map->amounts[amount] = kib * KIB;
        map->known |= UINT32_C(1) << amount;
        map->has_amounts = true;
        return true;
}

static void parse_flags(char *value, struct smaps_map *map)
{
        size_t n_bytes = strlen(value);

        while (n_bytes > 0 && value[n_bytes - 1] == ' ')
                value[--n_bytes] = '\0';
        map->flags = value;
}

/* "Rss:                  4 kB" and the like, of the map before. */
static bool parse_attribute(char *line, struct smaps_map *map)
{
        size_t n_name = strcspn(line, ":");
        char *value = line + n_name;
        uint64_t number;

        if (!take_char(&value, ':'))
                return false;
        value += strspn(value, " ");
        for (size_t i = 0; i < N_SMAPS_AMOUNTS; i++)
                if (is_name(line, n_name, amount_names[i]))
                        return parse_amount(value, i, map);
        if (is_name(line, n_name, "VmFlags")) {
                parse_flags(value, map);
        } else if (is_name(line, n_name, "THPeligible")) {
                map->knows_thp_eligible = take_number(&value, 10, &number);
                map->is_thp_eligible = map->knows_thp_eligible && number != 0;
        } else if (is_name(line, n_name, "ProtectionKey")) {
                map->knows_protection_key = take_number32(&value, 10, &map->protection_key);
        }
        return true;
}

static int add_map(struct smaps *smaps, size_t *size, const struct smaps_map *map)
{
        if (smaps->n_maps > 0 && map->start < smaps->maps[smaps->n_maps - 1].end)
                return -EBADMSG;
        if (smaps->n_maps == *size) {
                size_t n = *size ? *size * 2 : 64;
                struct smaps_map *maps = reallocarray(smaps->maps, n, sizeof(*maps));

                if (!maps)
                        return -ENOMEM;
                smaps->maps = maps;
                *size = n;
        }
        smaps->maps[smaps->n_maps++] = *map;
        return 0;
}

static int parse_line(struct smaps *smaps, size_t *size, char *line)
{
        struct smaps_map map;

        if ((line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f'))
                return parse_map(line, &map) ? add_map(smaps, size, &map) : -EBADMSG;
        if (smaps->n_maps == 0 || !parse_attribute(line, &smaps->maps[smaps->n_maps - 1]))
                return -EBADMSG;
        return 0;
}

static void free_smaps(struct smaps *smaps)
{
        smaps_free(smaps);
}

int smaps_parse(const char *text, size_t n_bytes, struct smaps *ret)
{
        CLEANUP(free_smaps) struct smaps smaps = {.text = malloc(n_bytes + 1)};
        size_t size = 0;
        int r;

        if (!smaps.text)
                return -ENOMEM;
        if (n_bytes > 0)
                memcpy(smaps.text, text, n_bytes);
        smaps.text[n_bytes] = '\0';
        if (strlen(smaps.text) != n_bytes)
                return -EBADMSG;
        for (char *line = smaps.text; *line;) {
                char *end = strchr(line, '\n');

                if (!end)
                        return -EBADMSG; /* cut: the kernel ends every line */
                *end = '\0';
                r = parse_line(&smaps, &size, line);
                if (r < 0)
                        return r;
                line = end + 1;
        }
        *ret = smaps;
        smaps = (struct smaps){0};
        return 0;
}

void smaps_free(struct smaps *smaps)
{
        free(smaps->maps);
        free(smaps->text);
        *smaps = (struct smaps){0};
}

const struct smaps_map *smaps_find(const struct smaps *smaps, uint64_t address, const struct smaps_map **ret_next)
{
        size_t low = 0, high = smaps->n_maps;

        while (low < high) { /* the first map that ends above address */
                size_t middle = low + (high - low) / 2;

                if (smaps->maps[middle].end > address)
                        high = middle;
                else
                        low = middle + 1;
        }
        if (low < smaps->n_maps && smaps->maps[low].start <= address) {
                if (ret_next)
                        *ret_next = low + 1 < smaps->n_maps ? &smaps->maps[low + 1] : NULL;
                return &smaps->maps[low];
        }
        if (ret_next)
                *ret_next = low < smaps->n_maps ? &smaps->maps[low] : NULL;
        return NULL;
}

bool smaps_has_flag(const struct smaps_map *map, const char flag[static 2])
{
        for (const char *at = map->flags; *at; at += strspn(at, " ")) {
                size_t n = strcspn(at, " ");

                if (n == 2 && at[0] == flag[0] && at[1] == flag[1])
                        return true;
                at += n;
        }
        return false;
}

bool smaps_knows(const struct smaps_map *map, enum smaps_amount amount)
{
        return map->known >> amount & 1;
}

bool smaps_is_anonymous(const struct smaps_map *map)
{
        if (map->inode != 0 || map->perms[3] == 's')
                return false;
        return map->path[0] == '\0' || strcmp(map->path, "[heap]") == 0 || strcmp(map->path, "[stack]") == 0 ||
               strncmp(map->path, "[anon:", strlen("[anon:")) == 0;
}
