"""Publishes a WAV file (16 kHz, 16 bit, mono) by WHIP with GStreamer's webrtcbin, in real time, behind silence until the connection stands: gstreamer_whip.py ENDPOINT KEY FILE. Prints one line of JSON for each answer of the server."""
import json
import sys
import time
import urllib.request
import wave
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

endpoint, key, recording = sys.argv[1:]
Gst.init(None)
pipeline = Gst.parse_launch(
    "appsrc name=voice is-live=true format=time caps=audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved"
    " ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=96"
    " ! application/x-rtp,media=audio,encoding-name=OPUS,payload=96 ! webrtcbin name=peer bundle-policy=max-bundle"
)
peer = pipeline.get_by_name("peer")
loop = GLib.MainLoop()
resource = None
with wave.open(recording) as file:
    speech = file.readframes(file.getnframes())
FRAME_BYTES = 640
FRAME_NS = 20_000_000
started = time.monotonic_ns()
pushed = 0


def ask(method, url, body=None):
    headers = {"Authorization": f"Bearer {key}", **({"Content-Type": "application/sdp"} if body else {})}
    request = urllib.request.Request(url, method=method, data=body and body.encode(), headers=headers)
    with urllib.request.urlopen(request) as response:
        print(json.dumps({"method": method, "status": response.status, "link": ", ".join(response.headers.get_all("Link", []))}), flush=True)
        return urljoin(url, response.headers.get("Location", "")), response.read().decode()


def publish():
    global resource
    resource, sdp = ask("POST", endpoint, peer.get_property("local-description").sdp.as_text())
    _, message = GstSdp.SDPMessage.new_from_text(sdp)
    answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
    peer.emit("set-remote-description", answer, Gst.Promise.new())


def negotiate(_peer):
    peer.emit("get-transceiver", 0).set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)

    def offered(promise, *_):
        promise.wait()
        # What is in the reply lives as long as the reply.
        reply = promise.get_reply()
        peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    peer.emit("create-offer", None, Gst.Promise.new_with_change_func(offered, None, None))


def gathered(_peer, _property):
    if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        GLib.idle_add(publish)


def speak():
    global pushed, speech
    while pushed * FRAME_NS < time.monotonic_ns() - started:
        frame = bytes(FRAME_BYTES)
        if peer.get_property("connection-state") == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            frame, speech = speech[:FRAME_BYTES], speech[FRAME_BYTES:]
        if not frame:
            # What is still in the encoder is on its way.
            GLib.timeout_add(500, loop.quit)
            return False
        buffer = Gst.Buffer.new_wrapped(frame)
        buffer.pts, buffer.duration = pushed * FRAME_NS, FRAME_NS
        pipeline.get_by_name("voice").emit("push-buffer", buffer)
        pushed += 1
    return True


def failed(_bus, message):
    print(message.parse_error(), file=sys.stderr)
    loop.quit()


peer.connect("on-negotiation-needed", negotiate)
peer.connect("notify::ice-gathering-state", gathered)
bus = pipeline.get_bus()
bus.add_signal_watch()
bus.connect("message::error", failed)
GLib.timeout_add(10, speak)
pipeline.set_state(Gst.State.PLAYING)
loop.run()
if resource:
    ask("DELETE", resource)
pipeline.set_state(Gst.State.NULL)
