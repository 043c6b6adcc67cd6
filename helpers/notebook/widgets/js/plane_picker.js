// A heat map over two quantities: click, drag or walk to a cell, and Python shows what belongs to it.
import { canvas, chips, element, layers, numbers, pointer, stage } from "./base.js";

const clip = (x, low, high) => Math.max(low, Math.min(high, x));
/** Four figures, as one writes them; "–" for what was not measured. */
const figures = x => x === null || x === undefined ? "–" : String(Number(x.toPrecision(4))).replace("-", "−");

/** Round numbers between two ends, about five. */
function ticks([low, high]) {
  if (!(high > low)) return [low];
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough)), step = power * [1, 2, 5, 10].find(k => k * power >= rough);
  return Array.from({ length: 9 }, (_, k) => (Math.ceil(low / step) + k) * step).filter(x => x <= high);
}
/** "MOTA, %" and 3.2 → "MOTA 3.2 %". */
function said(name, x) {
  const [what, unit] = name.split(", ");
  return [what, figures(x), unit].filter(Boolean).join(" ");
}

export function render({ model, el }) {
  const scene = model.get("scene"), live = model.kernel !== false, names = scene.names;
  const [row_name, rows] = scene.rows, [column_name, columns] = scene.columns;
  let hover = null;

  const tabs = chips("values", names, values => frame.change({ values }, live));
  const picture = element("img", { class: "workbook-picture", alt: "" }), read = element("div", { class: "workbook-words", "aria-live": "polite" });
  const frame = stage(model, el, {
    label: model.get("title"), draw,
    keys: { ArrowLeft: () => walk(0, -1), ArrowRight: () => walk(0, 1), ArrowUp: () => walk(1, 0), ArrowDown: () => walk(-1, 0) },
    help: "Click or drag on the map, or walk with the arrows; the picture and its numbers follow.",
  });
  const map = element("div", { class: "workbook-plane" }), beside = element("div", { class: "workbook-plane" }, picture);
  frame.body.append(...(names.length > 1 ? [element("div", { class: "workbook-row" }, tabs.node)] : []), element("div", { class: "workbook-side" }, map, beside));
  const surface = canvas(map, { ratio: 0.72, most: 560, cursor: "crosshair", label: `heat map over ${column_name} and ${row_name}` });
  map.append(read);
  const write = numbers(beside, "numbers of the cell"), part = layers();
  const extents = Object.values(scene.values).map(v => {
    const known = v.flat().filter(x => x !== null);
    return known.length ? [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))] : [0, 0];
  });

  function places(width, height) {
    const box = { x: 52, y: 12, w: width - 52 - 76, h: height - 12 - 42 };
    return { box, cw: box.w / columns.length, ch: box.h / rows.length };
  }
  /** Corner of a cell; rows rise upwards, as their values do. */
  const corner = ({ box, cw, ch }, row, column) => [box.x + column * cw, box.y + box.h - (row + 1) * ch];
  const colour = (x, [low, high]) => scene.colours[Math.round((high > low ? (x - low) / (high - low) : 0.5) * (scene.colours.length - 1))];

  function heat(context, values, extent, p, ink) {
    values.forEach((line, row) => line.forEach((x, column) => {
      const [left, top] = corner(p, row, column);
      if (x === null) return hatch(context, left, top, p, ink);
      context.fillStyle = colour(x, extent);
      context.fillRect(left, top, p.cw + 0.5, p.ch + 0.5);
    }));
    axes(context, p, ink);
    bar(context, extent, p, ink);
    for (const [name, [row, column]] of Object.entries(scene.marks)) mark(context, name, row, column, p);
  }
  /** Nothing was measured here. */
  function hatch(context, x, y, { cw, ch }, ink) {
    context.save();
    context.beginPath();
    context.rect(x, y, cw, ch);
    context.clip();
    context.strokeStyle = ink.faint;
    context.lineWidth = 1;
    context.beginPath();
    for (let d = -ch; d < cw; d += 7) { context.moveTo(x + d, y + ch); context.lineTo(x + d + ch, y); }
    context.stroke();
    context.restore();
  }
  function axes(context, p, ink) {
    const { box } = p;
    context.fillStyle = ink.ink;
    context.textAlign = "center";
    for (let c = 0; c < columns.length; c += Math.max(1, Math.ceil(36 / p.cw))) context.fillText(figures(columns[c]), box.x + (c + 0.5) * p.cw, box.y + box.h + 15);
    context.fillText(column_name, box.x + box.w / 2, box.y + box.h + 34);
    context.textAlign = "right";
    for (let r = 0; r < rows.length; r += Math.max(1, Math.ceil(18 / p.ch))) context.fillText(figures(rows[r]), box.x - 5, box.y + box.h - (r + 0.5) * p.ch + 4);
    context.textAlign = "center";
    context.save();
    context.translate(13, box.y + box.h / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(row_name, 0, 0);
    context.restore();
  }
  function bar(context, extent, p, ink) {
    const { box } = p, n = scene.colours.length, x = box.x + box.w + 10;
    scene.colours.forEach((one, k) => {
      context.fillStyle = one;
      context.fillRect(x, box.y + box.h - (k + 1) * box.h / n, 12, box.h / n + 0.5);
    });
    context.fillStyle = ink.ink;
    context.textAlign = "left";
    for (const tick of ticks(extent)) {
      const share = extent[1] > extent[0] ? (tick - extent[0]) / (extent[1] - extent[0]) : 0.5;
      context.fillText(figures(tick), x + 16, box.y + box.h * (1 - share) + 4);
    }
    context.save();
    context.translate(x + 60, box.y + box.h / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText(names[frame.view().values], 0, 0);
    context.restore();
  }
  function mark(context, name, row, column, p) {
    const x = p.box.x + (column + 0.5) * p.cw, y = p.box.y + p.box.h - (row + 0.5) * p.ch;
    context.beginPath();
    for (let k = 0; k < 10; k++) {
      const radius = k % 2 ? 3 : 7, angle = k * Math.PI / 5 - Math.PI / 2;
      context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    }
    context.closePath();
    context.fillStyle = "#fff";
    context.strokeStyle = "#222";
    context.lineWidth = 1;
    context.fill();
    context.stroke();
    context.font = "600 11px system-ui, sans-serif";
    context.textAlign = "center";
    context.lineWidth = 3;
    const wide = context.measureText(name).width / 2, at = clip(x, p.box.x + wide, p.box.x + p.box.w - wide);
    context.strokeText(name, at, y + 19);
    context.fillText(name, at, y + 19);
  }

  function draw(view) {
    const ink = frame.colours(), begun = surface.begin(), { context } = begun, p = places(begun.width, begun.height);
    tabs.set(view.values);
    part(begun, "heat", `${view.values}|${ink.ink}`, c => heat(c, scene.values[names[view.values]], extents[view.values], p, ink));
    const ring = (row, column, colour, width) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(...corner(p, row, column), p.cw, p.ch);
    };
    if (hover) ring(...hover, "#fff", 1.5);
    ring(view.row, view.column, "#fff", 4);
    ring(view.row, view.column, "#d55e00", 2.5);
    told(view);
  }
  function told(view) {
    const [row, column] = hover || [view.row, view.column], answer = model.get("answer");
    const all = names.map(name => said(name, scene.values[name][row][column])).join(", ");
    const text = `${said(row_name, rows[row])}, ${said(column_name, columns[column])}: ${all}`;
    if (read.textContent !== text) read.textContent = text;
    const here = answer.cell && answer.cell[0] === view.row && answer.cell[1] === view.column;
    beside.style.opacity = here ? "1" : "0.4";  // of another cell, until Python has answered
    if (!answer.picture) return;
    if (picture.src !== answer.picture) picture.src = answer.picture;
    picture.alt = `${said(row_name, rows[answer.cell[0]])}, ${said(column_name, columns[answer.cell[1]])}`;
    write(Object.fromEntries(Object.entries(answer.numbers).map(([name, x]) => [name, typeof x === "number" ? figures(x) : x])));
  }

  function walk(up, right) {
    const view = frame.view();
    hover = null;
    go([clip(view.row + up, 0, rows.length - 1), clip(view.column + right, 0, columns.length - 1)]);
  }
  function go([row, column]) {
    const view = frame.view();
    if (row !== view.row || column !== view.column) frame.change({ row, column });
  }
  /** The cell under a place, the nearest one where it lies outside and `near` is set; else null. */
  function under([x, y], near) {
    const { box, cw, ch } = places(surface.node.clientWidth, surface.node.clientHeight);
    const row = Math.floor((box.y + box.h - y) / ch), column = Math.floor((x - box.x) / cw);
    if (!near && (row < 0 || column < 0 || row >= rows.length || column >= columns.length)) return null;
    return [clip(row, 0, rows.length - 1), clip(column, 0, columns.length - 1)];
  }
  let held = false;
  pointer(surface, {
    down: place => { const cell = under(place); held = cell !== null; if (cell) { hover = null; go(cell); } },
    drag: place => { if (held) go(under(place, true)); },
    over: place => { hover = under(place); frame.redraw(); },
    out: () => { hover = null; frame.redraw(); },
  });
  return frame.close;
}
export default { render };
