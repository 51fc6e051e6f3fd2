import { z } from 'zod';
import { AUDIOPOD_BASE } from '../../../signaling/dialects/audiopod.ts';
import { audioPodTranscript, changesCount } from '../../../signaling/dialects/audiopod-jobs.ts';
import type { Transcript } from '../../core/session/transcribe.ts';
import { findJob, findTranscript } from '../audiopod-record.ts';
import { audioPodRoute } from '../audiopod-route.ts';
import type { Routes } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { editedTranscript, editSchema } from '../transcript-edit.ts';
import { parse } from '../validation.ts';

const MAX_EDIT_BYTES = 16 * 1024 * 1024;
/** Versions whose changes are counted; each has to be read for it. */
const MAX_COUNTED = 50;

const time = z.number();
const word = z.object({ word: z.string(), start: time, end: time, probability: z.number().optional(), confidence: z.number().optional() });
const segment = z.object({ id: z.number().int().optional(), start: time, end: time, text: z.string(), speaker_label: z.string().nullish(), words: z.array(word).nullish() });
const params = z.object({ id: z.string().max(20) });

const READ = audioPodRoute('scaiecho:transcribe', { summary: 'Read the segments to edit, as AudioPod does', params, response: { 200: z.looseObject({ version: z.number() }) } });
const SAVE = audioPodRoute('scaiecho:transcribe', {
  summary: 'Save edited segments as a new version, as AudioPod does',
  params,
  body: z.object({ segments: z.array(segment).max(20_000), edit_notes: z.string().max(10_000).nullish(), version: z.number().int().min(1).optional().describe('The version that was edited. Default: the newest.') }),
  response: { 200: z.looseObject({ version: z.number(), changes_count: z.number() }) },
  errors: ['SESSION_CONFLICT'],
});
const VERSIONS = audioPodRoute('scaiecho:transcribe', { summary: 'List the versions of a transcript, as AudioPod does', params, response: { 200: z.object({ versions: z.array(z.looseObject({ version: z.number() })) }) } });

/** Edits of transcripts. Version 1 is what was recognized. */
export function audioPodEditRoutes(app: Routes, services: HttpServices): void {
  const { jobs, transcripts, now } = services;

  app.get(`${AUDIOPOD_BASE}/jobs/:id/edit`, READ, async (request) => {
    const { number, version } = await findTranscript(services, request.caller.tenantId, request.params.id);
    return { ...audioPodTranscript(version.transcript, number), version: version.version, edit_notes: version.notes };
  });

  app.put(`${AUDIOPOD_BASE}/jobs/:id/edit`, { ...SAVE, bodyLimit: MAX_EDIT_BYTES }, async (request) => {
    const { tenantId } = request.caller;
    const { jobId, number, version } = await findTranscript(services, tenantId, request.params.id);
    const base = version.transcript;
    const edited = editedTranscript(base, nativeSegments(base, request.body.segments));
    const notes = request.body.edit_notes ?? null;
    const saved = await jobs.edit(request.caller, jobId, request.body.version ?? version.version, edited, notes ?? undefined);
    return { ...audioPodTranscript(edited, number), version: saved, edit_notes: notes, changes_count: changesCount(base, edited), updated_at: new Date(now()).toISOString() };
  });

  app.get(`${AUDIOPOD_BASE}/jobs/:id/versions`, VERSIONS, async (request) => {
    const { tenantId } = request.caller;
    const { job } = await findJob(services, tenantId, request.params.id);
    const versions = (await transcripts.versions(tenantId, job.id)).slice(-MAX_COUNTED);
    const told: object[] = [];
    let before: Transcript | undefined;
    for (const { version, createdAtMs, notes } of versions) {
      const { transcript } = (await transcripts.get(tenantId, job.id, version)) ?? {};
      told.push({ version, edit_notes: notes, updated_at: new Date(createdAtMs).toISOString(), changes_count: before && transcript ? changesCount(before, transcript) : 0 });
      before = transcript;
    }
    return { versions: told.reverse() };
  });
}

/** A segment is the one of its number before, if there is one: it keeps its lane, its id and its speaker. */
function nativeSegments(base: Transcript, segments: readonly z.output<typeof segment>[]): z.output<typeof editSchema>['segments'] {
  const native = segments.map(({ id, start, end, text, speaker_label: speaker, words }) => {
    const before = id === undefined ? undefined : base.utterances[id];
    return {
      ...(before && { segment_id: before.id, lane: before.laneIndex }),
      start,
      end,
      text,
      ...(typeof speaker === 'string' && speaker !== '' && { speaker }),
      ...(words && { words: words.map((each) => ({ text: each.word, start: each.start, end: each.end, ...confidenceOf(each) })) }),
    };
  });
  return parse(editSchema.shape.segments, native);
}

function confidenceOf({ probability, confidence = probability }: z.output<typeof word>): { readonly confidence?: number } {
  return confidence === undefined ? {} : { confidence };
}
