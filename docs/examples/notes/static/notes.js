// Shows news from the server: new notes (server-sent events) and the websocket on the live page.

function addLine(list, text) {
  const line = document.createElement("li");
  line.textContent = text;
  list.prepend(line);
}

function followNews(url) {
  const source = new EventSource(url);
  source.addEventListener("open", () => { document.body.dataset.events = "open"; });
  source.addEventListener("note", (event) => {
    const note = JSON.parse(event.data);
    addLine(document.getElementById("news"), `${note.author} wrote “${note.title}”`);
  });
  addEventListener("pagehide", () => source.close());
}

function talk(section) {
  const greeting = section.querySelector("#greeting");
  const input = section.querySelector("#message");
  const socket = new WebSocket(section.dataset.socketUrl);
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "greeting") greeting.textContent = message.text;
    else addLine(section.querySelector("#echoes"), message.payload?.text ?? message.text);
  });
  socket.addEventListener("close", () => { greeting.textContent = "The connection is closed."; });
  section.querySelector("#say").addEventListener("submit", (event) => {
    event.preventDefault();
    socket.send(JSON.stringify({ text: input.value }));
    input.value = "";
  });
}

function askOften(section) {
  const answers = section.querySelector("#answers");
  for (const button of section.querySelectorAll("[data-ask]")) {
    button.addEventListener("click", async () => {
      answers.textContent = "Asking …";
      const start = performance.now();
      // A browser sends only a few requests at once over HTTP/1.1 and keeps the others back.
      const one = async () => (await fetch(button.dataset.ask, { cache: "no-store" })).json();
      const places = await Promise.all(Array.from({ length: 20 }, one));
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const threads = new Set(places.map((place) => place.thread)).size;
      const where = places[0].on_loop ? "on the event loop" : `in ${threads} threads`;
      answers.textContent = `20 answers in ${seconds} seconds, ${where}. One after the other: ${
        20 * answers.dataset.seconds} seconds.`;
    });
  }
}

function measure(section) {
  const status = section.querySelector("[role=status]");
  const token = document.querySelector("meta[name=csrf-token]").content;
  section.querySelector("button").addEventListener("click", async () => {
    status.textContent = "Measuring, for a few seconds …";
    const asked = await fetch(section.dataset.url, { method: "POST", headers: { "X-CSRFToken": token } });
    if (!asked.ok) {
      status.textContent = "That did not work; the server's log says why.";
      return;
    }
    const { requests, threads, seconds, taken } = await asked.json();
    for (const row of section.querySelectorAll("[data-side]")) {
      const { plain, async } = taken[row.dataset.side];
      const [first, second] = row.querySelectorAll("td");
      first.textContent = `${plain} s`;
      second.textContent = `${async} s`;
    }
    section.querySelector("table").hidden = false;
    status.textContent = `${requests} requests, each waiting for ${seconds} seconds, with ${threads} worker threads.`;
  });
}

function meet(section) {
  const source = new EventSource(section.dataset.url);
  source.addEventListener("message", (event) => {
    const { open, waves } = JSON.parse(event.data);
    section.querySelector("#open").textContent = open;
    if (waves) addLine(section.querySelector("#waves"), `${waves} waves.`);
  });
  addEventListener("pagehide", () => source.close());
  const token = document.querySelector("meta[name=csrf-token]").content;
  section.querySelector("button").addEventListener("click", () => {
    fetch(section.dataset.wave, { method: "POST", headers: { "X-CSRFToken": token } });
  });
}

const { eventsUrl } = document.body.dataset;
if (eventsUrl) followNews(eventsUrl);
const section = document.querySelector("[data-socket-url]");
if (section) talk(section);
const places = document.querySelector("#places");
if (places) askOften(places);
const comparison = document.querySelector("#comparison");
if (comparison) measure(comparison);
const visitors = document.querySelector("#visitors");
if (visitors) meet(visitors);
