// Sliders above a picture that Python draws: every move asks for the next one.
import { element, slider, stage } from "./base.js";

export function render({ model, el }) {
  const picture = element("img", { class: "workbook-picture", alt: model.get("title") });
  const rows = model.get("scene").sliders.map(([name, low, high, step]) => {
    const words = name.replaceAll("_", " "), value = element("output", { class: "workbook-value" });
    const one = slider(words, low, high, step, number => frame.change({ [name]: number }));
    return { name, one, value, digits: String(step).includes(".") ? String(step).split(".")[1].length : 0,
             node: element("div", { class: "workbook-row" }, element("span", { class: "workbook-name" }, words), one.node, value) };
  });
  const frame = stage(model, el, { label: model.get("title"), draw });
  frame.body.append(...rows.map(row => row.node), picture);

  function draw(view) {
    for (const { name, one, value, digits } of rows) {
      one.set(view[name]);
      value.textContent = Number(view[name]).toFixed(digits).replace("-", "−");
    }
    const source = model.get("answer").picture || "";
    if (picture.src !== source) picture.src = source;
  }
  return frame.close;
}
export default { render };
