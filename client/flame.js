/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The moving part of a flame graph (flame_svg.c). A frame is a <g> of a tool tip, a rectangle and a text, with where it
 * begins and what it weighs as data; frames stand in the file parents first, from left to right. Names are read from
 * and written to text content only.
 */
"use strict";
(function () {
        const LEFT = 10, WIDTH = 1180, INSET = 3, CELL = 7.3;
        const element = (id) => document.getElementById(id);
        const container = element("frames"), details = element("details"), matched = element("matched");
        const bar = element("bar"), reset = element("reset"), word = element("word");

        const frames = Array.from(container.children, (group, index) => {
                const [title, rect, text] = group.children;
                const [name, measure] = title.textContent.split("\n");

                return {
                        index, group, rect, text, name, measure,
                        depth: Number(group.dataset.depth),
                        start: Number(group.dataset.start),
                        weight: Number(group.dataset.weight),
                };
        });
        const root = frames[0], frameOf = new Map(frames.map((frame) => [frame.group, frame]));
        let zoomed = root;

        const end = (frame) => frame.start + frame.weight;
        const holds = (outer, inner) => outer.depth <= inner.depth && outer.start <= inner.start &&
                end(outer) >= end(inner);
        const isHidden = (frame) => frame.group.classList.contains("hidden");

        function fitting(name, width) {
                const room = (width - 2 * INSET) / CELL, points = Array.from(name);
                let used = 0, cut = 0;

                for (let i = 0; i < points.length; i++) {
                        used += points[i].codePointAt(0) >= 0x2e80 ? 2 : 1;
                        if (used > room)
                                return cut > 1 ? points.slice(0, cut).join("") + "\u2026" : "";
                        if (used + 1 <= room)
                                cut = i + 1;
                }
                return name;
        }

        function place(frame, x, width) {
                frame.rect.setAttribute("x", x.toFixed(2));
                frame.rect.setAttribute("width", width.toFixed(2));
                frame.text.setAttribute("x", (x + INSET).toFixed(2));
                frame.text.textContent = fitting(frame.name, width);
        }

        function zoom(to) {
                const scale = to.weight > 0 ? WIDTH / to.weight : 0;

                zoomed = to;
                for (const frame of frames) {
                        const isOuter = frame !== to && holds(frame, to), isInner = holds(to, frame);

                        frame.group.classList.toggle("outer", isOuter);
                        frame.group.classList.toggle("hidden", !isOuter && !isInner);
                        if (isOuter || frame === to)
                                place(frame, LEFT, WIDTH);
                        else if (isInner)
                                place(frame, LEFT + (frame.start - to.start) * scale, frame.weight * scale);
                }
                reset.classList.toggle("hidden", to === root);
                describe(to);
        }

        /* A match within a match is weighed once. */
        function search() {
                const wanted = word.value.toLowerCase();
                let n = 0, sum = 0, covered = 0;

                for (const frame of frames) {
                        const matches = wanted !== "" && frame !== root && frame.name.toLowerCase().includes(wanted);

                        frame.group.classList.toggle("match", matches);
                        if (!matches)
                                continue;
                        n++;
                        if (frame.start >= covered) {
                                sum += frame.weight;
                                covered = end(frame);
                        }
                }
                matched.textContent = wanted === "" ? "" :
                        n + (n === 1 ? " frame matches, " : " frames match, ") +
                        (root.weight > 0 ? 100 * sum / root.weight : 0).toFixed(2) + " % of all";
        }

        function describe(frame) {
                details.textContent = frame.name + ": " + frame.measure;
        }

        /* The nearest frame that is shown in the direction of an arrow key; undefined: there is none. */
        function neighbour(frame, key) {
                const after = frames.slice(frame.index + 1), before = frames.slice(0, frame.index).reverse();

                switch (key) {
                case "ArrowDown":
                        return after.find((f) => f.depth === frame.depth + 1 && holds(frame, f) && !isHidden(f));
                case "ArrowUp":
                        return before.find((f) => f.depth === frame.depth - 1);
                case "ArrowRight":
                        return after.find((f) => f.depth === frame.depth && !isHidden(f));
                case "ArrowLeft":
                        return before.find((f) => f.depth === frame.depth && !isHidden(f));
                }
                return undefined;
        }

        function focus(frame) {
                for (const other of frames)
                        other.group.setAttribute("tabindex", other === frame ? "0" : "-1");
                frame.group.focus();
        }

        const frameAt = (event) => frameOf.get(event.target.closest("#frames > g"));
        const isPress = (event) => event.key === "Enter" || event.key === " ";

        container.addEventListener("click", (event) => {
                const frame = frameAt(event);

                if (frame)
                        zoom(frame);
        });
        container.addEventListener("mouseover", (event) => describe(frameAt(event) || zoomed));
        container.addEventListener("mouseleave", () => describe(zoomed));
        container.addEventListener("focusin", (event) => describe(frameAt(event) || zoomed));
        container.addEventListener("keydown", (event) => {
                const frame = frameAt(event), next = frame && neighbour(frame, event.key);

                if (frame && isPress(event))
                        zoom(frame);
                else if (next)
                        focus(next);
                else
                        return;
                event.preventDefault();
        });
        reset.addEventListener("click", () => zoom(root));
        reset.addEventListener("keydown", (event) => {
                if (!isPress(event))
                        return;
                event.preventDefault();
                zoom(root);
                focus(root);
        });
        word.addEventListener("input", search);
        document.addEventListener("keydown", (event) => {
                const inWord = document.activeElement === word;

                if ((event.ctrlKey || event.metaKey) && event.key === "f" && !inWord) {
                        event.preventDefault(); /* a second Ctrl-F is the browser's own */
                        word.focus();
                        word.select();
                } else if (event.key === "Escape" && inWord) {
                        word.value = "";
                        search();
                        word.blur();
                } else if (event.key === "Escape") {
                        zoom(root);
                }
        });
        window.addEventListener("scroll", () => bar.setAttribute("transform", "translate(0 " + window.scrollY + ")"));
        element("search").classList.remove("hidden");
        describe(root);
})();
