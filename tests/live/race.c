/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two threads write each page at once. Who wins is chance; that every page is there, once filled and at most once raced
 * for, is not. */
#include <string.h>

#include "tests/support/harness.h"

struct page {
        uint64_t addr;
        unsigned int n_filled, n_raced;
};

static struct page *page_of(struct page *pages, size_t n_pages, const json_t *fault)
{
        uint64_t addr = address_of(fault, "addr"), index = (addr - pages[0].addr) / 4096;

        CHECK(addr >= pages[0].addr && index < n_pages, "not expected: %s", json_dumps(fault, 0));
        return &pages[index];
}

static void count_faults(const struct client *client, struct page *pages, size_t n_pages)
{
        json_t *fault;
        size_t i;

        json_array_foreach(client->faults, i, fault)
        {
                struct page *page = page_of(pages, n_pages, fault);

                if (strcmp(text_of(fault, "cause"), "zero-fill") == 0)
                        page->n_filled++;
                else if (strcmp(text_of(fault, "cause"), "raced") == 0)
                        page->n_raced++;
                else
                        fail("wrong cause: %s", json_dumps(fault, 0));
        }
}

int main(void)
{
        struct target target;
        struct client client;
        size_t n_pages, n_raced = 0;
        CLEANUP_FREE struct page *pages = NULL;

        harness_begin(100);
        harness_need_full();
        target_start(&target, "threads", "race", NULL);
        n_pages = target_n_expected(&target);
        pages = calloc(n_pages, sizeof(*pages));
        CHECK(pages, "out of memory");
        pages[0].addr = address_of(json_array_get(target.expected, 0), "addr");
        client_attach(&client, target.pid);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        count_faults(&client, pages, n_pages);
        for (size_t i = 0; i < n_pages; i++) {
                CHECK(pages[i].n_filled == 1 && pages[i].n_raced <= 1, "page %zu: %u times filled, %u times raced for",
                      i, pages[i].n_filled, pages[i].n_raced);
                n_raced += pages[i].n_raced;
        }
        CHECK(client.n_faults == n_pages + n_raced, "the sum is wrong");
        printf("%zu pages, %zu faults that another thread had resolved\n", n_pages, n_raced);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed after the trace");
        return 0;
}
