/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From tuples to groups: those that the steps let through add their sums to their group. And which names have what is
 * searched for, remembered for as long as the search is the same one: names do not change, and there may be many.
 */
#include <errno.h>
#include <string.h>

#include "client/top/top_private.h"

void top_scratch_free(struct top_scratch *scratch)
{
        free(scratch->groups);
        free(scratch->group_of);
        free(scratch->keys);
        free(scratch->causes);
        free(scratch->search);
        free(scratch->found);
        *scratch = (struct top_scratch){0};
}

bool top_path_of(const struct top_names *names, const struct top_query *query, struct top_path *ret)
{
        struct top_path path = {.n = MIN_OF(query->n_steps, (size_t)TOP_DEPTH_MAX)};

        for (size_t i = 0; i < path.n; i++) {
                path.by[i] = query->steps[i].by;
                if (path.by[i] >= N_GROUP_BY || !top_name_of_group(names, query->steps[i].group, &path.names[i]))
                        return false;
        }
        *ret = path;
        return true;
}

/* --- searching --- */

static bool is_same_letter(char a, char b)
{
        if (a >= 'A' && a <= 'Z')
                a = (char)(a - 'A' + 'a');
        if (b >= 'A' && b <= 'Z')
                b = (char)(b - 'A' + 'a');
        return a == b;
}

static bool contains(const struct top_name *name, const char *search, size_t n_search)
{
        for (size_t start = 0; start + n_search <= name->n_bytes; start++) {
                size_t i = 0;

                while (i < n_search && is_same_letter(name->bytes[start + i], search[i]))
                        i++;
                if (i == n_search)
                        return true;
        }
        return false;
}

enum { NOT_LOOKED, IS_FOUND, IS_NOT_FOUND };

void top_scratch_forget_names(struct top_scratch *scratch)
{
        if (scratch->found)
                memset(scratch->found, NOT_LOOKED, scratch->size_found);
}

/* What is remembered is about this search. */
static int begin_search(struct top_model *model, const char *search)
{
        struct top_scratch *scratch = &model->scratch;
        size_t size = model->names.size_entries;
        char *copy;

        if (scratch->size_found < size) {
                uint8_t *found = realloc(scratch->found, size);

                if (!found)
                        return -ENOMEM;
                memset(found + scratch->size_found, NOT_LOOKED, size - scratch->size_found);
                scratch->found = found;
                scratch->size_found = size;
        }
        if (scratch->search && strcmp(scratch->search, search) == 0)
                return 0;
        copy = strdup(search);
        if (!copy)
                return -ENOMEM;
        free(scratch->search);
        scratch->search = copy;
        top_scratch_forget_names(scratch);
        return 0;
}

int top_search(struct top_model *model, const char *search, uint32_t name)
{
        int r;

        if (!search || !search[0])
                return 1;
        r = begin_search(model, search);
        if (r < 0)
                return r;
        if (model->scratch.found[name] == NOT_LOOKED)
                model->scratch.found[name] =
                        contains(&model->names.entries[name], search, strlen(search)) ? IS_FOUND : IS_NOT_FOUND;
        return model->scratch.found[name] == IS_FOUND;
}

/* --- folding --- */

int top_fold_begin(struct top_model *model, const struct top_query *query, struct top_fold *ret)
{
        struct top_scratch *scratch = &model->scratch;
        size_t size = model->names.size_entries;

        if (scratch->size_group_of < size) { /* all 0 between tables */
                uint32_t *group_of = calloc(size, sizeof(*group_of));

                if (!group_of)
                        return -ENOMEM;
                free(scratch->group_of);
                scratch->group_of = group_of;
                scratch->size_group_of = size;
        }
        scratch->n_groups = 0;
        *ret = (struct top_fold){.model = model, .by = query->by};
        ret->range = top_slices_range(&model->slices, &query->span);
        ret->is_incomplete = ret->range.is_incomplete;
        return 0;
}

void top_fold_end(struct top_scratch *scratch)
{
        for (size_t i = 0; i < scratch->n_groups; i++)
                scratch->group_of[scratch->groups[i].name] = 0;
}

/* NULL: out of memory. */
static struct top_group *group_of(struct top_scratch *scratch, uint32_t name)
{
        uint32_t at = scratch->group_of[name];

        if (at > 0)
                return &scratch->groups[at - 1];
        if (scratch->n_groups == scratch->size_groups) {
                size_t size = scratch->size_groups ? scratch->size_groups * 2 : 256;
                struct top_group *groups = realloc(scratch->groups, size * sizeof(*groups));

                if (!groups)
                        return NULL;
                scratch->groups = groups;
                scratch->size_groups = size;
        }
        scratch->groups[scratch->n_groups] = (struct top_group){.name = name};
        scratch->group_of[name] = (uint32_t)++scratch->n_groups;
        return &scratch->groups[scratch->n_groups - 1];
}

static int fold_sum(struct top_fold *fold, const struct top_tuple *tuple, const struct top_sum *sum)
{
        struct top_group *group;

        if (!top_path_has(&fold->path, tuple->groups))
                return 0;
        group = group_of(&fold->model->scratch, tuple->groups[fold->by]);
        if (!group)
                return -ENOMEM;
        top_sum_add(&group->sum, sum);
        return 0;
}

static int fold_whole(struct top_fold *fold)
{
        const struct top_tuples *tuples = &fold->model->tuples;
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < tuples->n_tuples; i++)
                if (tuples->tuples[i].sum.measure.count > 0)
                        r = fold_sum(fold, &tuples->tuples[i], &tuples->tuples[i].sum);
        fold->is_incomplete |= tuples->has_evicted || fold->model->is_incomplete;
        return r;
}

static int fold_slices(struct top_fold *fold)
{
        const struct top_tuple *tuples = fold->model->tuples.tuples;
        int r = 0;

        for (uint64_t number = fold->range.start; r == 0 && number < fold->range.until; number++) {
                const struct top_slice *slice = top_slice_at(&fold->model->slices, number);

                fold->is_incomplete |= slice->is_incomplete;
                for (uint32_t i = 0; r == 0 && i < slice->n_entries; i++) {
                        const struct top_sum sum = top_entry_sum(&slice->entries[i]);

                        r = fold_sum(fold, &tuples[slice->entries[i].tuple], &sum);
                }
        }
        return r;
}

/* What happens now, of the groups that there are. */
static void fold_last(struct top_fold *fold)
{
        struct top_scratch *scratch = &fold->model->scratch;
        uint64_t start = MAX_OF(fold->range.until - fold->range.n_last, fold->model->slices.oldest);

        for (uint64_t number = start; number < fold->range.until; number++) {
                const struct top_slice *slice = top_slice_at(&fold->model->slices, number);

                for (uint32_t i = 0; i < slice->n_entries; i++) {
                        const struct top_tuple *tuple = &fold->model->tuples.tuples[slice->entries[i].tuple];
                        uint32_t at = scratch->group_of[tuple->groups[fold->by]];

                        if (at > 0 && top_path_has(&fold->path, tuple->groups))
                                scratch->groups[at - 1].n_last += slice->entries[i].count;
                }
        }
}

int top_fold_all(struct top_fold *fold)
{
        int r = fold->range.is_whole ? fold_whole(fold) : fold_slices(fold);

        if (r == 0)
                fold_last(fold);
        return r;
}
