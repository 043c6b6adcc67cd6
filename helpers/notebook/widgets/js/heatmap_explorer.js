// One joint's heatmap: the true joint is dragged, the highest cell and its quarter offset follow at once.
import { button, canvas, chips, element, layers, pointer, slider, stage } from "./base.js";

const limited = (x, low, high) => Math.max(low, Math.min(high, x));
const hundredths = x => Math.round(100 * x) / 100;
const shown = (x, digits = 2) => x === null ? "–" : x.toFixed(digits).replace("-", "−");
const signed = x => (x > 0 ? "+" : "") + shown(x, 3);

/** The map of a view as one row of numbers: a network's, or the Gaussian of the true joint with its noise. */
function mapOf(view, scene) {
  if (view.joint >= 0) return scene.maps[view.joint].map(v => v * scene.steps[view.joint]);
  const [h, w] = scene.size, { sigma, support, noise } = scene;
  const centre = [view.x, view.y].map(v => (view.rounded ? Math.floor(v + 0.5) : v));
  const line = (n, c) => Array.from({ length: n }, (_, k) => Math.abs(k - c) <= support * sigma ? Math.exp(-((k - c) ** 2) / (2 * sigma ** 2)) : 0);
  const across = line(w, centre[0]), down = line(h, centre[1]);
  return noise.map((extra, k) => down[Math.floor(k / w)] * across[k % w] + view.noise * extra);
}

/** What `HeatmapExplorer.answers` says of a view, from the same numbers. */
function readOff(view, scene) {
  const heat = mapOf(view, scene), [h, w] = scene.size;
  let at = 0;
  for (let k = 1; k < heat.length; k++) if (heat[k] > heat[at]) at = k;
  const value = heat[at], [x, y] = value > 0 ? [at % w, Math.floor(at / w)] : [0, 0];
  const inside = x > 1 && x < w - 1 && y > 1 && y < h - 1;
  const differences = inside ? [heat[at + 1] - heat[at - 1], heat[at + w] - heat[at - w]] : null;
  const decoded = [x, y].map((v, axis) => v + (inside ? scene.quarter * Math.sign(differences[axis]) : 0));
  const true_one = view.joint >= 0 ? scene.truth[view.joint] : [view.x, view.y];
  const error = place => {
    if (true_one.includes(null)) return { cells: null, pixels: null };
    const cells = Math.hypot(place[0] - true_one[0], place[1] - true_one[1]);
    return { cells, pixels: cells * scene.stride };
  };
  return { heat, cell: [x, y], value, differences, decoded, true_one,
           errors: { "highest cell": error([x, y]), "quarter offset": error(decoded) } };
}

export function render({ model, el }) {
  const scene = model.get("scene"), [h, w] = scene.size, live = model.kernel !== false, start = { ...model.get("view") };
  const HIGH = "#d55e00", named = scene.names.length > 0;
  const nudge = (dx, dy) => event => { const far = event.shiftKey ? 1 : 0.1, v = frame.view(); put(v.x + far * dx, v.y + far * dy); };
  const frame = stage(model, el, {
    label: model.get("title"), draw, asks: false,
    keys: { ArrowLeft: nudge(-1, 0), ArrowRight: nudge(1, 0), ArrowUp: nudge(0, -1), ArrowDown: nudge(0, 1),
            u: () => frame.change({ rounded: !frame.view().rounded }, live), "[": () => pick(-1), "]": () => pick(1), r: reset },
    help: "Drag the true joint of the Gaussian, or move it with the arrows by a tenth of a cell (Shift: a cell). "
      + "u: rounded or not" + (named ? ", [ ] another map" : "") + ", r: as it was.",
  });

  const list = element("select", { "aria-label": "map", class: "workbook-button" },
    element("option", { value: "-1" }, "Gaussian"), ...scene.names.map((name, k) => element("option", { value: String(k) }, name)));
  list.addEventListener("change", () => frame.change({ joint: Number(list.value) }, live));
  const whole = chips("Gaussian", ["rounded to a cell", "not rounded"], k => frame.change({ rounded: k === 0 }, live));
  const noise = slider("noise", 0, scene.most, 0.01, value => frame.change({ noise: value }, live));
  noise.node.style.maxWidth = "220px";
  const much = element("output", { class: "workbook-value" });
  const ofGaussian = [whole.node, element("span", {}, "noise"), noise.node, much];
  const row = element("div", { class: "workbook-row" }, ...(named ? [list] : []), ...ofGaussian, button("reset", "as it was", reset));
  const MARGIN = 24, most = Math.round(limited(420 * w / h, 300, 600));
  const left = element("div", { style: `flex: 0 1 ${most}px` }), right = element("div", { style: "flex: 1 1 260px" });
  frame.body.append(row, element("div", { class: "workbook-side" }, left, right));
  const surface = canvas(left, { ratio: width => ((width - MARGIN) * h / w + MARGIN) / width, most, label: "heatmap with the true joint, the highest cell and the decoded place" });
  const bars = canvas(right, { ratio: 0.62, most: 380, label: "the cells beside the highest one, along x and along y" });
  const table = element("table", { class: "workbook-numbers", "aria-label": "how far off" });
  const words = element("div", { class: "workbook-words", "aria-live": "polite" });
  right.append(table);
  left.append(element("div", { class: "workbook-help" },
    element("b", {}, "+"), " true joint   ", element("span", { style: `color: ${HIGH}` }, "□"), " highest cell   ", element("span", { style: `color: ${HIGH}` }, "●"), " with the quarter offset"), words);
  const part = layers();

  function put(x, y) {
    const view = frame.view();
    if (view.joint >= 0) return frame.note("Only the Gaussian's joint is dragged; of a network's map it is where it is.");
    const [nx, ny] = [limited(x, -0.5, w - 0.5), limited(y, -0.5, h - 0.5)].map(hundredths);
    if (nx !== view.x || ny !== view.y) frame.change({ x: nx, y: ny }, live);
  }
  function pick(by) {
    const many = scene.names.length + 1;
    frame.change({ joint: (frame.view().joint + 1 + by + many) % many - 1 }, live);
  }
  function reset() { frame.change({ ...start }, live); }

  const places = width => ({ size: (width - MARGIN) / w, to: (x, y) => [MARGIN + (x + 0.5) * (width - MARGIN) / w, (y + 0.5) * (width - MARGIN) / w] });

  function draw(view) {
    const seen = readOff(view, scene), ink = frame.colours(), begun = surface.begin(), { context } = begun, p = places(begun.width);
    const key = [ink.ink, view.joint, ...(view.joint < 0 ? [view.x, view.y, view.rounded, view.noise] : [])].join("|");
    part(begun, "heat", key, c => cells(c, seen.heat, p, ink));
    marks(context, seen, p);
    around(seen, ink);
    list.value = String(view.joint);
    whole.set(view.rounded ? 0 : 1);
    noise.set(view.noise);
    for (const node of ofGaussian) node.style.display = view.joint < 0 ? "" : "none";
    surface.node.style.cursor = view.joint < 0 ? "grab" : "default";
    surface.node.style.touchAction = view.joint < 0 ? "none" : "auto";
    surface.node.dataset.seen = JSON.stringify([seen.cell, seen.decoded, seen.errors]);
    if (much.textContent !== shown(view.noise)) much.textContent = shown(view.noise);
    told(view, seen);
  }
  function cells(context, heat, { size, to }, ink) {
    const low = heat.reduce((a, b) => Math.min(a, b)), high = heat.reduce((a, b) => Math.max(a, b)), last = scene.colours.length - 1;
    const gap = size > 9 ? 0.5 : 0;
    heat.forEach((value, k) => {
      const [x, y] = to(k % w, Math.floor(k / w));
      context.fillStyle = scene.colours[high > low ? Math.round((value - low) / (high - low) * last) : 0];
      context.fillRect(x - size / 2 + gap / 2, y - size / 2 + gap / 2, size - gap + (gap ? 0 : 0.4), size - gap + (gap ? 0 : 0.4));
    });
    context.fillStyle = ink.ink;
    context.font = "11px system-ui, sans-serif";
    const every = Math.max(1, Math.ceil(22 / size));
    context.textAlign = "center";
    for (let x = 0; x < w; x += every) context.fillText(String(x), to(x, 0)[0], to(0, h - 1)[1] + size / 2 + 14);
    context.textAlign = "right";
    for (let y = 0; y < h; y += every) context.fillText(String(y), MARGIN - 5, to(0, y)[1] + 4);
  }
  function marks(context, { cell, decoded, true_one }, { size, to }) {
    const [x, y] = to(...cell);
    for (const [width, colour] of [[4, "#fff"], [2.5, HIGH]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(x - size / 2, y - size / 2, size, size);
    }
    for (const [radius, colour] of [[6.5, "#fff"], [5, HIGH]]) {
      context.fillStyle = colour;
      context.beginPath();
      context.arc(...to(...decoded), radius, 0, 7);
      context.fill();
    }
    if (!true_one.includes(null)) cross(context, to(...true_one), to(...decoded));
  }
  /** The true joint, and what is left between it and the decoded place. */
  function cross(context, [x, y], found) {
    for (const [width, colour] of [[4, "rgba(20,20,20,.8)"], [2, "#fff"]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x - 10, y); context.lineTo(x + 10, y);
      context.moveTo(x, y - 10); context.lineTo(x, y + 10);
      context.moveTo(x, y); context.lineTo(...found);
      context.stroke();
    }
  }
  /** Along x and along y: the highest cell between its neighbours, and their difference with its sign. */
  function around({ heat, cell: [x, y], differences, value }, ink) {
    const { context, width, height } = bars.begin(), half = width / 2, base = height - 40, top = 34;
    const at = (dx, dy) => (x + dx < 0 || x + dx >= w || y + dy < 0 || y + dy >= h ? null : heat[(y + dy) * w + x + dx]);
    ["x", "y"].forEach((axis, k) => {
      const near = [-1, 0, 1].map(d => (k ? at(0, d) : at(d, 0))), wide = Math.min(30, half / 5), middle = k * half + half / 2;
      const difference = differences && differences[k];
      context.textAlign = "center";
      context.fillStyle = ink.ink;
      context.font = "600 12px system-ui, sans-serif";
      context.fillText(`along ${axis}`, middle, 14);
      context.font = "11px system-ui, sans-serif";
      near.forEach((one, i) => {
        const long = one === null || !(value > 0) ? 0 : (base - top) * limited(one / value, 0, 1), left = middle + (i - 1) * (wide + 6) - wide / 2;
        const higher = difference && i === 1 + Math.sign(difference);
        context.fillStyle = i === 1 ? ink.faint : higher ? HIGH : ink.grid;
        context.fillRect(left, base - long, wide, long);
        context.fillStyle = ink.ink;
        context.fillText(one === null ? "–" : shown(one), left + wide / 2, base - long - 4);
        context.fillText(["p−1", "p", "p+1"][i], left + wide / 2, base + 14);
      });
      context.fillStyle = difference ? HIGH : ink.ink;
      context.font = "600 12px system-ui, sans-serif";
      const arrow = k ? "↑ ↓" : "← →", [back, ahead] = arrow.split(" ");
      const text = difference === null ? "border: no offset" : difference === 0 ? "0: stays" : `${signed(difference)} ${difference > 0 ? ahead : back} ¼ cell`;
      context.fillText(text, middle, base + 32);
    });
  }
  let last = "";
  function told(view, { cell, differences, decoded, errors }) {
    const what = view.joint >= 0 ? scene.names[view.joint] : `True joint at ${shown(view.x)}, ${shown(view.y)}`;
    const px = name => errors[name].pixels === null ? "–" : `${shown(errors[name].pixels)} px`;
    const how = differences ? (differences.some(d => d !== 0) ? `with the offset ${px("quarter offset")}` : "the neighbours are equal, so it stays") : "near the border it stays";
    const text = `${what}: highest cell ${cell.join(", ")}, ${px("highest cell")} off; ${how}.`;
    if (text === last) return;
    last = text;
    words.textContent = text;
    const line = (name, place) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, place.map(v => shown(v)).join(", ")),
      element("td", {}, shown(errors[name].cells)), element("td", {}, shown(errors[name].pixels)));
    const head = ["", "place", "off, cells", `off, px (stride ${scene.stride})`].map(name => element("th", { scope: "col" }, name));
    table.replaceChildren(element("tr", {}, ...head), line("highest cell", cell), line("quarter offset", decoded));
  }

  const from = ([x, y]) => { const size = (Math.max(260, surface.node.clientWidth) - MARGIN) / w; return [(x - MARGIN) / size - 0.5, y / size - 0.5]; };
  const follow = place => put(...from(place));
  pointer(surface, { down: place => { frame.root.focus({ preventScroll: true }); follow(place); }, drag: follow });
  return frame.close;
}
export default { render };
