/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Half a million faults a second pass through here whether anybody reads the end or not, so a fault costs a few
 * additions: maps are counted by their ids, and get their names when these ids are about to mean nothing any more.
 */
#include "client/summary.h"

#include <errno.h>
#include <inttypes.h>

#include "client/figures.h"

enum { LARGEST = 3 }; /* so many causes and maps are named */

void summary_free(struct summary *summary)
{
        latency_free(&summary->latencies);
        tally_free(&summary->maps);
        free(summary->map_ids);
        *summary = (struct summary){0};
}

/* --- adding --- */

/* Ids that are defined have a slot each, as far as memory goes. */
static void make_room(struct summary *s, uint32_t n_maps)
{
        uint32_t size = n_maps + 1 + n_maps / 2;
        uint64_t *ids;

        if (n_maps < s->size_map_ids)
                return;
        ids = reallocarray(s->map_ids, size, sizeof(*ids));
        if (!ids) {
                s->failed = true;
                return;
        }
        memset(ids + s->size_map_ids, 0, (size - s->size_map_ids) * sizeof(*ids));
        s->map_ids = ids;
        s->size_map_ids = size;
}

static void add_to(struct summary_sum *sum, uint64_t time_ns)
{
        sum->n_faults++;
        if (__builtin_add_overflow(sum->time_ns, time_ns, &sum->time_ns))
                sum->time_ns = UINT64_MAX;
}

static void add(struct summary *s, const struct proto_event *event, uint32_t n_maps)
{
        uint64_t time_ns = event->latency_ns == PROTO_UNKNOWN ? 0 : event->latency_ns;

        if (event->outcome < N_OUTCOMES)
                s->outcomes[event->outcome]++;
        else
                s->n_unknown_outcomes++;
        if (event->latency_ns != PROTO_UNKNOWN && latency_add(&s->latencies, event->latency_ns) < 0)
                s->failed = true;
        add_to(&s->all, time_ns);
        add_to(&s->causes[event->cause < N_CAUSES ? event->cause : CAUSE_UNKNOWN], time_ns);
        if (s->map_ids)
                s->map_ids[event->map <= n_maps && event->map < s->size_map_ids ? event->map : 0]++;
}

void summary_add(struct summary *summary, const struct state *state, const struct proto_event *events,
                 uint32_t n_events)
{
        make_room(summary, state->n_maps);
        for (uint32_t i = 0; i < n_events; i++)
                add(summary, &events[i], state->n_maps);
}

/* --- from ids to names --- */

static int settle_map(struct summary *s, const struct memo *name, uint64_t n_faults)
{
        const struct measure measure = {.count = n_faults};
        uint32_t group;
        int r;

        r = tally_find(&s->maps, name->data ? name->data : "", name->n_bytes, &group);
        return r < 0 ? r : tally_add(&s->maps, group, &measure);
}

void summary_settle(struct summary *summary, struct names *names, const struct state *state)
{
        for (uint32_t id = 0; id < summary->size_map_ids; id++) {
                uint64_t *n_faults = &summary->map_ids[id];
                struct dict_map *map = state_map(state, id);

                if (*n_faults == 0)
                        continue;
                if (settle_map(summary, map ? names_of_map(names, state, map) : names_unknown(), *n_faults) == -ENOMEM)
                        summary->failed = true;
                *n_faults = 0;
        }
}

/* --- the lines --- */

static void put_outcomes(const struct summary *s, struct text *out)
{
        static const enum outcome always[] = {OUTCOME_MINOR, OUTCOME_MAJOR, OUTCOME_FAILED};
        static const enum outcome seldom[] = {OUTCOME_INTERRUPTED, OUTCOME_EMULATED, OUTCOME_OPEN};
        const char *separator = ": ";

        for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
                text_printf(out, "%s%" PRIu64 " %s", separator, s->outcomes[always[i]], outcome_text(always[i]));
                separator = ", ";
        }
        for (size_t i = 0; i < ARRAY_SIZE(seldom); i++)
                if (s->outcomes[seldom[i]] > 0)
                        text_printf(out, ", %" PRIu64 " %s", s->outcomes[seldom[i]], outcome_text(seldom[i]));
        if (s->outcomes[OUTCOME_NONE] > 0)
                text_printf(out, ", %" PRIu64 " incomplete", s->outcomes[OUTCOME_NONE]);
        if (s->n_unknown_outcomes > 0)
                text_printf(out, ", %" PRIu64 " of another kind", s->n_unknown_outcomes);
}

static void put_faults(const struct summary *s, uint64_t duration_ns, struct text *out)
{
        text_printf(out, "  %" PRIu64 " fault%s", s->all.n_faults, s->all.n_faults == 1 ? "" : "s");
        if (duration_ns > 0) {
                const double seconds = (double)duration_ns / (double)NSEC_PER_SEC;

                text_printf(out, " in %s (%s/s)", figure_time(duration_ns).text,
                            figure_rate((double)s->all.n_faults / seconds).text);
        }
        put_outcomes(s, out);
        text_put_char(out, '\n');
}

static void put_latencies(const struct summary *s, struct text *out)
{
        const struct latency *l = &s->latencies;

        if (l->n == 0)
                return;
        text_printf(out, "  %s in faults: p50 %s, p99 %s, max %s\n", figure_time(s->all.time_ns).text,
                    figure_time(latency_quantile(l, 50)).text, figure_time(latency_quantile(l, 99)).text,
                    figure_time(l->max_ns).text);
}

/* Of those that are largest. */
static const char *separator_before(size_t i)
{
        return i > 0 ? ", " : "";
}

static void put_causes(const struct summary *s, struct text *out)
{
        bool put[N_CAUSES] = {false};
        size_t n = 0;

        for (unsigned int i = 0; i < N_CAUSES; i++)
                n += s->causes[i].n_faults > 0;
        text_put_string(out, n > LARGEST ? "  mostly " : "  ");
        for (size_t k = 0; k < LARGEST && k < n; k++) {
                unsigned int largest = N_CAUSES;

                for (unsigned int i = 0; i < N_CAUSES; i++)
                        if (!put[i] && (largest == N_CAUSES || s->causes[i].n_faults > s->causes[largest].n_faults))
                                largest = i;
                put[largest] = true;
                text_printf(out, "%s%s %" PRIu64, separator_before(k), cause_text(largest),
                            s->causes[largest].n_faults);
                if (s->latencies.n > 0)
                        text_printf(out, " (%s)", figure_time(s->causes[largest].time_ns).text);
        }
        text_put_char(out, '\n');
}

static void put_maps(struct summary *s, struct text *out)
{
        size_t n = 0;
        struct tally_group *groups = tally_sort(&s->maps, WEIGHT_COUNT, &n);

        if (!groups) {
                s->failed = true;
                return;
        }
        text_put_string(out, "  in ");
        for (size_t i = 0; i < n && i < LARGEST; i++) {
                text_put_string(out, separator_before(i));
                text_put(out, groups[i].key, groups[i].n_bytes);
                text_printf(out, " %" PRIu64, groups[i].sum->measure.count);
        }
        if (n > LARGEST)
                text_printf(out, ", and %zu more", n - LARGEST);
        text_put_char(out, '\n');
        free(groups);
}

void summary_put(struct summary *summary, struct names *names, const struct state *state, uint64_t end_ns,
                 struct text *out)
{
        if (summary->all.n_faults == 0)
                return;
        summary_settle(summary, names, state);
        put_faults(summary, end_ns > state->start_ns ? end_ns - state->start_ns : 0, out);
        put_latencies(summary, out);
        put_causes(summary, out);
        put_maps(summary, out);
        if (summary->failed)
                text_put_string(out, "  these figures are too small: there was no memory to count all\n");
}
