import { z } from 'zod';
import { tool } from '../tool.ts';
import { pageFields, pageOf } from './jobs.ts';

export const listSpeakersTool = tool({
  name: 'list_speakers',
  title: 'List enrolled speakers',
  description: 'Lists the speakers whose voices are known by name in diarized transcripts.',
  permission: 'scaiecho:enroll',
  isReadOnly: true,
  input: z.object(pageFields),
  run: async (page, { services, caller }) => {
    const found = await services.enrolment.list(caller.tenantId, pageOf(page));
    const speakers = found.items.map(({ id, displayName, languagePrimary, status, expiresAtMs }) => ({
      speaker_id: id,
      display_name: displayName,
      language_primary: languagePrimary,
      status,
      expires_at: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
    }));
    return { data: { speakers, next: found.next ?? null } };
  },
});
