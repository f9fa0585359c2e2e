// The npm package `ws`, as a client and as a server. Its folder is the first argument.

import { createRequire } from 'node:module';

import { serve } from './lines.mjs';

const { WebSocket, WebSocketServer } = createRequire(`${process.argv[2]}/`)('ws');

/** What the package calls the parameters of RFC 7692. */
function perMessageDeflate(deflate) {
  if (deflate === null) return false;
  return {
    // False would mean to refuse whoever asks for it.
    serverNoContextTakeover: deflate.server_no_context_takeover || undefined,
    clientNoContextTakeover: deflate.client_no_context_takeover || undefined,
    serverMaxWindowBits: deflate.server_max_window_bits ?? undefined,
    clientMaxWindowBits:
      deflate.client_max_window_bits === true ? undefined : (deflate.client_max_window_bits ?? undefined),
    threshold: 0,
  };
}

function payload(message) {
  const [kind, letters] = Object.entries(message)[0];
  return [Buffer.from(letters, 'base64'), kind === 'binary'];
}

/** Things that come one by one, and those who wait for them. */
class Queue {
  #there = [];
  #waiting = [];

  put(thing) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(thing);
    else this.#there.push(thing);
  }

  take() {
    return new Promise((done) => {
      if (this.#there.length > 0) done(this.#there.shift());
      else this.#waiting.push(done);
    });
  }
}

class End {
  #socket = null;
  #heard = null;
  #pongs = null;
  #arrivals = new Queue();

  #adopt(socket) {
    const heard = new Queue();
    const pongs = new Queue();
    socket.on('message', (data, binary) =>
      heard.put({ [binary ? 'binary' : 'text']: data.toString('base64') }));
    socket.on('pong', (data) => pongs.put(data.toString()));
    socket.on('close', (code, reason) => heard.put({ closed: [code, reason.toString()] }));
    socket.on('error', (error) => console.error(String(error)));
    return [socket, heard, pongs];
  }

  #take([socket, heard, pongs]) {
    [this.#socket, this.#heard, this.#pongs] = [socket, heard, pongs];
  }

  connect({ url, subprotocols, deflate }) {
    const options = { perMessageDeflate: perMessageDeflate(deflate), maxPayload: 0 };
    const socket = new WebSocket(url, subprotocols, options);
    // Before it is open, since messages may come with the response.
    this.#take(this.#adopt(socket));
    return new Promise((done) => {
      socket.on('open', () => done({ open: socket.protocol || null }));
      socket.on('unexpected-response', (_, response) => {
        response.resume();
        done({ refused: response.statusCode });
      });
      socket.on('error', () => done({ failed: null }));
    });
  }

  listen({ subprotocols, deflate }) {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: 0,
      maxPayload: 0,
      perMessageDeflate: perMessageDeflate(deflate),
      handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
      verifyClient: ({ req }, done) => {
        if (req.url.split('?')[0] === '/meet') return done(true);
        this.#arrivals.put([null, { refused: 404 }]);
        return done(false, 404, 'there is nothing here\n');
      },
    });
    server.on('connection', (socket) =>
      this.#arrivals.put([this.#adopt(socket), { open: socket.protocol || null }]));
    return new Promise((done) => server.on('listening', () => done({ port: server.address().port })));
  }

  async accept() {
    const [adopted, opened] = await this.#arrivals.take();
    if (adopted) this.#take(adopted);
    return opened;
  }

  async send({ message }) {
    const [data, binary] = payload(message);
    this.#socket.send(data, { binary });
  }

  async send_fragments({ pieces }) {
    pieces.forEach((piece, position) => {
      const [data, binary] = payload(piece);
      this.#socket.send(data, { binary, fin: position === pieces.length - 1 });
    });
  }

  async ping({ payload: sent }) {
    this.#socket.ping(sent);
    const heard = await this.#pongs.take();
    if (heard !== sent) throw new Error(`the pong says ${heard}`);
  }

  recv() {
    return this.#heard.take();
  }

  close({ code, reason }) {
    if (code === null) this.#socket.close();
    else this.#socket.close(code, reason);
    return this.#heard.take();
  }
}

await serve(new End());
