"""Drives every route of `sockeye serve`; prints `ok NAME` for each check that holds."""

import asyncio
import sys
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

BASE = sys.argv[1]
# Both sides of every change of the length's encoding, and the default limit itself.
LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]


def client(path):
    return connect(BASE + path, max_size=None, compression=None, open_timeout=20, close_timeout=10)


async def echo(path):
    async with client(path) as socket:
        for length in LENGTHS:
            text = ("é" * (length // 2) + "x" * (length % 2))
            for message in (text, bytes(index % 251 for index in range(length))):
                await socket.send(message)
                answer = await socket.recv()
                assert type(answer) is type(message), f"{length}: the type changed"
                assert answer == message, f"{length}: the content changed"


async def fragmented():
    async with client("/echo") as socket:
        async def pieces():
            yield "frag"
            await (await socket.ping(b"between"))
            yield "men"
            yield "ted"
        await socket.send(pieces())
        assert await socket.recv() == "fragmented"


async def pings():
    async with client("/echo") as socket:
        pongs = [await socket.ping(str(number)) for number in range(10)]
        await asyncio.wait_for(asyncio.gather(*pongs), 10)


async def pipelined():
    async with client("/echo") as socket:
        sent = [f"message {number}" for number in range(100)]
        for message in sent:
            await socket.send(message)
        assert [await socket.recv() for _ in sent] == sent


async def idle():
    async with client("/connect") as socket:
        await asyncio.wait_for(await socket.ping(), 10)


async def close_with_reason():
    socket = await client("/echo")
    await socket.close(4321, "¡adiós!")
    assert socket.protocol.close_rcvd.code == 4321, socket.protocol.close_rcvd


async def close_empty():
    async with client("/echo") as socket:
        # An empty Close frame, which the public method cannot send.
        socket.protocol.send_close()
        socket.transport.write(b"".join(socket.protocol.data_to_send()))
        try:
            await asyncio.wait_for(socket.recv(), 10)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 1005, closed


async def oversized():
    async with client("/echo") as socket:
        try:
            await socket.send(bytes((1 << 20) + 1))
            await asyncio.wait_for(socket.recv(), 20)
            raise AssertionError("it was echoed")
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 1009, closed


async def greeter():
    async with client("/connect") as socket:
        await socket.send("anything")
        assert await socket.recv() == "Hello!"


async def dialogue():
    async with client("/dialogue") as socket:
        for answer in ["", "Ana", "old", "33"]:
            question = await socket.recv()
            assert question, "an empty question"
            await socket.send(answer)
        assert await socket.recv() == "You're Ana, and you are 33 old."
        try:
            await socket.recv()
            raise AssertionError("it went on")
        except ConnectionClosed as closed:
            assert closed.rcvd.code == 1000, closed


async def ticker():
    async with client("/ticker") as socket:
        first = await asyncio.wait_for(socket.recv(), 10)
        start = time.monotonic()
        second = await asyncio.wait_for(socket.recv(), 10)
        assert " -> " in first and " -> " in second and first != second, (first, second)
        assert 0.2 < time.monotonic() - start < 5


async def productos():
    async with client("/ws/p1/productos") as one, client("/ws/p2/productos") as two:
        await one.send("create Té verde")
        created = await one.recv()
        assert created.startswith("created ") and created.endswith(" Té verde"), created
        number = created.split(" ")[1]
        await one.send(f"delete {number}")
        assert await one.recv() == f"deleted {number}"
        # What the second version hears first is its own.
        await two.send("create Agua")
        assert (await two.recv()).endswith(" Agua")


async def check(name, coroutine):
    try:
        await asyncio.wait_for(coroutine, 60)
    except BaseException as error:
        raise SystemExit(f"FAILED {name}: {error!r}") from error
    print("ok", name)


async def main():
    for path in ["/echo", "/echo/async", "/echo/blocking"]:
        await check(f"echo text and binary at every length form on {path}", echo(path))
    await check("fragmented message with a ping between its fragments", fragmented())
    await check("ten pings, ten pongs", pings())
    await check("a hundred messages in flight come back in order", pipelined())
    await check("an idle connection answers a ping", idle())
    await check("closing echoes the code", close_with_reason())
    await check("an empty close frame", close_empty())
    await check("oversized message gets 1009", oversized())
    await check("greeter answers Hello!", greeter())
    await check("dialogue asks again and closes with 1000", dialogue())
    await check("ticker ticks", ticker())
    await check("productos of one version only", productos())


asyncio.run(main())
