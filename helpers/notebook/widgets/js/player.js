// The clip player: pictures with people and their ids, and below a lane per person, coloured by the id given.
import { button, canvas, chips, element, has, pictures, pointer, slider, stage, tag } from "./base.js";

const SPEEDS = [["¼×", 0.25], ["½×", 0.5], ["1×", 1], ["2×", 2]];
const RATE = 24;  // frames a second at 1×
const NO_ID = -1, MISSED = -2, ABSENT = -3, UNLABELLED = -4;
const STATES = { [NO_ID]: "found, no id", [MISSED]: "missed", [ABSENT]: "hidden", [UNLABELLED]: "not labelled" };
const CROWD = 40;  // more people than these are drawn thin, without rims and ids: wide strokes take longest to paint
const GREY = "#b3b3b3";

export function render({ model, el }) {
  const scene = model.get("scene"), last = scene.frames.length - 1, look = scene.look;
  const named = scene.sides.some(side => side.ids.some(ids => ids.some(id => id >= 0)));
  const heads = ["head top", "nose", "head bottom"].map(name => look.joints.indexOf(name));
  const image = pictures(() => frame.redraw());
  scene.frames.forEach(image);
  const states = new Map();
  const everyone = [...new Set(scene.sides.flatMap(side => side.who))].sort((a, b) => a - b);
  let hovered = null, playing = false, speed = 1, loop = true, current = -1, shown = 0;

  const frame = stage(model, el, {
    label: model.get("title"), draw, asks: false,
    keys: {
      " ": () => play(!playing), ArrowLeft: () => step(-1), ArrowRight: () => step(1),
      Home: () => go(0), End: () => go(last), "+": () => faster(1), "-": () => faster(-1), "−": () => faster(-1),
      l: () => toggleLoop(), n: () => jump(1), p: () => jump(-1), Escape: () => pin(null),
      ArrowDown: () => nextPerson(1), ArrowUp: () => nextPerson(-1),
    },
    help: "Space plays · ← → Home End step · + − speed · l loop" +
      (scene.truth && named ? " · n p next, previous switch" : "") +
      (everyone.length ? " · ↑ ↓ or a click: one person, Esc: all" : ""),
  });

  // controls

  const start = button("▶ Play", "play or pause (space)", () => play(!playing));
  const again = button("loop", "start again at the end (l)", () => toggleLoop());
  const speeds = chips("speed", SPEEDS.map(([name]) => name), setSpeed);
  const place = slider("frame", 0, Math.max(last, 0), 1, t => go(t));
  const value = element("output", { class: "workbook-value" });
  const row = (...parts) => element("div", { class: "workbook-row" }, ...parts);
  frame.body.append(row(start, button("‹", "one frame back (←)", () => step(-1)), button("›", "one frame on (→)", () => step(1)),
                        place.node, value, speeds.node, again));
  const told = element("span", { class: "workbook-help", role: "status", "aria-live": "polite" });
  if (scene.truth && named)
    frame.body.append(row(button("‹ switch", "previous switch (p)", () => jump(-1)), button("switch ›", "next switch (n)", () => jump(1)), told));
  const limits = scene.sliders.map(name => {
    const count = element("output", {}), words = name === "score" ? "score" : `score of the ${name}`;
    const one = slider(words, 0, 1, 0.01, number => frame.change({ [name]: number }));
    frame.body.append(row(element("span", { class: "workbook-name" }, `${name} >`), one.node, count));
    return { name, one, count };
  });
  const both = element("div", { class: "workbook-side" });
  frame.body.append(both);
  const views = scene.sides.map((side, k) => sideOf(side, k));
  if (views.some(view => view.lanes)) frame.body.append(legend());
  setSpeed(1);
  again.setAttribute("aria-pressed", "true");

  function sideOf(side, k) {
    const head = element("div"), node = element("div", {}, head);
    both.append(node);
    const words = side.name ? `${side.name}: ` : "", ratio = scene.size[1] / scene.size[0];
    const picture = canvas(node, { ratio, label: `${words}the frame with its people`, cursor: "pointer", most: scene.sides.length > 1 ? 640 : 720 });
    pointer(picture, {
      down: point => pin(personAt(side, picture, point)),
      over: point => hover(personAt(side, picture, point)), out: () => hover(null),
    });
    if (!side.who.length) return { side, k, head, picture, lanes: null };
    const lanes = canvas(node, { ratio: width => laneHeight(side) * side.who.length / width + 18 / width, most: scene.sides.length > 1 ? 640 : 720,
      label: `${words}a lane for each ${scene.truth ? "person" : "id"}`, cursor: "ew-resize" });
    let from = null, here = false;  // where the press was while nothing has moved, and whether it was at this frame
    pointer(lanes, {
      down: point => {
        play(false);
        hovered = null;
        from = point;
        here = frame.view().frame === frameAt(lanes, side, point);
        go(frameAt(lanes, side, point), false);
      },
      drag: point => {
        if (from && Math.abs(point[0] - from[0]) > 2) from = null;
        if (!from) go(frameAt(lanes, side, point), false);
      },
      up: () => {  // a drag only moves through time; a click chooses who is shown alone
        const who = from ? rowAt(lanes, side, from) : null;
        if (who !== null && (who !== frame.view().person || here)) pin(who);
        go(frame.view().frame);
      },
      over: point => hover(rowAt(lanes, side, point)), out: () => hover(null),
    });
    return { side, k, head, picture, lanes, kept: null };
  }
  function legend() {
    const item = (style, text) => element("span", { style: "display:inline-flex;align-items:center;gap:4px" }, element("span", { style: `display:inline-block;width:18px;height:10px;${style}` }), text);
    const colours = look.track_colours.slice(0, 3);
    const parts = [`a row: ${scene.truth ? "a true person" : "an id"}`, named ? item(`background:linear-gradient(90deg,${colours[0]} 33%,${colours[1]} 33% 66%,${colours[2]} 66%)`, "number and colour: the id given (colours repeat)")
      : item(`background:${GREY}`, "found")];
    if (scene.truth && named) parts.push(item("width:3px;background:var(--wb-ink)", "a mark: a switch"));
    if (scene.truth) parts.push(item("border:1px solid var(--wb-faint);box-sizing:border-box", "missed (dashed in the picture)"),
                                item("border-top:2px dotted var(--wb-faint);height:2px", "hidden: not in the truth"));
    if (scene.sides.some(side => side.empty.some(ids => ids.includes(UNLABELLED))))
      parts.push(item("background:repeating-linear-gradient(135deg,var(--wb-grid) 0 2px,transparent 2px 5px)", "nobody looked"));
    return element("div", { class: "workbook-row workbook-help" }, ...parts);
  }

  // moving

  function go(t, ask = true) {
    frame.change({ frame: Math.max(0, Math.min(last, t)) }, ask);
  }
  function step(by) { play(false); go(frame.view().frame + by); }
  function play(on) {
    if (on === playing) return;
    playing = on;
    start.textContent = on ? "❚❚ Pause" : "▶ Play";
    if (!on) return go(frame.view().frame);
    if (frame.view().frame === last) go(0, false);
    shown = performance.now();
    requestAnimationFrame(tick);
  }
  function tick(now) {
    if (!playing || !frame.root.isConnected) return;
    const lasts = 1000 / (RATE * SPEEDS[speed][1]), steps = Math.floor((now - shown) / lasts);
    if (steps > 0) {
      shown = steps > 5 ? now : shown + steps * lasts;
      const t = frame.view().frame + Math.min(steps, 5);
      if (t > last && !loop) { go(last, false); return play(false); }
      go(t > last ? 0 : t, false);
    }
    requestAnimationFrame(tick);
  }
  function setSpeed(index) { speed = Math.max(0, Math.min(SPEEDS.length - 1, index)); speeds.set(speed); }
  function faster(by) { setSpeed(speed + by); }
  function toggleLoop() { loop = !loop; again.setAttribute("aria-pressed", String(loop)); }
  function jump(by) {
    const { switches } = seen(frame.view()), t = frame.view().frame;
    play(false);
    if (!switches.length) { told.textContent = "no switch"; return; }
    if (current >= 0 && switches[current].t === t) current += by;
    else current = by > 0 ? switches.findIndex(one => one.t > t) : switches.findLastIndex(one => one.t < t);
    if (current < 0 && by > 0 || current >= switches.length) current = 0;
    if (current < 0) current = switches.length - 1;
    const one = switches[current], name = scene.sides[one.k].name;
    go(one.t);
    told.textContent = `switch ${current + 1} of ${switches.length}: frame ${one.t}, ${name ? name + ", " : ""}person ${one.who} was ${one.before} and is now ${one.after}`;
  }
  function pin(who) { hovered = null; frame.change({ person: who === frame.view().person ? null : who }); }
  function nextPerson(by) {
    const at = everyone.indexOf(frame.view().person);
    if (everyone.length) pin(everyone[(at < 0 ? (by > 0 ? 0 : everyone.length - 1) : at + by + everyone.length) % everyone.length]);
  }
  function hover(who) {
    if (who !== hovered) { hovered = who; frame.redraw(); }
  }
  /** The lanes of the people above the score, and their switches, kept for the score last used. */
  function seen(view) {
    const score = "score" in view ? view.score : null;
    if (!states.has(score)) {
      states.clear();
      current = -1;
      const cells = scene.sides.map(side => cellsOf(side, scene.poses[side.poses].score, score));
      const switches = scene.sides.flatMap((side, k) => side.who.flatMap((who, row) => changes(cells[k][row]).map(one => ({ k, who, ...one }))));
      switches.sort((a, b) => a.t - b.t || a.k - b.k || a.who - b.who);
      states.set(score, { cells, switches, score });
    }
    return states.get(score);
  }

  // geometry

  const laneHeight = side => Math.max(1, Math.min(18, 340 / side.who.length));
  const labelWidth = side => laneHeight(side) < 9 ? 6 : 12 + 7 * Math.max(...side.who.map(who => String(who).length));
  const column = (lanes, side) => (lanes.node.clientWidth - labelWidth(side) - 2) / (last + 1);
  function frameAt(lanes, side, [x]) {
    const t = Math.floor((x - labelWidth(side)) / column(lanes, side));
    return x < labelWidth(side) ? frame.view().frame : Math.min(last, t);
  }
  function rowAt(lanes, side, [, y]) {
    const row = Math.floor(y / laneHeight(side));
    return row < 0 || row >= side.who.length ? null : side.who[row];
  }
  const whoOf = (side, t, i) => side.lane[t][i] < 0 ? null : side.who[side.lane[t][i]];
  function visible(side, view) {
    const scores = scene.poses[side.poses].score;
    const all = [...side.ids[view.frame].keys()];
    return "score" in view ? all.filter(i => scores[view.frame][i] > view.score) : all;
  }
  function personAt(side, surface, [x, y]) {
    const view = frame.view(), scale = scene.size[0] / surface.node.clientWidth, near = 14 * scale;
    let best = null, least = near;
    for (const i of visible(side, view)) {
      const away = distance(pose(side, view.frame, i), x * scale, y * scale);
      if (away < least && whoOf(side, view.frame, i) !== null) { least = away; best = whoOf(side, view.frame, i); }
    }
    return best;
  }
  const pose = (side, t, i) => scene.poses[side.poses].xy[t][i];
  const boxOf = (side, t, i) => scene.poses[side.poses].box?.[t][i];
  /** From a point to the nearest joint or limb of a pose. */
  function distance(xy, x, y) {
    let least = Infinity;
    for (let j = 0; j < xy.length / 2; j++) if (has(xy, j)) least = Math.min(least, Math.hypot(xy[2 * j] - x, xy[2 * j + 1] - y));
    for (const [a, b] of look.limbs) {
      if (!has(xy, a) || !has(xy, b)) continue;
      const dx = xy[2 * b] - xy[2 * a], dy = xy[2 * b + 1] - xy[2 * a + 1];
      const part = Math.max(0, Math.min(1, ((x - xy[2 * a]) * dx + (y - xy[2 * a + 1]) * dy) / (dx * dx + dy * dy || 1)));
      least = Math.min(least, Math.hypot(xy[2 * a] + part * dx - x, xy[2 * a + 1] + part * dy - y));
    }
    return least;
  }

  // drawing

  function draw(view) {
    const colours = frame.colours(), alone = hovered ?? view.person, state = seen(view);
    place.set(view.frame);
    place.input.setAttribute("aria-valuetext", `frame ${view.frame} of 0 to ${last}`);
    value.textContent = `${view.frame} / ${last}`;
    if (current >= 0 && state.switches[current].t !== view.frame) { current = -1; told.textContent = ""; }
    if (!playing) frame.note(view.person === null ? "" : scene.sides.map((side, k) => `${side.name ? side.name + ": " : ""}frame ${view.frame}${aloneWords(side, view.frame, view.person, state.cells[k])}`).join(" · "));
    for (const { name, one, count } of limits) {
      one.set(view[name]);
      count.textContent = counted(name, view);
    }
    for (const part of views) {
      const mine = state.switches.filter(one => one.k === part.k);
      heading(part.head, part.side.name, scene.truth ? summary(state.cells[part.k], mine, view.frame) : "");
      drawPicture(part, view, alone, state.cells[part.k], mine);
      if (part.lanes) drawLanes(part, view, alone, colours, state, mine);
    }
  }
  function summary(cells, switches, t) {
    const now = cells.map(row => row[t]), found = now.filter(id => id >= NO_ID).length, all = found + now.filter(id => id === MISSED).length;
    const so = switches.filter(one => one.t <= t).length;
    return `${found} of ${all} people found` + (named ? `, ${so} of ${switches.length} switches so far` : "");
  }
  function heading(node, name, words) {
    const text = name && words ? `${name}: ${words}` : name || words;
    if (node.textContent !== text) node.textContent = text;
  }
  function counted(name, view) {
    const layer = scene.layers.find(one => one[0] === name), limit = view[name].toFixed(2);
    const scores = layer ? layer[2][view.frame].map(row => row[4]) : scene.poses[scene.sides[0].poses].score[view.frame];
    const above = scores.filter(score => score > view[name]).length;
    return `${limit}: ${above} of ${scores.length} ${layer ? name : "instances"}`;
  }
  function drawPicture({ side, picture }, view, alone, cells, switches) {
    const { context, width, height } = picture.begin(), scale = width / scene.size[0], t = view.frame;
    const to = (x, y) => [x * scale, y * scale], shown = image(scene.frames[t]);
    context.fillStyle = "#f5f5f5";
    context.fillRect(0, 0, width, height);
    if (shown) context.drawImage(shown, 0, 0, width, height);
    for (const [name, colour, boxes] of scene.layers)
      for (const box of boxes[t]) if (box[4] > view[name]) outline(context, box, scale, colour, 1.2);
    for (const [who, ...box] of scene.true[t])
      if (cells[side.who.indexOf(who)]?.[t] === MISSED && (alone === null || alone === who)) dashed(context, box, scale);
    const rows = visible(side, view), bright = rows.filter(i => alone === null || whoOf(side, t, i) === alone);
    if (bright.length < rows.length) for (const i of rows) stick(context, pose(side, t, i), look.limbs, to, colourOf(side.ids[t][i]), 0.15, rows.length > CROWD);
    for (const i of bright) {
      const colour = colourOf(side.ids[t][i]);
      if ("score" in view) boxesOf(context, side, t, i, scale, colour);
      stick(context, pose(side, t, i), look.limbs, to, colour, 1, bright.length > CROWD);
    }
    if (bright.length <= CROWD) for (const i of bright) plate(context, side, t, i, to, width, switches);
    tag(context, `frame ${t}${aloneWords(side, t, alone, cells)}`, 6, 16);
    if (scene.pictures && !scene.frames[t]) tag(context, "the picture of this frame is missing", width / 2, height / 2, { align: "center" });
    else if (!rows.length && !scene.layers.length) tag(context, "nobody here", width / 2, height - 8, { align: "center" });
  }
  function aloneWords(side, t, alone, cells) {
    const row = side.who.indexOf(alone), id = row < 0 ? ABSENT : cells[row][t];
    if (alone === null) return "";
    if (!scene.truth) return `, id ${alone}`;
    return `, person ${alone}: ` + (id >= 0 ? `has id ${id}` : STATES[id]);
  }
  function boxesOf(context, side, t, i, scale, colour) {
    const id = side.ids[t][i];
    for (let s = Math.max(0, t - scene.trail); id >= 0 && s <= Math.min(last, t + scene.trail); s++)
      side.ids[s].forEach((other, k) => { if (other === id && s !== t) outline(context, boxOf(side, s, k), scale, colour, 1, 0.6); });
    outline(context, boxOf(side, t, i), scale, colour, 2.2);
  }
  function plate(context, side, t, i, to, width, switches) {
    const id = side.ids[t][i], at = headOf(pose(side, t, i), boxOf(side, t, i), heads);
    if (id < 0 || !at) return;
    const row = side.lane[t][i], change = row >= 0 && switches.find(one => one.t === t && one.who === side.who[row]);
    const [x, y] = to(...at), colour = colourOf(id);
    tag(context, change ? `${change.before} → ${id}` : String(id), Math.max(12, Math.min(width - 12, x)), Math.max(14, y - 6),
        { plate: colour, ink: light(colour) ? "#000" : "#fff", align: "center", size: change ? 15 : 12 });
  }
  function drawLanes(part, view, alone, colours, state, mine) {
    const { side, lanes } = part, { context, width, height } = lanes.begin();
    const key = [width, height, alone, state.score, colours.ink, colours.paper, globalThis.devicePixelRatio].join();
    if (part.key !== key) { part.key = key; part.kept = stillLanes(part, width, height, alone, colours, state.cells[part.k], mine); }
    context.drawImage(part.kept, 0, 0, width, height);
    const left = labelWidth(side), wide = (width - left - 2) / (last + 1), high = laneHeight(side), x = left + view.frame * wide;
    context.strokeStyle = colours.accent;
    context.lineWidth = 2;
    context.strokeRect(x, 1, Math.max(wide, 2), high * side.who.length);
    const one = current >= 0 ? state.switches[current] : null;
    if (one && scene.sides[one.k] === side) {
      context.beginPath();
      context.arc(x, (side.who.indexOf(one.who) + 0.5) * high, Math.max(7, high * 0.7), 0, 7);
      context.stroke();
    }
  }
  /** The lanes without the frame that is shown, drawn once for a size, a theme and a person. */
  function stillLanes({ side, lanes: { node } }, width, height, alone, colours, cells, switches) {
    const kept = document.createElement("canvas"), context = kept.getContext("2d"), dense = node.width / width;
    kept.width = node.width;
    kept.height = node.height;
    context.scale(dense, dense);
    const left = labelWidth(side), wide = (width - left - 2) / (last + 1), high = laneHeight(side), foot = high * side.who.length;
    context.textBaseline = "middle";
    context.font = "600 10px system-ui, sans-serif";
    side.who.forEach((who, row) => {
      context.globalAlpha = alone === null || alone === who ? 1 : 0.2;
      context.fillStyle = colours.ink;
      if (high >= 9) context.fillText(String(who), 4, (row + 0.5) * high);
      for (const [from, to, id] of runs(cells[row])) bar(context, left + from * wide, row * high, (to - from) * wide, high, id, colours);
    });
    switches.forEach(({ t, who }) => {
      context.globalAlpha = alone === null || alone === who ? 1 : 0.2;
      mark(context, left + t * wide, side.who.indexOf(who) * high, high, colours);
    });
    context.globalAlpha = 1;
    context.fillStyle = colours.faint;
    context.font = "10px system-ui, sans-serif";
    const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find(n => n * wide >= 34) || 5000;
    for (let t = 0; t <= last; t += every) context.fillText(String(t), left + t * wide, foot + 10);
    return kept;
  }
  function colourOf(id) { return id < 0 ? GREY : look.track_colours[id % look.track_colours.length]; }
  function bar(context, x, y, wide, high, id, colours) {
    const inset = high >= 9 ? 1.5 : 0;
    if (id >= NO_ID) {
      const colour = colourOf(id);
      context.fillStyle = colour;
      context.fillRect(x, y + inset, wide, high - 2 * inset);
      if (inset && wide > 4) {  // dark ids on a dark page, yellow on a white one: the rim tells where a stretch ends
        context.strokeStyle = colours.faint;
        context.lineWidth = 1;
        context.strokeRect(x + 0.5, y + inset + 0.5, wide - 1, high - 2 * inset - 1);
      }
      if (high >= 11 && id >= 0 && wide > 8 + 6 * String(id).length) {
        context.fillStyle = light(colour) ? "#000" : "#fff";
        context.fillText(String(id), x + 4, y + high / 2 + 0.5);
      }
      return;
    }
    context.strokeStyle = context.fillStyle = id === MISSED ? colours.faint : colours.grid;
    context.lineWidth = 1;
    if (id === MISSED) { if (high >= 5) context.strokeRect(x + 0.5, y + inset + 0.5, Math.max(0.5, wide - 1), high - 2 * inset - 1); }
    else if (id === UNLABELLED) for (let s = x; s < x + wide; s += 4) context.fillRect(s, y + inset, 1, high - 2 * inset);
    else for (let s = x + 1; s < x + wide; s += 5) context.fillRect(s, y + high / 2, 2, Math.min(2, high / 2));
  }
  function mark(context, x, y, high, colours) {
    context.fillStyle = colours.paper;
    if (high >= 5) context.fillRect(x - 2, y, 4, high);
    context.fillStyle = colours.ink;
    context.fillRect(x - 1, y, 2, high);
  }
  return () => { playing = false; frame.close(); };
}

/** The lanes of a side with the people above a score (null: of all): for each person and frame an id, or why there is none. */
function cellsOf(side, scores, score) {
  const cells = side.empty.map(row => [...row]);
  side.ids.forEach((ids, t) => ids.forEach((id, i) => {
    if (side.lane[t][i] >= 0 && (score === null || scores[t][i] > score)) cells[side.lane[t][i]][t] = id;
  }));
  return cells;
}

/** Where the id of a lane is another than the last one: {t, before, after}. */
function changes(ids) {
  const out = [];
  let before = NO_ID;
  ids.forEach((id, t) => {
    if (id < 0) return;
    if (before >= 0 && id !== before) out.push({ t, before, after: id });
    before = id;
  });
  return out;
}

/** Stretches of one id: [first frame, frame after the last, id]. */
function runs(ids) {
  const out = [];
  ids.forEach((id, t) => { if (t && ids[t - 1] === id) out.at(-1)[1] = t + 1; else out.push([t, t + 1, id]); });
  return out;
}

/** Whether black is read better than white on a colour #rrggbb. */
function light(colour) {
  const [r, g, b] = [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140;
}

function dashed(context, [x1, y1, x2, y2], scale) {
  context.setLineDash([5, 4]);
  context.lineWidth = 1.6;
  context.strokeStyle = "rgba(25,25,25,.75)";
  context.strokeRect(x1 * scale, y1 * scale, (x2 - x1) * scale, (y2 - y1) * scale);
  context.setLineDash([]);
}

function outline(context, box, scale, colour, width, alpha = 1) {
  if (!box || box.slice(0, 4).some(value => value === null)) return;
  const [x1, y1, x2, y2] = box.map(value => value * scale);
  context.globalAlpha = alpha;
  for (const [wide, ink] of [[width + 1.2, "rgba(25,25,25,.55)"], [width, colour]]) {
    context.lineWidth = wide;
    context.strokeStyle = ink;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
  context.globalAlpha = 1;
}

/** A stick figure in one colour with a dark rim; thin: without rim and round ends. */
function stick(context, xy, limbs, to, colour, alpha, thin) {
  context.beginPath();
  for (const [a, b] of limbs) {
    if (!has(xy, a) || !has(xy, b)) continue;
    context.moveTo(...to(xy[2 * a], xy[2 * a + 1]));
    context.lineTo(...to(xy[2 * b], xy[2 * b + 1]));
  }
  for (let j = 0; j < xy.length / 2; j++) {  // a line without length is a dot: joints whose limbs are not there
    if (!has(xy, j)) continue;
    const point = to(xy[2 * j], xy[2 * j + 1]);
    context.moveTo(...point);
    context.lineTo(...point);
  }
  context.globalAlpha = alpha;
  context.lineCap = thin ? "butt" : "round";
  for (const [width, ink] of thin ? [[1.8, colour]] : [[5.5, "rgb(25,25,25)"], [3.2, colour]]) {
    context.lineWidth = width;
    context.strokeStyle = ink;
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Where a plate stands: at the head, else at the highest joint, else on the box; null without any. */
function headOf(xy, box, heads) {
  let best = heads.find(j => has(xy, j)) ?? -1;
  if (best < 0) for (let j = 0; j < xy.length / 2; j++) if (has(xy, j) && (best < 0 || xy[2 * j + 1] < xy[2 * best + 1])) best = j;
  if (best >= 0) return [xy[2 * best], xy[2 * best + 1]];
  return box && box[0] !== null ? [(box[0] + box[2]) / 2, box[1]] : null;
}
export default { render };
