const SAMPLES_A_PAGE = 25, SKIPS_A_PAGE = 200;
const ROW = { id: 0, task: 1, split: 2, path: 3, knobs: 4, edits: 5, sheet: 6 };
let state;
const [tabs, filters, pager, list] =
  ["tabs", "filters", "pager", "list"].map((id) => document.getElementById(id));

// Called by data.js.
function data(loaded) {
  set = loaded;
  window.addEventListener("hashchange", show);
  sayWhatIsMissing();
  show();
}

// What is looked at stands behind the # of the address, so that it can be kept and sent on.
function go(changes) {
  const next = new URLSearchParams(location.hash.slice(1));
  if (!("page" in changes)) next.delete("page");
  for (const [key, value] of Object.entries(changes)) {
    if (value) next.set(key, value); else next.delete(key);
  }
  location.hash = next.toString();
}

let latest = 0;
async function show() {
  const turn = ++latest;
  state = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  document.body.classList.toggle("large", Boolean(state.large));
  const skips = state.show === "skips";
  const all = set.samples[ROW.id].length;
  tabs.replaceChildren(
    choice(count(all) + " samples", !skips, { show: "", reason: "" }),
    choice(count(set.skips.length) + " skips", skips, { show: "skips", split: "", knob: "",
      value: "", edit: "", sheet: "" }));
  filters.replaceChildren(...(skips ? skipFilters() : sampleFilters()));
  const found = skips ? foundSkips() : foundSamples();
  const size = skips ? SKIPS_A_PAGE : SAMPLES_A_PAGE;
  const pages = Math.max(1, Math.ceil(found.length / size));
  const page = Math.min(pages, Math.max(1, parseInt(state.page) || 1));
  const here = found.slice((page - 1) * size, page * size);
  showPager(page, pages, size, found.length);
  const nodes = skips ? skipNodes(here) : await Promise.all(here.map(sampleNode));
  if (turn !== latest) return;
  list.replaceChildren(...nodes);
  scrollTo(0, 0);
  document.documentElement.dataset.shown = found.length;
  // With what is laid out by now; the benchmark reads it.
  document.documentElement.dataset.ready = list.offsetHeight && performance.now();
}

function choice(text, pressed, changes) {
  const button = make("button", { type: "button", onclick: () => go(changes) }, text);
  button.setAttribute("aria-pressed", pressed);
  return button;
}

function showPager(page, pages, size, total) {
  const step = (text, to) => make("button", { type: "button", onclick: () => go({ page: to }),
    disabled: to < 1 || to > pages || to === page }, text);
  const last = Math.min(total, page * size);
  const range = total ? count((page - 1) * size + 1) + "–" + count(last) + " of " + count(total)
    : "nothing is left with these filters";
  pager.replaceChildren(range, " ", step("first", 1), step("previous", page - 1),
    step("next", page + 1), step("last", pages));
}

// ---- filters

function select(name, key, options, changes) {
  const field = make("select", { onchange: () => go({ ...changes, [key]: field.value }) });
  field.append(make("option", { value: "" }, "all"));
  for (const [value, text] of options) field.append(make("option", { value }, text));
  field.value = state[key] || "";
  return make("label", {}, name, field);
}

// Options with how often each one occurs.
function counted(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) || 0) + 1);
  const text = (name) => name + " (" + count(counts.get(name)) + ")";
  return [...counts.keys()].sort().map((name) => [name, text(name)]);
}

function sampleFilters() {
  const [ids, tasks, splits, , knobsOf, editsOf] = set.samples;
  const task = state.task ? set.tasks.indexOf(state.task) : null;
  const rows = [...ids.keys()].filter((row) => task === null || tasks[row] === task);
  const fields = [
    select("task", "task", counted(tasks.map((n) => set.tasks[n])),
      { knob: "", value: "", edit: "" }),
    select("split", "split", counted(splits.map((n) => set.splits[n]))),
  ];
  const used = new Set(rows.map((row) => knobsOf[row]));
  const values = new Map();
  for (const n of used) {
    for (const [knob, value] of Object.entries(set.knobs[n])) {
      values.set(knob, (values.get(knob) || new Set()).add(JSON.stringify(value)));
    }
  }
  const options = [...values.keys()].sort().map((knob) => {
    const n = values.get(knob).size;
    return [knob, n > 1 ? knob + " (" + n + " values)" : knob];
  });
  fields.push(select("knob", "knob", options, { value: "" }));
  if (values.has(state.knob)) {
    const having = rows.map((row) => set.knobs[knobsOf[row]]).filter((own) => state.knob in own);
    fields.push(select("value", "value",
      counted(having.map((own) => JSON.stringify(own[state.knob])))));
  }
  const edits = rows.flatMap((row) => set.edits[editsOf[row]]);
  if (edits.length) fields.push(select("edit", "edit", counted(edits)));
  fields.push(search());
  const box = (text, key) => make("label", {}, make("input", { type: "checkbox",
    checked: Boolean(state[key]), onchange: () => go({ [key]: state[key] ? "" : "1" }) }), text);
  fields.push(box("with a sheet", "sheet"), box("large", "large"));
  return fields;
}

function search() {
  const field = make("input", { type: "search", value: state.search || "",
    placeholder: "path or id", onchange: () => go({ search: field.value }) });
  return make("label", {}, "search", field);
}

function foundSamples() {
  const wanted = (names, name) => (name ? names.indexOf(name) : null);
  const task = wanted(set.tasks, state.task), split = wanted(set.splits, state.split);
  const knobs = set.knobs.map((values) => !state.knob || !state.value
    || (state.knob in values && JSON.stringify(values[state.knob]) === state.value));
  const edits = set.edits.map((names) => !state.edit || names.includes(state.edit));
  const [ids, tasks, splits, paths, knobsOf, editsOf, sheets] = set.samples;
  const found = [];
  for (let row = 0; row < ids.length; row++) {
    if ((task === null || tasks[row] === task) && (split === null || splits[row] === split)
      && knobs[knobsOf[row]] && edits[editsOf[row]]
      && (!state.sheet || set.sheets[sheets[row]] === "drawn")
      && (!state.search || ids[row] === state.search
        || set.paths[paths[row]].includes(state.search))) found.push(row);
  }
  return found;
}

function skipFilters() {
  const here = (skip) => !state.task || skip[1] === state.task;
  return [
    select("task", "task", counted(set.skips.map((skip) => skip[1]).filter(Boolean))),
    select("reason", "reason",
      counted(set.skips.filter(here).map((skip) => set.reasons[skip[3]]))),
    search(),
  ];
}

function foundSkips() {
  return set.skips.filter(([path, task, , reason]) => (!state.task || task === state.task)
    && (!state.reason || set.reasons[reason] === state.reason)
    && (!state.search || set.paths[path].includes(state.search)));
}

// ---- what is listed

function skipNodes(here) {
  const counts = new Map();
  for (const [, task, , reason] of foundSkips()) {
    const key = JSON.stringify([task, reason]);
    counts.set(key, (counts.get(key) || 0) + 1);
  }
  const sums = [...counts].sort((a, b) => b[1] - a[1]).map(([key, n]) => {
    const [task, reason] = JSON.parse(key);
    return [task || "(video)", choice(set.reasons[reason], false,
      { task, reason: set.reasons[reason] }), n];
  });
  if (!sums.length) return [];
  return [make("h3", {}, "By reason"), table(["task", "reason", "skips"], sums),
    make("h3", {}, "Each"), table(["video", "task", "reason"],
      here.map(([path, task, reason]) => [set.paths[path], task || "(video)", reason]))];
}

async function sampleNode(row) {
  const [id, task, split, , knobs, , sheet] = set.samples.map((column) => column[row]);
  const node = make("article", { id: "sample-" + row });
  node.append(make("h2", {}, set.tasks[task], make("span", {}, plain(set.splits[split])),
    make("span", {}, id)));
  let chunk;
  try { chunk = await chunkOf(row); } catch (why) {
    node.append(make("p", { className: "empty" }, why));
    return node;
  }
  const sample = chunk.samples[row % set.chunk];
  node.firstChild.append(...sample.videos.map((path) => make("span", {}, path)));
  node.append(...sheetNodes(sample, set.sheets[sheet]));
  const block = (name, text) => make("div", {}, make("div", { className: "small" }, name),
    make("pre", {}, text));
  node.append(make("div", { className: "text" }, block("prompt", chunk.prompts[sample.prompt]),
    block("answer · chance " + sample.chance.toFixed(3), sample.answer)));
  const more = make("details", {}, make("summary", {}, "frames, edits and knobs"));
  more.addEventListener("toggle", () => more.append(...moreNodes(sample, set.knobs[knobs])),
    { once: true });
  node.append(more);
  return node;
}

