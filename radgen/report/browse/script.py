"""What the gallery does: draws only the tiles in view, asks for sheets and details when they are looked at.

Text reaches the page as text nodes alone, never as markup. Data come as calls (`radgen.facts(...)`), because a page
that is opened from disk may load scripts but may not read files.
"""

SCRIPT = r"""
'use strict';
(() => {
const $ = id => document.getElementById(id);
const grid = $('grid'), form = $('filters'), dialog = $('detail');
const columns = {source: [], class: [], split: [], mask: [], uncertainty: [], distance: []};
const details = new Map(), waiting = new Map(), tiles = new Map();
let meta = null, shown = [], across = 1, side = 100, opened = -1, drawing = false;
const GAP = 6;

// ---------------------------------------------------------------- loading

function load(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = `data/${name}.js`;
    script.onload = () => { script.remove(); resolve(); };
    script.onerror = () => { script.remove(); reject(new Error(`data/${name}.js is missing beside this page`)); };
    document.head.append(script);
  });
}

window.radgen = {
  meta: value => { meta = value; },
  facts: chunk => { for (const name in columns) for (const value of chunk[name]) columns[name].push(value); },
  details: ([number, rows]) => { details.set(number, rows); },
};

async function start() {
  await load('meta');
  fill('source', meta.sources.map(([name, setting]) => `${name} (${setting})`));
  fill('class', meta.classes);
  fill('split', meta.splits);
  for (const [name, colour] of meta.structures) {
    const item = document.createElement('li'), swatch = document.createElement('i');
    swatch.style.background = colour;
    item.append(swatch, name);
    $('legend').append(item);
  }
  for (let chunk = 0; chunk < meta.chunks; chunk++) {
    await load(`facts-${digits(chunk, 3)}`);
    if (chunk === 0 && meta.chunks > 1) choose();
  }
  choose();
  openNamed();
  document.documentElement.dataset.ready = 'yes';
}

function fill(name, labels) {
  const select = form.elements[name];
  labels.forEach((label, place) => select.add(new Option(label, String(place))));
  select.closest('label').hidden = labels.length < 2;
}

const digits = (number, length) => String(number).padStart(length, '0');

// ---------------------------------------------------------------- choosing

function choose() {
  const wanted = ['source', 'class', 'split'].map(name => [columns[name], form.elements[name].value])
    .filter(([, value]) => value !== '').map(([column, value]) => [column, Number(value)]);
  const ranges = ['uncertainty', 'distance'].flatMap(name => [
    [columns[name], form.elements[`${name}-least`].value, 1], [columns[name], form.elements[`${name}-most`].value, -1],
  ]).filter(([, value]) => value !== '').map(([column, value, sign]) => [column, Number(value), sign]);
  shown = [];
  const count = columns.mask.length;
  for (let row = 0; row < count; row++) {
    if (wanted.every(([column, value]) => column[row] === value)
        && ranges.every(([column, value, sign]) => column[row] !== null && sign * (column[row] - value) >= 0)) {
      shown.push(row);
    }
  }
  const [name, way] = form.elements.order.value.split('-');
  if (way) {
    const column = columns[name], sign = way === 'up' ? 1 : -1;
    const key = row => column[row] === null ? Infinity : sign * column[row];  // unknown ones last
    shown.sort((one, other) => (key(one) - key(other)) || one - other);
  }
  const words = n => n.toLocaleString('en');
  $('status').textContent = `${words(shown.length)} of ${words(count)} images`
    + (count < meta.count ? `, loading ${words(meta.count)}` : '');
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  layout();
}

// ---------------------------------------------------------------- drawing what is in view

function layout() {
  const width = grid.clientWidth;
  const least = width < 560 ? 96 : 116;
  across = Math.max(2, Math.floor((width + GAP) / (least + GAP)));
  side = Math.floor((width + GAP) / across) - GAP;
  grid.style.height = `${Math.ceil(shown.length / across) * (side + GAP)}px`;
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  draw();
}

function draw() {
  drawing = false;
  const step = side + GAP, top = grid.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(-top / step) - 1) * across;
  const last = Math.min(shown.length, (Math.ceil((window.innerHeight - top) / step) + 1) * across);
  for (const [place, tile] of tiles) {
    if (place < first || place >= last) { tile.remove(); tiles.delete(place); }
  }
  for (let place = first; place < last; place++) if (!tiles.has(place)) add(place);
}

function add(place) {
  const row = shown[place], tile = document.createElement('button');
  tile.type = 'button';
  tile.className = 'tile pixels';
  tile.dataset.place = place;
  tile.setAttribute('role', 'listitem');
  tile.setAttribute('aria-label', `image ${place + 1}, ${meta.classes[columns.class[row]] ?? 'no class'}`);
  Object.assign(tile.style, {
    width: `${side}px`, height: `${side}px`,
    left: `${place % across * (side + GAP)}px`, top: `${Math.floor(place / across) * (side + GAP)}px`,
  });
  paint(tile, 'images', row, side);
  if (form.elements.masks.checked && columns.mask[row]) {
    const mask = document.createElement('i');
    paint(mask, 'masks', row, side);
    tile.append(mask);
  }
  tiles.set(place, tile);
  grid.append(tile);
}

// A sheet may end early: its height is that of its own rows, its width always that of all columns.
function paint(element, kind, row, size) {
  const sheet = Math.floor(row / meta.per_sheet), at = row % meta.per_sheet;
  element.style.backgroundImage = `url("tiles/${kind}-${digits(sheet, 4)}.png")`;
  element.style.backgroundSize = `${meta.columns * size}px auto`;
  element.style.backgroundPosition = `${-(at % meta.columns) * size}px ${-Math.floor(at / meta.columns) * size}px`;
}

function redraw() {
  if (!drawing) { drawing = true; requestAnimationFrame(draw); }
}

// ---------------------------------------------------------------- one image

async function detailOf(row) {
  const sheet = Math.floor(row / meta.per_sheet);
  if (!details.has(sheet)) {
    if (!waiting.has(sheet)) waiting.set(sheet, load(`details-${digits(sheet, 4)}`));
    await waiting.get(sheet);
  }
  return details.get(sheet)[row % meta.per_sheet];
}

async function open(place) {
  if (place < 0 || place >= shown.length) return;
  opened = place;
  const row = shown[place], detail = await detailOf(row);
  if (opened !== place) return;  // another was asked for meanwhile
  if (!dialog.open) dialog.showModal();
  $('name').textContent = detail.id;
  const size = $('picture').clientWidth, [image, mask] = $('picture').children;
  image.classList.add('pixels'); mask.classList.add('pixels');
  paint(image, 'images', row, size);
  const masked = Boolean(columns.mask[row]);
  $('mask-line').hidden = !masked;
  mask.hidden = !masked || !$('show-mask').checked;
  if (masked) paint(mask, 'masks', row, size); else mask.style.backgroundImage = '';
  const beside = meta.nearest && detail.nearest;
  $('beside').hidden = !beside;
  if (beside) {
    $('nearest').classList.add('pixels');
    paint($('nearest'), 'nearest', row, size);
    $('nearest-words').textContent = `Nearest training image (${meta.phantom ? 'phantom' : 'REAL'}), distance `
      + columns.distance[row];
  }
  list(row, detail);
  const [, , again] = meta.sources[columns.source[row]] ?? [];
  $('command').textContent = again ? `radgen regenerate ${detail.id} --study ${meta.study}`
    : 'not possible: it was imported, its generator is not here';
  $('before').disabled = place === 0;
  $('after').disabled = place === shown.length - 1;
  dialog.dataset.row = row;
  setHash(`#${encodeURIComponent(detail.id)}`);
}

function setHash(hash) {
  try { history.replaceState(null, '', hash); } catch { /* some browsers refuse it for a page on disk */ }
}

function list(row, detail) {
  const [source, setting] = meta.sources[columns.source[row]] ?? ['unknown', 'unknown'];
  const told = [
    ['Class', meta.classes[columns.class[row]] ?? 'none'], ['Split', meta.splits[columns.split[row]] ?? 'none'],
    ['Generator', `${source}, ${setting} setting`], ['Seed', detail.seed ?? 'none'],
    ['Weights', detail.checkpoint ?? 'unknown'],
    ['Uncertainty', columns.uncertainty[row] ?? 'not measured'],
    ['Distance to training', `${columns.distance[row] ?? 'not measured'} by pixels, `
      + `${detail.features ?? 'not measured'} by the judge's features`],
  ];
  $('facts').replaceChildren(...told.flatMap(([name, value]) => {
    const term = document.createElement('dt'), text = document.createElement('dd');
    term.textContent = name;
    text.textContent = String(value);
    return [term, text];
  }));
}

async function openNamed() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (!wanted) return;
  for (let sheet = 0; sheet * meta.per_sheet < meta.count; sheet++) {
    const row = sheet * meta.per_sheet;
    await detailOf(row);
    const at = details.get(sheet).findIndex(detail => detail.id === wanted);
    if (at >= 0) { open(shown.indexOf(row + at)); return; }
  }
}

// ---------------------------------------------------------------- events

form.addEventListener('input', choose);
form.addEventListener('submit', event => event.preventDefault());
form.addEventListener('reset', () => setTimeout(choose));
addEventListener('scroll', redraw, {passive: true});
addEventListener('resize', layout);
grid.addEventListener('click', event => {
  const tile = event.target.closest('.tile');
  if (tile) open(Number(tile.dataset.place));
});
$('show-mask').addEventListener('change', () => open(opened));
$('before').addEventListener('click', () => open(opened - 1));
$('after').addEventListener('click', () => open(opened + 1));
$('close').addEventListener('click', () => dialog.close());
dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener('close', () => setHash(' '));
dialog.addEventListener('keydown', event => {
  if (event.key === 'ArrowLeft') open(opened - 1);
  if (event.key === 'ArrowRight') open(opened + 1);
});
start().catch(error => { $('status').textContent = `The gallery is not whole: ${error.message}.`; });
})();
"""
