// The products of one version, as the API lists them and the notifications change them.
'use strict';

const version = new URLSearchParams(location.search).get('version') ?? 'v1';
const api = `/api/${encodeURIComponent(version)}/productos`;
const feed = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/${encodeURIComponent(version)}/productos`;
const logged = 200;

const byId = (id) => document.getElementById(id);
const form = byId('form');
const products = new Map();
// The numbers of what was deleted: a list that was made before must not bring it back.
const deleted = new Set();
let edited = null;
let retryAfter = 1000;

const euros = (cents) => (cents / 100).toFixed(2);

function show(state, text) {
  byId('state').dataset.state = state;
  byId('state').textContent = text;
}

// Of two states of a product the one with the higher revision is the later, whichever came first.
function put(product) {
  const known = products.get(product.id);
  if (deleted.has(product.id) || known?.revision >= product.revision) return;
  products.set(product.id, product);
}

function button(text, act) {
  const element = document.createElement('button');
  element.textContent = text;
  element.addEventListener('click', act);
  return element;
}

// Whatever a product is called becomes text and never markup.
function row(product) {
  const row = document.createElement('tr');
  row.dataset.id = product.id;
  for (const text of [product.id, product.name, euros(product.price_cents)]) {
    row.insertCell().textContent = text;
  }
  row.insertCell().append(
    button('Edit', () => edit(product)),
    button('Delete', () => ask('DELETE', `${api}/${product.id}`)),
  );
  return row;
}

function draw() {
  const sorted = [...products.values()].sort((one, other) => one.id - other.id);
  byId('products').replaceChildren(...sorted.map(row));
}

function edit(product) {
  edited = product?.id ?? null;
  form.elements.name.value = product?.name ?? '';
  form.elements.price.value = product ? euros(product.price_cents) : '';
  byId('save').textContent = product ? `Save ${product.id}` : 'Create';
  byId('cancel').hidden = !product;
}

async function ask(method, url, draft) {
  byId('answer').textContent = '';
  try {
    const options = { method };
    if (draft) {
      options.headers = { 'Content-Type': 'application/json' };
      options.body = JSON.stringify(draft);
    }
    const response = await fetch(url, options);
    if (response.ok) return response.status === 204 ? true : await response.json();
    byId('answer').textContent = (await response.json()).message;
  } catch (error) {
    byId('answer').textContent = String(error);
  }
  return null;
}

// It is called when the feed is open, so whatever happens behind the list is heard.
async function list() {
  for (let after = 0; ;) {
    const page = await ask('GET', `${api}?after=${after}`);
    if (!page?.length) break;
    page.forEach(put);
    after = page.at(-1).id;
  }
  draw();
}

function hear({ change, product }) {
  if (change === 'deleted') {
    deleted.add(product.id);
    products.delete(product.id);
    if (edited === product.id) edit(null);
  } else {
    put(product);
  }
  draw();
  const line = document.createElement('li');
  line.textContent = `${change} ${product.id}: ${product.name}, ${euros(product.price_cents)}`;
  byId('log').prepend(line);
  while (byId('log').children.length > logged) byId('log').lastElementChild.remove();
}

function connect() {
  const socket = new WebSocket(feed);
  socket.addEventListener('open', () => {
    retryAfter = 1000;
    products.clear();
    deleted.clear();
    show('open', `open: ${version}`);
    list();
  });
  socket.addEventListener('message', ({ data }) => hear(JSON.parse(data)));
  socket.addEventListener('close', ({ code, reason }) => {
    show('closed', `closed ${code} ${reason}`);
    // At a random time, so that those who lost one server do not come back together.
    setTimeout(connect, retryAfter * (0.5 + Math.random()));
    retryAfter = Math.min(retryAfter * 2, 30000);
  });
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { name, price } = form.elements;
  const draft = { name: name.value, price_cents: Math.round(Number(price.value) * 100) };
  const saved = edited === null ? await ask('POST', api, draft) : await ask('PUT', `${api}/${edited}`, draft);
  if (saved) edit(null);
});
byId('cancel').addEventListener('click', () => edit(null));
for (const link of document.querySelectorAll('nav a')) {
  if (link.textContent === version) link.ariaCurrent = 'page';
}
connect();
