// People of a frame against the remembered poses: similarities as cells, greedy ids, and the poses of the chosen cell.
import { button, canvas, chips, element, figure, has, layers, pointer, slider, stage } from "./base.js";

const kept_in = (x, low, high) => Math.max(low, Math.min(high, x));
const two = x => x.toFixed(2);

/** The ids of a view, as `SimilarityMatrix.answers` gives them: of an id's rows the most similar counts, then greedily. */
function assigned(view, scene) {
  const alike = scene.alike[view.similarity], people = scene.xy.length;
  const rows = scene.ids.map((_, r) => r).filter(r => scene.back[r] <= view.queue);
  const tracks = [...new Set(rows.map(r => scene.ids[r]))].sort((a, b) => a - b);
  const best = tracks.map(t => Array.from({ length: people }, (_, c) => rows.filter(r => scene.ids[r] === t).reduce((a, b) => (alike[b][c] > alike[a][c] ? b : a))));
  const all = [];
  best.forEach((line, t) => line.forEach((r, c) => {
    if (alike[r][c] > 0 && 1 - alike[r][c] <= 1 - view.link) all.push([r, c, t, alike[r][c]]);
  }));
  all.sort((a, b) => (1 - a[3]) - (1 - b[3]) || a[2] - b[2] || a[1] - b[1]);
  const pairs = [], ids = Array(people).fill(-1), taken = new Set();
  for (const [r, c, t, value] of all) {
    if (taken.has(t) || ids[c] >= 0) continue;
    taken.add(t);
    ids[c] = tracks[t];
    pairs.push([r, c, tracks[t], value]);
  }
  const fresh = ids.flatMap((id, c) => (id < 0 ? [c] : []));
  fresh.forEach((c, k) => { ids[c] = scene.new + k; });
  return { pairs, ids, fresh, best, tracks };
}

export function render({ model, el }) {
  const scene = model.get("scene"), { names, look, poses: INK, alike } = scene, people = scene.xy.length, live = model.kernel !== false;
  const start = { ...model.get("view") }, SIDE = 92, HEAD = 40;
  let hover = null;

  const frame = stage(model, el, {
    label: model.get("title"), draw, asks: false,
    keys: { ArrowLeft: () => walk(0, -1), ArrowRight: () => walk(0, 1), ArrowUp: () => walk(-1, 0), ArrowDown: () => walk(1, 0),
            s: () => choose((frame.view().similarity + 1) % names.length), "+": () => stretch(1), "-": () => stretch(-1), r: () => set(start) },
    help: "Click a cell, or walk with the arrows, and see its poses. s: another similarity, + −: a longer or shorter queue, r: as it was. "
      + "Numbers: in which order the pairs are picked; bold: the most similar row of an id, which alone counts.",
  });
  const set = patch => frame.change(patch, live);
  const kinds = chips("similarity", names, choose);
  const queue = slider("queue", 1, scene.most, 1, stretch_to), link = slider("least similarity", 0, 1, 0.01, value => set({ link: value }));
  const long = element("output", { class: "workbook-value", style: "flex: 0 0 70px" }), least = element("output", { class: "workbook-value" });
  const line = (name, one, value) => [element("span", {}, name), one.node, value];
  for (const one of [queue, link]) one.node.style.maxWidth = "180px";
  frame.body.append(element("div", { class: "workbook-row" }, kinds.node),
    element("div", { class: "workbook-row" }, ...line("queue", queue, long), ...line("least similarity", link, least), button("reset", "as it was", () => set(start))));
  const most = kept_in(SIDE + 84 * people, 320, 600);
  const left = element("div", { style: `flex: 3 1 ${Math.min(most, 420)}px; max-width: ${most}px` }), right = element("div", { style: "flex: 2 1 240px" });
  const words = element("div", { class: "workbook-words", "aria-live": "polite" });
  frame.body.append(element("div", { class: "workbook-side" }, left, right), words);
  const shown = view => scene.order.filter(r => scene.back[r] <= view.queue);
  const tall = () => kept_in(440 / Math.max(1, shown(frame.view()).length), 13, 34);
  const surface = canvas(left, { ratio: width => (HEAD + 8 + tall() * Math.max(1, shown(frame.view()).length)) / width, most, cursor: "pointer", label: "similarities of the people with the remembered poses" });
  const figures = canvas(right, { ratio: 0.95, most: 360, label: "the poses of the chosen cell" });
  right.append(element("div", { class: "workbook-help" }, ...[["old", "as it was"], ...(scene.carried ? [["carried", "as the flow carries it"]] : []), ["present", "the person now"]]
    .flatMap(([kind, name]) => [element("span", { style: `color: ${INK[kind]}; font-weight: 700` }, "● "), `${name}   `])));
  const table = element("table", { class: "workbook-numbers", "aria-label": "similarities of the chosen cell" });
  right.append(table);
  const part = layers();

  // what the reader does

  /** Rows that leave the queue cannot be chosen. */
  function visible(view) {
    const rows = shown(view);
    return rows.includes(view.row) || !rows.length ? view.row : rows[rows.length - 1];
  }
  function choose(similarity) {
    const view = { ...frame.view(), similarity, queue: scene.reach[similarity] };
    set({ similarity, queue: view.queue, row: visible(view) });
  }
  function stretch_to(value) { set({ queue: value, row: visible({ ...frame.view(), queue: value }) }); }
  function stretch(by) { stretch_to(kept_in(frame.view().queue + by, 1, scene.most)); }
  function walk(down, across) {
    const view = frame.view(), rows = shown(view), at = rows.indexOf(view.row);
    if (!rows.length || !people) return;
    hover = null;
    set({ row: rows[kept_in(at + down, 0, rows.length - 1)], column: kept_in(view.column + across, 0, people - 1) });
  }
  function under([x, y]) {
    const rows = shown(frame.view()), p = places(surface.node.clientWidth), i = Math.floor((y - HEAD) / tall()), c = Math.floor((x - SIDE) / p.wide);
    return i >= 0 && i < rows.length && c >= 0 && c < people ? [rows[i], c] : null;
  }
  pointer(surface, {
    down: place => { const cell = under(place); hover = null; if (cell) { frame.root.focus({ preventScroll: true }); set({ row: cell[0], column: cell[1] }); } },
    over: place => { hover = under(place); frame.redraw(); },
    out: () => { hover = null; frame.redraw(); },
  });

  // drawing

  const places = width => ({ wide: (Math.max(260, width) - SIDE - 4) / Math.max(1, people) });
  const tint = id => look.track_colours[id % look.track_colours.length];

  function draw(view) {
    const ink = frame.colours(), seen = assigned(view, scene), begun = surface.begin(), { context } = begun, rows = shown(view);
    kinds.set(view.similarity);
    queue.set(view.queue);
    link.set(view.link);
    write(long, `${view.queue} frame${view.queue > 1 ? "s" : ""}`);
    write(least, two(view.link));
    const p = places(begun.width), cell = hover || [view.row, view.column];
    if (!rows.length || !people) {
      context.fillStyle = ink.ink;
      context.fillText(people ? "Nobody is remembered: everyone gets a new id." : "Nobody is in this frame.", 8, HEAD);
    } else {
      part(begun, "matrix", [ink.ink, ink.faint, view.similarity, view.queue, view.link].join("|"), c => matrix(c, view, rows, seen, p, ink));
      const at = rows.indexOf(cell[0]);
      for (const [width, colour] of [[4, "#fff"], [2, "#222"]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        if (at >= 0) context.strokeRect(SIDE + cell[1] * p.wide + 1, HEAD + at * tall() + 1, p.wide - 2, tall() - 2);
      }
    }
    surface.node.dataset.seen = JSON.stringify([seen.pairs, seen.ids, seen.fresh]);
    pose_of(cell, ink);
    told(view, cell, seen);
  }
  function matrix(context, view, rows, seen, { wide }, ink) {
    const high = tall(), values = alike[view.similarity], last = scene.colours.length - 1, size = kept_in(high - 3, 9, 12);
    const counts = new Set(seen.best.flatMap((line, t) => line.map((r, c) => `${r},${c}`)));
    rows.forEach((r, i) => {
      const top = HEAD + i * high, middle = top + high / 2 + size * 0.36;
      context.textAlign = "left";
      context.fillStyle = tint(scene.ids[r]);
      context.fillRect(SIDE - 9, top + 1, 6, high - 2);
      context.fillStyle = ink.ink;
      context.font = `${size}px system-ui, sans-serif`;
      context.fillText(`k−${scene.back[r]}`, 4, middle);
      context.fillText(`id ${scene.ids[r]}`, 40, middle);
      values[r].forEach((value, c) => {
        const counting = counts.has(`${r},${c}`), linked = value >= view.link && value > 0;
        context.fillStyle = scene.colours[Math.round(value * last)];
        context.fillRect(SIDE + c * wide + 0.5, top + 0.5, wide - 1, high - 1);
        context.fillStyle = value > 0.6 ? "#111" : "#fff";
        context.globalAlpha = linked ? 1 : 0.55;
        context.textAlign = "center";
        context.font = `${counting && linked ? 700 : 400} ${size}px system-ui, sans-serif`;
        if (wide > 26) context.fillText(two(value), SIDE + (c + 0.5) * wide, middle);
        context.globalAlpha = 1;
      });
      if (i && scene.back[r] !== scene.back[rows[i - 1]]) {
        context.fillStyle = ink.ink;
        context.fillRect(0, top - 0.75, SIDE + people * wide, 1.5);
      }
    });
    heads(context, view, seen, wide, ink);
    seen.pairs.forEach(([r, c], k) => picked(context, SIDE + c * wide, HEAD + rows.indexOf(r) * high, wide, high, k + 1));
  }
  function heads(context, view, seen, wide, ink) {
    context.textAlign = "center";
    for (let c = 0; c < people; c++) {
      const middle = SIDE + (c + 0.5) * wide, fresh = seen.fresh.includes(c);
      context.fillStyle = ink.ink;
      context.font = "12px system-ui, sans-serif";
      context.fillText(wide > 60 ? `person ${c}` : String(c), middle, 13);
      context.font = `${fresh ? 700 : 400} 12px system-ui, sans-serif`;
      context.fillText(fresh ? (wide > 50 ? `new id ${seen.ids[c]}` : `+${seen.ids[c]}`) : wide > 30 ? `id ${seen.ids[c]}` : String(seen.ids[c]), middle, 28);
      context.fillStyle = tint(seen.ids[c]);
      context.fillRect(SIDE + c * wide + 2, HEAD - 8, wide - 4, 5);
    }
  }
  function picked(context, x, y, wide, high, order) {
    context.strokeStyle = INK.mark;
    context.lineWidth = 3;
    context.strokeRect(x + 1.5, y + 1.5, wide - 3, high - 3);
    const size = kept_in(high - 6, 8, 11), text = String(order);
    context.font = `700 ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    const room = context.measureText(text).width + 5;
    context.fillStyle = INK.mark;
    context.fillRect(x + wide - room - 1, y + 1, room, size + 3);
    context.fillStyle = "#fff";
    context.fillText(text, x + wide - room / 2 - 1, y + size + 1);
  }
  /** The poses of a cell on one sheet, as large as they fit. */
  function pose_of([r, c]) {
    const { context, width, height } = figures.begin(), carried = scene.carried || scene.old;
    context.fillStyle = "#f5f5f5";
    context.fillRect(0, 0, width, height);
    const all = [[scene.old[r], INK.old], ...(scene.carried ? [[carried[r], INK.carried]] : []), [scene.xy[c], INK.present]].filter(([xy]) => xy);
    const points = all.flatMap(([xy]) => xy.flatMap((_, i) => (i % 2 === 0 && has(xy, i / 2) ? [[xy[i], xy[i + 1]]] : [])));
    if (!points.length) return;
    const [low, high] = [Math.min, Math.max].map(f => [0, 1].map(axis => f(...points.map(q => q[axis]))));
    const scale = Math.min((width - 40) / Math.max(20, high[0] - low[0]), (height - 40) / Math.max(20, high[1] - low[1]));
    const to = (x, y) => [width / 2 + (x - (low[0] + high[0]) / 2) * scale, height / 2 + (y - (low[1] + high[1]) / 2) * scale];
    if (scene.carried && scene.old[r]) {
      context.strokeStyle = INK.carried;
      context.lineWidth = 1;
      context.setLineDash([3, 3]);
      context.beginPath();
      for (let j = 0; j < 15; j++) {
        if (!has(scene.old[r], j) || !has(carried[r], j)) continue;
        context.moveTo(...to(scene.old[r][2 * j], scene.old[r][2 * j + 1]));
        context.lineTo(...to(carried[r][2 * j], carried[r][2 * j + 1]));
      }
      context.stroke();
      context.setLineDash([]);
    }
    for (const [xy, colour] of all) figure(context, xy, { limbs: look.limbs, to, limb: colour, width: 3, alpha: colour === INK.old ? 0.7 : 1, rim: colour !== INK.old });
  }
  const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  function told(view, [r, c], seen) {
    const given = people ? seen.fresh.length ? `New ids: ${seen.fresh.map(k => `person ${k} → ${seen.ids[k]}`).join(", ")}.` : "Nobody gets a new id." : "";
    if (!people || !shown(view).length) { table.replaceChildren(); return write(words, given); }
    const value = alike[view.similarity][r][c], order = seen.pairs.findIndex(([row, column]) => row === r && column === c);
    const best = seen.best[seen.tracks.indexOf(scene.ids[r])], row = best ? best[c] : r, owner = seen.pairs.find(([, column]) => column === c);
    const why = order >= 0 ? `picked as number ${order + 1}`
      : row !== r ? `k−${scene.back[row]} is the most similar row of id ${scene.ids[r]}`
        : value <= 0 || 1 - value > 1 - view.link ? "less than a link needs"
          : owner && owner[3] >= value ? `person ${c} is picked by id ${owner[2]} before` : `id ${scene.ids[r]} is picked by another person before`;
    write(words, `k−${scene.back[r]}, id ${scene.ids[r]} with person ${c}: ${names[view.similarity]} ${two(value)}, ${why}. ${given}`);
    const key = `${r},${c},${view.similarity}`;
    if (table.dataset.key === key) return;
    table.dataset.key = key;
    table.replaceChildren(...names.map((name, k) => element("tr", {}, element("th", { scope: "row", style: k === view.similarity ? "" : "font-weight: 400" }, name), element("td", {}, two(alike[k][r][c])))));
  }
  return frame.close;
}
export default { render };
