// A receiver for e2e/bench/ingest.ts: pion takes WebRTC audio, libopus decodes it to 16 kHz. Built and started by foreign-receivers.ts.
package main

/*
#cgo pkg-config: opus
#include <opus.h>
*/
import "C"

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/pion/webrtc/v3"
)

const (
	sampleRateHz = 16000
	// The longest packet of Opus is 120 ms.
	maxSamples = sampleRateHz * 120 / 1000
)

type command struct {
	Kind string `json:"kind"`
	ID   int    `json:"id"`
	SDP  string `json:"sdp"`
}

var (
	packets, samples int64
	out              *os.File
	outLock          sync.Mutex
	peers            []*webrtc.PeerConnection
)

// Node's channel between processes: a line of JSON for each message, on the file descriptor of this name.
func main() {
	fd, err := strconv.Atoi(os.Getenv("NODE_CHANNEL_FD"))
	if err != nil {
		panic("This is started by the benchmark.")
	}
	out = os.NewFile(uintptr(fd), "channel")
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.Equal(net.IPv4(127, 0, 0, 1)) })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	codecs := &webrtc.MediaEngine{}
	must(codecs.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2},
		PayloadType:        111,
	}, webrtc.RTPCodecTypeAudio))
	// Without interceptors: nothing but receiving is measured.
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(codecs))
	reply(map[string]any{"kind": "ready"})
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var given command
		if json.Unmarshal(lines.Bytes(), &given) != nil {
			continue
		}
		switch given.Kind {
		case "offer":
			go answer(api, given)
		case "start":
			atomic.StoreInt64(&packets, 0)
			atomic.StoreInt64(&samples, 0)
			reply(map[string]any{"kind": "started"})
		case "stop":
			reply(map[string]any{"kind": "stopped", "packets": atomic.LoadInt64(&packets), "samples": atomic.LoadInt64(&samples), "loopP99Ms": 0})
		}
	}
}

func answer(api *webrtc.API, given command) {
	defer func() {
		if failure := recover(); failure != nil {
			reply(map[string]any{"kind": "failed", "reason": fmt.Sprint(failure)})
		}
	}()
	peer, err := api.NewPeerConnection(webrtc.Configuration{})
	must(err)
	peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { listen(track) })
	must(peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: given.SDP}))
	description, err := peer.CreateAnswer(nil)
	must(err)
	gathered := webrtc.GatheringCompletePromise(peer)
	must(peer.SetLocalDescription(description))
	<-gathered
	outLock.Lock()
	peers = append(peers, peer)
	outLock.Unlock()
	reply(map[string]any{"kind": "answer", "id": given.ID, "sdp": peer.LocalDescription().SDP})
}

func listen(track *webrtc.TrackRemote) {
	var failed C.int
	decoder := C.opus_decoder_create(sampleRateHz, 1, &failed)
	defer C.opus_decoder_destroy(decoder)
	pcm := make([]int16, maxSamples)
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if len(packet.Payload) == 0 {
			continue
		}
		heard := C.opus_decode(decoder, (*C.uchar)(unsafe.Pointer(&packet.Payload[0])), C.opus_int32(len(packet.Payload)), (*C.opus_int16)(unsafe.Pointer(&pcm[0])), maxSamples, 0)
		atomic.AddInt64(&packets, 1)
		atomic.AddInt64(&samples, int64(heard))
	}
}

func reply(message map[string]any) {
	line, err := json.Marshal(message)
	must(err)
	outLock.Lock()
	defer outLock.Unlock()
	_, err = out.Write(append(line, '\n'))
	must(err)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
