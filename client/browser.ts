/** The client with what only browsers have: the microphone, WebRTC, and live captions that go from one way to another. */
export { Earshot, LiveStream, Problem, Server } from './index.ts';
export type { ClientProblemCode, Delta, Job, LiveStreamEvents, LiveStreamOptions, Ready, ServerOptions, TranscribeOptions, Transcript, WatchOptions, WireWord } from './index.ts';
export { LiveSession, type LiveEvents, type LiveOptions, type LiveStats, type LiveStatus, type TrackCapture, type Transport } from './browser/live-session.ts';
export type { LaneStats } from './browser/lane-stats.ts';
export { listMicrophones, Microphone, type MicrophoneOptions } from './browser/microphone.ts';
