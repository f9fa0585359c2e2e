"""Stays connected until the server closes, and prints the code."""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def main():
    async with connect(sys.argv[1]) as socket:
        await socket.send("here")
        assert await socket.recv() == "here"
        print("open")
        try:
            await socket.recv()
        except ConnectionClosed as closed:
            print("closed", closed.rcvd.code if closed.rcvd else None)


asyncio.run(asyncio.wait_for(main(), 60))
