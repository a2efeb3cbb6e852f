/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a cell looks: its character tells what is resident, its colour what happened last. Two things must survive a
 * terminal without colours: that something happens just now (a dot, reversed), and that it failed ('!'). A block that
 * is reversed would look like its opposite, an empty one; so what is fresh is a dot whatever is resident there.
 */
#include "client/cause_family.h"
#include "client/top/space.h"
#include "client/top/space_parts.h"

#define FRESH_NS (500 * NSEC_PER_MSEC)
#define WARM_NS (4 * NSEC_PER_SEC)
#define RECENT_NS (5 * NSEC_PER_SEC)

struct glyph {
        const char *unicode;
        char ascii;
};

static const struct glyph glyphs[N_RESIDENCIES] = {
        [RESIDENT_UNKNOWN] = {"░", ':'},  [RESIDENT_NONE] = {"·", '.'},     [RESIDENT_SOME] = {"▁", '-'},
        [RESIDENT_SOME + 1] = {"▂", '-'}, [RESIDENT_SOME + 2] = {"▃", '-'}, [RESIDENT_SOME + 3] = {"▄", '+'},
        [RESIDENT_SOME + 4] = {"▅", '+'}, [RESIDENT_SOME + 5] = {"▆", '+'}, [RESIDENT_SOME + 6] = {"▇", '+'},
        [RESIDENT_ALL] = {"█", '#'},      [RESIDENT_SWAPPED] = {"s", 's'},  [RESIDENT_GUARD] = {"x", 'x'},
        [RESIDENT_OWN] = {"█", '#'},      [RESIDENT_FILE] = {"▓", 'f'},     [RESIDENT_SHARED] = {"▒", '='},
};

static const struct glyph touched = {"•", '*'}, failed = {"!", '!'};

static bool is_there(enum residency residency)
{
        return residency != RESIDENT_UNKNOWN && residency != RESIDENT_NONE;
}

struct look space_look(const struct space *space, uint64_t start, uint64_t end, enum residency residency,
                       bool is_average, uint64_t now_ns)
{
        const struct glyph *glyph = &glyphs[residency];
        struct look look = {.style = STYLE_PLAIN};
        struct heat_spot spot;
        uint64_t age;

        if (is_average || !is_there(residency))
                look.style = STYLE_DIM;
        if (heat_look(space->heat, start, end, &spot)) {
                age = now_ns > spot.time_ns ? now_ns - spot.time_ns : 0;
                if (age < RECENT_NS && cause_family_of(spot.cause) == FAMILY_FAILED)
                        glyph = &failed;
                else if (age < FRESH_NS || (age < RECENT_NS && (is_average || !is_there(residency))))
                        glyph = &touched;
                if (age < WARM_NS)
                        look.style = (enum style)(STYLE_CAUSE + (spot.cause < N_CAUSES ? spot.cause : CAUSE_UNKNOWN));
                else if (age < RECENT_NS)
                        look.style = STYLE_DIM;
                look.reversed = age < FRESH_NS;
        }
        look.unicode = glyph->unicode;
        look.ascii = glyph->ascii;
        return look;
}

void look_put(struct pen *pen, const struct look *look)
{
        enum style style = pen->style;

        pen->style = look->style;
        pen->reversed = look->reversed;
        pen_put_glyph(pen, look->unicode, look->ascii);
        pen->style = style;
        pen->reversed = false;
}

/* A whole entry or nothing: half a word explains nothing. */
static bool put_entry(struct pen *pen, const struct glyph *glyph, enum style style, bool reversed, const char *word)
{
        size_t n_cells = 1 + 1 + strlen(word);
        const struct look look = {
                .unicode = glyph->unicode, .ascii = glyph->ascii, .style = style, .reversed = reversed};

        if (pen->x >= pen->end || n_cells > pen->end - pen->x)
                return false;
        look_put(pen, &look);
        pen_printf(pen, " %s ", word);
        return true;
}

static void put_causes(struct pen *pen)
{
        static const struct {
                enum cause cause;
                const char *word;
        } causes[] = {
                {CAUSE_ZERO_FILL, "new"},   {CAUSE_COW_COPY, "copy"}, {CAUSE_FILE_MINOR, "file"},
                {CAUSE_FILE_MAJOR, "disk"}, {CAUSE_SHMEM, "shmem"},   {CAUSE_SWAP_IN, "swap"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
                if (!put_entry(pen, &touched, (enum style)(STYLE_CAUSE + causes[i].cause), true, causes[i].word))
                        return;
        if (put_entry(pen, &failed, (enum style)(STYLE_CAUSE + CAUSE_UNMAPPED), true, "failed"))
                (void)put_entry(pen, &touched, (enum style)(STYLE_CAUSE + CAUSE_USERFAULT), true, "served");
}

void space_put_legend(struct pen *pen, bool single_pages)
{
        static const struct {
                enum residency residency;
                const char *word;
        } pages[] = {{RESIDENT_OWN, "own"},
                     {RESIDENT_SHARED, "shared"},
                     {RESIDENT_FILE, "file's"},
                     {RESIDENT_NONE, "not"}},
          parts[] = {{RESIDENT_SOME + 3, "half"}, {RESIDENT_SHARED, "shared"}, {RESIDENT_NONE, "none"}};
        size_t n = single_pages ? ARRAY_SIZE(pages) : ARRAY_SIZE(parts);

        for (size_t i = 0; i < n; i++) {
                enum residency residency = single_pages ? pages[i].residency : parts[i].residency;

                if (!put_entry(pen, &glyphs[residency], is_there(residency) ? STYLE_PLAIN : STYLE_DIM, false,
                               single_pages ? pages[i].word : parts[i].word))
                        return;
        }
        put_causes(pen);
}
