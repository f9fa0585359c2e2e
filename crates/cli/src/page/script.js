"use strict";

const byId = (id) => document.getElementById(id);
const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const url = (path) => `${scheme}//${location.host}${path}`;
const logLinesMax = 200;
const retryMillisMax = 15000;

/** One panel's state, shown in its head; a panel with two sockets is open when both are. */
class Panel {
  constructor(name) {
    this.section = document.querySelector(`[data-panel="${name}"]`);
    this.states = new Map();
  }

  report(line, state) {
    this.states.set(line, state);
    const all = [...this.states.values()];
    const shown = all.every((one) => one === "open") ? "open" : all.find((one) => one !== "open");
    this.section.dataset.state = shown.startsWith("closed") ? "closed" : shown;
    this.section.querySelector('[data-role="state"]').textContent = shown;
    summarize();
  }
}

/** One WebSocket that comes back by itself, a little later after each failure in a row. */
class Line {
  constructor(panel, path, hear, { again = true } = {}) {
    Object.assign(this, { panel, path, hear, again, retryMillis: 500 });
    this.onOpen = () => {};
    this.onClose = () => {};
    this.connect();
  }

  connect() {
    clearTimeout(this.retry);
    this.panel.report(this, "connecting");
    const socket = new WebSocket(url(this.path));
    this.socket = socket;
    socket.onopen = () => {
      this.retryMillis = 500;
      this.panel.report(this, "open");
      this.onOpen();
    };
    socket.onmessage = (event) => this.hear(event.data);
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.panel.report(this, `closed ${event.code}`);
      this.onClose(event);
      if (!this.again) return;
      this.retry = setTimeout(() => this.connect(), this.retryMillis);
      this.retryMillis = Math.min(this.retryMillis * 2, retryMillisMax);
    };
  }

  get isOpen() { return this.socket.readyState === WebSocket.OPEN; }

  /** False when the line is down: nothing is kept for later. */
  send(text) {
    if (this.isOpen) this.socket.send(text);
    return this.isOpen;
  }

  restart() {
    const old = this.socket;
    this.socket = null;
    old.close(1000);
    this.connect();
  }
}

function summarize() {
  const states = [...document.querySelectorAll("[data-panel]")].map((one) => one.dataset.state);
  const open = states.filter((state) => state === "open").length;
  byId("summary").textContent = `${open} of ${states.length} panels connected`;
}

/** Adds a line to a log and keeps the log short. Text only ever goes in as text. */
function note(log, text, { kind = "", who = "" } = {}) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const line = document.createElement("p");
  line.className = kind;
  if (who) {
    const name = document.createElement("b");
    name.textContent = who;
    line.append(name);
  }
  line.append(text);
  log.append(line);
  while (log.childElementCount > logLinesMax) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function element(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const millis = (value) => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;

function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit += 1; }
  return `${unit === 0 ? count.toFixed(0) : count.toFixed(1)} ${units[unit]}`;
}

function echoPanel() {
  const panel = new Panel("echo");
  const waiting = [];
  const times = [];
  let count = 0;
  let burst = 0;

  const line = new Line(panel, "/echo", (text) => {
    const sent = waiting.shift();
    if (!sent) return;
    const took = performance.now() - sent.at;
    times.push(took);
    if (times.length > 64) times.shift();
    count += 1;
    if (text !== sent.text) console.error("the echo differs from what was sent");
    show(took, text);
    if (burst > 0) { burst -= 1; send(text); }
  });
  line.onClose = () => { waiting.length = 0; burst = 0; };

  function send(text) {
    const sent = { at: performance.now(), text };
    if (line.send(text)) waiting.push(sent);
  }

  function show(took, text) {
    const sorted = [...times].sort((a, b) => a - b);
    byId("echo-last").textContent = millis(took);
    byId("echo-median").textContent = millis(sorted[sorted.length >> 1]);
    byId("echo-best").textContent = millis(sorted[0]);
    byId("echo-count").textContent = count.toLocaleString("en");
    byId("echo-heard").textContent = `“${text}” came back`;
    const top = Math.max(...times, 0.2);
    byId("echo-chart").replaceChildren(...times.map((time, index) => {
      const height = Math.max(2, (time / top) * 50);
      return element("rect", {
        x: index * 5 + 0.5, y: 56 - height, width: 4, height, rx: 1,
        class: index === times.length - 1 ? "newest" : "",
      });
    }));
  }

  byId("echo-form").onsubmit = (event) => { event.preventDefault(); send(byId("echo-text").value); };
  byId("echo-burst").onclick = () => {
    if (burst > 0) return;
    burst = 99;
    send(byId("echo-text").value);
  };
}

function dialoguePanel() {
  const panel = new Panel("dialogue");
  const log = byId("dialogue-log");
  const enable = (open) => { byId("dialogue-send").disabled = !open; byId("dialogue-text").disabled = !open; };
  const line = new Line(panel, "/dialogue", (text) => note(log, text), { again: false });
  enable(false);
  line.onOpen = () => enable(true);
  line.onClose = (event) => {
    enable(false);
    note(log, event.code === 1000 ? "The server closed the conversation (1000)." : `The line went down (${event.code}).`, { kind: "aside" });
  };
  byId("dialogue-form").onsubmit = (event) => {
    event.preventDefault();
    const answer = byId("dialogue-text");
    if (!line.send(answer.value)) return;
    note(log, answer.value || "(nothing)", { kind: "mine" });
    answer.value = "";
  };
  byId("dialogue-again").onclick = () => { log.replaceChildren(); line.restart(); byId("dialogue-text").focus(); };
}

function tickerPanel() {
  const marks = byId("ticker-marks");
  for (let mark = 0; mark < 60; mark += 1) {
    const long = mark % 5 === 0;
    marks.append(element("line", { class: long ? "mark long" : "mark", y1: long ? -41 : -44, y2: -46, transform: `rotate(${mark * 6})` }));
  }
  let ticks = 0;
  let before = null;
  let turns = 0;
  new Line(new Panel("ticker"), "/ticker", (text) => {
    const now = performance.now();
    byId("ticker-raw").textContent = text;
    const time = new Date(text.split("-> ").pop());
    if (Number.isNaN(time.getTime())) return;
    ticks += 1;
    const [hour, minute, second] = [time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds()];
    if (second === 0) turns += 1;
    byId("ticker-time").textContent = time.toISOString().slice(11, 19);
    byId("ticker-date").textContent = `${time.toISOString().slice(0, 10)}, UTC`;
    byId("ticker-count").textContent = ticks.toLocaleString("en");
    byId("ticker-gap").textContent = before === null ? "–" : millis(now - before);
    before = now;
    // The second hand counts whole turns, so that it moves forward past twelve.
    byId("ticker-second").style.transform = `rotate(${turns * 360 + second * 6}deg)`;
    byId("ticker-minute").style.transform = `rotate(${minute * 6 + second / 10}deg)`;
    byId("ticker-hour").style.transform = `rotate(${(hour % 12) * 30 + minute / 2}deg)`;
  });
}

function chatPanel() {
  const log = byId("chat-log");
  const name = byId("chat-name");
  let named = "";
  const line = new Line(new Panel("chat"), "/chat", (text) => {
    const cut = text.indexOf(": ");
    if (text.startsWith("* ") || cut < 0) note(log, text, { kind: "aside" });
    else note(log, text.slice(cut + 2), { who: text.slice(0, cut) });
  });
  const rename = () => {
    const wanted = name.value.trim();
    if (wanted && wanted !== named && line.send(`/name ${wanted}`)) named = wanted;
  };
  line.onOpen = () => { named = ""; rename(); };
  line.onClose = (event) => note(log, `* the line went down (${event.code})`, { kind: "aside" });
  name.onchange = rename;
  byId("chat-form").onsubmit = (event) => {
    event.preventDefault();
    rename();
    const said = byId("chat-text");
    if (said.value && line.send(said.value)) said.value = "";
  };
}

function productsPanel() {
  const panel = new Panel("products");
  const [action, number, name, answer] = ["action", "id", "name", "answer"].map((part) => byId(`products-${part}`));
  const lines = Object.fromEntries(["v1", "v2"].map((version) => {
    const log = byId(`products-${version}`);
    const line = new Line(panel, `/ws/${version}/productos`, (text) => {
      // The answer to `list` is one message with a line for each product, or none.
      for (const said of text.split("\n").filter(Boolean)) {
        const [word, ...rest] = said.split(" ");
        if (word === "error") answer.textContent = `${version}: ${rest.join(" ")}`;
        else note(log, rest.join(" "), { who: word });
      }
    });
    line.onOpen = () => { log.replaceChildren(); line.send("list"); };
    return [version, line];
  }));
  const suit = () => {
    number.disabled = action.value === "create";
    name.disabled = action.value === "delete";
  };
  action.onchange = suit;
  suit();
  byId("products-form").onsubmit = (event) => {
    event.preventDefault();
    const version = byId("products-version").value;
    const command = { create: [name.value], update: [number.value, name.value], delete: [number.value] }[action.value];
    const text = [action.value, ...command].join(" ");
    answer.textContent = lines[version].send(text) ? `sent to ${version}: ${text}` : `${version} is not connected`;
  };
}

function figuresPanel() {
  const history = [];
  let before = null;
  const put = (part, text) => { byId(`figures-${part}`).textContent = text; };
  new Line(new Panel("figures"), "/figures", (text) => {
    const now = JSON.parse(text);
    const seconds = before ? (now.uptime_millis - before.uptime_millis) / 1000 : 0;
    const rate = (part) => (seconds > 0 ? (now[part] - before[part]) / seconds : 0);
    put("connections", now.connections.toLocaleString("en"));
    put("drops", now.drops.toLocaleString("en"));
    put("uptime", span(now.uptime_millis / 1000));
    for (const way of ["received", "sent"]) {
      put(`messages-${way}`, now[`messages_${way}`].toLocaleString("en"));
      put(`bytes-${way}`, bytes(now[`bytes_${way}`]));
      put(`rate-${way}`, seconds > 0 ? bytes(rate(`bytes_${way}`)) : "–");
    }
    if (seconds > 0) {
      const messages = rate("messages_received") + rate("messages_sent");
      put("messages", messages.toLocaleString("en", { maximumFractionDigits: messages < 10 ? 1 : 0 }));
      history.push(messages);
      if (history.length > 61) history.shift();
      draw();
    }
    before = seconds >= 0 ? now : null;
  }).onOpen = () => { before = null; };

  function span(seconds) {
    if (seconds < 60) return `${seconds.toFixed(0)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  }

  function draw() {
    const top = Math.max(...history, 1) * 1.1;
    const first = 61 - history.length;
    const points = history.map((value, index) => `${((first + index) / 60) * 320} ${55 - (value / top) * 52}`);
    const start = (first / 60) * 320;
    byId("figures-chart").replaceChildren(
      element("path", { class: "area", d: `M${start} 56L${points.join("L")}L320 56Z` }),
      element("path", { d: `M${points.join("L")}` }),
    );
  }
}

function theme() {
  const button = byId("theme");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const show = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.onclick = () => { root.dataset.theme = isDark() ? "light" : "dark"; show(); };
  show();
}

byId("example-url").textContent = url("/chat");
theme();
echoPanel();
dialoguePanel();
tickerPanel();
chatPanel();
productsPanel();
figuresPanel();
