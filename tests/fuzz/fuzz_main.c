/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fuzz target as a plain program, for compilers without libFuzzer and for every test run:
 *
 *     fuzz_NAME [-n MUTATIONS] [-s SEED] [FILE|FOLDER]...
 *
 * runs each file as it is, then MUTATIONS inputs made from them. The same arguments and files give the same inputs on
 * every machine (files are taken in the order of their names), so that a failure can be repeated: the number of the
 * input is printed every so often and `-n` cuts the run short. It looks for regressions, not for new ground; that is
 * libFuzzer's part.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/base.h"
#include "tests/fuzz/fuzz.h"

#define MAX_INPUT_BYTES (1024 * 1024)
#define MAX_MUTATED_BYTES 8192
#define MAX_STEPS 8 /* mutations of one input */

struct input {
        uint8_t *data;
        size_t n_bytes;
};

struct corpus {
        struct input *inputs;
        size_t n_inputs;
};

static void fail(const char *what, const char *path)
{
        fprintf(stderr, "fuzz: cannot %s %s: %s\n", what, path, strerror(errno));
        exit(EXIT_FAILURE);
}

static void corpus_add(struct corpus *corpus, const void *data, size_t n_bytes)
{
        struct input *inputs = reallocarray(corpus->inputs, corpus->n_inputs + 1, sizeof(*inputs));
        uint8_t *copy = malloc(n_bytes + 1);

        if (!inputs || !copy)
                fail("keep", "an input");
        memcpy(copy, data, n_bytes);
        corpus->inputs = inputs;
        corpus->inputs[corpus->n_inputs++] = (struct input){.data = copy, .n_bytes = n_bytes};
}

static void corpus_free(struct corpus *corpus)
{
        for (size_t i = 0; i < corpus->n_inputs; i++)
                free(corpus->inputs[i].data);
        free(corpus->inputs);
}

static void corpus_add_file(struct corpus *corpus, const char *path)
{
        static uint8_t data[MAX_INPUT_BYTES];
        FILE *file = fopen(path, "re");
        size_t n_bytes;

        if (!file)
                fail("open", path);
        n_bytes = fread(data, 1, sizeof(data), file);
        if (ferror(file))
                fail("read", path);
        fclose(file);
        corpus_add(corpus, data, n_bytes);
}

static int visible(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

static void corpus_add_folder(struct corpus *corpus, const char *path)
{
        struct dirent **entries;
        int n = scandir(path, &entries, visible, alphasort);

        if (n < 0)
                fail("list", path);
        for (int i = 0; i < n; i++) {
                char *name;

                if (asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
                        fail("name a file of", path);
                corpus_add_file(corpus, name);
                free(name);
                free(entries[i]);
        }
        free(entries);
}

static void corpus_add_path(struct corpus *corpus, const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0)
                fail("find", path);
        if (S_ISDIR(st.st_mode))
                corpus_add_folder(corpus, path);
        else
                corpus_add_file(corpus, path);
}

/* xorshift64*: the same numbers everywhere, unlike rand(3). */
static uint64_t next_random(uint64_t *state)
{
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(2685821657736338717);
}

/* 0 .. n-1; n > 0. */
static size_t below(uint64_t *random, size_t n)
{
        return (size_t)(next_random(random) >> 16) % n;
}

/* Numbers that lengths and counts break at, written little-endian over 1, 2, 4 or 8 bytes. */
static void put_interesting(struct input *input, uint64_t *random)
{
        static const uint64_t values[] = {0,         1,          7,        0x7f,       0x80,
                                          0xff,      0x7fff,     0x8000,   0xffff,     0x10000,
                                          0x20000,   0x7fffffff, 1u << 31, UINT32_MAX, UINT64_C(1) << 32,
                                          INT64_MAX, UINT64_MAX, 4096,     4097,       131072};
        size_t width = (size_t)1 << below(random, 4), at;
        uint64_t value = values[below(random, ARRAY_SIZE(values))];

        if (input->n_bytes < width)
                return;
        at = below(random, input->n_bytes - width + 1);
        for (size_t i = 0; i < width; i++)
                input->data[at + i] = (uint8_t)(value >> (8 * i));
}

/* Take out up to 64 bytes somewhere. */
static void cut_out(struct input *input, uint64_t *random)
{
        size_t at = below(random, input->n_bytes), n = 1 + below(random, 64);

        n = MIN_OF(n, input->n_bytes - at);
        memmove(input->data + at, input->data + at + n, input->n_bytes - at - n);
        input->n_bytes -= n;
}

/* Put a piece of `other` (or of itself) in somewhere. */
static void splice_in(struct input *input, const struct input *other, uint64_t *random)
{
        size_t from, to, n;

        if (other->n_bytes == 0)
                return;
        from = below(random, other->n_bytes);
        to = below(random, input->n_bytes + 1);
        n = 1 + below(random, 256);
        n = MIN_OF(n, MIN_OF(other->n_bytes - from, MAX_MUTATED_BYTES - input->n_bytes));
        memmove(input->data + to + n, input->data + to, input->n_bytes - to);
        memcpy(input->data + to, other->data + from, n);
        input->n_bytes += n;
}

static void mutate(struct input *input, const struct corpus *corpus, uint64_t *random)
{
        switch (input->n_bytes ? below(random, 6) : 5) {
        case 0:
                input->data[below(random, input->n_bytes)] ^= (uint8_t)(1u << below(random, 8));
                break;
        case 1:
                input->data[below(random, input->n_bytes)] = (uint8_t)next_random(random);
                break;
        case 2:
                put_interesting(input, random);
                break;
        case 3:
                cut_out(input, random);
                break;
        case 4:
                input->n_bytes = below(random, input->n_bytes);
                break;
        case 5:
                splice_in(input, &corpus->inputs[below(random, corpus->n_inputs)], random);
                break;
        }
}

/* In memory of exactly its size, so that the address sanitizer sees a read of one byte too many. */
static void run(const uint8_t *data, size_t n_bytes)
{
        uint8_t *copy = malloc(n_bytes);

        if (!copy && n_bytes > 0)
                fail("copy", "an input");
        if (n_bytes > 0)
                memcpy(copy, data, n_bytes);
        (void)LLVMFuzzerTestOneInput(copy, n_bytes);
        free(copy);
}

static void run_mutations(const struct corpus *corpus, size_t n_mutations, uint64_t seed)
{
        static uint8_t data[MAX_MUTATED_BYTES];
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;

        for (size_t i = 0; i < n_mutations; i++) {
                const struct input *base = &corpus->inputs[below(&random, corpus->n_inputs)];
                struct input input = {.data = data, .n_bytes = MIN_OF(base->n_bytes, sizeof(data))};
                size_t n_steps = 1 + below(&random, MAX_STEPS);

                memcpy(data, base->data, input.n_bytes);
                for (size_t step = 0; step < n_steps; step++)
                        mutate(&input, corpus, &random);
                if (i % 1000 == 0)
                        fprintf(stderr, "mutation %zu of %zu\n", i, n_mutations);
                run(input.data, input.n_bytes);
        }
}

static uint64_t parse_number(const char *text)
{
        char *end;
        uint64_t value;

        errno = 0;
        value = strtoull(text, &end, 10);
        if (errno || *end || end == text) {
                fprintf(stderr, "fuzz: not a number: %s\n", text);
                exit(EXIT_FAILURE);
        }
        return value;
}

int main(int argc, char **argv)
{
        struct corpus corpus = {0};
        size_t n_mutations = 0;
        uint64_t seed = 1;
        int option;

        while ((option = getopt(argc, argv, "n:s:")) != -1) {
                if (option == 'n')
                        n_mutations = parse_number(optarg);
                else if (option == 's')
                        seed = parse_number(optarg);
                else
                        return EXIT_FAILURE;
        }
        for (int i = optind; i < argc; i++)
                corpus_add_path(&corpus, argv[i]);
        for (size_t i = 0; i < corpus.n_inputs; i++)
                run(corpus.inputs[i].data, corpus.inputs[i].n_bytes);
        printf("%zu inputs as they are\n", corpus.n_inputs);
        corpus_add(&corpus, "", 0);
        corpus_add(&corpus, "\xff\xff\xff\xff\xff\xff\xff\xff", 8); /* something to splice where there is no corpus */
        run_mutations(&corpus, n_mutations, seed);
        printf("%zu mutated inputs, seed %" PRIu64 "\n", n_mutations, seed);
        corpus_free(&corpus);
        return EXIT_SUCCESS;
}
