"""A receiver for e2e/bench/ingest.ts: aiortc takes WebRTC audio, decodes it and resamples it to 16 kHz. Started by foreign-receivers.ts."""
import asyncio
import json
import os
import socket

import aioice.ice
import av
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

# It leaves loopback out.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]

channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
peers = []
counts = {"packets": 0, "samples": 0}
tasks = set()


def reply(message):
    channel.setblocking(True)
    channel.sendall(json.dumps(message).encode() + b"\n")
    channel.setblocking(False)


async def listen(track):
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
    try:
        while True:
            frame = await track.recv()
            # Every packet is 20 ms, and is one frame.
            counts["packets"] += 1
            counts["samples"] += sum(part.samples for part in resampler.resample(frame))
    except MediaStreamError:
        pass


async def answer(given):
    peer = RTCPeerConnection()
    peers.append(peer)
    peer.on("track", lambda track: start(listen(track)))
    await peer.setRemoteDescription(RTCSessionDescription(given["sdp"], "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    reply({"kind": "answer", "id": given["id"], "sdp": peer.localDescription.sdp})


def start(work):
    task = asyncio.ensure_future(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def run(given):
    try:
        if given["kind"] == "offer":
            await answer(given)
        elif given["kind"] == "start":
            counts.update(packets=0, samples=0)
            reply({"kind": "started"})
        elif given["kind"] == "stop":
            reply({"kind": "stopped", **counts, "loopP99Ms": 0})
    except Exception as error:
        reply({"kind": "failed", "reason": repr(error)})


async def main():
    channel.setblocking(False)
    loop = asyncio.get_running_loop()
    reply({"kind": "ready"})
    text = b""
    while True:
        data = await loop.sock_recv(channel, 65536)
        if not data:
            return
        *lines, text = (text + data).split(b"\n")
        for line in lines:
            start(run(json.loads(line)))


asyncio.run(main())
