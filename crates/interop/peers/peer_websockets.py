"""Python's `websockets`, as a client and as a server."""

import asyncio
from http import HTTPStatus

import lines
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)

LIMITS = {"max_size": None, "compression": None, "ping_interval": None}


def extensions(factory, deflate):
    return None if deflate is None else [factory(**deflate)]


def last_words(closed):
    return {"closed": None if closed is None else [closed.code, closed.reason]}


class End:
    def __init__(self):
        self.socket = None
        self.server = None
        self.arrivals = asyncio.Queue()

    async def connect(self, url, subprotocols, deflate, **_):
        offers = extensions(ClientPerMessageDeflateFactory, deflate)
        try:
            self.socket = await connect(
                url, subprotocols=subprotocols or None, extensions=offers, proxy=None, **LIMITS)
        except InvalidStatus as refused:
            return {"refused": refused.response.status_code}
        return {"open": self.socket.subprotocol}

    async def listen(self, subprotocols, deflate, **_):
        def refuse(connection, request):
            if request.path.split("?")[0] == "/meet":
                return None
            self.arrivals.put_nowait((None, {"refused": 404}))
            return connection.respond(HTTPStatus.NOT_FOUND, "there is nothing here\n")

        def choose(_connection, offered):
            return next((name for name in offered if name in subprotocols), None)

        async def arrive(socket):
            self.arrivals.put_nowait((socket, {"open": socket.subprotocol}))
            await socket.wait_closed()

        accepted = extensions(ServerPerMessageDeflateFactory, deflate)
        self.server = await serve(
            arrive, "127.0.0.1", 0, process_request=refuse, select_subprotocol=choose,
            extensions=accepted, **LIMITS)
        return {"port": self.server.sockets[0].getsockname()[1]}

    async def accept(self):
        self.socket, opened = await self.arrivals.get()
        return opened

    async def send(self, message):
        text, payload = lines.decoded(message)
        await self.socket.send(payload.decode() if text else payload)

    async def send_fragments(self, pieces):
        pieces = [lines.decoded(piece) for piece in pieces]
        await self.socket.send([payload for _, payload in pieces], text=pieces[0][0])

    async def ping(self, payload):
        await (await self.socket.ping(payload))

    async def recv(self):
        try:
            return lines.encoded(await self.socket.recv())
        except ConnectionClosed as closed:
            return last_words(closed.rcvd)

    async def close(self, code, reason):
        await self.socket.close(code, reason)
        return last_words(self.socket.protocol.close_rcvd)


async def main():
    await lines.serve(End())


asyncio.run(main())
