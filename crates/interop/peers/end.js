// A client through the WebSocket that browsers have, and that Node has taken from them. No module, since the tests put
// it into a page as it is.

class StandardEnd {
  #socket = null;
  #heard = [];
  #waiting = null;

  connect({ url, subprotocols }) {
    this.#heard = [];
    this.#waiting = null;
    const socket = new WebSocket(url, subprotocols);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#hear(socket, StandardEnd.encoded(data));
    return new Promise((done) => {
      let opened = false;
      socket.onopen = () => {
        opened = true;
        done({ open: socket.protocol || null });
      };
      socket.onclose = ({ code, reason }) => {
        if (opened) this.#hear(socket, { closed: [code, reason] });
        else done({ failed: code });
      };
      // Not everybody says that it is closed when it was never open.
      socket.onerror = () => {
        if (!opened) done({ failed: null });
      };
    });
  }

  async send({ message }) {
    this.#socket.send(StandardEnd.decoded(message));
  }

  recv() {
    return new Promise((done) => {
      if (this.#heard.length > 0) done(this.#heard.shift());
      else this.#waiting = done;
    });
  }

  async close({ code, reason }) {
    if (code === null) this.#socket.close();
    else this.#socket.close(code, reason);
    return this.recv();
  }

  #hear(socket, what) {
    if (socket !== this.#socket) return;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting) waiting(what);
    else this.#heard.push(what);
  }

  static decoded(message) {
    const [kind, payload] = Object.entries(message)[0];
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
    return kind === 'text' ? new TextDecoder().decode(bytes) : bytes;
  }

  static encoded(data) {
    const text = typeof data === 'string';
    const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data);
    let letters = '';
    // As many at once as a call takes arguments.
    for (let at = 0; at < bytes.length; at += 32768) {
      letters += String.fromCharCode(...bytes.subarray(at, at + 32768));
    }
    return { [text ? 'text' : 'binary']: btoa(letters) };
  }
}

globalThis.StandardEnd = StandardEnd;
