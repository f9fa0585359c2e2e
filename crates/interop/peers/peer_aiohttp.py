"""Python's `aiohttp`, as a client and as a server."""

import asyncio

import lines
from aiohttp import ClientSession, ClientWSTimeout, WSMsgType, WSServerHandshakeError, web


class End:
    def __init__(self):
        self.session = None
        self.socket = None
        self.arrivals = asyncio.Queue()

    async def connect(self, url, subprotocols, deflate, pongs, **_):
        self.session = self.session or ClientSession()
        try:
            # It shows pongs only to those who answer pings themselves.
            self.socket = await self.session.ws_connect(
                url, protocols=subprotocols, compress=0 if deflate is None else 15,
                autoping=not pongs, max_msg_size=0, timeout=ClientWSTimeout(ws_close=10))
        except WSServerHandshakeError as refused:
            return {"refused": refused.status}
        return {"open": self.socket.protocol}

    async def listen(self, subprotocols, deflate, **_):
        async def meet(request):
            socket = web.WebSocketResponse(
                protocols=subprotocols, compress=deflate is not None,
                autoping="pongs" not in request.query, max_msg_size=0)
            await socket.prepare(request)
            over = asyncio.Event()
            self.arrivals.put_nowait((socket, over, {"open": socket.ws_protocol}))
            await over.wait()
            return socket

        async def nothing(_request):
            self.arrivals.put_nowait((None, None, {"refused": 404}))
            return web.Response(status=404, text="there is nothing here\n")

        application = web.Application()
        application.add_routes([web.get("/meet", meet), web.get("/{tail:.*}", nothing)])
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return {"port": runner.addresses[0][1]}

    async def accept(self):
        self.socket, self.over, opened = await self.arrivals.get()
        return opened

    async def send(self, message):
        text, payload = lines.decoded(message)
        if text:
            await self.socket.send_str(payload.decode())
        else:
            await self.socket.send_bytes(payload)

    async def ping(self, payload):
        await self.socket.ping(payload.encode())
        message = await self.socket.receive()
        assert message.type == WSMsgType.PONG, message
        assert bytes(message.data) == payload.encode(), message

    async def recv(self):
        message = await self.socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return lines.encoded(message.data)
        self.end()
        assert message.type == WSMsgType.CLOSE, message
        return {"closed": [message.data, message.extra]}

    async def close(self, code, reason):
        await self.socket.close(code=code, message=reason.encode())
        self.end()
        return {"closed": [self.socket.close_code, None]}

    def end(self):
        if isinstance(self.socket, web.WebSocketResponse):
            self.over.set()


async def main():
    await lines.serve(End())


asyncio.run(main())
