// A cost matrix beside the two frames that it is about: hover a cell to join two people, click it to force or forbid
// the pair, play greedy and Hungarian matching. What Python has answered for plain pairs lies in the scene.
import { button, canvas, chips, element, figure, layers, pictures, pointer, slider, stage, tag } from "./base.js";

const FREE = { limit: null, forced: [], forbidden: [] };
const MODES = ["answers", "greedy", "hungarian"];
const PACE = 1100, FLASH = 900;  // ms a step when played; ms in which a pair that was let go fades
/** Whether a colour is nearer to white than to black. */
function light(context, colour) {
  context.fillStyle = colour;
  const text = context.fillStyle, hex = text.startsWith("#");
  const parts = hex ? [1, 3, 5].map(k => parseInt(text.slice(k, k + 2), 16)) : text.match(/[\d.]+/g).slice(0, 3).map(Number);
  return parts.reduce((a, b) => a + b) > 382;
}
const at = (list, [i, j]) => list.findIndex(([a, b]) => a === i && b === j);
const clip = (x, low, high) => Math.max(low, Math.min(high, x));

/** Three figures at most, "–" for what is no number; no minus before zero. */
function figures(x) {
  if (x === null || x === undefined) return "–";
  const size = Math.abs(x), text = size >= 99.95 ? x.toFixed(0) : size >= 9.995 ? x.toFixed(1) : x.toFixed(2);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** Costs of 0 … 1 as shades: the cheapest has most of the ink. */
function shades(cost) {
  let low = Infinity, high = -Infinity;
  for (const row of cost) for (const x of row) if (x !== null) { low = Math.min(low, x); high = Math.max(high, x); }
  return x => x === null ? 0 : 0.42 * (high > low ? 1 - (x - low) / (high - low) : 1);
}

/** What a mode shows after its step: pairs, prices, the matrix (reduced by them), the chain, what changed, in words. */
function standing(solved, cost, mode, step) {
  const all = mode === "greedy" ? solved.greedy.pairs : solved.Hungarian.pairs;
  const out = { pairs: all, cost, step: null, gone: [], fresh: [], chain: [], u: null, v: null, words: "" };
  if (mode === "greedy") {
    out.pairs = all.slice(0, step);
    out.fresh = out.pairs.slice(-1);
    out.words = step === 0 ? "Greedy: nothing is taken yet." : `Pick ${step}: the cheapest pair that is left, ${out.fresh[0].join(" with ")}; its row and its column are struck out.`;
  }
  if (mode === "hungarian" && solved.steps.length) return prices(solved, out, step);
  return out;
}
function prices(solved, out, step) {
  const n = out.cost.length, m = out.cost[0].length;
  const none = { u: Array(n).fill(0), v: Array(m).fill(0), partner: Array(n).fill(-1), chain: [], kind: "" };
  const now = step ? solved.steps[step - 1] : none, last = step > 1 ? solved.steps[step - 2] : none;
  const held = s => s.partner.flatMap((j, i) => j < 0 ? [] : [[i, j]]);
  const full = solved.full.length ? solved.full : out.cost, sum = s => [...s.u, ...s.v].reduce((a, b) => a + b, 0);
  out.pairs = held(now);
  out.gone = held(last).filter(pair => at(out.pairs, pair) < 0);
  out.fresh = out.pairs.filter(pair => at(held(last), pair) < 0);
  out.reduced = full.map((row, i) => row.map((x, j) => x - now.u[i] - now.v[j]));
  out.risen = { u: now.u.map((x, i) => x !== last.u[i]), v: now.v.map((x, j) => x !== last.v[j]) };
  out.total = out.pairs.reduce((all, [i, j]) => all + full[i][j], 0);
  const who = `${n > m ? "column" : "row"} ${now.searching}`, pair = now.chain.map(([i, j]) => `${i} with ${j}`).join(", then ");
  out.words = {
    "": "Nothing is matched, all prices are 0.",
    search: `The ${who} looks for a partner. The cheapest chain: ${pair}.`,
    prices: `Prices rise until every pair of the chain costs nothing beyond them; together they are ${figures(sum(now))}.`,
    shift: `The chain is taken${out.gone.length ? `, ${out.gone.map(p => p.join(" with ")).join(" and ")} let go` : ""}: matched ${figures(out.total)}, prices ${figures(sum(now))}.`,
  }[now.kind];
  const dropped = out.pairs.filter(([i, j]) => full[i][j] !== out.cost[i][j]);
  if (dropped.length) out.words += ` ${dropped.map(p => p.join(" with ")).join(", ")} may not be matched: it counts as ${figures(full[dropped[0][0]][dropped[0][1]])} and is dropped at the end.`;
  else if (step === solved.steps.length && out.pairs.some(pair => at(solved.Hungarian.pairs, pair) < 0)) out.words += " (Several matchings are as cheap; this is another than the answer.)";
  return Object.assign(out, { u: now.u, v: now.v, chain: now.chain, step: now });
}

export function render({ model, el }) {
  const scene = model.get("scene"), live = model.kernel !== false, lent = new Map();
  let hover = null, timer = null, flash = 0, tap = "";
  const wanted = view => JSON.stringify([view.pair, view.cost, view.limit, view.forced, view.forbidden]);
  const free = view => view.limit === null && !view.forced.length && !view.forbidden.length;

  /** People and costs of the chosen pair of frames: stored, or given by Python; null while it is asked. */
  function matter(view) {
    if (scene.pairs[view.pair].costs) return scene.pairs[view.pair];
    const answer = model.get("answer");
    if (answer.pair && answer.about[0] === view.pair) lent.set(view.pair, answer.pair);
    return lent.get(view.pair) || null;
  }
  function solution(view, data) {
    const answer = model.get("answer");
    if (free(view)) return data.solved[view.cost];
    return JSON.stringify(answer.about) === wanted(view) || answer.about[0] === view.pair && answer.about[1] === view.cost ? answer : data.solved[view.cost];
  }
  const steps = (view, data) => view.mode === "greedy" ? solution(view, data).greedy.pairs.length : view.mode === "hungarian" ? solution(view, data).steps.length : 0;

  // controls
  const choose = element("select", { "aria-label": "frames", class: "workbook-button", onchange: () => pick(Number(choose.value)) },
    ...scene.pairs.map((pair, i) => element("option", { value: i, disabled: !live && !pair.costs }, pair.costs || live ? pair.name : `${pair.name} (needs the kernel)`)));
  const costs = chips("cost", scene.costs, cost => frame.change({ ...FREE, cost, step: 0 }, live));
  const modes = chips("show", ["both answers", "greedy, step by step", "Hungarian, step by step"], i => { halt(); frame.change({ mode: MODES[i], step: 0 }, live); });
  const play = button("▶", "play the steps", () => toggle());
  const back = button("◀", "one step back", () => go(-1)), on = button("▶|", "one step on", () => go(1));
  const along = slider("step", 0, 1, 1, step => { halt(); frame.change({ step }, false); }), which = element("output", { class: "workbook-value" });
  const limits = slider("limit: no dearer pair is matched", 0, 1, 0.01, value => frame.change({ limit: value >= Number(limits.input.max) ? null : value, step: 0 }));
  const limit = element("output", { class: "workbook-value" });
  limits.input.disabled = !live;
  const row = (...parts) => element("div", { class: "workbook-row" }, ...parts);
  const player = row(play, back, on, along.node, which);
  const words = element("div", { class: "workbook-words", "aria-live": "polite" }), read = element("div", { class: "workbook-words" });
  const results = element("table", { class: "workbook-numbers workbook-matchings", "aria-label": "matchings" }), candidates = element("table", { class: "workbook-numbers", "aria-label": "candidates" });
  const frame = stage(model, el, {
    label: model.get("title"), draw,
    keys: {
      ArrowLeft: () => walk(0, -1), ArrowRight: () => walk(0, 1), ArrowUp: () => walk(-1, 0), ArrowDown: () => walk(1, 0),
      Enter: () => cycle(), " ": () => toggle(), ",": () => go(-1), ".": () => go(1), Home: () => go(-1e9), End: () => go(1e9),
    },
    help: "▢ Hungarian, ● greedy, ◥ truth, ■ forced, ✕ forbidden; the second frame has the colours of whom each is matched with. Hover a cell or a person. "
      + "Click a cell, or arrows and Enter: force the pair, forbid it, free it. Space plays the steps, comma and full stop step.",
  });
  const top = row(...(scene.pairs.length > 1 ? [choose] : []), ...(scene.costs.length > 1 ? [costs.node] : []), modes.node);
  frame.body.append(top, player);
  const surface = canvas(frame.body, { ratio, most: 972, label: "two frames with numbered people, and the cost of every pair" });
  frame.body.append(read, words, row(element("span", {}, "limit"), limits.node, limit), element("div", { class: "workbook-side" }, results, candidates));
  const image = pictures(() => frame.redraw()), part = layers();

  // where things lie, in CSS pixels
  const wide = width => width >= 620;
  const shape = data => data ? data.size[1] / data.size[0] : 0.56;
  function ratio(width) {
    const view = frame.view(), data = matter(view), m = data ? data.costs[0].length : 1;
    const picture = (wide(width) ? 0.42 * width : width) * shape(data);
    return (wide(width) ? Math.max(2 * picture + 44, 300) : 2 * picture + 44 + Math.max(200, Math.min(width, 44 * m + 90))) / width;
  }
  function places(width, height, data) {
    const beside = wide(width), w = beside ? 0.42 * width : width, h = w * shape(data);
    const n = Math.max(data.costs[0].length, 1), m = data.people[1].poses.length || 1, top0 = beside ? 0 : 2 * h + 44;
    const left = beside ? w + 24 : 0, box = { x: left + 62, y: top0 + 54, w: width - left - 66, h: height - top0 - 58 };
    return { frames: [0, 1].map(k => ({ x: 0, y: 18 + k * (h + 22), w, h })), box, cw: box.w / m, ch: Math.min(box.h / n, 80) };
  }
  const on_image = (place, data) => (x, y) => [place.x + x / data.size[0] * place.w, place.y + y / data.size[1] * place.h];
  const cell = ({ box, cw, ch }, [i, j]) => [box.x + j * cw, box.y + i * ch, cw, ch];

  // what is drawn once
  function picture(context, data, k, place, owner, source) {
    const colour = i => i < 0 ? "#c8c8c8" : scene.look.track_colours[i % scene.look.track_colours.length];
    const { poses, boxes } = data.people[k], to = on_image(place, data), ink = frame.colours();
    context.fillStyle = ink.ink;
    context.fillText(data.names[k], place.x, place.y - 5);
    context.save();
    context.beginPath();
    context.rect(place.x, place.y, place.w, place.h);
    context.clip();
    context.fillStyle = "#f5f5f5";
    context.fillRect(place.x, place.y, place.w, place.h);
    const drawn = image(source);
    if (drawn) context.drawImage(drawn, place.x, place.y, place.w, place.h);
    const crowd = poses.length > 40;
    poses.forEach((xy, i) => {
      figure(context, xy, { limbs: scene.look.limbs, to, limb: colour(owner(i)), width: crowd ? 1 : 3, rim: !crowd });
      const b = boxes[i];
      if (b[0] !== null && xy.every(x => x === null)) {
        context.strokeStyle = "#444";
        context.strokeRect(...to(b[0], b[1]), (b[2] - b[0]) / data.size[0] * place.w, (b[3] - b[1]) / data.size[1] * place.h);
      }
    });
    if (!crowd) plates(context, data, k, place, String);
    context.restore();
  }
  /** A text above every person of a frame; where two would overlap the later one moves up, or down at the top. */
  function plates(context, data, k, place, text) {
    const taken = [];
    context.font = "600 12px system-ui, sans-serif";
    data.people[k].boxes.forEach((b, i) => {
      if (b[0] === null) return;
      const half = context.measureText(text(i)).width / 2 + 4, [x, y0] = over(place, data, b);
      const hidden = y => taken.some(([x2, y2, half2]) => Math.abs(x - x2) < half + half2 && Math.abs(y - y2) < 16);
      let y = y0, step = -16;
      while (hidden(y) && y < place.y + place.h) { y += step; if (y < place.y + 14) { y = y0 + 16; step = 16; } }
      taken.push([x, y, half]);
      tag(context, text(i), x, y, { align: "center" });
    });
  }
  /** Above a person's box, inside the picture. */
  function over(place, data, b) {
    const [x, y] = on_image(place, data)((b[0] + b[2]) / 2, b[1]);
    return [clip(x, place.x + 10, place.x + place.w - 10), clip(y - 2, place.y + 14, place.y + place.h - 4)];
  }
  function matrix(context, data, view, stand, p, ink) {
    const shown = stand.reduced || stand.cost, shade = shades(shown), n = shown.length, m = shown[0].length;
    const text = Math.max(n, m) <= scene.readable && p.cw > 24, strike = view.mode === "greedy" ? stand.pairs : [];
    const rows = new Set(strike.map(pair => pair[0])), columns = new Map(strike.map(([i, j]) => [j, i]));
    const struck = (i, j) => (rows.has(i) || columns.has(j)) && columns.get(j) !== i;
    const limited = (i, j) => view.limit !== null && !(stand.cost[i][j] <= view.limit);
    const strength = (x, i, j) => shade(x) * (struck(i, j) ? 0.3 : 1);
    context.textAlign = "center";
    context.textBaseline = "middle";
    if (!text) dense(context, shown.map((line, i) => line.map((x, j) => strength(x, i, j))), p, ink);
    else shown.forEach((line, i) => line.forEach((x, j) => {
      const [left, y] = cell(p, [i, j]);
      context.fillStyle = ink.ink;
      context.globalAlpha = strength(x, i, j);
      context.fillRect(left + 0.5, y + 0.5, p.cw - 1, p.ch - 1);
      context.globalAlpha = struck(i, j) || limited(i, j) ? 0.35 : 1;
      context.fillText(figures(x), left + p.cw / 2, y + p.ch / 2);
    }));
    context.globalAlpha = 1;
    context.strokeStyle = ink.grid;
    context.lineWidth = 1;
    context.strokeRect(p.box.x, p.box.y, m * p.cw, n * p.ch);
    axes(context, data, stand, p, ink, text);
    marks(context, data, view, stand, p, ink, text);
  }
  /** Many cells at once: one pixel each, enlarged. */
  function dense(context, strengths, p, ink) {
    const n = strengths.length, m = strengths[0].length, small = element("canvas", { width: m, height: n }), own = small.getContext("2d");
    own.fillStyle = ink.ink;
    own.fillRect(0, 0, 1, 1);
    const [r, g, b] = own.getImageData(0, 0, 1, 1).data, cells = own.createImageData(m, n);
    strengths.flat().forEach((x, k) => cells.data.set([r, g, b, 255 * x], 4 * k));
    own.putImageData(cells, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, p.box.x, p.box.y, m * p.cw, n * p.ch);
  }
  function axes(context, data, stand, p, ink, text) {
    const n = data.costs[0].length, m = data.people[1].poses.length, every = (size, room) => Math.max(1, Math.ceil(room / size));
    context.fillStyle = ink.ink;
    const price = (x, risen, px, py) => {
      context.fillStyle = risen ? scene.colours.greedy : ink.faint;
      context.font = `${risen ? "700" : "400"} 11px system-ui, sans-serif`;
      context.fillText(figures(x), px, py);
    };
    for (let i = 0; i < n; i += every(p.ch, 18)) {
      const y = p.box.y + (i + 0.5) * p.ch;
      context.fillStyle = stand.step?.searching === i && n <= m ? scene.colours.chain : ink.ink;
      context.font = "600 12px system-ui, sans-serif";
      context.fillText(String(i), p.box.x - (stand.u ? 39 : 14), y);
      if (stand.u && text) price(stand.u[i], stand.risen.u[i], p.box.x - 16, y);
    }
    for (let j = 0; j < m; j += every(p.cw, 28)) {
      const x = p.box.x + (j + 0.5) * p.cw;
      context.fillStyle = stand.step?.searching === j && n > m ? scene.colours.chain : ink.ink;
      context.font = "600 12px system-ui, sans-serif";
      context.fillText(String(j), x, p.box.y - (stand.v ? 24 : 10));
      if (stand.v && text) price(stand.v[j], stand.risen.v[j], x, p.box.y - 9);
    }
    context.fillStyle = ink.faint;
    context.font = "12px system-ui, sans-serif";
    context.fillText(`person of ${data.names[1]}${stand.v ? ", below: price v" : ""}`, p.box.x + p.box.w / 2, p.box.y - 42);
    context.save();
    context.translate(p.box.x - 55, p.box.y + n * p.ch / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(`person of ${data.names[0]}${stand.u ? ", price u" : ""}`, 0, 0);
    context.restore();
  }
  /** Hungarian: a blue frame. Greedy: an orange dot. Truth: a green corner. Forced: a black square; forbidden: a cross. */
  function marks(context, data, view, stand, p, ink, text) {
    const inset = (pair, by) => { const [x, y, w, h] = cell(p, pair); return [x + by, y + by, Math.max(1, w - 2 * by), Math.max(1, h - 2 * by)]; };
    const frameAll = (pairs, colour, by, width, dash = []) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.setLineDash(dash);
      for (const pair of pairs) context.strokeRect(...inset(pair, by));
      context.setLineDash([]);
    };
    const thin = !text, size = thin ? Math.min(p.cw, p.ch) / 3 : 4.5, { greedy, truth, chain } = scene.colours;
    const hungarian = light(context, ink.ink) ? "#56b4e9" : scene.colours.hungarian;  // blue is lost on a dark page
    context.fillStyle = truth;
    for (const pair of data.truth) {
      const [x, y, w] = cell(p, pair), side = thin ? size : 10;
      context.beginPath();
      context.moveTo(x + w - side - 2, y + 2);
      context.lineTo(x + w - 2, y + 2);
      context.lineTo(x + w - 2, y + side + 2);
      context.fill();
    }
    if (view.mode !== "greedy") frameAll(stand.pairs, hungarian, thin ? 0 : 2, thin ? 1 : 3);
    const dots = view.mode === "greedy" ? stand.pairs : view.mode === "answers" ? solution(view, data).greedy.pairs : [];
    context.fillStyle = greedy;
    for (const pair of dots) {
      const [x, y] = cell(p, pair);
      context.beginPath();
      context.arc(x + size + (thin ? 0 : 5), y + p.ch - size - (thin ? 0 : 5), size, 0, 7);
      context.fill();
    }
    if (view.mode === "hungarian" && !thin) {
      frameAll(stand.chain, chain, 6, 2, stand.step?.kind === "shift" ? [] : [5, 3]);
      frameAll(stand.gone, chain, 2, 2, [2, 3]);
    }
    context.strokeStyle = context.fillStyle = ink.ink;
    context.lineWidth = 2;
    for (const pair of view.forbidden) {
      const [x, y, w, h] = inset(pair, 4);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + w, y + h);
      context.moveTo(x + w, y);
      context.lineTo(x, y + h);
      context.stroke();
    }
    for (const pair of view.forced) { const [x, y] = cell(p, pair); context.fillRect(x + 5, y + 5, 9, 9); }
  }

  // what moves
  function joined(context, data, view, p, pair, ink) {
    const [i, j] = pair, n = data.costs[0].length, m = data.people[1].poses.length, value = data.costs[view.cost];
    const mid = (k, one) => { const b = data.people[k].boxes[one]; return b && b[0] !== null ? on_image(p.frames[k], data)((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) : null; };
    if (i === null || j === null || i >= n || j >= m) {
      const k = i === null ? 1 : 0, one = k ? j : i, all = k ? value.map(r => r[j]) : value[i];
      if (one === null || !all) return;
      ring(context, data, k, one, p);
      beside(context, data, p, 1 - k, all);
      return;
    }
    ring(context, data, 0, i, p);
    ring(context, data, 1, j, p);
    if (hover && hover.candidates) beside(context, data, p, 1, value[i]);
    const a = mid(0, i), b = mid(1, j);
    if (a && b) {
      context.strokeStyle = scene.colours.chain;
      context.lineWidth = 2.5;
      context.beginPath();
      context.moveTo(...a);
      context.lineTo(...b);
      context.stroke();
      tag(context, figures(value[i][j]), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + 6, { align: "center", size: 13 });
    }
    const [x, y, w, h] = cell(p, pair);
    context.strokeStyle = ink.ink;
    context.lineWidth = 2;
    context.setLineDash([3, 2]);
    context.strokeRect(x, y, w, h);
    context.setLineDash([]);
  }
  function ring(context, data, k, one, p) {
    const b = data.people[k].boxes[one];
    if (!b || b[0] === null) return;
    const to = on_image(p.frames[k], data), [x, y] = to(b[0], b[1]), [x2, y2] = to(b[2], b[3]);
    context.strokeStyle = scene.colours.chain;
    context.lineWidth = 2;
    context.strokeRect(x, y, x2 - x, y2 - y);
    tag(context, String(one), ...over(p.frames[k], data, b), { align: "center", plate: scene.colours.chain });
  }
  /** What each person of the other frame costs, as number and cost on them. */
  function beside(context, data, p, k, all) {
    if (all.length > scene.readable) return;
    plates(context, data, k, p.frames[k], one => `${one}: ${figures(all[one])}`);
  }

  function draw(view) {
    const data = matter(view), ink = frame.colours(), begun = surface.begin();
    choose.value = String(view.pair);
    costs.set(view.cost);
    modes.set(MODES.indexOf(view.mode));
    if (!data) {
      begun.context.fillStyle = ink.ink;
      return void begun.context.fillText("Python is asked for these frames …", 10, 30);
    }
    const solved = solution(view, data), cost = data.costs[view.cost], step = clip(view.step, 0, steps(view, data));
    const stand = standing(solved, cost, view.mode, step), p = places(begun.width, begun.height, data), { context } = begun;
    const owners = new Map(stand.pairs.map(([i, j]) => [j, i])), source = k => data.images ? data.images[k] : null;
    const theme = `${ink.ink}|${view.pair}`, loaded = [0, 1].map(k => Boolean(image(source(k))));
    part(begun, "before", `${theme}|${loaded[0]}`, c => picture(c, data, 0, p.frames[0], i => i, source(0)));
    part(begun, "after", `${theme}|${loaded[1]}|${JSON.stringify(stand.pairs)}`, c => picture(c, data, 1, p.frames[1], j => owners.has(j) ? owners.get(j) : -1, source(1)));
    const empty = !cost.length || !data.people[1].poses.length;
    if (!empty) {
      part(begun, "matrix", `${theme}|${wanted(view)}|${view.mode}|${step}|${JSON.stringify(solved.about)}`, c => matrix(c, data, view, stand, p, ink));
      fading(context, stand, p);
      joined(context, data, view, p, hover ? hover.pair : [view.row, view.column], ink);
    }
    controls(view, data, solved, stand, step, empty);
  }
  /** A pair that was just let go flashes and fades. */
  function fading(context, stand, p) {
    const left = 1 - (performance.now() - flash) / FLASH;
    if (left <= 0 || !stand.gone.length) return;
    context.globalAlpha = 0.7 * left;
    context.fillStyle = scene.colours.chain;
    for (const pair of stand.gone) context.fillRect(...cell(p, pair));
    context.globalAlpha = 1;
    frame.redraw();
  }
  const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  function controls(view, data, solved, stand, step, empty) {
    const most = steps(view, data), people = [data.costs[0].length, data.people[1].poses.length];
    player.style.display = view.mode === "answers" ? "none" : "";
    along.input.max = String(most);
    along.set(step);
    write(which, `${step} / ${most}`);
    write(play, timer ? "❚❚" : "▶");
    const dearest = Math.max(...data.costs[view.cost].flat().filter(x => x !== null), 0);
    const top = dearest > 0 ? dearest * 1.01 : 1;
    if (Number(limits.input.max) !== top) { limits.input.step = "any"; limits.input.max = String(top); }
    limits.set(view.limit === null ? top : view.limit);
    write(limit, view.limit === null ? "none" : figures(view.limit));
    const stuck = Math.max(...people) > scene.readable ? `Steps are shown up to ${scene.readable} people.` : "No pair may be matched.";
    const few = view.mode === "hungarian" && !most ? stuck : "";
    write(words, empty ? `Nobody to match: ${people[0]} people before, ${people[1]} after.` : solved.conflict || few || stand.words);
    write(read, empty ? "" : said(view, data, stand));
    table(results, JSON.stringify([solved.greedy, solved.Hungarian, view.pair]), () => matchings(solved, people));
    const i = hover ? hover.pair[0] : view.row;
    if (i !== null) table(candidates, `${view.pair}|${view.cost}|${i}`, () => rivals(view, data, i));
  }
  function said(view, data, stand) {
    const [i, j] = hover ? hover.pair : [view.row, view.column], cost = data.costs[view.cost];
    if (i === null || j === null || !cost[i] || cost[i][j] === undefined) return hover ? `person ${i ?? j} of ${data.names[i === null ? 1 : 0]}` : "";
    const how = at(view.forced, [i, j]) >= 0 ? ", forced" : at(view.forbidden, [i, j]) >= 0 ? ", forbidden" : "";
    const true_one = at(data.truth, [i, j]) >= 0 ? ", the same person" : "";
    const beyond = stand.reduced && cost[i][j] !== null ? `, beyond its prices ${figures(stand.reduced[i][j])}` : "";
    return `person ${i} → ${j}: ${scene.costs[view.cost]} ${figures(cost[i][j])}${beyond}${how}${true_one}`;
  }
  /** Rows of a table, rewritten only when the key is another. */
  function table(node, key, rows) {
    if (node.dataset.key === key) return;
    node.dataset.key = key;
    node.replaceChildren(...rows());
  }
  const line = (head, ...cells) => element("tr", {}, element("th", { scope: "row" }, head), ...cells.map(c => typeof c === "string" ? element("td", {}, c) : c));
  const heads = (...names) => element("tr", {}, ...names.map(name => element("th", { scope: "col" }, name)));
  function matchings(solved, people) {
    const list = pairs => people.some(n => n > scene.readable) ? `${pairs.length} pairs` : [...pairs].sort((a, b) => a[0] - b[0]).map(p => p.join("→")).join("  ");
    const one = (name, sign, colour) => {
      const { pairs, total, right } = solved[name];
      const mark = element("span", { style: `color:${colour}`, "aria-hidden": "true" }, sign + " ");
      const head = element("span", {}, mark, name);
      return line(head, figures(total), solved.of ? `${right} of ${solved.of}` : "–", list(pairs));
    };
    return [heads("", "total", "right", "pairs"), one("Hungarian", "▢", scene.colours.hungarian), one("greedy", "●", scene.colours.greedy)];
  }
  /** Who could be row i's partner, cheapest first, by every cost; the cheapest of each cost is bold, the truth marked. */
  function rivals(view, data, i) {
    const all = data.costs.map(cost => cost[i]);
    if (!all[0] || !all[0].length) return [];
    const order = all[0].map((_, j) => j).sort((a, b) => (all[view.cost][a] ?? Infinity) - (all[view.cost][b] ?? Infinity)).slice(0, 8);
    const least = all.map(row => Math.min(...row.filter(x => x !== null)));
    const given = (name, c) => (data.solved[c][name].pairs.find(([a]) => a === i) || [null, "–"])[1];
    const rows = order.map(j => line(`${j}${at(data.truth, [i, j]) >= 0 ? " ◥" : ""}`, ...all.map((row, c) =>
      element("td", { style: row[j] === least[c] ? "text-decoration:underline" : "font-weight:400" }, figures(row[j])))));
    return [heads(`person ${i} →`, ...scene.costs), ...rows,
            line("Hungarian", ...all.map((_, c) => `→ ${given("Hungarian", c)}`)), line("greedy", ...all.map((_, c) => `→ ${given("greedy", c)}`))];
  }

  // what the reader does
  function pick(pair) {
    halt();
    hover = null;
    const view = frame.view(), data = matter({ ...view, pair });
    const [n, m] = data ? [data.costs[0].length, data.people[1].poses.length] : [1, 1];
    frame.change({ ...FREE, pair, step: 0, row: clip(view.row, 0, Math.max(n - 1, 0)), column: clip(view.column, 0, Math.max(m - 1, 0)) }, live);
  }
  function walk(down, right) {
    const view = frame.view(), data = matter(view);
    if (!data) return;
    hover = null;
    frame.change({ row: clip(view.row + down, 0, Math.max(data.costs[0].length - 1, 0)),
                   column: clip(view.column + right, 0, Math.max(data.people[1].poses.length - 1, 0)) }, false);
  }
  function cycle() {
    const view = frame.view(), data = matter(view), pair = [view.row, view.column];
    if (!data || !data.costs[0].length || !data.people[1].poses.length) return;
    if (!live) return frame.note("To force or forbid a pair run the cell: Python matches anew.");
    const without = list => list.filter(one => at([one], pair) < 0);
    const forced = at(view.forced, pair) >= 0, forbidden = at(view.forbidden, pair) >= 0;
    halt();
    frame.change({ forced: forced || forbidden ? without(view.forced) : [...view.forced, pair],
                   forbidden: forced ? [...view.forbidden, pair] : without(view.forbidden), step: 0 });
  }
  function go(by) {
    const view = frame.view(), data = matter(view);
    if (!data) return;
    if (view.mode === "answers") frame.change({ mode: "hungarian", step: 0 }, false);
    const step = clip(frame.view().step + by, 0, steps(frame.view(), data));
    if (by === 1) flash = performance.now();
    frame.change({ step }, false);
    return step < steps(frame.view(), data);
  }
  function halt() {
    clearTimeout(timer);
    timer = null;
  }
  function toggle() {
    if (timer) { halt(); return frame.redraw(); }
    const view = frame.view(), data = matter(view);
    if (!data) return;
    if (view.mode === "answers") frame.change({ mode: "hungarian", step: 0 }, false);
    else if (view.step >= steps(view, data)) frame.change({ step: 0 }, false);
    const next = () => { timer = go(1) ? setTimeout(next, PACE) : null; frame.redraw(); };
    timer = setTimeout(next, PACE / 2);
    frame.redraw();
  }
  /** What lies under a place: a cell, or a person of one of the frames. */
  function under([x, y]) {
    const view = frame.view(), data = matter(view);
    if (!data) return null;
    const width = surface.node.clientWidth, p = places(width, surface.node.clientHeight, data);
    const i = Math.floor((y - p.box.y) / p.ch), j = Math.floor((x - p.box.x) / p.cw);
    const [n, m] = [data.costs[0].length, data.people[1].poses.length];
    if (i >= 0 && j >= 0 && i < n && j < m) return { pair: [i, j], cell: true };
    if (j >= 0 && j < m && y < p.box.y && y > p.box.y - 34) return { pair: [null, j] };
    if (i >= 0 && i < n && x < p.box.x && x > p.box.x - 62) return { pair: [i, null] };
    for (const k of [0, 1]) {
      const place = p.frames[k], px = (x - place.x) / place.w * data.size[0], py = (y - place.y) / place.h * data.size[1];
      const inside = data.people[k].boxes.map((b, one) => [b, one]).filter(([b]) => b[0] !== null && px >= b[0] && px <= b[2] && py >= b[1] && py <= b[3]);
      inside.sort(([a], [b]) => (a[2] - a[0]) * (a[3] - a[1]) - (b[2] - b[0]) * (b[3] - b[1]));
      if (inside.length) return { pair: k ? [null, inside[0][1]] : [inside[0][1], null] };
    }
    return null;
  }
  pointer(surface, {
    over: place => { hover = under(place); surface.node.style.cursor = hover ? "pointer" : "default"; frame.redraw(); },
    out: () => { hover = null; frame.redraw(); },
    down: (place, event) => {
      const found = under(place), view = frame.view();
      if (!found) return;
      const [row, column] = [found.pair[0] ?? view.row, found.pair[1] ?? view.column], same = tap === `${row},${column}`;
      tap = `${row},${column}`;
      hover = found.cell ? null : found;
      frame.change({ row, column }, false);
      if (found.cell && (event.pointerType === "mouse" || same)) cycle();  // a finger does not hover: its first tap looks
    },
  });
  return () => { halt(); frame.close(); };
}
export default { render };
