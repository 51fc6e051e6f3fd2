import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** A receiver that is not ours, for comparison. It speaks the messages of the benchmark over Node's channel between processes. */
export interface ForeignReceiver {
  /** Debian packages that it needs. */
  readonly packages: string;
  /** More streams than this it cannot take on one core. */
  readonly maxStreams: number;
  /** The only SRTP profile that it has. Default: any. */
  readonly profile?: 'cm';
  /** Rejects where it cannot be had. */
  readonly start: () => Promise<ChildProcess>;
}

const PROGRAMS = path.join(import.meta.dirname, 'peers');
const BUILDS = path.resolve(import.meta.dirname, '../../.cache/bench');
/** Where Debian has the sources of Go libraries. */
const GO_LIBRARIES = '/usr/share/gocode';
/** Debian's own, which has Debian's packages; another Python may come first in the path. */
const PYTHON = '/usr/bin/python3';
const execute = promisify(execFile);
const spawned = (command: string, args: readonly string[]): ChildProcess => spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

export const FOREIGN: Readonly<Record<string, ForeignReceiver>> = {
  pion: {
    packages: 'golang-go golang-github-pion-webrtc.v3-dev libopus-dev gcc pkg-config',
    maxStreams: Infinity,
    start: async () => spawned(await buildPion(), []),
  },
  aiortc: {
    packages: 'python3-aiortc',
    maxStreams: 25,
    profile: 'cm',
    start: async () => {
      await execute(PYTHON, ['-c', 'import aiortc']);
      return spawned(PYTHON, [path.join(PROGRAMS, 'aiortc_receiver.py')]);
    },
  },
};

/** Resolves with the program. Go builds in a moment what it built before. */
async function buildPion(): Promise<string> {
  const folder = path.join(BUILDS, 'go/src/receiver');
  await mkdir(folder, { recursive: true });
  // With a module file, paths that end in a version lead to Debian's folders, which have none.
  await writeFile(path.join(folder, 'go.mod'), 'module receiver\n');
  await copyFile(path.join(PROGRAMS, 'pion.go'), path.join(folder, 'main.go'));
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: `${path.join(BUILDS, 'go')}:${GO_LIBRARIES}`, GOFLAGS: '', CGO_ENABLED: '1' };
  const program = path.join(BUILDS, 'pion');
  await execute('go', ['build', '-o', program, '.'], { cwd: folder, env });
  return program;
}
