// Two frames and the flow between them: a joint or a person is dragged in the first, the flow carries it to the second.
import { button, canvas, chips, element, figure, has, layers, numbers, pictures, pointer, stage, tag } from "./base.js";

const within = (x, low, high) => Math.max(low, Math.min(high, x));
const tenths = v => Math.round(10 * v) / 10;
const spelt = (x, digits = 1) => x === null || x === undefined ? "–" : x.toFixed(digits).replace("-", "−");
/** The nearest whole number, of two the even one, as in Python. */
const nearest = v => { const whole = Math.round(v); return Math.abs(v % 1) === 0.5 && whole % 2 ? whole - 1 : whole; };

/** A stored field as {at(x, y) → [u, v] pixels, wide, high, cell(column, row)}. */
function fieldOf({ apart, all, wide, longest, steps }) {
  if (all) return { at: () => all, wide: 1, high: 1, cell: () => all };
  const kept = Int8Array.from(atob(steps), c => c.charCodeAt(0));
  const cell = (column, row) => [0, 1].map(axis => kept[2 * (row * wide + column) + axis] * longest / 127);
  return { at: (x, y) => cell(Math.floor(x / apart), Math.floor(y / apart)), wide, high: kept.length / 2 / wide, cell };
}
/** Where a field carries the joints of one person (30 numbers), as `moved` does: places, and which are inside. */
function carriedBy(field, xy, [w, h]) {
  const places = [...xy], inside = [];
  const seen = (x, y) => x >= 0 && y >= 0 && x < w && y < h;
  for (let j = 0; j < xy.length / 2; j++) {
    const [x, y] = [xy[2 * j], xy[2 * j + 1]], pixel = [nearest(x), nearest(y)];
    inside[j] = has(xy, j) && seen(...pixel);
    if (!inside[j]) continue;
    const [u, v] = field.at(...pixel);
    [places[2 * j], places[2 * j + 1]] = [x + u, y + v];
    inside[j] = seen(nearest(x + u), nearest(y + v));
  }
  return { xy: places, inside };
}
/** The box around the joints inside, enlarged by a share of their extent on every side; null where there are none. */
function boxAround(xy, inside, enlarge) {
  const known = inside.map((on, j) => (on ? [xy[2 * j], xy[2 * j + 1]] : null)).filter(Boolean);
  if (!known.length) return null;
  const [low, high] = [Math.min, Math.max].map(f => [0, 1].map(axis => f(...known.map(p => p[axis]))));
  const more = [0, 1].map(axis => enlarge * (high[axis] - low[axis]));
  return [low[0] - more[0], low[1] - more[1], high[0] + more[0], high[1] + more[1]];
}
const apartBy = (a, b, j, k = j) => has(a, j) && has(b, k) ? Math.hypot(a[2 * j] - b[2 * k], a[2 * j + 1] - b[2 * k + 1]) : null;

/** What `FlowField.answers` says of a view, from the stored fields. */
function followed(view, scene, fields) {
  const { person, joint } = view, before = view.xy[person], after = scene.after[person], field = fields[view.provider];
  const { xy, inside } = carriedBy(field, before, scene.size), values = {};
  if (scene.exact >= 0) {
    const place = before.slice(2 * joint, 2 * joint + 2);
    values["end-point error, px"] = apartBy(xy, carriedBy(fields[scene.exact], place, scene.size).xy, joint, 0);
  }
  const off = inside.map((on, j) => on && [0, 1].every(axis => before[2 * j + axis] === scene.xy[person][2 * j + axis]) ? apartBy(xy, after, j) : null);
  if (after.some(v => v !== null)) {
    const sorted = off.filter(v => v !== null).sort((a, b) => a - b), n = sorted.length;
    values["joint off its true place, px"] = off[joint];
    values["median of its joints off, px"] = n ? (sorted[Math.floor((n - 1) / 2)] + sorted[Math.floor(n / 2)]) / 2 : null;
  }
  const moving = inside[joint] || apartBy(xy, before, joint) > 0;
  const flow = moving ? [0, 1].map(axis => xy[2 * joint + axis] - before[2 * joint + axis]) : [null, null];
  return { xy, inside, box: boxAround(xy, inside, scene.enlarge), flow, numbers: values };
}
/** Colour of a vector: its direction on the wheel, paler where it is shorter; white stands still. */
function colourOf([u, v], fastest, wheel) {
  const place = (Math.atan2(v, u) / (2 * Math.PI) + 1) % 1 * wheel.length, before = Math.floor(place) % wheel.length, part = place - Math.floor(place);
  const far = Math.min(1, Math.hypot(u, v) / fastest), [one, next] = [wheel[before], wheel[(before + 1) % wheel.length]];
  return one.map((c, i) => Math.round(255 - far * (255 - (c + part * (next[i] - c)))));
}

export function render({ model, el }) {
  const scene = model.get("scene"), { size: [w, h], names, look, shown } = scene, live = model.kernel !== false;
  const start = { ...model.get("view") }, fields = scene.fields.map(fieldOf), people = scene.xy.length;
  const fastest = scene.fastest, wheel = scene.wheel.map(hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16)));
  const PICKED = "#d55e00", REACH = { mouse: 13, pen: 16, touch: 26 };
  let held = null;

  const nudge = (dx, dy) => event => { const far = event.shiftKey ? 10 : 1; shift([far * dx, far * dy]); };
  const frame = stage(model, el, {
    label: model.get("title"), draw, asks: false,
    keys: { ArrowLeft: nudge(-1, 0), ArrowRight: nudge(1, 0), ArrowUp: nudge(0, -1), ArrowDown: nudge(0, 1),
            "[": () => choose(-1), "]": () => choose(1), p: nextPerson, w: () => set({ whole: !frame.view().whole }),
            f: () => set({ provider: (frame.view().provider + 1) % names.length }),
            c: () => set({ show: (frame.view().show + 1) % shown.length }), r: () => set(start) },
    help: "Drag a joint in the first frame; Shift or “whole person” moves all its joints. Keys: arrows move by a pixel (Shift: 10), "
      + "[ ] another joint" + (people > 1 ? ", p another person" : "") + ", w joint or person, f another flow, c what is shown, r: as it was."
      + (live ? "" : " Without a kernel the flow is read from a coarser grid."),
  });
  const set = patch => frame.change(patch, live);
  const flows = chips("flow", names, provider => set({ provider }));
  const shows = chips("show", shown, show => set({ show }));
  const grips = chips("drag", ["joint", "whole person"], k => set({ whole: k === 1 }));
  frame.body.append(element("div", { class: "workbook-row" }, "flow", flows.node, "shown as", shows.node, "drag", grips.node, button("reset", "as it was", () => set(start))));
  const left = element("div"), right = element("div"), words = element("div", { class: "workbook-words", "aria-live": "polite" });
  frame.body.append(element("div", { class: "workbook-side" }, left, right), words);
  const ratio = h / w, most = Math.round(within(420 / ratio, 260, 480));
  const first = canvas(left, { ratio, most, label: "frame k − 1 with the flow and the people" });
  const second = canvas(right, { ratio, most, label: "frame k with the joints as the flow carries them" });
  const write = numbers(frame.body, "how far off"), loaded = pictures(() => frame.redraw()), parts = [layers(), layers()];
  let scale = 1;
  const to = (x, y) => [(x + 0.5) * scale, (y + 0.5) * scale], from = ([x, y]) => [x / scale - 0.5, y / scale - 0.5];

  // what the reader does

  function shift([dx, dy], begun = frame.view().xy) {
    const { person, joint, whole } = frame.view(), limits = [w, h], all = held ? held.whole : whole;
    const row = begun[person].map((v, i) => {
      if (v === null || !(all || i >> 1 === joint)) return v;
      const axis = i % 2, low = all ? -limits[axis] : Math.min(-0.5, v), high = all ? 2 * limits[axis] : Math.max(limits[axis] - 0.5, v);
      return tenths(within(v + (axis ? dy : dx), low, high));
    });
    const xy = frame.view().xy.map((old, p) => (p === person ? row : old));
    if (JSON.stringify(xy) !== JSON.stringify(frame.view().xy)) set({ xy });
  }
  function choose(by) {
    const { person, joint, xy } = frame.view();
    for (let k = 1; k <= 15; k++) {
      const next = (joint + by * k + 15 * 15) % 15;
      if (has(xy[person], next)) return set({ joint: next });
    }
  }
  function nextPerson() {
    const { person, joint, xy } = frame.view();
    for (let k = 1; k <= people; k++) {
      const next = (person + k) % people, known = xy[next].findIndex(v => v !== null);
      if (known >= 0) return set({ person: next, joint: has(xy[next], joint) ? joint : known >> 1 });
    }
  }
  /** [person, joint] under a point of the canvas, or null; the chosen person's joints come first. */
  function under([px, py], reach) {
    const view = frame.view();
    let best = null, least = Infinity;
    view.xy.forEach((xy, p) => {
      for (let j = 0; j < 15; j++) {
        if (!has(xy, j)) continue;
        const [x, y] = to(xy[2 * j], xy[2 * j + 1]), far = Math.hypot(px - x, py - y), cost = far + (p === view.person ? 0 : 3);
        if (far <= reach && cost < least) { best = [p, j]; least = cost; }
      }
    });
    return best;
  }
  pointer(first, {
    down(point, event) {
      const found = under(point, REACH[event.pointerType] || 13);
      held = null;
      if (!found) return;
      frame.root.focus({ preventScroll: true });
      set({ person: found[0], joint: found[1] });
      held = { begun: point, xy: frame.view().xy, whole: frame.view().whole || event.shiftKey };
    },
    drag([x, y]) {
      if (!held) return;
      const moved = [(x - held.begun[0]) / scale, (y - held.begun[1]) / scale];
      if (!held.moved && Math.hypot(...moved) * scale < 2) return;  // a click is no drag
      held.moved = true;
      shift(moved, held.xy);
    },
    up() { held = null; },
    over(point) { first.node.style.cursor = under(point, 13) ? "grab" : "default"; },
  });
  // A finger that meets no joint scrolls the page.
  first.node.style.touchAction = "auto";
  first.node.addEventListener("touchstart", event => { if (under(first.at(event.changedTouches[0]), REACH.touch)) event.preventDefault(); }, { passive: false });

  // drawing

  /** Python's numbers where they are of this view, else those of the stored field. */
  function seenOf(view) {
    const answer = model.get("answer"), { person, joint, provider, xy } = view;
    const fits = answer.provider === provider && answer.person === person && answer.joint === joint && JSON.stringify(answer.of) === JSON.stringify(xy[person]);
    return fits ? { ...answer, box: answer.box.includes(null) ? null : answer.box } : followed(view, scene, fields);
  }
  function draw(view) {
    const ink = frame.colours(), seen = seenOf(view), one = first.begin();
    scale = one.width / w;
    flows.set(view.provider);
    shows.set(view.show);
    grips.set(view.whole ? 1 : 0);
    const images = scene.images.map(loaded);
    parts[0](one, "frame", `${Boolean(images[0])}|${view.provider}|${view.show}`, c => {
      backdrop(c, one, images[0]);
      if (view.show === 0) arrows(c, fields[view.provider]);
      if (view.show === 1) colours_of(c, one, fields[view.provider]);
    });
    view.xy.forEach((xy, p) => person(one.context, xy, p, p === view.person));
    ring(one.context, view.xy[view.person], view.joint);
    tag(one.context, "frame k − 1", 4, 16);
    const two = second.begin();
    parts[1](two, "frame", String(Boolean(images[1])), c => backdrop(c, two, images[1]));
    view.xy.forEach((xy, p) => { if (p !== view.person) person(two.context, gone(carriedBy(fields[view.provider], xy, scene.size)), p, false); });
    carried(two.context, view, seen);
    tag(two.context, "frame k", 4, 16);
    first.node.dataset.placed = JSON.stringify(view.xy[view.person]);
    told(view, seen, ink);
  }
  const gone = ({ xy, inside }) => xy.map((v, i) => (inside[i >> 1] ? v : null));
  function backdrop(context, { width, height }, picture) {
    context.fillStyle = "#f5f5f5";  // as the figures' empty canvas, so that the joints' colours hold in every theme
    context.fillRect(0, 0, width, height);
    if (!picture) return;
    context.globalAlpha = 0.6;
    context.drawImage(picture, 0, 0, width, height);
    context.globalAlpha = 1;
  }
  /** As long as the movement itself. */
  function arrows(context, field) {
    const every = Math.max(1, 24 / scale);
    context.beginPath();
    for (let y = every / 2; y < h; y += every) {
      for (let x = every / 2; x < w; x += every) {
        const [u, v] = field.at(Math.floor(x), Math.floor(y)), [ax, ay] = to(x, y), [bx, by] = to(x + u, y + v), long = Math.hypot(bx - ax, by - ay);
        context.moveTo(ax, ay);
        context.lineTo(bx, by);
        if (long < 2) { context.rect(ax - 0.5, ay - 0.5, 1, 1); continue; }
        const turn = Math.atan2(by - ay, bx - ax), tip = Math.min(5, long / 2);
        for (const side of [2.6, -2.6]) { context.moveTo(bx, by); context.lineTo(bx + tip * Math.cos(turn + side), by + tip * Math.sin(turn + side)); }
      }
    }
    context.strokeStyle = "#222";
    context.lineWidth = 1.2;
    context.stroke();
  }
  function colours_of(context, { width, height }, field) {
    const small = element("canvas", { width: field.wide, height: field.high }), own = small.getContext("2d"), data = own.createImageData(field.wide, field.high);
    for (let k = 0; k < field.wide * field.high; k++) data.data.set([...colourOf(field.cell(k % field.wide, Math.floor(k / field.wide)), fastest, wheel), 255], 4 * k);
    own.putImageData(data, 0, 0);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = 0.7;
    context.drawImage(small, 0, 0, width, height);
    context.globalAlpha = 1;
    key(context, width - 30, 30);
  }
  /** What the colours say: directions around, the fastest at the rim. */
  function key(context, x, y) {
    for (let k = 0; k < 24; k++) {
      const turn = k * Math.PI / 12;
      for (const far of [1, 0.66, 0.33]) {
        context.fillStyle = `rgb(${colourOf([far * Math.cos(turn), far * Math.sin(turn)], 1, wheel)})`;
        context.beginPath();
        context.moveTo(x, y);
        context.arc(x, y, 24 * far, turn - Math.PI / 24, turn + Math.PI / 24 + 0.02);
        context.fill();
      }
    }
    tag(context, `${spelt(fastest)} px`, x + 26, y + 40, { align: "right", size: 11 });
  }
  function person(context, xy, p, chosen) {
    figure(context, xy, { limbs: look.limbs, to, limb: look.track_colours[p % look.track_colours.length], joint: j => look.joint_colours[j], width: chosen ? 3 : 2, alpha: chosen ? 1 : 0.45 });
  }
  function ring(context, xy, j) {
    if (!has(xy, j)) return;
    for (const [width, colour] of [[5, "#fff"], [2.5, PICKED]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(...to(xy[2 * j], xy[2 * j + 1]), 9, 0, 7);
      context.stroke();
    }
  }
  function carried(context, view, seen) {
    const { person: p, joint: j } = view, before = view.xy[p], after = scene.after[p], colour = look.track_colours[p % look.track_colours.length];
    if (seen.box) {
      const [x, y] = to(seen.box[0], seen.box[1]), [x2, y2] = to(seen.box[2], seen.box[3]);
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.setLineDash([6, 4]);
      context.strokeRect(x, y, x2 - x, y2 - y);
      context.setLineDash([]);
    }
    person(context, gone(seen), p, true);
    for (let k = 0; k < 15; k++) {
      if (!has(after, k)) continue;
      for (const [width, ink] of [[3.5, "#fff"], [1.5, "#222"]]) {
        context.strokeStyle = ink;
        context.lineWidth = width;
        context.beginPath();
        context.arc(...to(after[2 * k], after[2 * k + 1]), 5, 0, 7);
        context.stroke();
      }
    }
    if (seen.flow[0] === null) return;
    for (const [width, ink] of [[5, "#fff"], [2.5, PICKED]]) {
      context.strokeStyle = ink;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(...to(before[2 * j], before[2 * j + 1]));
      context.lineTo(...to(seen.xy[2 * j], seen.xy[2 * j + 1]));
      context.stroke();
    }
    ring(context, seen.xy, j);
  }
  function told(view, seen) {
    const { joint, person: p } = view, name = look.joints[joint], at = [view.xy[p][2 * joint], view.xy[p][2 * joint + 1]];
    const where = `${people > 1 ? `Person ${p}, ` : ""}${name} at ${spelt(at[0])}, ${spelt(at[1])}`;
    const goes = seen.flow[0] === null ? "outside the frame, so no flow carries it" : `${names[view.provider]} carries it by ${spelt(seen.flow[0])}, ${spelt(seen.flow[1])} px${seen.inside[joint] ? "" : ", out of the frame"}`;
    const text = `${where}: ${goes}.`;
    if (words.textContent !== text) words.textContent = text;
    write(Object.fromEntries(Object.entries(seen.numbers).map(([what, value]) => [what, spelt(value, 2)])));
  }
  return frame.close;
}
export default { render };
