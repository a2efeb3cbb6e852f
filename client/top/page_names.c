/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Definitions are forgotten with each epoch and with the session, the picture is looked at later than that: so names
 * are copied when the page faults. That costs something only when the page's entry does not hold this place already.
 */
#include "client/top/page_names.h"

#include <stdlib.h>

enum { N_PAGES = 4096, PAGE_SHIFT = 12, NAME_BYTES_MAX = 96 };

struct page {
        const struct state *state; /* of `place`, not to be followed; NULL: free */
        uint64_t number;
        uint64_t base; /* where the place begins */
        uint32_t epoch, place;
        uint8_t n_name;
        char name[NAME_BYTES_MAX];
};

struct page_names {
        struct page pages[N_PAGES];
};

struct page_names *page_names_new(void)
{
        return calloc(1, sizeof(struct page_names));
}

struct page_names *page_names_free(struct page_names *names)
{
        free(names);
        return NULL;
}

void page_names_clear(struct page_names *names)
{
        for (size_t i = 0; i < N_PAGES; i++)
                names->pages[i].state = NULL;
}

static size_t slot_of(uint64_t number)
{
        return (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 52); /* the upper 12 bits: N_PAGES */
}

static void append(struct page *page, const char *bytes, size_t n_bytes)
{
        size_t room = NAME_BYTES_MAX - page->n_name;

        n_bytes = MIN_OF(n_bytes, room);
        memcpy(page->name + page->n_name, bytes, n_bytes);
        page->n_name = (uint8_t)(page->n_name + n_bytes);
}

static void append_word(struct page *page, const char *bytes, size_t n_bytes)
{
        if (n_bytes == 0)
                return;
        if (page->n_name > 0)
                append(page, " ", 1);
        append(page, bytes, n_bytes);
}

static void append_base_name(struct page *page, const struct dict_string *path)
{
        const char *slash = path->n_bytes > 0 && path->data[0] != '[' ? memrchr(path->data, '/', path->n_bytes) : NULL;
        size_t skipped = slash ? (size_t)(slash + 1 - path->data) : 0;

        append_word(page, path->data + skipped, path->n_bytes - skipped);
}

static void name_page(struct page *page, const struct state *state, const struct dict_place *place)
{
        const struct dict_string *image = state_string(state, place->image);
        const struct dict_string *section = state_string(state, place->section);
        struct proto_string symbol = state_symbol(state, place->symbol);

        page->base = place->base;
        page->n_name = 0;
        if (image && image->n_bytes > 0)
                append_base_name(page, image);
        if (section && section->n_bytes > 0)
                append_word(page, section->data, section->n_bytes);
        append_word(page, symbol.data, symbol.n_bytes);
}

void page_names_add(struct page_names *names, const struct state *state, const struct proto_event *event)
{
        uint64_t number = event->addr >> PAGE_SHIFT;
        struct page *page = &names->pages[slot_of(number)];
        const struct dict_place *place;

        if (page->state == state && page->number == number && page->epoch == state->epoch &&
            page->place == event->place)
                return;
        place = state_place(state, event->place);
        if (!place)
                return;
        page->state = state;
        page->number = number;
        page->epoch = state->epoch;
        page->place = event->place;
        name_page(page, state, place);
}

bool page_names_put(const struct page_names *names, uint64_t address, struct text *out)
{
        const struct page *page = &names->pages[slot_of(address >> PAGE_SHIFT)];

        if (!page->state || page->number != address >> PAGE_SHIFT || page->n_name == 0)
                return false;
        text_put(out, page->name, page->n_name);
        if (address >= page->base) {
                text_put_char(out, '+');
                text_put_hex(out, address - page->base);
        }
        return true;
}
