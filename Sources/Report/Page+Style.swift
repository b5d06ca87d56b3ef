/// The style sheet and the script of a page. Neither contains anything of a run.
extension Page {
    static let style: HTML = """

        :root { color-scheme: light dark; --paper: #fdfdfc; --ink: #1d2129; --dim: #626a76; --rule: #e4e6e9; --panel: #f5f6f7;
          --c0: #2f6fb7; --c1: #c9541c; --c2: #2b8a57; --c3: #8a4fb0; --c4: #b8860b; --c5: #0f8b8d; --c6: #c2387c; --c7: #6b7280; }
        @media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e4e7eb; --dim: #98a1ad; --rule: #2b313a; --panel: #1c2027;
          --c0: #6fb0f2; --c1: #f39152; --c2: #62c48e; --c3: #c193e6; --c4: #e0b64c; --c5: #4fc4c4; --c6: #f07fb4; --c7: #a3abb8; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink);
          font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
        main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 48px; }
        h1 { font-size: 28px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; overflow-wrap: anywhere; }
        h2 { font-size: 19px; margin: 40px 0 6px; }
        h3 { font-size: 15px; margin: 0; overflow-wrap: anywhere; }
        .kind { margin: 0 0 2px; color: var(--dim); font-size: 13px; }
        .lead { margin: 4px 0 12px; color: var(--dim); overflow-wrap: anywhere; }
        .warning { border-left: 3px solid var(--c1); padding: 4px 12px; background: var(--panel); overflow-wrap: anywhere; }
        footer { margin-top: 40px; border-top: 1px solid var(--rule); padding-top: 10px; color: var(--dim); font-size: 13px; }

        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 1px; margin: 24px 0 32px;
          border: 1px solid var(--rule); border-radius: 6px; overflow: hidden; }
        .tile { box-shadow: 0 0 0 1px var(--rule); padding: 12px 14px; }
        .tile p { margin: 0; color: var(--dim); font-size: 12.5px; min-height: 1.5em; }
        .tile strong { font-size: 24px; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
        #summary { margin: 24px 0 32px; }

        .charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 36px 40px; }
        .chart.wide { grid-column: 1 / -1; }
        @media (max-width: 760px) { .charts { grid-template-columns: minmax(0, 1fr); gap: 30px; } main { padding: 20px 16px 40px; } }
        .chart { margin: 0; min-width: 0; }
        figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 18px; align-items: baseline; }
        .legend { margin: 0; font-size: 12.5px; color: var(--dim); }
        .key { margin-right: 12px; white-space: nowrap; }
        .key svg { vertical-align: middle; margin-right: 5px; overflow: visible; }
        .axes { display: flex; justify-content: space-between; margin: 6px 0 10px; font-size: 12px; color: var(--dim); }
        .axis-x { margin: 26px 0 0; font-size: 12px; color: var(--dim); text-align: right; }
        .frame { position: relative; margin-left: 46px; margin-right: 10px; }
        .frame.twosided { margin-right: 40px; }
        .plot { display: block; width: 100%; height: 210px; overflow: visible; touch-action: pan-y; }
        .wide .plot { height: 360px; }
        .twosided ~ .axis-x { margin-right: 40px; }
        @media (max-width: 760px) { .wide .plot { height: 280px; } }
        .lines { overflow: visible; }
        .ground { fill: transparent; }
        .grid { stroke: var(--rule); stroke-width: 1; }
        .grid.upright { stroke-dasharray: 1 4; }
        .tick { font-size: 11.5px; fill: var(--dim); font-variant-numeric: tabular-nums; }
        .tick.y { text-anchor: end; } .tick.x { text-anchor: middle; }
        .note { font-size: 11.5px; fill: var(--dim); paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
        .note.strong { fill: var(--ink); font-weight: 600; font-size: 12.5px; }
        .line { fill: none; stroke: var(--c); stroke-width: 1.7; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
        .faint { stroke-opacity: 0.5; stroke-width: 1.2; }
        .dashed { stroke-dasharray: 4 4; }
        .level { stroke: var(--c1); stroke-dasharray: 6 4; stroke-width: 1.2; }
        .resumed { stroke: var(--dim); stroke-dasharray: 2 3; stroke-width: 1; }
        circle { fill: var(--c); stroke: var(--paper); stroke-width: 1.2; }
        .cursor { stroke: var(--dim); stroke-width: 1; visibility: hidden; pointer-events: none; }
        .readout { position: absolute; top: 6px; z-index: 1; pointer-events: none; background: var(--paper); border: 1px solid var(--rule);
          border-radius: 5px; padding: 6px 9px; font-size: 12px; line-height: 1.45; white-space: nowrap; box-shadow: 0 2px 10px rgb(0 0 0 / 0.12); font-variant-numeric: tabular-nums; }
        .readout b { font-weight: 600; }
        .readout i { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 6px; }
        .c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
        .c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); } .c7 { --c: var(--c7); }

        .patch { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 7px; background: var(--c); }
        .bar { display: block; width: 100%; height: 30px; border-radius: 4px; margin: 4px 0 14px; }
        .bar rect { stroke: var(--paper); stroke-width: 0.75; }
        .barname { margin: 10px 0 0; font-size: 13px; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; font-size: 13.5px; }
        .numbers, #environment table { width: 100%; }
        #phases .numbers { width: auto; min-width: min(100%, 440px); } #phases td { padding: 3px 14px 3px 0; } #phases th { padding: 3px 24px 3px 0; }
        th, td { padding: 5px 14px 5px 0; text-align: left; border-bottom: 1px solid var(--rule); vertical-align: top; }
        thead th { color: var(--dim); font-weight: 500; font-size: 12.5px; vertical-align: bottom; }
        tbody th { font-weight: 500; }
        .numbers td, .numbers thead th:not(:first-child), td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
        .numbers td { white-space: nowrap; }
        .numbers .text.text { text-align: left; }
        .total th, .total td { border-bottom: 0; font-weight: 600; }

        .samples { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 16px; margin: 10px 0; }
        .sample { background: var(--panel); border-radius: 6px; padding: 10px 14px; min-width: 0; }
        .sample h4 { margin: 0 0 6px; font-size: 12.5px; font-weight: 500; color: var(--dim); }
        pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; unicode-bidi: isolate; }
        code, .settings { font-family: ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
        details { margin: 8px 0; } summary { cursor: pointer; color: var(--dim); font-size: 13.5px; }
        .settings { columns: 2 340px; column-gap: 40px; margin: 10px 0; }
        .settings div { display: flex; justify-content: space-between; gap: 16px; padding: 3px 0; border-bottom: 1px solid var(--rule); break-inside: avoid; }
        .settings dt { color: var(--dim); } .settings dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
        @media print { .charts { break-inside: auto; } .chart, .sample { break-inside: avoid; } }

        """

    /// Shows the values below the pointer.
    static let script: HTML = """

        for (const plot of document.querySelectorAll(".plot")) {
          const numbers = text => text ? text.split(" ").map(Number) : [];
          const series = [...plot.querySelectorAll("path[data-x]")].map(path => ({
            name: path.dataset.name, colour: getComputedStyle(path).stroke,
            x: numbers(path.dataset.x), y: numbers(path.dataset.y), step: numbers(path.dataset.step) })).filter(s => s.x.length);
          const lower = +plot.dataset.lower, upper = +plot.dataset.upper;
          const box = plot.parentElement.querySelector(".readout"), cursor = plot.querySelector(".cursor");
          const format = value => value.toLocaleString("en", { maximumSignificantDigits: 5 });
          const nearest = (list, x) => {
            let low = 0, high = list.length - 1;
            while (low < high) { const middle = (low + high) >> 1; if (list[middle] < x) low = middle + 1; else high = middle; }
            return low > 0 && x - list[low - 1] < list[low] - x ? low - 1 : low;
          };
          const hide = () => { box.hidden = true; cursor.style.visibility = "hidden"; };
          plot.addEventListener("pointerleave", hide);
          plot.addEventListener("pointermove", event => {
            const frame = plot.getBoundingClientRect();
            const share = Math.min(1, Math.max(0, (event.clientX - frame.left) / frame.width));
            if (!series.length) return;
            const found = series.map(s => [s, nearest(s.x, lower + share * (upper - lower))]);
            const [first, at] = found[0];
            const place = 100 * (first.x[at] - lower) / (upper - lower) + "%";
            cursor.setAttribute("x1", place); cursor.setAttribute("x2", place); cursor.style.visibility = "visible";
            box.replaceChildren(...found.map(([s, i]) => {
              const row = document.createElement("div"), patch = document.createElement("i"), value = document.createElement("b");
              patch.style.background = s.colour;
              value.textContent = format(s.y[i]) + (plot.dataset.unit ? " " + plot.dataset.unit : "");
              row.append(patch, value, " " + s.name + " at step " + s.step[i].toLocaleString("en"));
              return row;
            }));
            const tokens = document.createElement("div");
            tokens.textContent = format(first.x[at]) + " " + plot.dataset.across;
            box.prepend(tokens);
            box.hidden = false;
            box.style.left = share < 0.5 ? place : "auto";
            box.style.right = share < 0.5 ? "auto" : 100 - parseFloat(place) + "%";
            box.style.margin = "0 10px";
          });
        }

        """
}
