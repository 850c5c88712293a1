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

const { eventsUrl } = document.body.dataset;
if (eventsUrl) followNews(eventsUrl);
const section = document.querySelector("[data-socket-url]");
if (section) talk(section);
