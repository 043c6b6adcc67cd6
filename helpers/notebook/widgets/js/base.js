// What all widgets share: a frame that takes keys and follows the page, canvases, controls, questions to the kernel,
// and a start without a kernel. Plain functions; each widget's own module stands behind this one in one text.

/** Element of a kind with attributes; children are elements or text. A `null` attribute is left out. */
export function element(kind, attributes = {}, ...children) {
  const node = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/**
 * The frame of a widget. Returns what its parts need:
 *   root       the element, with class "workbook"; append controls and canvases to `body`
 *   view()     where the reader stands: the model's `view` with the changes not yet sent
 *   change(patch, ask = true)   set parts of the view, draw, and ask the kernel unless told not to
 *   redraw()   draw with the next animation frame
 *   colours()  ink, faint, paper, accent of the page's theme
 *   note(text) one line below, read out by screen readers
 * draw(view): draws everything anew. keys: {"ArrowLeft": () => …, " ": () => …}. label: what the widget is.
 * asks: whether the kernel has numbers to give; without a kernel such a widget says that it has none.
 */
export function stage(model, el, { label, draw, keys = {}, asks = true, help = "" }) {
  const line = element("div", { class: "workbook-note", role: "status", "aria-live": "polite" });
  const fault = element("div", { class: "workbook-fault", role: "alert" });
  const body = element("div", { class: "workbook-body" });
  const hint = help ? element("div", { class: "workbook-help" }, help) : "";
  const root = element("div", { class: "workbook", role: "group", "aria-label": label, tabindex: "0" });
  root.append(body, hint, line, fault);
  el.append(root);
  const id = model.kernel === false ? "" : model.get("stored_id"), forget = id ? hideStored(el, id) : () => {};

  const times = { redraw: [], trip: [] };
  let view = { ...model.get("view") }, scheduled = false, asked = model.get("asked") || 0, waiting = null, gone = false;
  const sent = new Map();
  const kept = (list, value) => { list.push(value); if (list.length > 500) list.shift(); };

  function redraw() {
    if (scheduled || gone) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      if (gone) return;
      const begun = performance.now();
      draw(view);
      kept(times.redraw, performance.now() - begun);
      root.dataset.drawn = String(1 + Number(root.dataset.drawn || 0));
    });
  }
  const note = text => { if (line.textContent !== text) line.textContent = text; };
  const silent = "These numbers come from Python: run the cell, then they follow.";
  const late = "No answer from the kernel yet. It is busy, or gone: then run the cell again.";
  const answered = () => { clearTimeout(waiting); waiting = null; if ([silent, late].includes(line.textContent)) note(""); };

  const wait = () => { waiting = setTimeout(() => { waiting = null; note(late); }, 3000); };

  function send() {
    if (model.kernel === false) return asks && note(silent);
    asked = Math.max(asked, model.get("asked") || 0) + 1;  // another view of the same widget may have asked too
    sent.set(asked, performance.now());
    model.set("view", view);
    model.set("asked", asked);
    try {
      model.save_changes();
    } catch (error) {
      return note(late);
    }
    if (asks && waiting === null) wait();
  }
  function change(patch, ask = true) {
    view = { ...view, ...patch };
    redraw();
    if (ask) send();
  }
  const onAnswered = () => {
    const number = model.get("answered"), begun = sent.get(number);
    if (begun !== undefined) kept(times.trip, performance.now() - begun);
    for (const key of [...sent.keys()]) if (key <= number) sent.delete(key);
    answered();
    if (number < asked) wait();
    root.dataset.answered = String(number);
    redraw();
  };
  const onView = () => { if (sent.size === 0) view = { ...model.get("view") }; redraw(); };
  const onFault = () => { fault.textContent = model.get("fault") || ""; };
  const listeners = { "change:answered": onAnswered, "change:answer": redraw, "change:view": onView,
                      "change:scene": redraw, "change:fault": onFault };
  for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
  onFault();

  root.addEventListener("keydown", event => {
    const sliding = event.target.type === "range" && !/^(Arrow|Page|Home|End)/.test(event.key);
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && !sliding;
    const pressing = event.target.tagName === "BUTTON" && [" ", "Enter"].includes(event.key);
    const action = event.ctrlKey || event.metaKey || event.altKey || typing || pressing ? null : keys[event.key];
    event.stopPropagation();  // the page's own shortcuts stay away from a widget that is in use
    if (action) action(event);
    if (action || (!typing && !pressing && [" ", "Home", "End"].includes(event.key))) event.preventDefault();
  });
  const sizes = new ResizeObserver(redraw);
  sizes.observe(root);
  const theme = new MutationObserver(redraw);
  theme.observe(document.body, { attributes: true });
  const system = matchMedia(DARK);
  system.addEventListener("change", redraw);
  globalThis.workbook = globalThis.workbook || { widgets: [] };
  const entry = { label, root, times, view: () => view, answer: () => model.get("answer") };
  globalThis.workbook.widgets.push(entry);

  function close() {
    gone = true;
    forget();
    clearTimeout(waiting);
    sizes.disconnect();
    theme.disconnect();
    system.removeEventListener("change", redraw);
    for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
    globalThis.workbook.widgets = globalThis.workbook.widgets.filter(other => other !== entry);
  }
  redraw();
  return { root, body, view: () => view, change, redraw, note, close, colours: () => colours(root) };
}

const COLOURS = ["ink", "faint", "paper", "accent", "grid", "warn"], DARK = "(prefers-color-scheme: dark)", resolved = new WeakMap();

/**
 * Colours of the page's theme, as widgets.css has them, in numbers: a canvas would take the system's words (CanvasText)
 * for those of a light page. Resolved anew only when the theme is another.
 */
export function colours(root) {
  const style = getComputedStyle(root);
  const theme = [style.color, matchMedia(DARK).matches, ...COLOURS.map(name => style.getPropertyValue(`--wb-${name}`))].join("|");
  if (resolved.get(root)?.theme !== theme) {
    const probe = element("span", { hidden: "" }), found = {};
    root.append(probe);
    for (const name of COLOURS) {
      probe.style.color = `var(--wb-${name})`;
      found[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    resolved.set(root, { theme, found });
  }
  return resolved.get(root).found;
}

/**
 * A canvas as wide as its place (at most `most` CSS pixels) and `ratio` times as high, sharp on every screen. What is
 * narrower than LEAST is drawn that wide and shrunk. begin() clears it and returns {context, width, height} in the
 * pixels that are drawn in; at(event) is the pointer in them.
 */
const LEAST = 260;

export function canvas(parent, { ratio, label, most = 960, cursor = "default" }) {
  const node = element("canvas", { role: "img", "aria-label": label, class: "workbook-canvas" });
  node.style.maxWidth = `${most}px`;
  node.style.cursor = cursor;
  parent.append(node);
  function begin() {
    const width = Math.max(LEAST, Math.min(most, node.clientWidth || parent.clientWidth || most));
    const height = Math.max(8, width * (typeof ratio === "function" ? ratio(width) : ratio)), dense = globalThis.devicePixelRatio || 1;
    if (node.width !== Math.round(width * dense) || node.height !== Math.round(height * dense)) {
      node.width = Math.round(width * dense);
      node.height = Math.round(height * dense);
      node.style.aspectRatio = `${width} / ${height}`;
    }
    const context = node.getContext("2d");
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "12px system-ui, sans-serif";
    return { context, width, height };
  }
  const at = event => {
    const box = node.getBoundingClientRect();
    const shrunk = Math.max(1, LEAST / (box.width || LEAST));
    return [(event.clientX - box.left) * shrunk, (event.clientY - box.top) * shrunk];
  };
  return { node, begin, at };
}

/**
 * Parts of a canvas that stay as they are while others move: part(begun, name, key, paint) draws what paint(context)
 * drew for the same key, size and screen, and paints anew only for another.
 */
export function layers() {
  const known = new Map();
  return ({ context, width, height }, name, key, paint) => {
    const dense = context.getTransform().a, full = `${key}|${width}|${height}|${dense}`;
    if (known.get(name)?.full !== full) {
      const node = element("canvas", { width: Math.max(1, Math.round(width * dense)), height: Math.max(1, Math.round(height * dense)) });
      const own = node.getContext("2d");
      own.setTransform(dense, 0, 0, dense, 0, 0);
      own.font = context.font;
      paint(own);
      known.set(name, { full, node });
    }
    context.drawImage(known.get(name).node, 0, 0, width, height);
  };
}

/** Follow the pointer on a canvas: down, moved while down, up, over (without a button) and out, in CSS pixels. */
export function pointer(surface, { down, drag, up, over, out }) {
  let held = false;
  const { node, at } = surface;
  node.style.touchAction = drag ? "none" : "auto";
  node.addEventListener("pointerdown", event => {
    held = true;
    if (event.isTrusted) node.setPointerCapture(event.pointerId);
    if (down) down(at(event), event);
  });
  node.addEventListener("pointermove", event => {
    if (held && drag) drag(at(event), event);
    else if (!held && over) over(at(event), event);
  });
  const release = event => { if (held) { held = false; if (up) up(at(event), event); } };
  node.addEventListener("pointerup", release);
  node.addEventListener("pointercancel", release);
  node.addEventListener("pointerleave", event => { if (!held && out) out(event); });
}

/** A button with a text and a longer label for those who hear it. */
export const button = (text, label, press) => element("button", { type: "button", class: "workbook-button", "aria-label": label, title: label, onclick: press }, text);

/** Buttons of which one is pressed: choose(index). Returns {node, set(index)}. */
export function chips(label, names, choose) {
  const node = element("span", { class: "workbook-chips", role: "radiogroup", "aria-label": label });
  const buttons = names.map((name, i) => {
    const one = button(name, `${label}: ${name}`, () => choose(i));
    one.setAttribute("role", "radio");
    node.append(one);
    return one;
  });
  return { node, set: index => buttons.forEach((one, i) => { one.setAttribute("aria-checked", String(i === index)); }) };
}

/** A slider over low … high: move(value). Returns {node, input, set(value)}. */
export function slider(label, low, high, step, move) {
  const input = element("input", { type: "range", min: low, max: high, step, "aria-label": label, class: "workbook-slider" });
  input.addEventListener("input", () => move(Number(input.value)));
  return { node: input, input, set: value => { if (Number(input.value) !== value) input.value = value; } };
}

/** Whether a joint of flattened numbers x0, y0, x1, … is there. */
export const has = (xy, j) => xy[2 * j] !== null && xy[2 * j] !== undefined && xy[2 * j + 1] !== null;

/**
 * One stick figure: xy 30 numbers (null where a joint is absent), to(x, y) → canvas. colour(j) of a joint,
 * limb colour of its limbs; a dark rim keeps it readable on any backdrop.
 */
export function figure(context, xy, { limbs, to, limb, joint = () => limb, width = 2, alpha = 1, rim = true }) {
  context.save();
  context.globalAlpha = alpha;
  context.lineCap = "round";
  for (const [wide, dark] of rim ? [[width + 2, true], [width, false]] : [[width, false]]) {
    context.lineWidth = wide;
    context.strokeStyle = dark ? "rgba(25,25,25,.9)" : limb;
    context.beginPath();
    for (const [a, b] of limbs) {
      if (!has(xy, a) || !has(xy, b)) continue;
      context.moveTo(...to(xy[2 * a], xy[2 * a + 1]));
      context.lineTo(...to(xy[2 * b], xy[2 * b + 1]));
    }
    context.stroke();
    for (let j = 0; j < xy.length / 2; j++) {
      if (!has(xy, j)) continue;
      const [x, y] = to(xy[2 * j], xy[2 * j + 1]);
      context.fillStyle = dark ? "rgba(25,25,25,.9)" : joint(j);
      context.beginPath();
      context.arc(x, y, wide / 2 + 0.8, 0, 7);
      context.fill();
    }
  }
  context.restore();
}

/** Text on a small plate, so that it is read on any backdrop. */
export function tag(context, text, x, y, { ink = "#fff", plate = "rgba(25,25,25,.8)", size = 12, align = "left" } = {}) {
  context.save();
  context.textAlign = "left";
  context.font = `600 ${size}px system-ui, sans-serif`;
  const wide = context.measureText(text).width + 6, left = align === "center" ? x - wide / 2 : align === "right" ? x - wide : x;
  context.fillStyle = plate;
  context.fillRect(left, y - size, wide, size + 4);
  context.fillStyle = ink;
  context.fillText(text, left + 3, y);
  context.restore();
  return wide;
}

/** Pictures by their data addresses, each decoded once; loaded() is called whenever one has come. */
export function pictures(loaded) {
  const known = new Map();
  return source => {
    if (!source) return null;
    if (!known.has(source)) {
      const image = new Image();
      image.onload = loaded;
      image.src = source;
      known.set(source, image);
    }
    const image = known.get(source);
    return image.complete && image.naturalWidth ? image : null;
  };
}

export const rounded = (value, digits = 2) => value === null || value === undefined ? "–" : typeof value === "number" ? value.toFixed(digits).replace("-", "−") : String(value);

/** Names and values that Python gave, as a small table that is rewritten in place. */
export function numbers(parent, label) {
  const node = element("table", { class: "workbook-numbers", "aria-label": label, "aria-live": "polite" });
  parent.append(node);
  let last = "";
  return values => {
    const text = JSON.stringify(values || {});
    if (text === last) return;
    last = text;
    node.replaceChildren(...Object.entries(values || {}).map(([name, value]) =>
      element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, rounded(value)))));
  };
}

/** A model that nobody answers, with the state that was stored. */
export function stored(state) {
  const values = { ...state }, listeners = {};
  return {
    kernel: false,
    get: name => values[name],
    set: (name, value) => { values[name] = value; },
    save_changes: () => {},
    on: (name, listener) => { (listeners[name] = listeners[name] || []).push(listener); },
    off: (name, listener) => { listeners[name] = (listeners[name] || []).filter(other => other !== listener); },
  };
}

const OUTPUT = ".jp-OutputArea-child, .output_area, .output";
const beside = (node, step) => {
  const output = node.closest(OUTPUT);
  return output ? output[step] : null;
};

/**
 * Hide the stored forms of a live widget, which stand before it in the same outputs: the strip of pictures and the form
 * without a kernel. Where a front end has other outputs, its forms are known by their id alone.
 */
export function hideStored(el, id) {
  const live = globalThis.workbookLive = globalThis.workbookLive || new Map();
  live.set(id, (live.get(id) || 0) + 1);
  const hide = () => {
    const place = el.closest(OUTPUT);
    for (const node of document.querySelectorAll(`[data-workbook="${id}"]`)) {
      const output = node.closest(OUTPUT);
      if (output && place && output.parentNode !== place.parentNode) continue;
      node.style.display = "none";
      if (!output || !place) continue;
      output.style.display = "none";
      const strip = output.previousElementSibling;
      if (strip && strip.querySelector("img")) strip.style.display = "none";
    }
  };
  requestAnimationFrame(hide);
  setTimeout(hide, 300);
  return () => live.set(id, live.get(id) - 1);
}

/**
 * Start the form without a kernel at every place that waits for it, unless the live widget stands behind it. Where a
 * notebook was saved with a widget and opened again, its front end writes an error there: the stored form replaces it.
 * render: null where only pictures are stored.
 */
export function startStored(id, render, state = null, tries = 0) {
  for (const place of document.querySelectorAll(`[data-workbook="${id}"]`)) {
    if (place.dataset.started) continue;
    const next = beside(place, "nextElementSibling"), text = next ? next.textContent : "";
    const alive = place.closest(OUTPUT) ? next?.querySelector(".workbook") : globalThis.workbookLive?.get(id) > 0;
    if (alive || (text.startsWith("Loading widget") && tries < 50)) continue;
    if (text.startsWith("Error displaying widget")) next.style.display = "none";
    if (tries < 2) continue;
    place.dataset.started = "yes";
    const strip = beside(place, "previousElementSibling")?.querySelector("img");
    if (strip) strip.alt = place.textContent.trim();  // HTML made of a notebook drops the words of its pictures
    if (!render) continue;
    place.replaceChildren();
    if (strip) beside(place, "previousElementSibling").style.display = "none";
    render({ model: stored(state), el: place });
  }
  if (tries < 60) setTimeout(() => startStored(id, render, state, tries + 1), 250);
}
