// Attention: poses with lines from token to token, the matrix beside them, the strongest partners in words. Joints are
// dragged, hidden and whole poses exchanged; Python answers with new weights and numbers.
import { button, canvas, chips, element, figure, has, layers, numbers, pointer, rounded, slider, stage, tag } from "./base.js";

const REACH = 16, LISTED = 8;
/** What a row ("from") and a column ("to") are called in each mode. */
const DIRECTIONS = { raw: { from: "attends to", to: "attended by" }, rollout: { from: "takes from", to: "gives to" },
                     zeroed: { from: "is moved by", to: "moves" } };
const WAYS = ["from", "to"];
/** First joints of arms and head in the order of joints; legs come first. */
const PARTS = [["legs", 0], ["arms", 6], ["head", 12]];

/** An array from Python: steps of 16 bits, and how much 10,000 of them are, for all or for each layer. */
function unpacked({ data, scales, shape }) {
  const raw = atob(data), values = new Float64Array(raw.length / 2), part = values.length / scales.length;
  for (let k = 0; k < values.length; k++) {
    const steps = raw.charCodeAt(2 * k) + 256 * raw.charCodeAt(2 * k + 1);
    values[k] = steps * (Number(scales[Math.floor(k / part)]) / 10000);
  }
  return { values, shape };
}

/** The (T × T) matrix that a view shows: of one layer and head, of the heads' mean, or the only one. */
function chosen({ values, shape }, view) {
  const n = shape.at(-1), size = n * n;
  if (shape.length === 2) return values;
  if (shape.length === 3) return values.subarray(view.layer * size, (view.layer + 1) * size);
  const heads = shape[1], first = view.layer * heads * size;
  if (view.head !== "mean") return values.subarray(first + view.head * size, first + (view.head + 1) * size);
  const mean = new Float64Array(size);
  for (let h = 0; h < heads; h++) for (let k = 0; k < size; k++) mean[k] += values[first + h * size + k] / heads;
  return mean;
}

/** The pairs [from, to, weight] of one token's row or column, or of all tokens that are there, strongest first. */
function pairs(matrix, known, token, direction) {
  const n = known.length;
  const found = [];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const wanted = token < 0 || (direction === "from" ? i : j) === token;
      if (wanted && i !== j && known[i] && known[j] && matrix[i * n + j] > 0) found.push([i, j, matrix[i * n + j]]);
    }
  }
  const order = pair => Math.round(1e7 * pair[2]);  // equal weights stay in the order of tokens, as in Python
  return found.sort((a, b) => order(b) - order(a) || a[0] - b[0] || a[1] - b[1]);
}

/** Corners of the joints that are there: [x0, y0, x1, y1], or null. */
function extent(xy) {
  const there = [...Array(xy.length / 2).keys()].filter(j => has(xy, j));
  if (!there.length) return null;
  const xs = there.map(j => xy[2 * j]), ys = there.map(j => xy[2 * j + 1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

const shown3 = value => value !== 0 && Math.abs(value) < 0.0995 ? Number(value.toPrecision(2)).toString().replace("-", "−") : rounded(value, 3);

export function render({ model, el }) {
  const scene = model.get("scene"), { tokens, names, look } = scene, n = tokens.length;
  const live = model.kernel !== false, special = tokens.flatMap((t, i) => typeof t === "string" ? [i] : []);
  const windowOf = view => scene.windows[view.choice][1], W = scene.labels.length, across = Math.min(W, 4);

  // where poses stand: all windows with one scale, each pose around the middle of where it was given
  const boxes = scene.windows.map(([, poses]) => poses.map(extent)), all = boxes.flat().filter(Boolean);
  const high = Math.max(1, ...all.map(b => b[3] - b[1])), wide = Math.max(1, high / 1.9, ...all.map(b => b[2] - b[0]));
  const tall = Math.max(high, wide / 2), rows = Math.ceil(W / 4), panel = { wide: 1.35 * wide, high: 1.22 * tall };
  const ratio = width => (rows * panel.high / (across * panel.wide)) + (special.length ? 34 : 8) / width;
  const capped = width => Math.min(ratio(width), 1.15);

  // --- controls ---
  const frameKeys = {
    ArrowDown: e => e.shiftKey ? nudge(0, 1) : step("token", 1), ArrowUp: e => e.shiftKey ? nudge(0, -1) : step("token", -1),
    ArrowRight: e => e.shiftKey ? nudge(1, 0) : step("partner", 1), ArrowLeft: e => e.shiftKey ? nudge(-1, 0) : step("partner", -1),
    m: () => turn("mode", modes), l: () => turn("layer", [...Array(scene.layers).keys()]), e: () => turn("head", heads),
    d: () => turn("direction", WAYS), x: () => exchange((frame.view().choice + 1) % scene.windows.length),
    h: () => hide(picked()), r: putBack, Escape: () => pin(-1),
  };
  const frame = stage(model, el, {
    label: model.get("title"), draw, keys: frameKeys,
    help: "Point at a joint or a cell, click to keep it; drag a joint, double-click hides it. Keys: ↑ ↓ token, ← → partner, "
      + "shift + arrows move the joint, H hides it, X exchanges people, M mode, L layer, E head, D direction, R puts back.",
  });
  const modes = scene.modes.map(m => m[0]), heads = [...Array(scene.heads).keys(), "mean"];
  const settle = patch => frame.change(patch, live);  // what needs no number: without a kernel it is drawn, not asked
  const chip = (label, words, name, values) => chips(label, words, k => settle({ [name]: values[k] }));
  const mode = chip("show", scene.modes.map(m => m[1]), "mode", modes);
  const layer = chip("layer", [...Array(scene.layers).keys()].map(l => String(l + 1)), "layer", [...Array(scene.layers).keys()]);
  const head = chip("head", heads.map(h => h === "mean" ? h : String(h + 1)), "head", heads);
  const direction = chip("direction", Object.values(DIRECTIONS.raw), "direction", WAYS);
  const people = chips("people", scene.windows.map(w => w[0]), exchange);
  const lines = slider("number of lines", 1, scene.most_lines, 1, k => settle({ lines: k }));
  const count = element("output", { class: "workbook-value" });
  const hider = button("hide joint", "hide the picked joint, or show it again", () => hide(picked()));
  const back = button("put back", "put all joints back where they were", putBack);
  const said = words => element("span", {}, words);
  const line = (...parts) => element("div", { class: "workbook-row" }, ...parts);
  const place = element("div", { class: "workbook-side" }), left = element("div"), right = element("div");
  const below = element("div", { class: "workbook-side" });
  place.append(left, right);
  const drawn = canvas(left, { ratio: capped, label: "the poses, lines between their joints", cursor: "pointer" });
  const grid = canvas(right, { ratio: 1.12, label: "the matrix of weights, from rows to columns", most: 480, cursor: "crosshair" });
  for (const surface of [drawn, grid]) surface.node.setAttribute("tabindex", "0");
  const read = element("div", { class: "workbook-help", role: "status", "aria-live": "polite", style: "min-height:2.8em;color:var(--wb-ink)" });
  const list = element("div", { role: "list", "aria-label": "strongest partners" }), facts = element("div");
  below.append(list, facts);
  const table = numbers(facts, "what the model says"), moral = element("div", { class: "workbook-help", style: "margin-top:6px" });
  facts.append(moral);
  frame.body.append(
    line(mode.node, ...(scene.layers > 1 ? [said("layer"), layer.node] : []), ...(scene.heads > 1 ? [said("head"), head.node] : [])),
    line(direction.node, said("lines"), lines.node, count),
    line(...(scene.windows.length > 1 ? [people.node] : []), hider, back), place, read, below,
  );

  // --- what the reader does ---
  let over = null, dragged = null, last = null, cache = { answer: null };
  const parked = layers();
  const picked = () => frame.view().token;
  const pin = (token, partner = -1) => settle({ token, partner });
  const turn = (name, values) => settle({ [name]: values[(values.indexOf(frame.view()[name]) + 1) % values.length] });
  function step(name, by) {
    const view = frame.view(), there = tokens.flatMap((_, i) => model.get("answer").known[i] ? [i] : []);
    if (!there.length) return;
    over = null;
    const at = there.indexOf(view[name]);
    const next = there[at < 0 ? (by > 0 ? 0 : there.length - 1) : (at + by + there.length) % there.length];
    settle(name === "token" ? { token: next } : { token: view.token < 0 ? there[0] : view.token, partner: next });
  }
  function exchange(choice) { over = null; frame.change({ choice, moved: [], hidden: [] }); }
  function putBack() { frame.change({ moved: [], hidden: [] }); }
  const isJoint = token => token >= 0 && typeof tokens[token] !== "string";
  const same = ([w, j]) => other => other[0] === w && other[1] === j;
  function hide(token) {
    if (!isJoint(token) || !has(windowOf(frame.view())[tokens[token][0]], tokens[token][1])) return;
    const { hidden } = frame.view(), left = hidden.filter(h => !same(tokens[token])(h));
    frame.change({ hidden: left.length < hidden.length ? left : [...hidden, tokens[token]] });
  }
  function put(token, x, y) {
    const { moved } = frame.view(), [w, j] = tokens[token];
    frame.change({ moved: [...moved.filter(m => !same([w, j])(m)), [w, j, Math.round(10 * x) / 10, Math.round(10 * y) / 10]] });
  }
  function nudge(dx, dy) {
    const token = picked(), at = isJoint(token) && last.where(token);
    if (at) put(token, at[0] + dx * high / 60, at[1] + dy * high / 60);
  }

  pointer(drawn, {
    over: at => point(last.near(at)), out: () => point(-1),
    down: at => { over = null; dragged = { token: last.near(at), at, moving: false }; pin(dragged.token); },
    drag: at => {
      const far = Math.hypot(at[0] - dragged.at[0], at[1] - dragged.at[1]) > 3;
      if (!isJoint(dragged.token) || !(dragged.moving || far)) return;
      dragged.moving = true;
      put(dragged.token, ...last.into(tokens[dragged.token][0], at));
    },
    up: () => { dragged = null; },
  });
  drawn.node.addEventListener("dblclick", () => hide(picked()));
  pointer(grid, { over: at => { const c = last.cell(at); point(...(c || [-1])); }, out: () => point(-1),
                  down: at => { const c = last.cell(at); over = null; pin(...(c || [-1])); } });
  function point(token, partner = -1) {
    const next = token < 0 ? null : { token, partner };
    if (JSON.stringify(next) === JSON.stringify(over)) return;
    over = next;
    frame.redraw();
  }

  // --- drawing ---
  function draw(view) {
    const answer = model.get("answer"), ink = frame.colours();
    if (cache.answer !== answer) {
      const matrices = Object.entries(answer.matrices).map(([name, packed]) => [name, unpacked(packed)]);
      cache = { answer, matrices: Object.fromEntries(matrices), number: (cache.number || 0) + 1 };
    }
    const part = cache.matrices[view.mode], matrix = chosen(part, view), at = over || { token: view.token, partner: view.partner };
    let most = 0;  // between two tokens: what a token keeps to itself would hide the rest
    for (let k = 0; k < matrix.length; k++) if (k % (n + 1) && matrix[k] > most) most = matrix[k];
    const strongest = pairs(matrix, answer.known, at.token, view.direction).slice(0, view.lines);
    const seen = { view, answer, ink, matrix, most: most || 1, at, strongest, colour: view.direction === "from" ? ink.accent : ink.warn };
    controls(seen, part.shape.length);
    const near = drawPoses(seen), cell = drawMatrix(seen);
    last = { ...near, cell };
    drawList(seen);
    words(seen);
  }

  function controls({ view }, dimensions) {
    mode.set(modes.indexOf(view.mode));
    layer.set(view.layer);
    head.set(heads.indexOf(view.head));
    direction.set(WAYS.indexOf(view.direction));
    WAYS.forEach((way, i) => {
      const one = direction.node.children[i], word = DIRECTIONS[view.mode][way];
      if (one.textContent === word) return;
      one.textContent = word;
      for (const name of ["aria-label", "title"]) one.setAttribute(name, `direction: ${word}`);
    });
    people.set(view.choice);
    lines.set(view.lines);
    count.textContent = String(view.lines);
    for (const [node, least] of [[layer.node, 3], [head.node, 4]]) {  // rollout has neither, zeroed values no heads
      for (const one of node.children) one.disabled = dimensions < least;
      node.style.opacity = dimensions < least ? 0.4 : 1;
    }
    hider.disabled = !isJoint(view.token);
    hider.textContent = isJoint(view.token) && view.hidden.some(same(tokens[view.token])) ? "show joint" : "hide joint";
    back.disabled = !view.moved.length && !view.hidden.length;
  }

  function drawPoses({ view, ink, matrix, most, at, strongest, colour }) {
    const begun = drawn.begin(), { context, width, height } = begun, top = special.length ? 30 : 4;
    const scale = Math.min(width / (across * panel.wide), (height - top - 4) / (rows * panel.high));
    const space = width / across;
    const middles = scene.labels.map((_, w) => [(w % 4 + 0.5) * space, top + (Math.floor(w / 4) + 0.5) * panel.high * scale]);
    const poses = windowOf(view).map(xy => [...xy]);
    for (const [w, j, x, y] of view.moved) if (has(poses[w], j)) [poses[w][2 * j], poses[w][2 * j + 1]] = [x, y];
    const centre = w => { const b = boxes[view.choice][w]; return b ? [(b[0] + b[2]) / 2, (b[1] + b[3]) / 2] : [0, 0]; };
    const to = w => (x, y) => [middles[w][0] + (x - centre(w)[0]) * scale, middles[w][1] + (y - centre(w)[1]) * scale];
    const gone = (w, j) => view.hidden.some(same([w, j]));
    const placed = tokens.map((token, i) => {
      if (typeof token === "string") return [width * (special.indexOf(i) + 1) / (special.length + 1), 14];
      const [w, j] = token;
      return has(poses[w], j) ? to(w)(poses[w][2 * j], poses[w][2 * j + 1]) : null;
    });

    poses.forEach((xy, w) => {
      const there = xy.map((v, k) => gone(w, Math.floor(k / 2)) ? null : v);
      figure(context, there, { limbs: look.limbs, to: to(w), limb: ink.faint, joint: () => ink.faint, width: 2, alpha: 0.6, rim: false });
      context.fillStyle = ink.faint;
      context.textAlign = "center";
      const bottom = middles[w][1] + panel.high * scale / 2 - 2;
      context.fillText(scene.labels[w] + (extent(there) ? "" : ": no joint"), middles[w][0], bottom);
    });
    context.textAlign = "left";
    for (const [i, j, weight] of [...strongest].reverse()) {
      if (placed[i] && placed[j]) curve(context, placed[i], placed[j], weight / most, colour);
    }
    tokens.forEach((token, i) => { if (placed[i]) mark(context, token, i, placed[i], ink, typeof token !== "string" && gone(...token)); });
    if (at.token >= 0 && placed[at.token]) {
      const self = matrix[at.token * n + at.token] / most;
      ring(context, placed[at.token], 10, colour, 1.5 + 3 * Math.min(1, self));
    }
    if (at.partner >= 0 && placed[at.partner]) ring(context, placed[at.partner], 8, ink.ink, 1.5);
    for (const i of new Set([at.partner, at.token])) if (isJoint(i) && placed[i]) name(context, names[i], placed[i], width);
    const into = (w, [x, y]) => {
      const inside = (v, middle, half) => Math.min(middle + half, Math.max(middle - half, v));
      const px = inside(x, middles[w][0], space / 2 - 4), py = inside(y, middles[w][1], panel.high * scale / 2 - 4);
      return [centre(w)[0] + (px - middles[w][0]) / scale, centre(w)[1] + (py - middles[w][1]) / scale];
    };
    const near = ([x, y]) => {
      const far = placed.map(p => p ? Math.hypot(p[0] - x, p[1] - y) : Infinity), k = far.indexOf(Math.min(...far));
      return far[k] <= REACH ? k : -1;
    };
    const where = i => placed[i] && [poses[tokens[i][0]][2 * tokens[i][1]], poses[tokens[i][0]][2 * tokens[i][1] + 1]];
    drawn.node.dataset.placed = JSON.stringify(placed.map(p => p && p.map(v => Math.round(10 * v) / 10)));
    return { into, near, where };
  }

  /** A line bent to its right, so that there and back are two, with an arrow at its end. */
  function curve(context, [x0, y0], [x1, y1], share, colour) {
    const mx = (x0 + x1) / 2 - (y1 - y0) * 0.16, my = (y0 + y1) / 2 + (x1 - x0) * 0.16;
    const angle = Math.atan2(y1 - my, x1 - mx), size = 4 + 5 * share, ex = x1 - 5 * Math.cos(angle), ey = y1 - 5 * Math.sin(angle);
    context.save();
    context.globalAlpha = 0.35 + 0.6 * share;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 0.6 + 4.4 * share;
    context.beginPath();
    context.moveTo(x0, y0);
    context.quadraticCurveTo(mx, my, ex - size * 0.7 * Math.cos(angle), ey - size * 0.7 * Math.sin(angle));
    context.stroke();
    context.translate(ex, ey);
    context.rotate(angle);
    context.beginPath();
    context.moveTo(0, 0);
    context.lineTo(-size, size * 0.5);
    context.lineTo(-size, -size * 0.5);
    context.fill();
    context.restore();
  }

  function mark(context, token, i, [x, y], ink, gone) {
    if (typeof token === "string") return tag(context, names[i], x, y + 4, { align: "center" });
    context.beginPath();
    context.arc(x, y, 4.5, 0, 7);
    context.fillStyle = gone ? ink.paper : look.joint_colours[token[1]];
    context.fill();
    context.strokeStyle = ink.faint;
    context.setLineDash(gone ? [2, 2] : []);
    context.lineWidth = 1.2;
    context.stroke();
    context.setLineDash([]);
  }
  /** A joint's name above it, on the side where there is room. */
  function name(context, text, [x, y], width) {
    tag(context, text, x + (x < width / 2 ? 10 : -10), Math.max(14, y - 12), { align: x < width / 2 ? "left" : "right", size: 11 });
  }
  function ring(context, [x, y], radius, colour, width) {
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }

  function drawMatrix({ view, answer, ink, matrix, most, at, colour }) {
    const begun = grid.begin(), { context, width, height } = begun, edge = 44, size = (width - edge - 6) / n;
    const key = [cache.number, view.mode, view.layer, view.head, ink.ink, ink.paper, ink.accent].join("|");
    parked(begun, "matrix", key, own => paintMatrix(own, matrix, most, edge, size, ink, answer));
    const band = (k, row, colour, lineWidth) => {
      context.strokeStyle = colour;
      context.lineWidth = lineWidth;
      context.strokeRect(...(row ? [edge, edge + k * size, n * size, size] : [edge + k * size, edge, size, n * size]));
    };
    if (at.token >= 0) band(at.token, view.direction === "from", colour, 2);
    if (at.partner >= 0) band(at.partner, view.direction !== "from", ink.ink, 1);
    return ([x, y]) => {
      const row = Math.floor((y - edge) / size), column = Math.floor((x - edge) / size);
      if (row < 0 || column < 0 || row >= n || column >= n) return null;
      return view.direction === "from" ? [row, column] : [column, row];
    };
  }

  function paintMatrix(context, matrix, most, edge, size, ink, answer) {
    const whole = n * size;
    context.fillStyle = ink.accent;
    for (let k = 0; k < n * n; k++) {
      context.globalAlpha = Math.min(1, matrix[k] / most);
      context.fillRect(edge + (k % n) * size, edge + Math.floor(k / n) * size, size + 0.3, size + 0.3);
    }
    context.fillStyle = ink.faint;
    context.globalAlpha = 0.3;
    answer.known.forEach((there, i) => {
      if (there) return;
      context.fillRect(edge, edge + i * size, whole, size);
      context.fillRect(edge + i * size, edge, size, whole);
    });
    context.globalAlpha = 1;
    context.strokeStyle = ink.faint;
    context.lineWidth = 1;
    context.strokeRect(edge, edge, whole, whole);
    tokens.forEach((token, i) => {
      const here = edge + i * size, joint = typeof token !== "string";
      context.fillStyle = joint ? look.joint_colours[token[1]] : ink.faint;
      context.fillRect(edge - 8, here, 6, size);
      context.fillRect(here, edge - 8, size, 6);
      border(context, i, here, edge, whole, ink);
    });
    captions(context, edge, size, ink);
    bars(context, answer.effect, edge, size, ink);
    context.fillStyle = ink.faint;
    context.textAlign = "left";
    context.fillText(`0 … ${shown3(most)}`, 2, 12);
  }

  /** The line before token i where another pose or another part of the body begins. */
  function border(context, i, here, edge, whole, ink) {
    if (!i) return;
    const a = tokens[i - 1], b = tokens[i], part = t => PARTS.filter(p => p[1] <= t[1]).length;
    const pose = typeof a === "string" || typeof b === "string" || a[0] !== b[0];
    if (!pose && part(a) === part(b)) return;
    context.strokeStyle = pose ? ink.ink : ink.faint;
    context.lineWidth = pose ? 1.5 : 0.5;
    context.beginPath();
    context.moveTo(edge - 8, here);
    context.lineTo(edge + whole, here);
    context.moveTo(here, edge - 8);
    context.lineTo(here, edge + whole);
    context.stroke();
  }

  /** Names of parts and poses beside the rows and above the columns, at the middle of their tokens. */
  function captions(context, edge, size, ink) {
    const runs = {};
    tokens.forEach((token, i) => {
      const [w, j] = typeof token === "string" ? [-1, 0] : token;
      const word = w < 0 ? names[i] : PARTS.filter(p => p[1] <= j).at(-1)[0];
      (runs[`pose ${w}`] = runs[`pose ${w}`] || { far: true, word: w < 0 ? "" : W > 1 ? scene.labels[w] : "", at: [] }).at.push(i);
      (runs[`${w} ${word}`] = runs[`${w} ${word}`] || { far: false, word, at: [] }).at.push(i);
    });
    context.fillStyle = ink.ink;
    context.textAlign = "center";
    context.font = "10px system-ui, sans-serif";
    for (const { far, word, at } of Object.values(runs)) {
      if (!far && at.length * size < context.measureText(word).width) continue;
      const middle = edge + (at.reduce((a, b) => a + b, 0) / at.length + 0.5) * size, out = edge - (far ? 26 : 12);
      context.fillText(word, middle, out);
      context.save();
      context.translate(out, middle);
      context.rotate(-Math.PI / 2);
      context.fillText(word, 0, 0);
      context.restore();
    }
  }

  /** Below each column: how the probability changes when that token is removed, up or down. */
  function bars(context, effect, edge, size, ink) {
    if (!effect) return;
    const most = Math.max(1e-9, ...effect.map(Math.abs)), base = edge + n * size + 24;
    effect.forEach((v, i) => {
      context.fillStyle = v < 0 ? ink.warn : ink.accent;
      context.fillRect(edge + i * size + 0.5, base, Math.max(1, size - 1), -18 * v / most);
    });
    context.fillStyle = ink.faint;
    context.textAlign = "right";
    context.font = "10px system-ui, sans-serif";
    context.fillText("without", edge - 4, base);
    context.fillText(`±${shown3(most)}`, edge - 4, base + 12);
  }

  // --- words ---
  let listed = "";
  function drawList({ strongest, colour, most }) {
    const shown = strongest.slice(0, LISTED), text = JSON.stringify([shown, colour, most]);
    if (text === listed) return;
    listed = text;
    list.replaceChildren(...shown.map(([i, j, weight]) => element("div", { role: "listitem", style: "position:relative;padding:1px 4px" },
      element("div", { style: `position:absolute;inset:1px auto 1px 0;width:${100 * Math.min(1, weight / most)}%;background:${colour};opacity:.25` }),
      `${names[i]} → ${names[j]}: ${shown3(weight)}`)));
  }

  function words({ view, answer, matrix, at, strongest }) {
    const changed = Object.entries(answer.numbers).map(([name, value]) => {
      const now = rounded(value, 3), first = rounded(scene.start[name], 3);
      return [name, now === first ? now : `${now}, at first ${first}`];
    });
    table(Object.fromEntries(changed));
    const parts = [];
    if (at.token >= 0) {
      const row = view.direction === "from", of = k => row ? matrix[at.token * n + k] : matrix[k * n + at.token];
      let sum = 0;
      for (let k = 0; k < n; k++) sum += of(k);
      const name = names[at.token], there = answer.known[at.token];
      parts.push(there ? `${name}: ${row ? "row" : "column"} sum ${sum < 0.1 ? shown3(sum) : rounded(sum)}, itself ${shown3(of(at.token))}` : `${name} is absent`);
      if (at.partner >= 0) {
        parts.push(`${row ? name : names[at.partner]} → ${row ? names[at.partner] : name}: ${shown3(of(at.partner))}`);
      }
      if (answer.effect && there) {
        const e = answer.effect[at.token];
        const change = e === null ? "–" : `${e < 0 ? "−" : "+"}${rounded(Math.abs(e), 3)}`;  // not defined: the token that is read
        parts.push(`without it ${Object.keys(answer.numbers)[0]} ${change}`);
      }
    } else {
      parts.push(`The ${strongest.length} strongest of all pairs. Point at a joint for its ${view.direction === "from" ? "row" : "column"}.`);
    }
    const text = parts.join("; ");
    if (read.textContent !== text) read.textContent = text;
    const which = `layer ${view.layer + 1}${scene.heads > 1 ? `, ${view.head === "mean" ? "mean of heads" : `head ${view.head + 1}`}` : ""}`;
    const rho = name => answer.agreement[name] ? rounded(answer.agreement[name][view.layer].at(view.head === "mean" ? -1 : view.head)) : "–";
    const m = answer.compared, chance = m > 1 ? ` (${m} tokens; below ${rounded(1.96 / Math.sqrt(m - 1))} is chance)` : "";
    const found = Object.entries(scene.against).map(([name, words]) => [words, rho(name), name === "effect" ? chance : ""]).filter(f => f[1] !== "–");
    const compared = found.length ? ` Rank agreement (raw attention, ${which}) ${found.map(f => `with ${f[0]}: ${f[1]}${f[2]}`).join("; ")}.` : "";
    const astray = answer.astray > scene.leak ? ` Up to ${rounded(answer.astray, 3)} of a row goes to absent tokens: the mask is not in every layer.` : "";
    moral.textContent = `Attention alone does not say what matters.${compared}${astray}`;
  }
  return frame.close;
}
export default { render };
