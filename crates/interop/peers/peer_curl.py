"""libcurl's WebSocket through Python's `curl_cffi`, as a client."""

import asyncio

import lines
from curl_cffi import Curl, CurlError, CurlHttpVersion, CurlInfo, CurlWsFlag, WebSocket


class End:
    def __init__(self):
        self.socket = None

    async def connect(self, url, subprotocols, **_):
        return await asyncio.to_thread(self.connect_blocking, url, subprotocols)

    def connect_blocking(self, url, subprotocols):
        curl = Curl()
        self.socket = WebSocket(curl)
        headers = {"Sec-WebSocket-Protocol": ", ".join(subprotocols)} if subprotocols else None
        try:
            self.socket.connect(url, headers=headers, http_version=CurlHttpVersion.V1_1)
        except CurlError:
            return {"refused": curl.getinfo(CurlInfo.RESPONSE_CODE)}
        # The response's headers are not to be had.
        return {"open": None}

    async def send(self, message):
        text, payload = lines.decoded(message)
        flags = CurlWsFlag.TEXT if text else CurlWsFlag.BINARY
        await self.send_frame(payload, flags)

    async def send_fragments(self, pieces):
        for position, piece in enumerate(pieces):
            text, payload = lines.decoded(piece)
            flags = CurlWsFlag.TEXT if text else CurlWsFlag.BINARY
            if position < len(pieces) - 1:
                flags |= CurlWsFlag.CONT
            await self.send_frame(payload, flags)

    async def send_frame(self, payload, flags):
        if payload:
            await asyncio.to_thread(self.socket.send, payload, flags)
        else:
            # The binding takes nothing to send for nothing to do.
            self.socket.curl.ws_send(b"", flags)

    async def recv(self):
        payload, flags = await asyncio.to_thread(self.socket.recv)
        if flags & CurlWsFlag.CLOSE:
            return {"closed": [self.socket.close_code, self.socket.close_reason]}
        return lines.encoded(payload.decode() if flags & CurlWsFlag.TEXT else payload)

    async def close(self, code, reason):
        # The library's own method does not wait for the answer.
        frame = self.socket._pack_close_frame(code, reason.encode())
        self.socket.send(frame, CurlWsFlag.CLOSE)
        self.socket.autoclose = False
        answer = await self.recv()
        self.socket.terminate()
        return answer


async def main():
    await lines.serve(End())


asyncio.run(main())
