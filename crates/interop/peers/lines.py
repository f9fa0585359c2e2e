"""The line to the tests: one call a line on standard input, one answer a line on standard output.

A call is an object whose `op` names a method of the end; its other members are the arguments.
A message is {"text": BASE64} or {"binary": BASE64}; an end is {"closed": [CODE, REASON]}.
"""

import asyncio
import base64
import json
import sys

WITHIN = 20


def decoded(message):
    """Text or binary, and the payload's bytes."""
    (kind, payload), = message.items()
    return kind == "text", base64.b64decode(payload)


def encoded(message):
    text = isinstance(message, str)
    payload = base64.b64encode(message.encode() if text else bytes(message)).decode()
    return {"text" if text else "binary": payload}


async def answer(end, call):
    method = getattr(end, call.pop("op"))
    try:
        return await asyncio.wait_for(method(**call), WITHIN)
    except Exception as error:  # Whatever it is, the test wants to say it.
        return {"fault": f"{type(error).__name__}: {error}"}


async def serve(end):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print("=>", json.dumps(await answer(end, json.loads(line)) or {}), flush=True)
