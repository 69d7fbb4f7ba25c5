"use strict";
// What the pages of samples share: how one of them is shown, and how its details are read.
// Whatever comes from a set or a model is text: it becomes text nodes, and never HTML.

let set;
const chunks = new Map();

function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const count = (n) => n.toLocaleString("en");
const plain = (name) => name.replaceAll("_", " ");
const time = (seconds) => seconds.toFixed(2) + " s";

// On the console: a sheet that was removed, or details; scripts that fail say so themselves.
function sayWhatIsMissing() {
  const missing = ({ target }) => target.src && console.error(target.src + " is missing");
  window.addEventListener("error", missing, true);
}

// Called by the files in details/.
function details(number, loaded) {
  chunks.get(number).resolve(loaded);
}

function chunkOf(row) {
  const number = Math.floor(row / set.chunk);
  if (!chunks.has(number)) {
    const chunk = {};
    chunk.promise = new Promise((resolve, reject) => Object.assign(chunk, { resolve, reject }));
    chunks.set(number, chunk);
    const name = set.folder + "details/" + String(number).padStart(3, "0") + ".js";
    const failed = () => { chunks.delete(number); chunk.reject(name + " is missing"); };
    document.head.append(make("script", { src: name, onerror: failed }));
  }
  return chunks.get(number).promise;
}

function table(head, rows) {
  const line = (tag, cells) => make("tr", {}, ...cells.map((cell) =>
    make(tag, { className: typeof cell === "number" ? "number" : "" },
      typeof cell === "number" ? count(cell) : cell)));
  return make("table", {}, make("thead", {}, line("th", head)),
    make("tbody", {}, ...rows.map((row) => line("td", row))));
}

function sheetNodes(sample, sheet) {
  if (sheet === "nothing") return [];
  if (sheet === "") {
    return [make("p", { className: "empty" }, "No contact sheet: " + set.few)];
  }
  if (sheet !== "drawn") return [make("p", { className: "empty" }, "No contact sheet: " + sheet)];
  const where = make("div", { className: "where" }, ...marks(sample));
  const names = ["as the model sees it", "as in the video: without edits, in order of time"];
  const figures = sample.sheets.map(({ size: [width, height], blocks }, i) => {
    const src = set.folder + "sheets/" + sample.sheet + "-" + i + ".jpg";
    const image = make("img", { loading: "lazy", width, height, alt: names[i], src });
    image.onmousemove = (event) => {
      const scale = width / image.clientWidth;
      const at = frameAt(sample, blocks, event.offsetX * scale, event.offsetY * scale);
      where.replaceChildren(...(at ? told(sample, ...at) : marks(sample)));
    };
    image.onmouseleave = () => where.replaceChildren(...marks(sample));
    return make("figure", {}, make("figcaption", {}, names[i]),
      make("a", { href: src, target: "_blank" }, image));
  });
  return [make("div", { className: "sheets" }, ...figures), where];
}

// The frame at a point of a sheet, as [media item, index].
function frameAt(sample, blocks, x, y) {
  for (const [item, frames, left, top, columns, width, height] of blocks) {
    // Half of the gap belongs to either frame.
    const column = Math.floor((x - left + set.gap / 2) / (width + set.gap));
    const line = Math.floor((y - top + set.gap / 2) / (height + set.gap));
    const place = line * columns + column;
    if (column >= 0 && column < columns && line >= 0 && place < sample.media[item].told.length) {
      return [item, frames ? frames[place] : place];
    }
  }
  return null;
}

function nameOf(sample, item) {
  return sample.media.length > 1 ? sample.labels[item] : "";
}

function videoOf(sample, item, index) {
  const { videos } = sample.media[item];
  return sample.videos[Array.isArray(videos) ? videos[index] : videos] ?? "an unknown video";
}

function told(sample, item, index) {
  const medium = sample.media[item];
  const marked = sample.marks.some(([i, start, stop]) =>
    i === item && start <= index && index < stop);
  const names = medium.edits.filter((edit) => (edit.start ?? 0) <= index
    && index < (edit.stop ?? Infinity)).map((edit) => edit.edit);
  return [[nameOf(sample, item), "frame " + (index + 1), "told " + time(medium.told[index]),
    "from " + time(medium.source[index]) + " of " + videoOf(sample, item, index),
    names.length ? "edits: " + [...new Set(names)].join(", ") : ""].filter(Boolean).join(" · "),
    make("b", {}, marked ? " · marked" : "")];
}

// What stands below the sheets while nothing is pointed at.
function marks(sample) {
  if (!sample.marks.length) return [];
  const runs = sample.marks.map(([item, start, stop]) => {
    const { told } = sample.media[item];
    const name = nameOf(sample, item);
    if (name && stop - start === told.length) return name;
    const frames = stop - start > 1 ? "frames " + (start + 1) + "–" + stop : "frame " + stop;
    const times = stop - start > 1 ? told[start].toFixed(2) + "–" + time(told[stop - 1])
      : time(told[start]);
    return [name, frames, "(" + times + ")"].filter(Boolean).join(" ");
  });
  return [make("b", {}, "marked "), runs.join(", ")];
}

function moreNodes(sample, knobs) {
  const line = (values) => Object.entries(values)
    .map(([key, value]) => key + " " + JSON.stringify(value)).join(", ");
  const nodes = sample.media.map((medium, item) => {
    const several = Array.isArray(medium.videos);
    const rows = medium.told.map((seconds, index) => [String(index + 1), time(seconds),
      time(medium.source[index]), ...(several ? [videoOf(sample, item, index)] : [])]);
    const edits = medium.edits.map(({ edit, start = 0, stop = medium.told.length, ...values }) =>
      edit + " on " + (stop - start > 1 ? "frames " + (start + 1) + "–" + stop : "frame " + stop)
      + (Object.keys(values).length ? ": " + line(values) : ""));
    const size = medium.size[1] + " x " + medium.size[0] + " pixels";
    const name = nameOf(sample, item) || "<video>";
    return make("div", {}, make("h3", {}, name + " · " + count(rows.length) + " frames of " + size),
      ...(edits.length ? [make("pre", {}, edits.join("\n"))] : []), table(["frame", "told", "source", ...(several ? ["video"] : [])], rows));
  });
  const facts = { form: sample.form, seed: sample.seed, chance: sample.chance,
    provenance: sample.provenance };
  return [make("pre", {}, "knobs: " + line(knobs) + "\n" + line(facts)),
    make("div", { className: "sheets" }, ...nodes)];
}
