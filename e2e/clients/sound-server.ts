import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../eventually.ts';

const execute = promisify(execFile);

/** PulseAudio with a loudspeaker that nobody hears and a microphone that hears what is played to it: what a machine without sound has to offer a program that insists on it. */
export class SoundServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: string;

  static get isInstalled(): boolean {
    return ['pulseaudio', 'paplay', 'pactl'].every((command) => (process.env['PATH'] ?? '').split(path.delimiter).some((folder) => existsSync(path.join(folder, command))));
  }

  static async start(): Promise<SoundServer> {
    const folder = await mkdtemp(path.join(tmpdir(), 'earshot-sound-'));
    const modules = [
      `module-native-protocol-unix auth-anonymous=1 socket=${folder}/socket`,
      'module-null-sink sink_name=loudspeaker',
      'module-null-sink sink_name=mouth rate=48000',
      'module-remap-source source_name=microphone master=mouth.monitor',
    ];
    const args = ['-n', '--daemonize=no', '--exit-idle-time=-1', '--use-pid-file=no', '--disallow-exit', ...modules.flatMap((module) => ['-L', module])];
    const child = spawn('pulseaudio', args, { stdio: 'ignore', env: { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder } });
    const server = new SoundServer(child, folder);
    await eventually('the sound server has its microphone', async () => {
      const { stdout } = await execute('pactl', ['list', 'short', 'sources'], { env: { ...process.env, ...server.env } }).catch(() => ({ stdout: '' }));
      return stdout.includes('microphone');
    });
    return server;
  }

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
  }

  /** What leads programs to this server. */
  get env(): Readonly<Record<string, string>> {
    return { PULSE_SERVER: `unix:${this.#folder}/socket` };
  }

  /** Resolves when all of a WAV file has been said into the microphone. */
  async say(recording: string): Promise<void> {
    await execute('paplay', ['--device=mouth', recording], { env: { ...process.env, ...this.env } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGKILL');
    await ended;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
