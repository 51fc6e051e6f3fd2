/** One fenced block of code of a page. */
export interface Sample {
  /** What stands after the fence: `sh`, `python`, `js`. */
  readonly language: string;
  readonly code: string;
  /** The file that its first line, a comment, names. */
  readonly file: string | undefined;
}

export interface Section {
  readonly title: string;
  readonly samples: readonly Sample[];
}

const FENCED = /^```(\w+)\n([^]*?)^```$/gm;
const FILE_NAME = /^(?:#|\/\/) (\S+\.\w+)\n/;

/** The samples of a Markdown page by `##` headings; those before the first heading have the title ''. */
export function samplesOf(page: string): Section[] {
  const [introduction = '', ...parts] = page.split(/^## /m);
  const sections = parts.map((part) => ({ title: part.slice(0, part.indexOf('\n')), samples: fenced(part) }));
  return [{ title: '', samples: fenced(introduction) }, ...sections];
}

function fenced(markdown: string): Sample[] {
  return [...markdown.matchAll(FENCED)].map(([, language = '', code = '']) => ({ language, code, file: FILE_NAME.exec(code)?.[1] }));
}
