"""TCP proxies whose connections can be cut and stalled: one process for all of them, told what to do by lines.

    proxy.py NAME=LISTEN_PORT:TARGET_PORT...     on 127.0.0.1; says "ready"

    cut NAME SECONDS       resets every connection, and every new one for so long
    stall NAME SECONDS     passes nothing on for so long; connections stay

Each line is answered with "ok" at once. Ends with its input.
"""

import asyncio
import contextlib
import sys

CHUNK = 1 << 18


class Proxy:
    def __init__(self, target):
        self._target = target
        self._open = set()
        self._cut = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def serve(self, port):
        await asyncio.start_server(self._on_client, "127.0.0.1", port)

    async def _on_client(self, reader, writer):
        if self._cut:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer.transport, there_writer.transport)
        self._open.add(pair)
        try:
            # Cancelled when the process ends.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self._pass_on(reader, there_writer), self._pass_on(there_reader, writer))
        finally:
            self._open.discard(pair)
            for transport in pair:
                transport.abort()

    async def _pass_on(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        # One side is gone: so is the other.
        writer.transport.abort()

    async def cut(self, seconds):
        self._cut = True
        for pair in list(self._open):
            for transport in pair:
                transport.abort()
        await asyncio.sleep(seconds)
        self._cut = False

    async def stall(self, seconds):
        self._flowing.clear()
        await asyncio.sleep(seconds)
        self._flowing.set()


async def main():
    proxies = {}
    for argument in sys.argv[1:]:
        name, _, ports = argument.partition("=")
        listen, _, target = ports.partition(":")
        proxies[name] = Proxy(int(target))
        await proxies[name].serve(int(listen))
    print("ready", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    under_way = set()
    while line := await lines.readline():
        verb, name, seconds = line.decode().split()
        what = {"cut": proxies[name].cut, "stall": proxies[name].stall}[verb]
        task = asyncio.create_task(what(float(seconds)))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
