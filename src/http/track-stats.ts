import { z } from 'zod';

const count = (description: string) => z.number().int().describe(description);

const trackStatsSchema = z
  .object({
    packetsReceived: count('All but duplicates, late ones included.'),
    packetsLost: count('Did not come in time, or were corrupt; those recovered by FEC and RED included.'),
    packetsLate: count('Came when their place was already filled, or were more audio than time had passed for.'),
    packetsRecovered: count('By FEC, RED and retransmission together.'),
    recoveredByFec: count('Out of the low-rate copy in the packet behind.'),
    recoveredByRed: count('Out of the whole copy in a packet behind.'),
    recoveredByRetransmission: count('Asked for, and sent again in time.'),
    packetsReordered: count('Came out of order, and were waited for.'),
    retransmissionsAsked: count('Packets asked for again, each time counted.'),
    concealedSamples: count('Audio made up for packets that did not come, at 16 kHz.'),
    gapSamples: count('Time without audio, at 16 kHz.'),
    jitterMs: z.number().describe('Interarrival jitter (RFC 3550).'),
    targetDelayMs: z.number().describe('How long a missing packet is waited for now.'),
    bufferMs: z.number().describe('How long the packet that is held back longest has waited for a missing one.'),
    driftPpm: z.number().nullable().describe('How much faster than the server’s the sender’s audio clock runs; null until it is known.'),
    driftCorrectionSamples: count('Added to the lane (positive) or taken out of it for the drift, at 16 kHz.'),
    senderReports: count('What the sender said of its clocks (RTCP), by which lanes of several senders are put in order.'),
    roundTripMs: z.number().nullable().describe('Null until it is known.'),
  })
  .describe('Counted since the track began; what is in ms is as it is now.');

/** What was counted of a connection's tracks. */
export const tracksSchema = z.object({ tracks: z.record(z.string(), trackStatsSchema).describe('By the mid of the media section.') });
