// A WebSocket client of which only the bytes are Node's: `node client.mjs MODULE URL CLOSE_WITHIN MESSAGE..` sends each
// message, prints what comes, and closes when as many have come. A message `#N` is N bytes of binary.
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const [, , file, url, closeWithin, ...messages] = process.argv;
const random = new Uint32Array(1);
const host = { now: () => performance.now(), random: () => randomFillSync(random)[0] };
const module = await WebAssembly.instantiate(readFileSync(file), { host });
const wasm = module.instance.exports;
// The module's memory moves when it grows, so a view of it is good for one use.
const bytes = (address, length) => new Uint8Array(wasm.memory.buffer, address, length);
const say = (said) => bytes(wasm.say(said.length), said.length).set(said);
const text = (words) => new TextEncoder().encode(words);

say(text(url));
if (!wasm.start(Number(closeWithin))) throw new Error(`${url} is no URL`);
const { hostname, port } = new URL(url);
const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true });

let missing = messages.length;
let timer;
function found(what) {
    if (what === 1) {
        for (const message of messages) {
            const isBinary = message.startsWith('#');
            say(isBinary ? new Uint8Array(Number(message.slice(1))) : text(message));
            if (!(isBinary ? wasm.send_binary() : wasm.send_text())) throw new Error('there is no room');
        }
    } else if (what === 2 || what === 3) {
        // Where it lies it stays until the next call only, so it is copied.
        const payload = bytes(wasm.found(), wasm.found_len()).slice();
        console.log(what === 2 ? `text ${new TextDecoder().decode(payload)}` : `binary ${payload.length}`);
        missing -= 1;
        if (missing === 0) wasm.close();
    } else if (what === 5) {
        console.log('refused');
    }
}

// After whatever happened: write, obey, and set the clock.
function settle() {
    // What Node would only queue stays in the outbox, which has a limit, and is not added to by more that is read.
    for (let length; !socket.writableNeedDrain && (length = wasm.output_len()) > 0; wasm.sent(length)) {
        if (!socket.writableEnded) socket.write(bytes(wasm.output(), length).slice());
    }
    if (socket.writableNeedDrain) socket.pause();
    const transport = wasm.transport();
    if (transport === 1 && !socket.writableEnded) socket.end();
    if (transport === 2) socket.destroy();
    clearTimeout(timer);
    const due = wasm.due();
    if (due >= 0 && transport !== 2) {
        timer = setTimeout(() => (wasm.handle_timeout(), settle()), Math.ceil(due));
    }
}

socket.on('connect', settle);
socket.on('data', (data) => {
    while (data.length > 0) {
        const piece = data.subarray(0, wasm.room());
        data = data.subarray(piece.length);
        bytes(wasm.input(), piece.length).set(piece);
        for (let what = wasm.receive(piece.length); what !== 0; what = wasm.receive(0)) found(what);
    }
    settle();
});
socket.on('drain', () => (socket.resume(), settle()));
socket.on('end', () => (wasm.receive_eof(), settle()));
socket.on('error', () => (wasm.receive_eof(), settle()));
socket.on('close', () => console.log(`closed ${wasm.closed()}`));
