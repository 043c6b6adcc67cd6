// One or two poses whose joints are dragged; circles of what counts as right are drawn here, numbers come from Python.
import { button, canvas, chips, element, figure, has, numbers, pictures } from "./base.js";
import { pointer, rounded, stage, tag } from "./base.js";

export function render({ model, el }) {
  const { names, loose, rings, choices, start, window: shown, image, look, measures } = model.get("scene");
  const [x1, y1, x2, y2] = shown, two = names.length > 1;
  const MISS = "#d55e00", REACH = { mouse: 13, pen: 16, touch: 26 };
  const placed = view => JSON.stringify([view.xy, view.present]);
  const first = placed(model.get("view"));  // what the numbers that are stored belong to
  let over = null, held = null, tapped = null;

  const frame = stage(model, el, { label: model.get("title"), draw, keys: keys(), asks: measures.length > 0,
    help: "Drag a joint; Shift or a limb moves the whole pose. Keys: Tab or [ ] choose a joint, arrows move it "
      + "(Shift: 10 px), h hides or shows it" + (loose > 1 ? ", 1 2 choose the pose" : "")
      + (rings.length ? ", c changes the circles" : "") + (choices.length ? ", n p choose another pose" : "")
      + ", r resets." });
  const loaded = pictures(() => frame.redraw());
  const most = Math.round(Math.min(640, Math.max(280, 520 * (x2 - x1) / (y2 - y1))));
  const place = element("div", { style: `flex: 0 1 ${most}px` });
  const side = element("div", { style: "flex: 1 1 230px; max-width: 340px" });
  const label = `${model.get("title")}: ${names.join(" and ")}`;
  const surface = canvas(place, { ratio: (y2 - y1) / (x2 - x1), most, label });
  surface.node.setAttribute("tabindex", "0");
  surface.node.setAttribute("role", "application");
  const controls = element("div", { class: "workbook-row" }, button("reset", "reset all poses", reset));
  const poseChips = loose > 1 ? chips("pose", names, choosePose) : null;
  const ringChips = rings.length ? chips("circles", rings.map(r => r[0]), chooseRing) : null;
  const offered = [["start", -1], ...choices.map((c, k) => [c[0], k])];
  const list = element("select", { "aria-label": "pose from the data set", onchange: () => pick(Number(list.value)) },
    ...offered.map(([text, k]) => element("option", { value: k }, text)));
  controls.append(...[poseChips, ringChips].filter(Boolean).map(c => c.node));
  if (choices.length) {
    controls.append(button("‹", "previous pose of the data set", () => step(-1)), list,
                    button("›", "next pose of the data set", () => step(1)));
  }
  const caption = element("div", { class: "workbook-help" });
  const table = element("div");
  const write = numbers(table, "what Python says");
  const faults = element("div", { class: "workbook-fault", role: "alert" });
  const columns = "display: grid; grid-template-columns: 1fr 1fr; gap: 2px; margin-top: 6px";
  const legend = element("div", { role: "group", "aria-label": "joints: pressed is shown", style: columns });
  const toggles = look.joints.map((name, j) => {
    const one = button(name, `show ${name}`, () => { select(j); toggle(j); });
    one.style.cssText = "text-align: left; padding: 0 4px; min-height: 22px; font-size: 12px";
    one.style.borderLeft = `4px solid ${look.joint_colours[j]}`;
    one.addEventListener("pointerenter", () => { over = [frame.view().pose, j]; frame.redraw(); });
    one.addEventListener("pointerleave", () => { over = null; frame.redraw(); });
    return one;
  });
  const pairs = [8, 9, 7, 10, 6, 11, 2, 3, 1, 4, 0, 5, 14, 13, 12];  // right and left side by side
  legend.append(...pairs.map(j => toggles[j]));
  side.append(caption, table, faults, legend);
  frame.body.append(controls, element("div", { class: "workbook-side" }, place, side));

  // what a view says, and how it is changed

  const at = (view, p, j) => [view.xy[p][2 * j], view.xy[p][2 * j + 1]];
  const tenths = v => Math.round(10 * v) / 10;
  const inside = ([x, y]) => [Math.min(x2, Math.max(x1, x)), Math.min(y2, Math.max(y1, y))].map(tenths);
  const replaced = (rows, p, row) => rows.map((old, q) => (q === p ? row : old));
  const put = (p, xy) => frame.change({ xy: replaced(frame.view().xy, p, xy) });
  function putJoint(p, j, to) {
    const xy = [...frame.view().xy[p]];
    [xy[2 * j], xy[2 * j + 1]] = inside(to);
    put(p, xy);
  }
  const putPose = (p, from, [dx, dy]) => put(p, from.map((v, i) => tenths(v + (i % 2 ? dy : dx))));
  function toggle(j) {
    const { pose, present } = frame.view();
    frame.change({ present: replaced(present, pose, present[pose].map((on, k) => (k === j ? !on : on))) });
    say();
  }
  function reset() {
    frame.change({ ...start, choice: names.map(() => -1) });
    say("all poses as they were");
  }
  function choosePose(pose) {
    if (pose < loose) { frame.change({ pose }, false); say(); }
    else if (pose < names.length) frame.note(`${names[pose]} is fixed.`);
  }
  function chooseRing(k) { frame.change({ ring: k === frame.view().ring ? -1 : k }, false); }
  function select(joint, pose = frame.view().pose) { frame.change({ joint, pose }, false); }
  function pick(k) {
    const { pose, xy, present, choice } = frame.view();
    const [, points, on] = k < 0 ? ["", start.xy[pose], start.present[pose]] : choices[k];
    const chosen = { xy: replaced(xy, pose, points), present: replaced(present, pose, on) };
    frame.change({ ...chosen, choice: replaced(choice, pose, k) });
    say();
  }
  const step = by => {
    const { pose, choice } = frame.view(), many = choices.length + 1;
    pick((choice[pose] + 1 + by + many) % many - 1);
  };

  // what is told of a joint, and keys

  function told(view, p, j) {
    const words = [look.joints[j]];
    if (!view.present[p][j]) words.push("hidden");
    else if (two && view.present[1 - p][j]) {
      const [a, b] = [at(view, p, j), at(view, 1 - p, j)];
      words.push(`${Math.hypot(a[0] - b[0], a[1] - b[1]).toFixed(1)} px from ${names[1 - p]}`);
    }
    if (p === 0 && !old(view)) {
      for (const [name, values] of Object.entries(model.get("answer").joints || {})) {
        const value = values[j];
        if (value === null || value === undefined) continue;
        words.push(typeof value === "boolean" ? `${name}: ${value ? "yes" : "no"}` : `${name}: ${rounded(value)}`);
      }
    }
    return words.join(", ");
  }
  let following = false;  // the line speaks of the chosen joint, and again when Python has answered
  function say(text) {
    following = !text;
    const view = frame.view();
    if (model.kernel !== false || text) frame.note(text || `${names[view.pose]}: ${told(view, view.pose, view.joint)}`);
  }
  function chosen(by) { select((frame.view().joint + by + 15) % 15); say(); }
  function keys() {
    const nudge = (dx, dy) => event => {
      const view = frame.view(), far = event.shiftKey ? 10 : 1, [x, y] = at(view, view.pose, view.joint);
      putJoint(view.pose, view.joint, [x + far * dx, y + far * dy]);
      say();
    };
    const hide = () => toggle(frame.view().joint);
    return { ArrowLeft: nudge(-1, 0), ArrowRight: nudge(1, 0), ArrowUp: nudge(0, -1), ArrowDown: nudge(0, 1),
             "[": () => chosen(-1), "]": () => chosen(1), h: hide, Delete: hide,
             1: () => choosePose(0), 2: () => choosePose(1),
             c: () => frame.change({ ring: (frame.view().ring + 2) % (rings.length + 1) - 1 }, false),
             n: () => choices.length && step(1), p: () => choices.length && step(-1), r: reset };
  }
  // Tab goes from joint to joint on the canvas and leaves it behind the last, so that nobody is caught in it.
  surface.node.addEventListener("keydown", event => {
    const next = frame.view().joint + (event.shiftKey ? -1 : 1);
    if (event.key !== "Tab" || next < 0 || next > 14) return;
    event.preventDefault();
    event.stopPropagation();
    select(next);
    say();
  });

  // the pointer

  let scale = 1;  // canvas pixels a pixel of the poses
  const to = (x, y) => [(x - x1) * scale, (y - y1) * scale];
  const from = ([x, y]) => [x / scale + x1, y / scale + y1];

  /** The joint under a point, as [pose, joint]: of the poses that move, the chosen one first; absent ones last. */
  function jointAt([px, py], reach) {
    const view = frame.view();
    let best = null, least = Infinity;
    for (let p = 0; p < loose; p++) {
      for (let j = 0; j < 15; j++) {
        const [x, y] = to(...at(view, p, j)), far = Math.hypot(px - x, py - y);
        const cost = far + (p === view.pose ? 0 : 4) + (view.present[p][j] ? 0 : 6);
        if (far <= reach && cost < least) { best = [p, j]; least = cost; }
      }
    }
    return best;
  }
  function limbAt([px, py], reach) {
    const view = frame.view();
    for (let p = 0; p < loose; p++) {
      for (const [a, b] of look.limbs) {
        if (!view.present[p][a] || !view.present[p][b]) continue;
        const [ax, ay] = to(...at(view, p, a)), [bx, by] = to(...at(view, p, b));
        const along = ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / Math.max(1, (bx - ax) ** 2 + (by - ay) ** 2);
        const t = Math.min(1, Math.max(0, along));
        if (Math.hypot(px - ax - t * (bx - ax), py - ay - t * (by - ay)) <= reach) return p;
      }
    }
    return null;
  }
  pointer(surface, {
    down(point, event) {
      const reach = REACH[event.pointerType] || 13, joint = jointAt(point, reach);
      const pose = joint && !event.shiftKey ? null : event.shiftKey && joint ? joint[0] : limbAt(point, reach / 2);
      held = null;
      if (pose !== null) held = { pose, whole: [...frame.view().xy[pose]], begun: point };
      else if (joint) {
        const twice = tapped && tapped[0] === joint[0] && tapped[1] === joint[1] && event.timeStamp - tapped[2] < 350;
        select(joint[1], joint[0]);
        if (twice) toggle(joint[1]);
        tapped = twice ? null : [...joint, event.timeStamp];
        const [x, y] = to(...at(frame.view(), ...joint));
        held = { joint, off: [x - point[0], y - point[1]], begun: point };
      }
      surface.node.style.cursor = held ? "grabbing" : "default";
      if (held) surface.node.focus({ preventScroll: true });
    },
    drag([x, y]) {
      if (!held) return;
      const { clientWidth, clientHeight } = surface.node;  // beyond the canvas nothing could be caught again
      const point = [Math.min(clientWidth, Math.max(0, x)), Math.min(clientHeight, Math.max(0, y))];
      const moved = [point[0] - held.begun[0], point[1] - held.begun[1]];
      if (!held.moved && Math.hypot(...moved) < 2) return;  // a click is no drag
      held.moved = true;
      tapped = null;
      if (held.joint) putJoint(...held.joint, from([point[0] + held.off[0], point[1] + held.off[1]]));
      else putPose(held.pose, held.whole, moved.map(v => v / scale));
    },
    up() {
      if (held && held.joint) say();
      held = null;
      surface.node.style.cursor = "default";
    },
    over(point) {
      const joint = jointAt(point, 13);
      surface.node.style.cursor = joint ? "grab" : limbAt(point, 6) !== null ? "move" : "default";
      if (JSON.stringify(joint) !== JSON.stringify(over)) { over = joint; frame.redraw(); }
    },
    out() { over = null; frame.redraw(); },
  });
  // A finger that meets no joint scrolls the page.
  surface.node.style.touchAction = "auto";
  surface.node.addEventListener("touchstart", event => {
    const point = surface.at(event.changedTouches[0]);
    if (jointAt(point, REACH.touch) || limbAt(point, REACH.touch / 2) !== null) event.preventDefault();
  }, { passive: false });

  // drawing

  const old = view => model.kernel === false && measures.length > 0 && placed(view) !== first;
  function draw(view) {
    const { context, width, height } = surface.begin();
    scale = width / (x2 - x1);
    backdrop(context, width, height);
    if (view.ring >= 0) around(context, view);
    for (let p = names.length - 1; p >= 0; p--) pose(context, view, p);
    if (view.pose < loose) marked(context, view);
    if (over) named(context, view, width);
    beside(view);
  }
  function backdrop(context, width, height) {
    context.fillStyle = "#f5f5f5";  // as the figures' empty canvas, so that the joints' colours hold in every theme
    context.fillRect(0, 0, width, height);
    const picture = image && loaded(image.source);
    if (!picture) return;
    const [left, top] = to(image.box[0], image.box[1]), [right, bottom] = to(image.box[2], image.box[3]);
    context.globalAlpha = 0.6;
    context.drawImage(picture, left, top, right - left, bottom - top);
    context.globalAlpha = 1;
  }
  /** Around the second pose's joints: circles, filled where the first pose's joint is within, else dashed; or hills. */
  function around(context, view) {
    const [, kind, radii] = rings[view.ring], last = names.length - 1, colour = look.track_colours[1];
    for (let j = 0; j < 15; j++) {
      if (!view.present[last][j] || !radii[j]) continue;
      const [x, y] = to(...at(view, last, j)), r = radii[j] * scale;
      if (kind === "hill" && j === view.joint) hill(context, x, y, r, colour);
      context.beginPath();
      context.arc(x, y, r, 0, 7);
      const [ax, ay] = at(view, 0, j), [bx, by] = at(view, last, j);
      const hit = kind === "hill" || !two || (view.present[0][j] && Math.hypot(ax - bx, ay - by) <= radii[j]);
      context.strokeStyle = hit ? colour : MISS;
      context.lineWidth = hit ? 1.2 : 2;
      context.setLineDash(hit ? [] : [5, 4]);
      context.fillStyle = colour + "38";
      if (hit && kind === "circle") context.fill();
      context.stroke();
      context.setLineDash([]);
    }
  }
  /** How exp(−d² / 2 r²) falls around the chosen joint; a hill of every joint would hide what lies below. */
  function hill(context, x, y, r, colour) {
    const slope = context.createRadialGradient(x, y, 0, x, y, 2.5 * r);
    for (let k = 0; k <= 10; k++) {
      const height = Math.round(200 * Math.exp(-((k / 4) ** 2) / 2)).toString(16).padStart(2, "0");
      slope.addColorStop(k / 10, colour + height);
    }
    context.fillStyle = slope;
    context.beginPath();
    context.arc(x, y, 2.5 * r, 0, 7);
    context.fill();
  }
  function pose(context, view, p) {
    const xy = view.xy[p].map((v, i) => (view.present[p][i >> 1] ? v : null)), colour = look.track_colours[p];
    figure(context, xy, { limbs: look.limbs, to, limb: colour, width: p < loose ? 3 : 2 });
    if (p >= loose) return;
    const values = p === 0 && !old(view) ? Object.values(model.get("answer").joints || {})[0] : null;
    const shade = values && shades(values);
    for (let j = 0; j < 15; j++) {
      const [x, y] = to(...at(view, p, j)), on = has(xy, j);
      if (!on) {
        context.setLineDash([2, 2]);
        context.strokeStyle = "#555";
        context.lineWidth = 1.5;
        context.beginPath();
        context.arc(x, y, 5, 0, 7);
        context.stroke();
        context.setLineDash([]);
        continue;
      }
      for (const [r, fill] of [[7, "#fff"], [6, "#222"], [5, shade && shade(j) || look.joint_colours[j]]]) {
        context.fillStyle = fill;
        context.beginPath();
        context.arc(x, y, r, 0, 7);
        context.fill();
      }
      if (values && values[j] === false) cross(context, x, y);
    }
  }
  function cross(context, x, y) {
    context.beginPath();
    for (const s of [-1, 1]) { context.moveTo(x - 8, y - 8 * s); context.lineTo(x + 8, y + 8 * s); }
    for (const [width, colour] of [[5, "#fff"], [3, MISS]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke();
    }
  }
  /** Colours of numbers between the least and the greatest, dark to light; none for right and wrong. */
  function shades(values) {
    const known = values.filter(v => typeof v === "number"), low = Math.min(...known), high = Math.max(...known);
    if (!known.length) return null;
    const share = v => (high > low ? (v - low) / (high - low) : 0.5);
    const shade = s => `hsl(${250 - 190 * s} 75% ${30 + 35 * s}%)`;
    return j => (typeof values[j] === "number" ? shade(share(values[j])) : null);
  }
  function marked(context, view) {
    const [x, y] = to(...at(view, view.pose, view.joint));
    for (const [width, colour] of [[4, "#fff"], [2, "#222"]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(x, y, 10, 0, 7);
      context.stroke();
    }
  }
  function named(context, view, width) {
    const [p, j] = over, [x, y] = to(...at(view, p, j)), text = (loose > 1 ? `${names[p]}: ` : "") + told(view, p, j);
    context.font = "600 12px system-ui, sans-serif";
    const wide = context.measureText(text).width + 6;
    tag(context, text, Math.max(0, Math.min(x + 14, width - wide)), y > 40 ? y - 14 : y + 26);
  }
  /** Everything beside the canvas: controls as they stand, numbers, and whether those are still true. */
  function beside(view) {
    if (poseChips) poseChips.set(view.pose);
    if (ringChips) ringChips.set(view.ring);
    list.value = String(view.choice[view.pose]);
    toggles.forEach((one, j) => {
      one.setAttribute("aria-pressed", String(view.present[view.pose][j]));
      one.style.opacity = view.present[view.pose][j] ? 1 : 0.5;
    });
    if (following) say();
    const answer = model.get("answer"), rows = { ...answer.numbers };
    for (const [name, values] of Object.entries(answer.joints || {})) {
      const known = values.filter(v => v !== null);
      if (known.every(v => typeof v === "boolean")) rows[name] = `${known.filter(Boolean).length} of ${known.length}`;
    }
    write(rows);
    const stale = old(view);
    table.style.opacity = stale ? 0.45 : 1;
    caption.textContent = stale ? "Old numbers, not of these poses." : names.length > 1 ? legendLine() : "";
    const wrong = Object.entries(answer.faults || {}).map(([name, text]) => `${name}: ${text}`).join("\n");
    if (faults.textContent !== wrong) faults.textContent = wrong;
  }
  const legendLine = () => (loose > 1 ? "Both poses are dragged." : `${names[0]} is dragged; ${names[1]} is fixed.`);
  return frame.close;
}
export default { render };
