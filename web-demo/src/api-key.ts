const STORAGE_KEY = 'earshot-api-key';

/** The key for servers that ask for one; lives as long as the browser tab. */
export function apiKey(): string | undefined {
  return sessionStorage.getItem(STORAGE_KEY) ?? undefined;
}

export function keepApiKey(key: string): void {
  sessionStorage.setItem(STORAGE_KEY, key);
}
