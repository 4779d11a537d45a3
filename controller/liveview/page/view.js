// Shows a tab of a session, and sends what a person does to it. All addresses are relative, so that the page works
// wherever it is served; whatever comes of a page of the session is put in as text and never as HTML.

const byId = (id) => document.getElementById(id);
const canvas = byId("screen");
const keys = byId("keys");
const address = byId("address");
const painting = canvas.getContext("2d");
const asked = new URLSearchParams(location.search);
const mac = navigator.platform.startsWith("Mac");

// By MouseEvent.button, and by the lowest bit of MouseEvent.buttons.
const BUTTONS = ["left", "middle", "right", "back", "forward"];
const HELD = { 1: "left", 2: "right", 4: "middle", 8: "back", 16: "forward" };

// Milliseconds: without any word after which a connection is lost, until a try is made again, and for how long one is.
const SILENCE = 60_000;
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 10_000;
const PATIENCE = 180_000;

const NOTICE_SHOWN = 5_000;

let socket = null;
let page = asked.get("page") ?? "";
let readOnly = false;
let tabs = [];
let lostAt = 0;
let pause = FIRST_PAUSE;
let retrying = 0;
let silence = 0;
let noticed = 0;
let painted = Promise.resolve();
let undrawn = 0; // frames whose arrival is owned up to only when somebody can see them

function socketAddress() {
  const url = new URL("socket", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("page", page);
  url.searchParams.set("signingKey", asked.get("signingKey") ?? "");
  return url;
}

function connect() {
  clearTimeout(retrying);
  byId("again").hidden = true;
  const opened = new WebSocket(socketAddress());
  socket = opened;
  opened.binaryType = "arraybuffer";
  opened.onopen = () => {
    lostAt = 0;
    pause = FIRST_PAUSE;
    undrawn = 0;
    listen();
  };
  opened.onmessage = ({ data }) => {
    listen();
    if (typeof data === "string") {
      hear(JSON.parse(data));
    } else {
      painted = painted.then(() => paint(opened, data));
    }
  };
  opened.onclose = ({ code, reason }) => {
    if (socket === opened) {
      closed(code, reason);
    }
  };
}

function listen() {
  clearTimeout(silence);
  // A connection that nobody ended, as when a network goes, says nothing any more.
  silence = setTimeout(() => {
    socket.onclose = null;
    socket.close();
    closed(1006, "");
  }, SILENCE);
}

async function closed(code, reason) {
  socket = null;
  clearTimeout(silence);
  ask(null);
  if (code >= 4000 && code < 5000) {
    end(`The session has ended: ${reason}`);
    return;
  }
  if (code === 1008) {
    say(`The connection was refused: ${reason}`, true);
    return;
  }
  lostAt ||= Date.now();
  say("Connecting again");
  const refusal = await refused();
  if (refusal?.status === 410) {
    end(refusal.message);
  } else if (refusal?.status === 401 || refusal?.status === 403) {
    say(`This link opens nothing any more: ${refusal.message}`);
  } else if (Date.now() - lostAt > PATIENCE) {
    say(refusal?.message ?? "The session can't be reached", true);
  } else {
    retrying = setTimeout(connect, pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
}

// Why no socket opens; a browser does not say it of a WebSocket.
async function refused() {
  const url = socketAddress();
  url.protocol = location.protocol;
  try {
    const answer = await fetch(url, { cache: "no-store" });
    return { status: answer.status, message: (await answer.json()).message };
  } catch {
    return null; // nobody answers, which is no answer
  }
}

function end(why) {
  say(why);
  if (window.parent !== window) {
    window.parent.postMessage("browserbase-disconnected", "*");
  }
}

function say(what, again = false) {
  byId("state").hidden = !what;
  byId("saying").textContent = what;
  byId("again").hidden = !again;
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify(message));
  }
}

function act(message) {
  if (!readOnly) {
    send(message);
  }
}

function hear(told) {
  if (told.type === "tabs") {
    showTabs(told);
  } else if (told.type === "dialog") {
    ask(told.dialog);
  } else if (told.type === "notice") {
    notice(told.text);
  } else if (told.type === "beat") {
    send({ type: "beat" });
  }
}

async function paint(from, frame) {
  try {
    const picture = await createImageBitmap(new Blob([frame], { type: "image/jpeg" }));
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    painting.drawImage(picture, 0, 0);
    picture.close();
  } catch (broken) {
    console.warn("a frame could not be drawn", broken); // the next one may be whole
  }
  if (from !== socket) {
    return;
  }
  if (document.hidden) {
    undrawn += 1;
  } else {
    send({ type: "drawn" });
  }
}

document.addEventListener("visibilitychange", () => {
  for (; !document.hidden && undrawn > 0; undrawn -= 1) {
    send({ type: "drawn" });
  }
});

// --- tabs, address, dialogs -------------------------------------------------------------------------------------

function showTabs(told) {
  page = told.page || page;
  readOnly = told.readOnly;
  tabs = told.tabs;
  byId("watching").hidden = !readOnly;
  for (const control of [byId("back"), byId("forward"), byId("reload"), address]) {
    control.disabled = readOnly;
  }
  byId("tabs").replaceChildren(
    ...tabs.map(({ id, title, url }) => {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-selected", String(id === told.page));
      tab.textContent = title || url;
      tab.title = title;
      tab.onclick = () => send({ type: "watch", page: id });
      return tab;
    }),
  );
  const shown = tabs.find(({ id }) => id === told.page);
  document.title = shown?.title || "Live view";
  if (document.activeElement !== address) {
    address.value = shown?.url ?? "";
  }
  say(shown ? "" : "No tab is open");
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = false;
  clearTimeout(noticed);
  noticed = setTimeout(() => (byId("notice").hidden = true), NOTICE_SHOWN);
}

function ask(dialog) {
  byId("dialog").hidden = !dialog;
  if (!dialog) {
    return;
  }
  const leaving = dialog.kind === "beforeunload";
  byId("question").textContent = leaving ? "Leave this page? What was entered may be lost." : dialog.message;
  byId("reply").hidden = dialog.kind !== "prompt";
  byId("reply").value = dialog.default;
  byId("refuse").hidden = dialog.kind === "alert";
  byId("accept").disabled = byId("refuse").disabled = byId("reply").disabled = readOnly;
  (dialog.kind === "prompt" ? byId("reply") : byId("accept")).focus();
}

function answer(accept) {
  act({ type: "answer", accept, text: byId("reply").value });
  keys.focus();
}

byId("accept").onclick = () => answer(true);
byId("refuse").onclick = () => answer(false);
byId("reply").onkeydown = ({ key }) => key === "Enter" && answer(true);
byId("back").onclick = () => act({ type: "travel", by: -1 });
byId("forward").onclick = () => act({ type: "travel", by: 1 });
byId("reload").onclick = () => act({ type: "reload" });
byId("again").onclick = () => {
  lostAt = 0;
  say("Connecting");
  connect();
};

address.onfocus = () => address.select();
address.onkeydown = ({ key }) => {
  if (key === "Enter") {
    act({ type: "go", url: address.value });
    keys.focus();
  } else if (key === "Escape") {
    address.value = tabs.find(({ id }) => id === page)?.url ?? "";
    keys.focus();
  }
};

// --- mouse ------------------------------------------------------------------------------------------------------

// What was moved and turned since the last picture of this page's own; there may be hundreds of events in between.
let moved = null;
let turned = null;
let scheduled = false;

function place(event) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const width = canvas.width * scale;
  const height = canvas.height * scale;
  const x = (event.clientX - box.left - (box.width - width) / 2) / width;
  const y = (event.clientY - box.top - (box.height - height) / 2) / height;
  return { x, y, inside: x >= 0 && x <= 1 && y >= 0 && y <= 1 };
}

function modifiers(event) {
  if (event.getModifierState?.("AltGraph")) {
    return event.shiftKey ? 8 : 0; // it writes a character, and means neither Control nor Alt
  }
  // The session's browser runs on Linux, where Control is what Command is on a Mac.
  const control = event.ctrlKey || (mac && event.metaKey);
  return (event.altKey ? 1 : 0) | (control ? 2 : 0) | (event.metaKey && !mac ? 4 : 0) | (event.shiftKey ? 8 : 0);
}

function mouse(kind, event, clicks = 0) {
  const { x, y } = place(event);
  const button = kind === "move" ? HELD[event.buttons & -event.buttons] : BUTTONS[event.button];
  return {
    type: "mouse",
    kind,
    x,
    y,
    button: button ?? "none",
    buttons: event.buttons & 31,
    clicks: Math.min(clicks, 3),
    modifiers: modifiers(event),
  };
}

function flush() {
  scheduled = false;
  if (moved) {
    act(moved);
    moved = null;
  }
  if (turned) {
    act(turned);
    turned = null;
  }
}

function soon() {
  if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(flush);
  }
}

let pressing = false;

canvas.addEventListener("mousedown", (event) => {
  event.preventDefault();
  keys.focus({ preventScroll: true });
  if (place(event).inside) {
    pressing = true;
    flush();
    act(mouse("down", event, event.detail));
  }
});

window.addEventListener("mousemove", (event) => {
  if (pressing || (event.target === canvas && place(event).inside)) {
    moved = mouse("move", event);
    soon();
  }
});

window.addEventListener("mouseup", (event) => {
  if (pressing) {
    pressing = event.buttons !== 0;
    flush();
    act(mouse("up", event, event.detail));
  }
});

canvas.addEventListener("contextmenu", (event) => event.preventDefault());

canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 32 : event.deltaMode === 2 ? canvas.clientHeight : 1;
    const { x, y, inside } = place(event);
    if (inside) {
      turned = {
        type: "wheel",
        x,
        y,
        dx: (turned?.dx ?? 0) + event.deltaX * unit,
        dy: (turned?.dy ?? 0) + event.deltaY * unit,
        modifiers: modifiers(event),
      };
      soon();
    }
  },
  { passive: false },
);

// --- keyboard ---------------------------------------------------------------------------------------------------

// Left to this page's own browser: loading again, full screen, its tools, and pasting, whose text comes as an event.
function kept(event) {
  const pasting = event.ctrlKey || event.metaKey ? event.key.toLowerCase() === "v" : false;
  return pasting || (event.shiftKey && event.key === "Insert") || ["F5", "F11", "F12"].includes(event.key);
}

function key(kind, event) {
  if (event.isComposing || event.keyCode === 229 || event.key === "Dead" || kept(event)) {
    return;
  }
  event.preventDefault();
  flush();
  act({
    type: "key",
    kind,
    key: event.key.slice(0, 32),
    code: event.code.slice(0, 32),
    keyCode: Math.min(event.keyCode, 255),
    location: event.location,
    repeat: event.repeat,
    modifiers: modifiers(event),
  });
}

keys.addEventListener("keydown", (event) => key("down", event));
keys.addEventListener("keyup", (event) => key("up", event));
keys.addEventListener("input", (event) => {
  // What keys did not write: an input method's composition when it is done, dictation, a phone's keyboard.
  if (!event.isComposing) {
    write();
  }
});
keys.addEventListener("compositionend", write);
keys.addEventListener("paste", (event) => {
  event.preventDefault();
  keys.value = event.clipboardData.getData("text/plain");
  write();
});

function write() {
  if (keys.value) {
    act({ type: "text", text: keys.value });
  }
  keys.value = "";
}

byId("bar").hidden = asked.get("navbar") === "false";
keys.focus({ preventScroll: true });
connect();
