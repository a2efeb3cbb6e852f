/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The outermost frame is on top, because that is where a tall picture begins when it is opened, and where everybody
 * begins to read it. The picture is complete without its script (flame.js): rectangles, names cut to fit, tool tips.
 * The script only moves and hides what is there, from two numbers that each frame carries, where it begins and what it
 * weighs; so zooming is exact however narrow the frame was. The full name stands once, as the first line of the tool
 * tip.
 *
 * Names belong to the traced programs and are hostile: they come escaped as for a terminal, and stand in text content
 * only, escaped again for XML. No name is ever part of an attribute, of the style or of the script.
 */
#include "client/flame_svg.h"

#include <flame_script.h> /* made from flame.js by the build */

#include "client/escape.h"

enum {
        WIDTH = 1200,
        MARGIN = 10,
        DRAWN = WIDTH - 2 * MARGIN, /* flame.js has these too */
        TOP = 76,
        ROW = 17,
        BOTTOM = 34,
        TEXT_INSET = 3,
};

static const double cell_px = 7.3; /* of the 12 px monospace font, generous */
static const double narrowest_px = 0.1;

struct drawing {
        const struct flame *flame;
        enum fault_weight weight;
        struct text *out;
        uint64_t total;
        uint32_t n_left_out;
        uint32_t n_rows;
};

/* bytes: valid UTF-8 without controls. */
static void put_xml(struct text *out, const char *bytes, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes;) {
                uint32_t point = 0;
                size_t length = utf8_decode(bytes + i, n_bytes - i, &point);

                if (point == '&')
                        text_put_string(out, "&amp;");
                else if (point == '<')
                        text_put_string(out, "&lt;");
                else if (point == '>')
                        text_put_string(out, "&gt;");
                else if (length == 0 || point == 0xfffe || point == 0xffff) /* the two that XML 1.0 does not allow */
                        text_put_string(out, "\xef\xbf\xbd");
                else
                        text_put(out, bytes + i, length);
                i += MAX_OF(length, (size_t)1);
        }
}

/* As much of a name as fits, with an ellipsis for the rest; nothing where that would be less than two characters. */
static void put_fitting(struct text *out, const char *name, size_t n_bytes, double width_px)
{
        double room = (width_px - 2 * TEXT_INSET) / cell_px, used = 0;
        size_t end_all = 0, end_cut = 0;

        while (end_all < n_bytes) {
                uint32_t point = 0;
                size_t length = utf8_decode(name + end_all, n_bytes - end_all, &point);

                used += utf8_cells(point);
                if (used > room)
                        break;
                end_all += MAX_OF(length, (size_t)1);
                if (used + 1 <= room)
                        end_cut = end_all;
        }
        if (end_all == n_bytes) {
                put_xml(out, name, n_bytes);
        } else if (end_cut > 1) {
                put_xml(out, name, end_cut);
                text_put_string(out, "\u2026");
        }
}

static void put_weight(struct text *out, enum fault_weight kind, uint64_t weight)
{
        text_put_u64(out, kind == WEIGHT_TIME ? weight / NSEC_PER_USEC : kind == WEIGHT_BYTES ? weight / 1024 : weight);
        text_put_string(out, kind == WEIGHT_TIME    ? " \u00b5s"
                             : kind == WEIGHT_BYTES ? " KiB"
                             : weight == 1          ? " fault"
                                                    : " faults");
}

/* --- colours: the kind gives the tone, the name the shade --- */

static uint32_t hash_of(const char *name, size_t n_bytes)
{
        uint32_t hash = 2166136261; /* FNV-1a */

        for (size_t i = 0; i < n_bytes; i++)
                hash = (hash ^ (unsigned char)name[i]) * 16777619;
        return hash ^ hash >> 15;
}

struct tone {
        uint8_t base[3], range[3];
        const char *name; /* NULL: not in the legend */
};

static const struct tone tones[] = {
        [FRAME_OTHER] = {{200, 200, 200}, {25, 25, 25}, NULL},
        [FRAME_USER] = {{222, 110, 50}, {33, 105, 40}, "user"},
        [FRAME_KERNEL] = {{110, 165, 215}, {50, 40, 40}, "kernel"},
        [FRAME_INLINED] = {{125, 185, 90}, {45, 45, 45}, "inlined"},
        [FRAME_JIT] = {{180, 140, 205}, {40, 40, 45}, "generated"},
};

static void put_color(struct text *out, unsigned int kind, uint32_t hash)
{
        const struct tone *tone = &tones[kind];
        unsigned int rgb[3];

        for (size_t i = 0; i < ARRAY_SIZE(rgb); i++)
                rgb[i] = tone->base[i] + (hash >> (8 * i) & 0xff) * tone->range[i] / 0xff;
        text_printf(out, "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
}

/* --- frames --- */

static double px_of(const struct drawing *d, uint64_t weight)
{
        return d->total > 0 ? (double)weight / (double)d->total * DRAWN : DRAWN;
}

static bool is_drawn(const struct drawing *d, uint32_t node)
{
        return node == FLAME_ROOT || px_of(d, d->flame->nodes[node].total) >= narrowest_px;
}

static void put_tip(const struct drawing *d, const char *name, size_t n_bytes, uint64_t weight)
{
        text_put_string(d->out, "<title>");
        put_xml(d->out, name, n_bytes);
        text_put_char(d->out, '\n');
        put_weight(d->out, d->weight, weight);
        text_printf(d->out, ", %.2f %%</title>", d->total > 0 ? 100.0 * (double)weight / (double)d->total : 100.0);
}

static void put_frame(const struct drawing *d, const struct flame_node *node, uint64_t start)
{
        const char *name = "all";
        size_t n_bytes = 3;
        double x = MARGIN + (start ? px_of(d, start) : 0), width = px_of(d, node->total);
        uint32_t y = TOP + node->depth * ROW;

        if (node->depth > 0)
                name = flame_name(d->flame, node, &n_bytes);
        text_printf(d->out, "<g role=\"button\" tabindex=\"%d\" data-depth=\"%u\" data-start=\"", node->depth ? -1 : 0,
                    node->depth);
        text_put_u64(d->out, start);
        text_put_string(d->out, "\" data-weight=\"");
        text_put_u64(d->out, node->total);
        text_put_string(d->out, "\">");
        put_tip(d, name, n_bytes, node->total);
        text_printf(d->out, "<rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\" fill=\"", x, y, width, ROW - 1);
        put_color(d->out, node->kind, hash_of(name, n_bytes));
        text_printf(d->out, "\"/><text x=\"%.2f\" y=\"%u\">", x + TEXT_INSET, y + ROW - 5);
        put_fitting(d->out, name, n_bytes, width);
        text_put_string(d->out, "</text></g>\n");
}

/* cursors[depth]: where the next frame of that depth begins. */
static void put_frames(const struct drawing *d, uint64_t *cursors)
{
        cursors[0] = 0;
        for (uint32_t i = FLAME_ROOT; i != FLAME_NONE; i = flame_next(d->flame, i)) {
                const struct flame_node *node = &d->flame->nodes[i];
                uint64_t start = cursors[node->depth];

                if (__builtin_add_overflow(start, node->total, &cursors[node->depth]))
                        cursors[node->depth] = UINT64_MAX;
                cursors[node->depth + 1] = start;
                if (is_drawn(d, i))
                        put_frame(d, node, start);
        }
}

/* What will be drawn, and how much of it. */
static void measure(struct drawing *d)
{
        for (uint32_t i = 0; i < d->flame->n_nodes; i++) {
                if (is_drawn(d, i))
                        d->n_rows = MAX_OF(d->n_rows, d->flame->nodes[i].depth + 1);
                else if (d->flame->nodes[i].total > 0)
                        d->n_left_out++;
        }
}

/* --- what is around them --- */

static void put_begin(const struct drawing *d, const struct text *title, uint32_t height)
{
        text_printf(d->out,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" height=\"%u\" "
                    "viewBox=\"0 0 %d %u\">\n<title>",
                    WIDTH, height, WIDTH, height);
        put_xml(d->out, title->data, title->n_bytes);
        text_put_string(d->out, "</title>\n<style>\n"
                                "text { font: 12px monospace; fill: #111; }\n"
                                "#heading { font-size: 16px; }\n"
                                "#frames g { cursor: pointer; outline: none; }\n"
                                "#frames text { pointer-events: none; }\n"
                                "#frames g:hover rect { stroke: #111; }\n"
                                "#frames g:focus-visible rect { stroke: #111; stroke-width: 2; }\n"
                                "#frames g.match rect { fill: #d63cd6; }\n"
                                "#frames g.outer { opacity: 0.5; }\n"
                                ".hidden { display: none; }\n"
                                "#reset text { fill: #0645ad; text-decoration: underline; cursor: pointer; }\n"
                                "input { width: 206px; font: 12px monospace; box-sizing: border-box; }\n"
                                "</style>\n"
                                "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
}

/* Stays in view where the script can see to it, above the frames. */
static void put_bar(const struct drawing *d, const struct text *title)
{
        text_printf(d->out,
                    "<g id=\"bar\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
                    "<text id=\"heading\" x=\"%d\" y=\"24\">",
                    WIDTH, TOP - 4, MARGIN);
        put_fitting(d->out, title->data, title->n_bytes, (double)(DRAWN - 220) / 16 * 12);
        text_printf(d->out,
                    "</text>\n"
                    "<text id=\"details\" x=\"%d\" y=\"46\" role=\"status\"></text>\n"
                    "<g id=\"reset\" class=\"hidden\" role=\"button\" tabindex=\"0\">"
                    "<text x=\"%d\" y=\"66\">reset zoom</text></g>\n"
                    "<text id=\"matched\" x=\"%d\" y=\"66\" text-anchor=\"end\" role=\"status\"></text>\n"
                    "<foreignObject id=\"search\" class=\"hidden\" x=\"%d\" y=\"8\" width=\"210\" height=\"24\">"
                    "<input xmlns=\"http://www.w3.org/1999/xhtml\" id=\"word\" type=\"search\" "
                    "placeholder=\"search (Ctrl-F)\" aria-label=\"search\"/></foreignObject>\n</g>\n",
                    MARGIN, MARGIN, WIDTH - MARGIN, WIDTH - MARGIN - 210);
}

static void put_legend(const struct drawing *d, uint32_t y)
{
        unsigned int x = MARGIN;

        for (unsigned int kind = 0; kind < ARRAY_SIZE(tones); kind++) {
                if (!tones[kind].name)
                        continue;
                text_printf(d->out, "<rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" fill=\"", x, y - 10);
                put_color(d->out, kind, 0x7f7f7f);
                text_printf(d->out, "\"/><text x=\"%u\" y=\"%u\">%s</text>\n", x + 17, y, tones[kind].name);
                x += 100;
        }
        text_printf(d->out, "<text id=\"omitted\" x=\"%d\" y=\"%u\" text-anchor=\"end\">", WIDTH - MARGIN, y);
        if (d->n_left_out > 0)
                text_printf(d->out, "%u frame%s narrower than 0.1 px left out", d->n_left_out,
                            d->n_left_out == 1 ? "" : "s");
        text_put_string(d->out, "</text>\n");
}

void flame_put_svg(const struct flame *flame, const struct flame_svg_options *options, struct text *out)
{
        static const struct flame_node only_root = {.parent = FLAME_NONE};
        struct drawing d = {
                .flame = flame, .weight = options->weight, .out = out, .total = flame_total(flame), .n_rows = 1};
        CLEANUP_FREE uint64_t *cursors = calloc(flame->max_depth + (size_t)2, sizeof(*cursors));
        CLEANUP_TEXT struct text title = {0};
        uint32_t height;

        (void)escape_terminal(&title, options->title, options->n_title);
        if (!cursors || title.failed) {
                out->failed = true;
                return;
        }
        measure(&d);
        height = TOP + d.n_rows * ROW + BOTTOM;
        put_begin(&d, &title, height);
        text_put_string(out, "<g id=\"frames\">\n");
        if (flame->n_nodes > 0)
                put_frames(&d, cursors);
        else
                put_frame(&d, &only_root, 0);
        text_put_string(out, "</g>\n");
        put_legend(&d, height - BOTTOM / 2 + 6);
        put_bar(&d, &title);
        text_put_string(out, "<script><![CDATA[\n");
        text_put(out, flame_script, sizeof(flame_script) - 1);
        text_put_string(out, "]]></script>\n</svg>\n");
}
