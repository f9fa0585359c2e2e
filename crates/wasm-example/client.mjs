// A WebSocket client of which only the bytes are Node's: `node client.mjs MODULE URL WITHIN MESSAGE..` sends each message,
// prints what comes, and closes when as many have come. A message `#N` is N bytes of binary. Opening and closing may take
// WITHIN milliseconds each.
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const [, , file, url, within, ...messages] = process.argv;
const random = new Uint32Array(1);
const host = { now: () => performance.now(), random: () => randomFillSync(random)[0] };
const module = await WebAssembly.instantiate(readFileSync(file), { host });
const wasm = module.instance.exports;
// The module's memory moves when it grows, so a view of it is good for one use.
const bytes = (address, length) => new Uint8Array(wasm.memory.buffer, address, length);
const say = (said) => bytes(wasm.say(said.length), said.length).set(said);
const text = (words) => new TextEncoder().encode(words);
// So much is given to Node at a time, which tells when all that it has is on its way.
const WRITTEN_MAX = 64 * 1024;
// A longer time is none for `setTimeout`. To be early does no harm.
const TIMER_MAX = 2 ** 31 - 1;

say(text(url));
if (!wasm.start(Number(within))) throw new Error(`${url} is no URL`);
const { protocol, hostname, port } = new URL(url);
// The socket speaks in the clear; for `wss` it would be one of `node:tls`.
if (protocol !== 'ws:') throw new Error(`${url} is not for ws:`);
const host4or6 = hostname.replace(/^\[|\]$/g, '');
const socket = connect({ host: host4or6, port: Number(port || 80), allowHalfOpen: true, noDelay: true });

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
    const waits = () => Math.min(wasm.output_len(), WRITTEN_MAX);
    for (let length; !socket.writableNeedDrain && (length = waits()) > 0; wasm.sent(length)) {
        if (socket.writable) socket.write(bytes(wasm.output(), length).slice());
    }
    if (socket.writableNeedDrain) socket.pause();
    const transport = wasm.transport();
    // What waits goes first: behind it lies the Close frame that tells the server why.
    if (transport === 1 && wasm.output_len() === 0 && !socket.writableEnded) socket.end();
    if (transport === 2) socket.destroy();
    clearTimeout(timer);
    const due = wasm.due();
    if (due >= 0 && transport !== 2) {
        timer = setTimeout(() => (wasm.handle_timeout(), settle()), Math.min(Math.ceil(due), TIMER_MAX));
    }
}

socket.on('data', (data) => {
    while (data.length > 0) {
        const piece = data.subarray(0, wasm.room());
        data = data.subarray(piece.length);
        bytes(wasm.input(), piece.length).set(piece);
        for (let what = wasm.receive(piece.length); what !== 0; what = wasm.receive(0)) found(what);
    }
    settle();
});
socket.on('drain', () => (socket.resume(), wasm.drained(), settle()));
socket.on('end', () => (wasm.receive_eof(), settle()));
socket.on('error', (error) => (console.error(error.message), wasm.receive_eof(), settle()));
socket.on('close', () => console.log(`closed ${wasm.closed()}`));
// Node keeps the request until it has connected, for which there is no time beside that of the opening.
settle();
