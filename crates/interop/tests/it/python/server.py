"""A foreign server; each path is one way to treat a client. Prints its port, then what its clients did."""

import asyncio
from http import HTTPStatus

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def leave(socket):
    await socket.send("soon gone")
    await socket.close(4001, "¡adiós!")


async def fragments(socket):
    async def pieces():
        yield "one "
        await (await socket.ping(b"between"))
        yield "twø "
        yield "three"
    await socket.send(pieces())
    await socket.recv()


async def pings(socket):
    pongs = [await socket.ping(str(number)) for number in range(10)]
    await asyncio.gather(*pongs)
    await socket.send("ten pongs")
    await socket.recv()


async def headers(socket):
    await socket.send(f"{socket.subprotocol} {socket.request.headers.get('X-Reason')}")
    await socket.recv()


async def vanish(socket):
    await socket.send("here and gone")
    socket.transport.abort()


async def large(socket):
    await socket.send("é" * (1 << 19))
    await socket.recv()


ROUTES = {
    "/echo": echo,
    "/leave": leave,
    "/fragments": fragments,
    "/pings": pings,
    "/headers": headers,
    "/vanish": vanish,
    "/large": large,
}


def refuse(connection, request):
    if request.path not in ROUTES:
        return connection.respond(HTTPStatus.FORBIDDEN, "only for members\n")
    return None


def choose(connection, offered):
    return "chat.v2" if "chat.v2" in offered else None


async def handle(socket):
    try:
        await ROUTES[socket.request.path](socket)
        await socket.wait_closed()
    except ConnectionClosed:
        pass
    print(f"{socket.request.path} closed {socket.close_code} {socket.close_reason}".rstrip())


async def main():
    options = {"process_request": refuse, "select_subprotocol": choose, "compression": None}
    async with serve(handle, "127.0.0.1", 0, **options) as server:
        print("port", server.sockets[0].getsockname()[1])
        await asyncio.sleep(300)


asyncio.run(main())
