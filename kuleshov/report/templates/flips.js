// The flip browser: a list, and one item of it. What is looked at stands behind the # of the
// address: "item" is the item, all else are filters.

const IN_LIST = 50;
const COLUMN = { key: 0, kind: 1, row: 2, path: 3, scores: 4, flags: 5, sheet: 6 };
let state = {}, found = [], current = 0;
const [filters, pager, list, item] =
  ["filters", "pager", "list", "item"].map((id) => document.getElementById(id));
const of = (name, row) => set.items[COLUMN[name]][row];
const score = (value) => (value === null ? "not run" : value.toFixed(3));

// Called by data.js.
function data(loaded) {
  set = loaded;
  sayWhatIsMissing();
  window.addEventListener("hashchange", show);
  document.addEventListener("keydown", pressed);
  show().then(() => {
    if (state.item !== undefined) document.getElementById("browser").scrollIntoView();
  });
}

function addressOf(changes) {
  const next = new URLSearchParams(Object.entries(state));
  for (const [key, value] of Object.entries(changes)) {
    if (value) next.set(key, value); else next.delete(key);
  }
  return "#" + next;
}

// Filters leave the item behind, as it may not be among those that they leave.
const filter = (changes) => { location.hash = addressOf({ item: "", ...changes }); };

let latest = 0;
async function show() {
  if (/^#s\d+$/.test(location.hash) && found.length) return;  // another section is gone to
  const turn = ++latest;
  state = {};
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (["item", "change", "row", "flag", "search", "sheet"].includes(key)) state[key] = value;
  }
  found = matching();
  current = Math.max(0, found.findIndex((row) => of("key", row) === state.item));
  showFilters();
  showList();
  const shown = found.length ? await itemNodes(found[current])
    : [make("p", { className: "empty" }, "Nothing is left with these filters.")];
  if (turn !== latest) return;
  item.replaceChildren(...shown);
  document.documentElement.dataset.shown = found.length;
  document.documentElement.dataset.item = found.length ? of("key", found[current]) : "";
  // With what is laid out by now; the browser tests read it.
  document.documentElement.dataset.ready = item.offsetHeight && performance.now();
}

// ---- filters

function matching() {
  const kind = set.kinds.indexOf(state.change), row = set.rows.indexOf(state.row);
  const flag = set.flags.indexOf(state.flag);
  const rows = [];
  for (let i = 0; i < set.items[0].length; i++) {
    if ((kind < 0 || of("kind", i) === kind) && (row < 0 || of("row", i) === row)
      && (flag < 0 || of("flags", i) >> flag & 1)
      && (!state.sheet || set.sheets[of("sheet", i)] === "drawn")
      && (!state.search || of("key", i) === state.search
        || set.paths[of("path", i)].includes(state.search))) rows.push(i);
  }
  return rows;
}

function select(name, key, names, counts) {
  const field = make("select", { id: "by-" + key,
    onchange: () => filter({ [key]: field.value }) });
  field.append(make("option", { value: "" }, "all"));
  names.forEach((value, i) => {
    if (counts[i]) field.append(make("option", { value }, value + " (" + count(counts[i]) + ")"));
  });
  field.value = state[key] || "";
  return make("label", {}, name, field);
}

function showFilters() {
  const focused = document.activeElement && document.activeElement.id;
  const tally = (column, n) => {
    const counts = Array(n).fill(0);
    for (const value of set.items[column]) counts[value]++;
    return counts;
  };
  const flags = set.flags.map((_, i) => set.items[COLUMN.flags].filter((f) => f >> i & 1).length);
  const search = make("input", { id: "by-search", type: "search", value: state.search || "",
    placeholder: "path or id", onchange: () => filter({ search: search.value }) });
  const sheet = make("input", { id: "by-sheet", type: "checkbox", checked: Boolean(state.sheet),
    onchange: () => filter({ sheet: sheet.checked ? "1" : "" }) });
  filters.onsubmit = (event) => event.preventDefault();
  filters.replaceChildren(
    select(set.names.length > 1 ? "change" : "outcome", "change", set.kinds,
      tally(COLUMN.kind, set.kinds.length)),
    select("task", "row", set.rows, tally(COLUMN.row, set.rows.length)),
    select("which", "flag", set.flags, flags),
    make("label", {}, "search", search),
    make("label", {}, sheet, "with a sheet"));
  if (focused) document.getElementById(focused)?.focus();
}

// ---- the list

function showList() {
  const start = current - current % IN_LIST;
  const step = (text, to) => make("button", { type: "button", onclick: () => move(to),
    disabled: to < 0 || to >= found.length }, text);
  pager.replaceChildren(
    make("span", {}, found.length ? count(current + 1) + " of " + count(found.length) : "0"),
    step("previous", current - 1), step("next", current + 1));
  list.start = start + 1;
  list.replaceChildren(...found.slice(start, start + IN_LIST).map((row, i) => {
    const link = make("a", { href: addressOf({ item: of("key", row) }) },
      make("span", { className: "kind-" + of("kind", row) }, set.kinds[of("kind", row)]),
      " " + set.rows[of("row", row)] + " ",
      make("small", {}, of("scores", row).map((s) => s.toFixed(2)).join(" → ")));
    if (start + i === current) link.setAttribute("aria-current", "true");
    return make("li", {}, link);
  }));
  // Within the list alone: the page stays where it is.
  const mark = list.querySelector("[aria-current]");
  if (mark) list.scrollTop = mark.offsetTop - list.offsetTop - list.clientHeight / 2;
}

function move(to) {
  const place = Math.min(found.length - 1, Math.max(0, to));
  if (place < 0) return;
  // Walking leaves no trail to go back through.
  location.replace(addressOf({ item: of("key", found[place]) }));
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, select, textarea")) return;
  const steps = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1, n: IN_LIST, p: -IN_LIST };
  if (event.key in steps) move(current + steps[event.key]);
  else if (event.key === "c") nextKind();
  else if (event.key === "/") document.getElementById("by-search").focus();
  else return;
  event.preventDefault();
  const { top, bottom } = item.getBoundingClientRect();
  if (bottom < 0 || top > innerHeight) document.getElementById("browser").scrollIntoView();
}

function nextKind() {
  const there = ["", ...set.kinds.filter((_, i) => set.items[COLUMN.kind].includes(i))];
  filter({ change: there[(there.indexOf(state.change || "") + 1) % there.length] });
}

// ---- an item

async function itemNodes(row) {
  const key = of("key", row);
  const head = make("h3", {}, make("span", { className: "kind-" + of("kind", row) },
    set.kinds[of("kind", row)]), " · " + set.rows[of("row", row)]);
  const link = make("a", { href: "#" + new URLSearchParams({ item: key }) }, "link to this item");
  const about = [head, make("p", { className: "small" }, set.paths[of("path", row)] + " · " + key
    + " · ", link)];
  let chunk;
  try { chunk = await chunkOf(row); } catch (why) {
    return [...about, make("p", { className: "empty" }, why)];
  }
  const sample = chunk.samples[row % set.chunk];
  const drawn = set.sheets[of("sheet", row)];
  const block = (name, text, ...more) => make("div", {},
    make("div", { className: "small" }, name), make("pre", { tabIndex: 0 }, text), ...more);
  const more = make("details", {}, make("summary", {}, "frames, edits and knobs"));
  more.addEventListener("toggle", () => more.append(...moreNodes(sample, {})), { once: true });
  return [...about, ...sheetNodes(sample, drawn), ...spanNodes(sample), ...stripNodes(sample, drawn),
    make("div", { className: "texts" }, block("prompt", sample.prompt),
      block("true answer · chance " + sample.chance.toFixed(3), sample.answer)),
    make("div", { className: "texts" }, ...sample.outputs.map((one) => block(headOf(one), one.text,
      ...(one.more ? [make("p", { className: "small" }, count(one.more)
        + " more characters stand in results.jsonl")] : [])))),
    ...controlNodes(sample), more];
}

function headOf(one) {
  const parts = Object.entries(one.scores).map(([name, value]) => name + " " + score(value));
  const sizes = one.sizes.map(([height, width]) => width + " x " + height).join(", ");
  return [one.name + " · score " + score(one.score),
    one.answer === null ? "no answer" : "answer " + one.answer, ...parts,
    one.finish === "length" ? "cut" : "",
    one.frames ? one.frames + " frames" + (sizes ? " of " + sizes : "") : "",
    one.tokens ? count(one.tokens) + " tokens" : ""].filter(Boolean).join(" · ");
}

function controlNodes(sample) {
  if (!sample.controls.length) return [];
  const rows = sample.controls.map(([name, scores]) => [name, ...scores.map(score)]);
  return [make("div", { className: "scroll" }, table(["condition", ...set.names], rows))];
}

// Bars over the time that the model was told: the true interval, and each given one.
function spanNodes(sample) {
  if (!sample.span) return [];
  const bars = [["truth", sample.span], ...sample.outputs.map((one) => [one.name, one.span])];
  const ends = bars.flatMap(([, span]) => (span && span.every(Number.isFinite) ? span : []));
  const told = sample.media[0]?.told ?? [];
  // An answer that lies far outside must not shrink the rest away.
  const last = Math.max(...told, sample.span[1]) || 1;
  const end = Math.min(Math.max(last, ...ends), 1.25 * last);
  const place = (seconds) => 100 * Math.min(Math.max(seconds / end, 0), 1);
  const nodes = bars.flatMap(([name, span], i) => {
    const text = span ? span.map((value) => value.toFixed(2)).join(" – ") + " s" : "no interval";
    const bar = make("div", { className: "bar" });
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", name + ": " + text);
    if (span) {
      const piece = make("i", { className: i ? "given" : "true" });
      piece.style.left = place(span[0]) + "%";
      piece.style.width = Math.max(0.6, place(span[1]) - place(span[0])) + "%";
      bar.append(piece);
    }
    return [make("span", { className: "name" }, name), bar,
      make("span", { className: "value" }, text)];
  });
  return [make("div", { className: "plot spans" }, ...nodes, make("span"),
    make("div", { className: "axis" }, make("span", {}, "0 s"), make("span", {}, time(end))))];
}

// Media items in the order of an answer, cut out of the sheet.
function stripNodes(sample, drawn) {
  if (!sample.strip) return [];
  const rows = [["truth", sample.strip], ...sample.outputs.map((one) => [one.name, one.strip])];
  const nodes = rows.flatMap(([name, strip]) => [make("span", { className: "name" }, name),
    make("div", { className: "strip" }, ...(strip
      ? strip.map((number, i) => piece(sample, number, drawn, strip !== sample.strip
        && number === sample.strip[i]))
      : ["no answer"]))]);
  return [make("div", { className: "strips" }, ...nodes)];
}

function piece(sample, number, drawn, right) {
  const [sheet] = sample.sheets;
  const block = sheet.blocks.find(([media]) => media === number);
  const label = sample.labels[number] ?? String(number);
  const node = make("figure", { className: right ? "right" : "" });
  if (drawn === "drawn" && block) {
    const [, , x, y, , width, height] = block;
    const scale = 60 / height;
    const picture = make("div");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", label);
    Object.assign(picture.style, {
      width: width * scale + "px", height: "60px",
      backgroundImage: 'url("' + set.folder + "sheets/" + sample.sheet + '-0.jpg")',
      backgroundSize: sheet.size[0] * scale + "px " + sheet.size[1] * scale + "px",
      backgroundPosition: -x * scale + "px " + -y * scale + "px" });
    node.append(picture);
  }
  node.append(make("figcaption", {}, label + (right ? " ✓" : "")));
  return node;
}
