/**
 * Where time goes between a packet and its words:
 * - `jitter`: a packet's arrival until the jitter buffer lets it out;
 * - `decode`: one Opus packet to PCM;
 * - `queue`: encoded bytes (sockets) or decoded audio (WebRTC) waiting for their lane;
 * - `detect`: one window through the speech detector;
 * - `engine`: a segment's end until its words are settled;
 * - `delivery`: an event's birth until its reader, having written it to the socket, asks for the next.
 */
export const STAGES = ['jitter', 'decode', 'queue', 'detect', 'engine', 'delivery'] as const;

export type Stage = (typeof STAGES)[number];

/** Told how long one item took in a stage, by a monotonic clock. Must be cheap: it is called for every packet. */
export type ObserveStage = (stage: Stage, durationMs: number) => void;
