/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * faultline status asks twice, because a rate is the difference of two answers over the time between them, and the
 * service keeps no rates: what is asked for once a week should cost nothing in between. Where no trace runs there is no
 * rate to know, and the first answer is the whole.
 */
#include "client/cmd_status.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/inspect.h"
#include "client/say.h"
#include "client/status_ask.h"
#include "client/view_status.h"

#define INTERVAL_NS (500 * NSEC_PER_MSEC)

struct command {
        const struct options *options;
        struct status first, second;
        const struct status *last; /* of these */
        struct status_rates rates;
        struct status_user *users; /* names are owned */
        size_t n_users;
};

/* --- names of users --- */

static bool knows(const struct command *c, uint32_t uid)
{
        for (size_t i = 0; i < c->n_users; i++)
                if (c->users[i].uid == uid)
                        return true;
        return false;
}

/* Room for all users of the answer is there. */
static int find_user(struct command *c, uint32_t uid)
{
        const struct passwd *user;
        char *name;

        if (knows(c, uid))
                return 0;
        user = getpwuid(uid);
        if (!user)
                return 0;
        name = strdup(user->pw_name);
        if (!name)
                return -ENOMEM;
        c->users[c->n_users++] = (struct status_user){.uid = uid, .name = name};
        return 0;
}

static int find_users(struct command *c)
{
        int r = 0;

        c->users = calloc(c->last->n_engines + c->last->n_traces + 1, sizeof(*c->users));
        if (!c->users)
                return -ENOMEM;
        for (size_t i = 0; r == 0 && i < c->last->n_engines; i++)
                r = find_user(c, c->last->engines[i].uid);
        for (size_t i = 0; r == 0 && i < c->last->n_traces; i++)
                r = find_user(c, c->last->traces[i].uid);
        return r;
}

static void free_users(struct command *c)
{
        for (size_t i = 0; i < c->n_users; i++)
                free((void *)(uintptr_t)c->users[i].name);
        free(c->users);
}

/* --- asking --- */

static void wait_interval(void)
{
        struct timespec left = {.tv_nsec = INTERVAL_NS};

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

static int ask(struct command *c)
{
        CLEANUP(status_ask_close) struct status_ask ask = {.conn = {.fd = -1}};
        int r = status_ask_open(c->options->socket, 0, &ask);

        if (r == 0)
                r = status_ask_next(&ask, &c->first);
        c->last = &c->first;
        if (r < 0 || c->first.n_traces == 0)
                return r;
        wait_interval();
        c->last = &c->second;
        return status_ask_next(&ask, &c->second);
}

static int show(const struct command *c)
{
        const struct status_report report = {
                .status = c->last, .rates = &c->rates, .users = c->users, .n_users = c->n_users};
        CLEANUP(inspect_output_close) struct inspect_output output;
        CLEANUP_TEXT struct text text = {0};

        inspect_output_open(c->options, &output);
        text.ascii = output.ascii;
        if (c->options->format == FORMAT_JSON)
                view_status_put_json(&text, &report);
        else
                view_status_put_text(
                        &text, &report,
                        &(struct view_status_options){.color = output.color, .n_columns = output.n_columns});
        return inspect_write(&output, &text);
}

static int run(struct command *c)
{
        int r = ask(c);

        if (r < 0)
                return r;
        r = find_users(c);
        if (r == 0)
                r = status_rates_make(c->last == &c->second ? &c->first : NULL, c->last, &c->rates);
        if (r < 0) {
                say("cannot show the status: %s", strerror(-r));
                return r;
        }
        return show(c);
}

int cmd_status(const struct options *options)
{
        struct command command = {.options = options};
        int r = run(&command);

        free_users(&command);
        status_rates_free(&command.rates);
        status_free(&command.first);
        status_free(&command.second);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
