import type { RemoteChannel } from '../src/core/media-engine.ts';
import type { Session } from '../src/core/session/session.ts';
import type { Conversation } from './dialects/dialect.ts';
import { serveControl } from './gateway.ts';
import { channelConnection } from './transports/data-channel.ts';

/** Label of the data channel on which a peer reads the text of its session. */
const TRANSCRIPT_CHANNEL = 'transcript';

/** Tells the channel of the session, from its beginning to its end, if it is the one for that. Others are left alone. */
export function serveTranscript(channel: RemoteChannel, conversation: Conversation, session: Session): void {
  if (channel.label === TRANSCRIPT_CHANNEL) void serveControl(channelConnection(channel), conversation, session, 0);
}
