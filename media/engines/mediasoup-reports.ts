import type { types } from 'mediasoup';
import type { SenderReport } from '../rtp/rtcp-reader.ts';
import { ntpToMs } from '../rtp/rtcp-reader.ts';
import type { EngineFigures } from '../rtp/rtp-source.ts';

export interface ReportHandlers {
  senderReport(report: Pick<SenderReport, 'timestamp' | 'ntpMs'>): void;
  figures(figures: EngineFigures): void;
}

/**
 * Follows what the sender of a producer reports (RTCP stays in the worker): its clocks with each sender report, and what the worker has
 * counted and measured by then. Senders of audio report every few seconds. Rejects if the worker cannot.
 */
export async function followReports(producer: types.Producer, handlers: ReportHandlers): Promise<void> {
  let [asked, recovered] = [0, 0];
  const look = async (): Promise<void> => {
    const [stats] = await producer.getStats();
    if (!stats) return;
    const { roundTripTime, nackPacketCount, packetsRepaired } = stats;
    handlers.figures({
      // Zero where the sender has echoed nothing yet.
      ...(roundTripTime !== undefined && roundTripTime > 0 && { roundTripMs: roundTripTime }),
      retransmissionsAsked: nackPacketCount - asked,
      recoveredByRetransmission: packetsRepaired - recovered,
    });
    [asked, recovered] = [nackPacketCount, packetsRepaired];
  };
  producer.on('trace', ({ type, info }) => {
    if (type !== 'sr') return;
    const { ntpSec, ntpFrac, rtpTs } = info as { readonly ntpSec: number; readonly ntpFrac: number; readonly rtpTs: number };
    handlers.senderReport({ timestamp: rtpTs, ntpMs: ntpToMs(ntpSec, ntpFrac) });
    // It fails where the producer has gone meanwhile.
    look().catch(() => undefined);
  });
  await producer.enableTraceEvent(['sr']);
}
