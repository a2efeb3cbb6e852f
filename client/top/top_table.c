/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table is made anew whenever it is asked for: tuples that the steps let through add their sums to their group, then
 * as much is sorted as is shown. Nothing is kept from one table to the next but memory and, for each name, whether it
 * has what is searched for: at hundreds of thousands of faults a second every sum is another one a tenth of a second
 * later, and a pass over tens of thousands of tuples takes less than a millisecond.
 */
#include <errno.h>
#include <string.h>

#include "client/top/top_private.h"

const char *top_sort_text(unsigned int sort)
{
        switch (sort) {
        case TOP_SORT_COUNT:
                return "count";
        case TOP_SORT_RATE:
                return "rate";
        case TOP_SORT_TIME:
                return "time";
        case TOP_SORT_BYTES:
                return "bytes";
        case TOP_SORT_MAJOR:
                return "major";
        }
        return NULL;
}

/* --- the order --- */

static uint64_t key_of(const struct top_group *group, enum top_sort sort)
{
        switch (sort) {
        case TOP_SORT_RATE:
                return group->n_last;
        case TOP_SORT_TIME:
                return group->sum.measure.time_ns;
        case TOP_SORT_BYTES:
                return group->sum.measure.bytes;
        case TOP_SORT_MAJOR:
                return group->sum.n_major;
        default:
                return group->sum.measure.count;
        }
}

static int compare(const struct top_model *model, const struct top_key *a, const struct top_key *b)
{
        const struct top_name *x, *y;
        uint32_t name_x, name_y;
        int order;

        if (a->key != b->key)
                return a->key > b->key ? -1 : 1;
        name_x = model->scratch.groups[a->group].name;
        name_y = model->scratch.groups[b->group].name;
        x = &model->names.entries[name_x];
        y = &model->names.entries[name_y];
        order = memcmp(x->bytes, y->bytes, MIN_OF(x->n_bytes, y->n_bytes));
        if (order == 0)
                order = x->n_bytes < y->n_bytes ? -1 : x->n_bytes > y->n_bytes;
        return order ? order : name_x < name_y ? -1 : name_x > name_y; /* "other" may have a namesake */
}

static int compare_keys(const void *a, const void *b, void *model)
{
        return compare(model, a, b);
}

static void swap(struct top_key *a, struct top_key *b)
{
        struct top_key was = *a;

        *a = *b;
        *b = was;
}

/* The middle one of three goes to the front. */
static void choose_pivot(const struct top_model *model, struct top_key *keys, size_t n)
{
        struct top_key *a = &keys[0], *b = &keys[n / 2], *c = &keys[n - 1];

        if (compare(model, b, a) < 0)
                swap(a, b);
        if (compare(model, c, b) < 0)
                swap(b, c);
        if (compare(model, b, a) < 0)
                swap(a, b);
        swap(a, b);
}

/* So that the n_first smallest stand first, in whatever order (Hoare's selection). After too many steps all is sorted:
 * an order that was made to be the worst one costs no more than that. */
static void select_first(const struct top_model *model, struct top_key *keys, size_t n, size_t n_first)
{
        for (unsigned int steps = 0; n > 16 && n_first > 0 && n_first < n; steps++) {
                size_t left = 1, right = n - 1;

                if (steps == 64) {
                        qsort_r(keys, n, sizeof(*keys), compare_keys, (void *)(uintptr_t)model);
                        return;
                }
                choose_pivot(model, keys, n);
                for (;;) {
                        while (left <= right && compare(model, &keys[left], &keys[0]) < 0)
                                left++;
                        while (left <= right && compare(model, &keys[right], &keys[0]) > 0)
                                right--;
                        if (left >= right)
                                break;
                        swap(&keys[left++], &keys[right--]);
                }
                swap(&keys[0], &keys[right]);
                if (n_first <= right) {
                        n = right;
                } else {
                        keys += right + 1;
                        n -= right + 1;
                        n_first -= MIN_OF(n_first, right + 1);
                }
        }
        if (n_first > 0 && n_first < n)
                qsort_r(keys, n, sizeof(*keys), compare_keys, (void *)(uintptr_t)model);
}

/* Those of the groups that are searched for; their number, or -ENOMEM. */
static ssize_t make_keys(struct top_model *model, const struct top_query *query)
{
        struct top_scratch *scratch = &model->scratch;
        size_t n = 0;

        if (scratch->size_keys < scratch->n_groups) {
                struct top_key *keys = realloc(scratch->keys, scratch->size_groups * sizeof(*keys));

                if (!keys)
                        return -ENOMEM;
                scratch->keys = keys;
                scratch->size_keys = scratch->size_groups;
        }
        for (uint32_t i = 0; i < scratch->n_groups; i++) {
                int found = top_search(model, query->search, scratch->groups[i].name);

                if (found < 0)
                        return found;
                if (found)
                        scratch->keys[n++] =
                                (struct top_key){.key = key_of(&scratch->groups[i], query->sort), .group = i};
        }
        return (ssize_t)n;
}

/* Keys [first, first + n_wanted) stand where they belong. */
static void sort_window(const struct top_model *model, size_t n, size_t first, size_t n_wanted)
{
        struct top_key *keys = model->scratch.keys;

        if (n_wanted == 0)
                return;
        select_first(model, keys, n, first);
        select_first(model, keys + first, n - first, n_wanted);
        qsort_r(keys + first, n_wanted, sizeof(*keys), compare_keys, (void *)(uintptr_t)model);
}

/* --- rows --- */

static void fill_row(const struct top_fold *fold, const struct top_group *group, struct top_row *ret)
{
        const struct top_names *names = &fold->model->names;

        *ret = (struct top_row){.group = top_group_of(names, group->name),
                                .name = names->entries[group->name].bytes,
                                .n_name = names->entries[group->name].n_bytes,
                                .sum = group->sum.measure,
                                .n_major = group->sum.n_major,
                                .n_failed = group->sum.n_failed,
                                .per_second = top_range_rate(&fold->range, group->n_last)};
}

static void count_cause(const struct top_fold *fold, const struct top_tuple *tuple, uint64_t count)
{
        uint32_t row = fold->model->scratch.group_of[tuple->groups[fold->by]];

        if (row > 0 && top_path_has(&fold->path, tuple->groups))
                fold->model->scratch.causes[(row - 1) * N_CAUSES + tuple->cause] += count;
}

static void count_causes(const struct top_fold *fold)
{
        const struct top_tuples *tuples = &fold->model->tuples;

        for (uint32_t i = 0; fold->range.is_whole && i < tuples->n_tuples; i++)
                count_cause(fold, &tuples->tuples[i], tuples->tuples[i].sum.measure.count);
        for (uint64_t number = fold->range.start; !fold->range.is_whole && number < fold->range.until; number++) {
                const struct top_slice *slice = top_slice_at(&fold->model->slices, number);

                for (uint32_t i = 0; i < slice->n_entries; i++)
                        count_cause(fold, &tuples->tuples[slice->entries[i].tuple], slice->entries[i].count);
        }
}

static uint8_t most_frequent(const uint64_t causes[N_CAUSES])
{
        uint8_t most = 0;

        for (uint8_t cause = 1; cause < N_CAUSES; cause++)
                if (causes[cause] > causes[most])
                        most = cause;
        return most;
}

/* Of the rows that are shown: all groups' causes would take more memory than the groups. */
static int find_causes(const struct top_fold *fold, size_t first, struct top_table *table)
{
        struct top_scratch *scratch = &fold->model->scratch;
        size_t size = table->n_rows * N_CAUSES;

        if (scratch->size_causes < size) {
                uint64_t *causes = realloc(scratch->causes, size * sizeof(*causes));

                if (!causes)
                        return -ENOMEM;
                scratch->causes = causes;
                scratch->size_causes = size;
        }
        if (size == 0)
                return 0;
        memset(scratch->causes, 0, size * sizeof(*scratch->causes));
        top_fold_end(scratch);
        for (uint32_t row = 0; row < table->n_rows; row++)
                scratch->group_of[scratch->groups[scratch->keys[first + row].group].name] = row + 1;
        count_causes(fold);
        for (size_t row = 0; row < table->n_rows; row++)
                table->rows[row].cause = most_frequent(&scratch->causes[row * N_CAUSES]);
        return 0;
}

static int fill_table(struct top_fold *fold, const struct top_query *query, struct top_table *table)
{
        const struct top_scratch *scratch = &fold->model->scratch;
        struct top_table result = {.rows = table->rows, .n_room = table->n_room};
        size_t first;
        ssize_t n;
        int r;

        n = make_keys(fold->model, query);
        if (n < 0)
                return (int)n;
        first = MIN_OF(query->first, (size_t)n);
        result.n_all = (size_t)n;
        result.n_rows = MIN_OF(result.n_room, result.n_all - first);
        result.is_incomplete = fold->is_incomplete;
        sort_window(fold->model, result.n_all, first, result.n_rows);
        for (size_t i = 0; i < result.n_all; i++)
                measure_add(&result.sum, &scratch->groups[scratch->keys[i].group].sum.measure);
        for (size_t i = 0; i < result.n_rows; i++)
                fill_row(fold, &scratch->groups[scratch->keys[first + i].group], &result.rows[i]);
        r = find_causes(fold, first, &result);
        if (r == 0)
                *table = result;
        return r;
}

int top_model_table(struct top_model *model, const struct top_query *query, struct top_table *table)
{
        struct top_fold fold;
        int r;

        r = query->by < N_GROUP_BY ? top_fold_begin(model, query, &fold) : -EINVAL;
        if (r < 0)
                return r;
        if (top_path_of(&model->names, query, &fold.path))
                r = top_fold_all(&fold);
        if (r == 0)
                r = fill_table(&fold, query, table);
        top_fold_end(&model->scratch);
        return r;
}

const char *top_model_name(const struct top_model *model, enum group_by by, uint64_t group, size_t *ret_n_bytes)
{
        uint32_t name;

        (void)by; /* names are numbered across all tables */
        if (!top_name_of_group(&model->names, group, &name))
                return NULL;
        *ret_n_bytes = model->names.entries[name].n_bytes;
        return model->names.entries[name].bytes;
}

/* --- threads --- */

static struct top_thread thread_of(const struct top_model *model, const struct top_group *group, double wall_ns)
{
        const struct top_name *name = &model->names.entries[group->name];
        double share = wall_ns > 0 ? (double)group->sum.measure.time_ns / wall_ns : 0;

        return (struct top_thread){.pid = name->pid,
                                   .tid = name->tid,
                                   .comm = name->bytes + name->comm_start,
                                   .n_comm = name->n_bytes - name->comm_start,
                                   .share = MIN_OF(share, 1.0)};
}

static double wall_ns_of(const struct top_slices *slices, const struct top_range *range)
{
        return range->is_whole ? (double)(slices->clock_ns - slices->origin_ns)
                               : (double)(range->until - range->start) * (double)TOP_SLICE_NS;
}

size_t top_model_threads(struct top_model *model, const struct top_span *span, struct top_thread *rows, size_t n_room)
{
        const struct top_query query = {.span = *span, .by = GROUP_THREAD, .sort = TOP_SORT_TIME};
        const struct top_scratch *scratch = &model->scratch;
        struct top_fold fold;
        size_t n_rows = 0;
        ssize_t n = 0;

        if (top_fold_begin(model, &query, &fold) < 0)
                return 0;
        if (top_fold_all(&fold) == 0)
                n = make_keys(model, &query);
        n_room = MIN_OF(n_room, (size_t)MAX_OF(n, 0));
        if (n > 0)
                sort_window(model, (size_t)n, 0, n_room);
        while (n_rows < n_room && scratch->keys[n_rows].key > 0) {
                rows[n_rows] = thread_of(model, &scratch->groups[scratch->keys[n_rows].group],
                                         wall_ns_of(&model->slices, &fold.range));
                n_rows++;
        }
        top_fold_end(&model->scratch);
        return n_rows;
}
