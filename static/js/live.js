// Keeps the home page up to date: by socket, else by polling. It writes text and attributes, never markup.
// Rows never move: queues and failures that are new are announced by a link that loads the page again.

const page = document.getElementById("pulse");
const pill = document.getElementById("live");
const STALE = 4000; // ms without a frame
const SLOWEST = 15000;
const POLL = 2000;
const TRIES = 3; // handshakes that may fail before polling

let socket = null;
let timer = null;
let failures = 0;
let lastFrame = Date.now();
let rates = [];

function say(state, text) {
  if (pill.dataset.live !== state) {
    pill.dataset.live = state;
  }
  if (pill.textContent !== text) {
    pill.textContent = text;
  }
}

function write(element, text) {
  if (element && element.textContent !== text) {
    element.textContent = text;
  }
}

function show(frame) {
  lastFrame = Date.now();
  const full = frame.full;
  page.dataset.seq = frame.seq;
  for (const element of page.querySelectorAll("[data-text]")) {
    write(element, String(element.dataset.text.split(".").reduce((value, key) => value[key], full)));
  }
  page.querySelector(".state").dataset.level = full.level;
  showNeeds(full.needs);
  showQueues(full.queues);
  showFailures(full.failures);
  for (const path of document.querySelectorAll("#chart [data-series]")) {
    path.setAttribute("d", full.chart.paths[path.dataset.series]);
  }
  rates = full.chart.rates;
}

function showNeeds(needs) {
  const list = page.querySelector(".needs");
  while (list.children.length > needs.length) {
    list.lastElementChild.remove();
  }
  needs.forEach((need, index) => {
    write(list.children[index] ?? list.appendChild(document.createElement("li")), need);
  });
}

function showQueues(queues) {
  const rows = new Map();
  for (const row of document.querySelectorAll("#queue-rows [data-queue]")) {
    rows.set(row.dataset.queue, row);
  }
  let unknown = false;
  for (const queue of queues) {
    const row = rows.get(queue.name);
    if (!row) {
      unknown = true;
      continue;
    }
    row.classList.toggle("paused", queue.paused !== "");
    for (const field of row.querySelectorAll("[data-field]")) {
      write(field, queue[field.dataset.field]);
    }
  }
  document.getElementById("new-queues").hidden = !unknown;
}

function showFailures(failures) {
  const rows = new Map();
  for (const row of document.querySelectorAll("#failure-rows [data-id]")) {
    rows.set(row.dataset.id, row);
  }
  let unknown = false;
  for (const failure of failures) {
    const row = rows.get(failure.id);
    if (row) {
      write(row.querySelector("[data-field=age]"), failure.age);
    } else {
      unknown = true;
    }
  }
  document.getElementById("new-failures").hidden = !unknown;
}

// Connection.

function wait(ms, then) {
  clearTimeout(timer);
  timer = setTimeout(then, ms);
}

function backoff() {
  return Math.min(SLOWEST, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
}

function connect() {
  if (document.hidden) {
    return;
  }
  if (failures >= TRIES) {
    poll();
    return;
  }
  const url = new URL(page.dataset.socket, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const opened = new WebSocket(url);
  socket = opened;
  opened.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    if (frame.topic === "pulse") {
      failures = 0;
      show(frame);
      say("live", "live");
    } else if (frame.topic === "outage") {
      say("stale", "stale: the database does not answer");
    }
  };
  opened.onclose = (event) => {
    if (socket !== opened) {
      return;
    }
    socket = null;
    if (event.code === 4401) {
      signedOut();
    } else if (event.code === 4403) {
      say("off", "no permission for live data");
    } else if (!document.hidden) {
      failures += 1;
      wait(backoff(), connect);
    }
  };
}

async function poll() {
  if (document.hidden) {
    return;
  }
  try {
    const answer = await fetch(page.dataset.poll, { redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect") {
      signedOut();
      return;
    }
    if (!answer.ok) {
      throw new Error(`status ${answer.status}`);
    }
    show(await answer.json());
    failures += 1;
    say("polling", "polling");
    // A socket is tried again now and then.
    wait(POLL, failures % 30 === 0 ? retrySocket : poll);
  } catch {
    failures += 1;
    wait(Math.max(POLL, backoff()), poll);
  }
}

function retrySocket() {
  failures = TRIES - 1;
  connect();
}

function signedOut() {
  say("off", "signed out");
  const url = new URL(page.dataset.login, location.href);
  url.searchParams.set("next", location.pathname);
  location.assign(url);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (document.hidden) {
    say("off", "paused");
    const open = socket;
    socket = null;
    open?.close();
  } else {
    failures = 0;
    connect();
  }
});

setInterval(() => {
  const silence = Date.now() - lastFrame;
  if (!document.hidden && silence > STALE && pill.dataset.live !== "off") {
    say("stale", `stale for ${Math.round(silence / 1000)} s`);
  }
}, 1000);

// What the bar under the pointer counts.

const chart = document.getElementById("chart");
const reading = document.getElementById("reading");
chart.addEventListener("pointermove", (event) => {
  const box = chart.getBoundingClientRect();
  const index = Math.floor(((event.clientX - box.left) / box.width) * rates.length);
  const bar = rates[index];
  if (bar) {
    const seconds = (rates.length - 1 - index) * 3;
    write(reading, `${seconds} s ago: ${bar[0]} succeeded, ${bar[1]} tried again, ${bar[2]} failed per second`);
  }
});
chart.addEventListener("pointerleave", () => write(reading, ""));

say("off", "connecting");
connect();
